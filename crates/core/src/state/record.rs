//! What survives a restart.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Awaited, ClaimLedger, Obstacle, Outbox, Pause, Phase, Rollout, Waiting};
use crate::{
    facts::{Pod, Revision, Uid},
    group::Standing,
    time::Wall,
};

/// How many rollouts the history keeps.
pub const HISTORY: usize = 5;

/// State v1.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Record {
    /// Always 1.
    pub version: u32,
    /// The StatefulSet this was written for; another UID means it was copied here.
    #[serde(rename = "workloadUID")]
    pub workload_uid: Uid,
    /// Rises with every write of the state.
    pub seq: u64,
    /// The revision last promoted or adopted; equals the annotation `siskin.dev/stable`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stable: Option<Revision>,
    /// N: the replicas that the user wants.
    pub user_replicas: u32,
    /// The partition before opting in.
    pub user_partition: u32,
    /// Where the workload stands.
    pub phase: Phase,
    /// The open rollout; none at rest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollout: Option<Rollout>,
    /// What the next rollout, or the next step of the open one, waits for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiting: Option<Waiting>,
    /// Why nothing moves forward; the annotation `siskin.dev/paused` goes with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pause: Option<Pause>,
    /// What stands against going on, besides a pause. It is a little behind: problems may come and go.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<Obstacle>,
    /// The update revision that was looked at and needs no rollout (rejected, or the stable template again).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settled: Option<Revision>,
    /// The current revision that took the stable one's place without a promotion.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forgotten: Option<Revision>,
    /// The one at which the stable template was written back at zero replicas: not done again if it returns.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restored: Option<Revision>,
    /// The ConfigMaps and Secrets that pods refer to, as `Kind/name`, and the version that was last told.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub configuration: BTreeMap<String, String>,
    /// What is known of the claims of surge ordinals.
    #[serde(default, skip_serializing_if = "ClaimLedger::is_empty")]
    pub claims: ClaimLedger,
    /// Pods may carry `siskin.dev/role`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub labelled: bool,
    /// Commands that acted or matched nothing, as `name=value`; ignored if they return.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub consumed: Vec<String>,
    /// The last messages to people, as far as not everybody is known to have got them.
    #[serde(default, skip_serializing_if = "Outbox::is_empty")]
    pub messages: Outbox,
    /// The seq of the last message each receiver got.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub notified: BTreeMap<String, u64>,
    /// The last rollouts, newest last.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub history: Vec<Past>,
}

/// One line of history.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Past {
    /// The rollout's id.
    pub id: String,
    /// The revision that was judged.
    pub canary: Revision,
    /// How it ended, in a few words.
    pub end: String,
    /// When.
    pub at: Wall,
}

impl Record {
    /// What others that take turns with it have to know.
    pub fn standing(&self) -> Standing {
        match &self.waiting {
            _ if self.in_rollout() => Standing::Rolling,
            Some(Waiting { awaited: Awaited::Turn, since, .. }) => Standing::Waiting { since: *since },
            _ => Standing::Resting,
        }
    }

    /// Which side a pod is on, for people: `stable`, `canary`, or `other`.
    pub fn side(&self, pod: &Pod) -> &'static str {
        if pod.revision.is_some() && pod.revision == self.stable {
            "stable"
        } else if self.rollout.as_ref().is_some_and(|rollout| pod.revision.as_ref() == Some(&rollout.canary))
        {
            "canary"
        } else {
            "other"
        }
    }

    /// Pods may run this revision: it is the stable one, or the open rollout's canary.
    pub fn runs(&self, revision: &Revision) -> bool {
        let canary = self.rollout.as_ref().map(|rollout| &rollout.canary);
        self.stable.as_ref() == Some(revision) || canary == Some(revision)
    }

    /// A rollout is open.
    pub fn in_rollout(&self) -> bool {
        !matches!(self.phase, Phase::OptingIn | Phase::Installing | Phase::Idle)
    }

    /// Its pods are being changed or judged.
    pub fn goes_forward(&self) -> bool {
        matches!(self.phase, Phase::Opening | Phase::Baking | Phase::AwaitingApproval)
    }

    /// What `spec.replicas` is when nobody else wrote it.
    pub fn expected_replicas(&self) -> u32 {
        self.user_replicas + self.rollout.as_ref().map_or(0, |rollout| rollout.surge)
    }
}
