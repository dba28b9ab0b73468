//! What the engine remembers only as long as the process lives.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use serde_json::Value;

use super::{Outbox, Rollout};
use crate::{
    facts::{Revision, Uid},
    time::Instant,
};

/// What the engine remembers only as long as the process lives.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Memory {
    /// The last step's time; observed time is measured between two steps.
    pub tick: Option<Instant>,
    /// The pods of the open rollout were looked at since the state was read.
    pub pods_known: bool,
    /// Canary pods seen so far in this rollout.
    pub seen: BTreeSet<Uid>,
    /// Canary pods that were Ready once.
    pub seen_ready: BTreeSet<Uid>,
    /// Deletes that were sent and when; the watch may show them late.
    pub deleted: BTreeMap<Uid, Instant>,
    /// [`Rollout::spent_ms`] as the durable state knows it.
    pub saved_ms: u64,
    /// The resourceVersion of the workload at rest whose pods were looked at and are all on stable.
    pub pods_fit: Option<String>,
    /// Standing problems that were told already.
    pub told: BTreeSet<String>,
    /// `spec.template` while it was known to be the canary's; another one means somebody wrote.
    pub canary_template: Option<Value>,
    /// How long a check has had no data.
    pub no_data: Duration,
    /// The policy only observes.
    pub observed: Option<Observed>,
    /// How long extra pods have been refused.
    pub surge_refused_for: Duration,
    /// Others who lower the partition.
    pub contest: Contest,
    /// When a write last came out different.
    pub refused_at: Option<Instant>,
    /// A write that came out different: what differs. Set by [`State::refused`].
    pub refusal: Option<String>,
    /// The seq of the last message that each receiver got from this process.
    pub delivered: BTreeMap<String, u64>,
    /// The highest seq of a state or a message that this process knows of: messages are told apart by it.
    pub seq: u64,
    /// Checkpoints of the checks as they are now; saved with the next write.
    pub checkpoint: BTreeMap<String, Value>,
    /// When a change of configuration was last told.
    pub configuration_told: Option<Instant>,
    /// The list of released revisions.
    pub guard: GuardMemory,
    /// When a change of [`Record::problem`] was last saved.
    pub problem_saved: Option<Instant>,
    /// Since when there is no standing problem.
    pub problem_gone: Option<Instant>,
    /// Pods whose label was written and when; the watch may show it late.
    pub labelled: BTreeMap<Uid, Instant>,
    /// Labels can't be written, and are tried again from then on.
    pub labels_after: Option<Instant>,
}

/// What is remembered of the list of released revisions, to tell an edit by others from one that is due.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct GuardMemory {
    /// What it was when it was last seen as wanted.
    pub kept: Option<BTreeSet<Revision>>,
    /// How often edits were put back since there was last a silence.
    pub put_back: u32,
    /// When that was last done.
    pub put_back_at: Option<Instant>,
}

/// What is remembered of others who lower the partition.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Contest {
    /// The partition that the last step left behind.
    pub left: Option<u32>,
    /// How often it was found lowered.
    pub times: u32,
    /// When it was last found so.
    pub last: Option<Instant>,
    /// It is still as somebody else wrote it.
    pub open: bool,
    /// When it was last written back.
    pub answered: Option<Instant>,
}

/// What is known of a workload whose policy only observes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Observed {
    /// The name of the policy that observes.
    pub policy: String,
    /// The revision of which nothing is to be said any more.
    pub known: Option<Revision>,
    /// The one that is judged.
    pub trial: Option<Trial>,
    /// What people are told of it.
    pub messages: Outbox,
}

/// A rollout that Kubernetes does by itself, and that is only judged.
#[derive(Clone, Debug, PartialEq)]
pub struct Trial {
    /// As if it were ours.
    pub rollout: Rollout,
    /// What the pods ran before.
    pub stable: Revision,
}
