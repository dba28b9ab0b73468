//! What came of a scenario, in a form in which two runs of it can be compared: one on real Kubernetes, one on the
//! embedded cluster.
//!
//! Of what the observer saw, times and names that a cluster draws (hashes, UIDs, namespaces) are left out. A revision is
//! called by the version of its pods; a second one of the same version gets a stroke (`v2'`). The interleaving of
//! different things is left out as well: what is kept is one sequence for each field of a StatefulSet and for each
//! ordinal of its pods, so it doesn't matter whether pod 2 or pod 3 went first, but it does which revisions each had.
//! Readiness, restarts and phases pass at their own pace and are not kept; what hangs on them shows in the rest.

mod compare;
mod folder;
mod record;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use compare::compare;
pub use folder::{Error, read, write};

/// What came of one run of a scenario.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Outcome {
    /// Its name.
    pub scenario: String,
    /// Whether it ended as it should.
    pub passed: bool,
    /// What happened to the `StatefulSets` of each of its namespaces, by name.
    pub places: Vec<BTreeMap<String, Course>>,
}

/// What happened to one StatefulSet.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Course {
    /// Each partition that it had, in order.
    pub partitions: Vec<String>,
    /// The same of its replicas.
    pub replicas: Vec<String>,
    /// The revision that each of its rollouts tried, and how it ended.
    pub rollouts: Vec<String>,
    /// The revisions of the pods that each ordinal had, one after the other.
    pub pods: BTreeMap<u32, Vec<String>>,
    /// How many claims each ordinal had, one after the other.
    pub claims: BTreeMap<u32, usize>,
}
