//! The validated policy: every default filled in, every value in range.
//!
//! These types are what the engine and the checks read. They are made by [`super::parse`] (from YAML) or read
//! back from a rollout's state, where the policy a rollout started with is kept whole ([`crate::state`]).

mod check;
mod outcome;
mod query;
mod scrape;
mod strategy;

pub use check::*;
pub use outcome::*;
pub use query::*;
pub use scrape::*;
pub use strategy::*;

use serde::{Deserialize, Serialize};

use crate::window::Window;

/// How a rollout of one workload is done, under one name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Policy {
    /// The name that the annotation `siskin.dev/policy` refers to.
    pub name: String,
    /// Whether it decides, or only says what it would have decided.
    #[serde(default)]
    pub mode: Mode,
    /// Which pods get the canary revision, and when.
    pub strategy: Strategy,
    /// When rollouts may start and steps may open; none: at any time.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub windows: Vec<Window>,
    /// Limits that hold for every strategy.
    pub bounds: Bounds,
    /// The check that is always on.
    pub readiness: Readiness,
    /// The checks of the policy, in the order of the file; names are unique.
    pub checks: Vec<Check>,
    /// What follows from a verdict.
    pub outcome: Outcome,
    /// Who is told what.
    pub notify: Vec<Notify>,
    /// Whether pods carry the label `siskin.dev/role` during a rollout. Default false.
    #[serde(default)]
    pub pod_labels: bool,
}

/// Whether a check decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Mode {
    /// Its verdict counts.
    #[default]
    Enforce,
    /// Evaluated and reported only.
    Observe,
}

impl Policy {
    /// Whether any check needs samples of stable pods.
    pub fn probes_stable(&self) -> bool {
        self.checks.iter().any(
            |check| matches!(&check.signal, Signal::Pods(Probe::Scrape(scrape)) if scrape.compare.is_some()),
        )
    }

    /// The checks that ask a source, in the order of the file.
    pub fn queries(&self) -> impl Iterator<Item = (&Check, &Query)> {
        self.checks.iter().filter_map(|check| match &check.signal {
            Signal::Pods(_) => None,
            Signal::Source(query) => Some((check, query)),
        })
    }
}
