//! Checks: what to probe is data, samples come back, rules turn them into verdicts.
//!
//! Until a pod was Ready once only `readiness` judges it. `http` judges each canary pod, `scrape` limits judge the
//! sum over canary pods, and stable pods are sampled for `compare` only. A source is asked about all canary pods at
//! once, and each value of its answer is judged. No data is neither a pass nor a failure.

mod compare;
mod finding;
mod http;
mod increments;
mod limit;
mod plan;
mod pods;
mod query;
mod readiness;
mod rollout;
mod scrape;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

pub use plan::plan;
pub use query::{Names, PlannedQuery};
pub use rollout::{Checks, READINESS};
use serde::{Deserialize, Serialize};

use crate::{
    facts::Uid,
    policy::{Endpoint, Measure, Probe},
    time::Instant,
};

/// What the probe loop is to ask. Equal plans mean the loop goes on as it is.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ProbePlan {
    /// Each canary target is asked by each probe, stable ones by those that say so.
    pub targets: Vec<Target>,
    /// The probes, at most one per check.
    pub probes: Vec<PlannedProbe>,
}

/// One pod to ask.
#[derive(Clone, Debug, PartialEq)]
pub struct Target {
    /// The pod.
    pub pod: Uid,
    /// Its name, for people.
    pub name: String,
    /// Its role; stable pods are asked only by probes that compare.
    pub role: Role,
    /// Where it answers; `None`: not yet known.
    pub ip: Option<String>,
    /// It shares its node's network.
    pub host_network: bool,
    /// Container ports by name.
    pub ports: BTreeMap<String, u16>,
    /// Restarts of its containers so far: counters of another count are another series.
    pub restarts: u32,
}

/// The side a pod is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// It runs the revision being judged.
    Canary,
    /// It runs the stable revision.
    Stable,
}

impl Role {
    /// The value of the label `siskin.dev/role`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Canary => "canary",
            Self::Stable => "stable",
        }
    }
}

/// One check's probe.
#[derive(Clone, Debug, PartialEq)]
pub struct PlannedProbe {
    /// The check's name.
    pub check: String,
    /// The interval.
    pub every: Duration,
    /// Time for a connection.
    pub connect_timeout: Duration,
    /// Time for everything.
    pub timeout: Duration,
    /// What to ask.
    pub probe: Probe,
    /// Ask stable pods too.
    pub stable_too: bool,
}

impl PlannedProbe {
    /// Where on the pod.
    pub fn endpoint(&self) -> &Endpoint {
        self.probe.endpoint()
    }

    /// What is counted, if it is a scrape.
    pub fn measure(&self) -> Option<&Measure> {
        match &self.probe {
            Probe::Http(_) => None,
            Probe::Scrape(scrape) => Some(&scrape.measure),
        }
    }
}

/// One answer to one probe.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// The check's name.
    pub check: String,
    /// Who was asked.
    pub origin: Origin,
    /// When the probe ended.
    pub at: Instant,
    /// What came back.
    pub reading: Reading,
}

/// Whose answer a [`Sample`] is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A pod's own.
    Pod {
        /// The pod.
        pod: Uid,
        /// The restart count the target had when it was asked.
        restarts: u32,
    },
    /// A source's.
    Source {
        /// The canary pods that it was asked about.
        about: BTreeSet<Uid>,
    },
}

/// What came back.
#[derive(Clone, Debug, PartialEq)]
pub enum Reading {
    /// An HTTP probe's answer fits.
    Healthy,
    /// An HTTP probe's answer doesn't fit, or there was none (refused, timed out).
    Unhealthy(String),
    /// Cumulative counts of a scrape.
    Counts(Scraped),
    /// The values that a source answered with; none is an answer too.
    Values(Vec<Value>),
    /// An answer that can't be used, or none; the reason is for people. The next one may be better.
    Unusable(String),
    /// The question itself is refused: asking again leads to the same. The reason is for people.
    Refused(String),
}

/// One value of a source's answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Value {
    /// What it is the value of, for people; empty if there is nothing to tell it from others.
    pub of: String,
    /// The value; NaN and infinities as they came.
    pub value: f64,
}

/// What a metrics page says.
#[derive(Clone, Debug, PartialEq)]
pub struct Scraped {
    /// Its counts.
    pub counts: Counts,
    /// Since when they count, if each series that was counted says so.
    pub begun: Option<Begun>,
}

/// When the first and the last of the counted series began at zero, in seconds of the pod's clock (`_created` of
/// OpenMetrics). A new label value begins a series late; a process that starts again begins all of them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Begun {
    /// The first.
    pub oldest: f64,
    /// The last.
    pub newest: f64,
}

impl Begun {
    /// Of all series of both.
    pub fn both(one: Option<Self>, other: Self) -> Self {
        let one = one.unwrap_or(other);
        Self { oldest: one.oldest.min(other.oldest), newest: one.newest.max(other.newest) }
    }
}

impl From<Counts> for Scraped {
    fn from(counts: Counts) -> Self {
        Self { counts, begun: None }
    }
}

/// Cumulative counts since the start of the process that was asked, as [`crate::exposition::Scraper`] reads them.
#[derive(Clone, Debug, PartialEq)]
pub enum Counts {
    /// Bad of total.
    Ratio {
        /// Bad events; zero if `total` has series and `bad` has none.
        bad: u64,
        /// All events.
        total: u64,
    },
    /// Cumulative classic buckets: (upper edge, events at or below it), rising, the last edge is +Inf.
    Histogram {
        /// The buckets.
        buckets: Vec<(f64, u64)>,
    },
}

/// What a check says now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// The rule holds on enough evidence.
    Pass,
    /// The rule is broken.
    Fail,
    /// Not enough evidence yet.
    Undecided,
    /// Nothing usable comes in.
    NoData,
}

/// One check's verdict with its evidence.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// The check's name; `readiness` for the one that is always on.
    pub check: String,
    /// The verdict counts (`mode: Enforce`).
    pub enforced: bool,
    /// What it says.
    pub outcome: Outcome,
    /// Why, as one sentence with figures: `pod db-4: 12 of 60 requests failed (20.0%), limit 5%`.
    pub evidence: String,
}

impl Verdict {
    /// The readiness check counts and failed.
    pub fn is_failed_readiness(&self) -> bool {
        self.enforced && self.check == READINESS && self.outcome == Outcome::Fail
    }
}

/// All verdicts of one moment, `readiness` first, then in the policy's order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Verdicts(pub Vec<Verdict>);
