//! What stands against looking after a workload: from what was seen of it to findings, nothing else.

mod daemon;
mod neighbours;
mod policy;
mod workload;

use std::fmt;

use siskin_core::{
    configuration::Configuration,
    facts::{Pod, Workload},
    policy::{Mode, Placement, Policy, Strategy, Surge},
};

use super::manifest::Applied;
use crate::cli::daemon::{Daemon, Named, rights::MissingRight};

/// What was seen of a workload, its policy, its neighbours and the daemon.
#[derive(Clone, Debug)]
pub struct Surroundings {
    /// The StatefulSet.
    pub workload: Workload,
    /// Its pods.
    pub pods: Vec<Pod>,
    /// The policy that it is to have.
    pub policy: Named,
    /// The partition that its manifest holds.
    pub applied_partition: Option<Applied>,
    /// The replicas that its manifest holds.
    pub applied_replicas: Option<Applied>,
    /// A container has a readiness probe.
    pub readiness_probe: bool,
    /// A container has a `preStop` hook.
    pub pre_stop: bool,
    /// Autoscalers that target it.
    pub autoscalers: Seen<Vec<String>>,
    /// Budgets over its pods that allow no disruption now.
    pub blocking_budgets: Seen<Vec<String>>,
    /// Services with an address of their own that select its pods.
    pub services: Seen<Vec<Service>>,
    /// The daemon that looks after it, if there is one.
    pub daemon: Seen<Option<Daemon>>,
    /// How that is configured, if it is known.
    pub configuration: Option<Configuration>,
    /// What that may not do, of what it needs.
    pub missing_rights: Seen<Vec<MissingRight>>,
    /// Admission policies park its templates although the policy only observes.
    pub parked_by_others: Seen<bool>,
}

impl Surroundings {
    /// Whether the policy only observes.
    pub fn observes(&self) -> bool {
        self.policy.loaded().is_some_and(|policy| policy.mode == Mode::Observe)
    }

    /// The extra pods of its policy, if it has any.
    fn surge(&self) -> Option<&Surge> {
        self.policy.loaded().and_then(surge)
    }
}

/// Something that could be looked at, or why not.
pub type Seen<T> = Result<T, String>;

/// A Service, as far as it matters.
#[derive(Clone, Debug)]
pub struct Service {
    /// Its name.
    pub name: String,
    /// `publishNotReadyAddresses`.
    pub publishes_not_ready: bool,
}

/// How much a finding weighs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// No rollout would start, or nothing is left to do.
    Stops,
    /// It works, but not as people expect.
    Warns,
    /// Good to know.
    Tells,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Stops => "STOPS",
            Self::Warns => "WARNS",
            Self::Tells => "TELLS",
        })
    }
}

/// One thing that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// How much it weighs.
    pub severity: Severity,
    /// What is so.
    pub what: String,
    /// What follows from it.
    pub why: String,
    /// How to mend it.
    pub mend: String,
}

/// Everything that stands against it, the gravest first.
pub fn findings(seen: &Surroundings) -> Vec<Finding> {
    let mut enforcing = Findings::default();
    enforcing.of_the_workload(seen);
    enforcing.of_the_revisions(seen);
    enforcing.of_the_neighbours(seen);
    enforcing.of_extra_pods(seen);
    let mut found = Findings::default();
    found.of_the_pods(seen);
    found.of_the_policy(seen);
    found.of_the_daemon(seen);
    if seen.observes() {
        found.of_observing(seen);
        enforcing.0.iter_mut().for_each(Finding::count_later);
    }
    found.0.extend(enforcing.0);
    found.0.sort_by_key(|finding| finding.severity);
    found.0
}

impl Finding {
    /// It counts when the policy enforces.
    fn count_later(&mut self) {
        self.severity = Severity::Tells;
        self.why = format!("not while the policy only observes; when it enforces: {}", self.why);
    }
}

#[derive(Default)]
struct Findings(Vec<Finding>);

impl Findings {
    fn add(&mut self, severity: Severity, what: impl Into<String>, why: &str, mend: impl Into<String>) {
        self.0.push(Finding { severity, what: what.into(), why: why.to_owned(), mend: mend.into() });
    }

    fn stops(&mut self, what: impl Into<String>, why: &str, mend: impl Into<String>) {
        self.add(Severity::Stops, what, why, mend);
    }

    fn warns(&mut self, what: impl Into<String>, why: &str, mend: impl Into<String>) {
        self.add(Severity::Warns, what, why, mend);
    }

    fn tells(&mut self, what: impl Into<String>, why: &str, mend: impl Into<String>) {
        self.add(Severity::Tells, what, why, mend);
    }

    /// What couldn't be looked at is worth a line; else the value.
    fn seen<'a, T>(&mut self, seen: &'a Seen<T>, what: &str) -> Option<&'a T> {
        match seen {
            Ok(value) => Some(value),
            Err(why) => {
                self.tells(
                    format!("{what} could not be looked at"),
                    why,
                    "look yourself, or run this with more rights",
                );
                None
            }
        }
    }
}

/// The extra pods of a policy, if it has any.
fn surge(policy: &Policy) -> Option<&Surge> {
    match &policy.strategy {
        Strategy::Canary(canary) => match &canary.placement {
            Placement::Surge(surge) => Some(surge),
            Placement::InPlace => None,
        },
        Strategy::RollingUpdate(_) => None,
    }
}

#[cfg(test)]
mod tests;
