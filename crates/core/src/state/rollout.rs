//! The open rollout, and why it goes back.

use std::{collections::BTreeMap, time::Duration};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    checks::Verdict,
    facts::{Revision, RevisionVerdict},
    policy::Policy,
    time::Wall,
};

/// One passage from stable to canary revision.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Rollout {
    /// Names this rollout in commands: unique per workload.
    pub id: String,
    /// The revision being judged.
    pub canary: Revision,
    /// The policy as it was when the rollout started.
    pub resolved_policy: Policy,
    /// Index into the compiled steps.
    pub step: usize,
    /// Extra pods that Siskin has added to `spec.replicas`.
    #[serde(default)]
    pub surge: u32,
    /// The bake of this step so far, in milliseconds of observed passing time.
    #[serde(default)]
    pub bake_done_ms: u64,
    /// Observed time since this step's bake began, whatever the checks said, in milliseconds.
    #[serde(default)]
    pub in_bake_ms: u64,
    /// Time since the last progress, in milliseconds.
    #[serde(default)]
    pub stalled_ms: u64,
    /// How often this step lost its exposure.
    #[serde(default)]
    pub exposure_lost: u32,
    /// Why extra pods were given up: since then it goes on in place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub surge_refused: Option<String>,
    /// How often an applier took the surge away.
    #[serde(default)]
    pub surge_contested: u32,
    /// Why the rollout goes back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub back: Option<Back>,
    /// Checkpoints of the checks by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub checks: BTreeMap<String, Value>,
    /// What the checks said at the last write, for people; decides nothing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub verdicts: Vec<Verdict>,
    /// When it started.
    pub started: Wall,
}

impl Rollout {
    /// A rollout that begins now.
    pub fn new(id: String, canary: Revision, resolved_policy: Policy, started: Wall) -> Self {
        Self {
            id,
            canary,
            resolved_policy,
            step: 0,
            surge: 0,
            surge_refused: None,
            bake_done_ms: 0,
            in_bake_ms: 0,
            stalled_ms: 0,
            exposure_lost: 0,
            surge_contested: 0,
            back: None,
            checks: BTreeMap::new(),
            verdicts: Vec::new(),
            started,
        }
    }

    /// The observed bake so far.
    pub fn bake_done(&self) -> Duration {
        Duration::from_millis(self.bake_done_ms)
    }

    /// All time that a restart must not spend again, in milliseconds.
    pub fn spent_ms(&self) -> u64 {
        self.bake_done_ms + self.in_bake_ms + self.stalled_ms
    }
}

/// Why a rollout goes back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Back {
    /// The kind of reason.
    pub cause: Cause,
    /// One sentence.
    pub detail: String,
}

/// The kinds of reasons to go back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Cause {
    /// A check failed.
    CheckFailed,
    /// No verdict in time, and the policy says to roll back.
    Undecided,
    /// No progress in time.
    ProgressDeadline,
    /// A person aborted.
    Aborted,
    /// A newer template.
    Superseded,
    /// The stable template was put back.
    PutBack,
    /// The policy annotation was removed.
    OptedOut,
    /// Extra pods were refused, and the policy says to roll back.
    SurgeRefused,
    /// Replicas went to zero.
    ScaledToZero,
    /// Pods ran several revisions without a rollout.
    MixedRevisions,
    /// Kubernetes forgot the stable revision.
    Forgotten,
}

impl Cause {
    /// There was no way forward: pods were found off the stable revision, and only that is mended.
    pub fn tried_nothing(self) -> bool {
        matches!(self, Self::MixedRevisions | Self::Forgotten)
    }

    /// What the canary revision is marked as; `None`: nothing was found out about it.
    pub fn verdict(self) -> Option<RevisionVerdict> {
        match self {
            Self::CheckFailed
            | Self::Undecided
            | Self::ProgressDeadline
            | Self::SurgeRefused
            | Self::Aborted => Some(RevisionVerdict::Rejected),
            Self::Superseded | Self::PutBack => Some(RevisionVerdict::Superseded),
            Self::OptedOut | Self::ScaledToZero | Self::MixedRevisions | Self::Forgotten => None,
        }
    }
}
