//! What a workload waits for, and why it doesn't go on.

use serde::{Deserialize, Serialize};

use crate::time::Wall;

/// What a rollout or a step waits for, without anybody having to act.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Waiting {
    /// The kind.
    pub awaited: Awaited,
    /// For people; as it was when the wait began.
    pub detail: String,
    /// Who waits longest comes first.
    pub since: Wall,
}

/// The kinds of things that are waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Awaited {
    /// A window of the policy, or the end of a freeze.
    Window,
    /// A place among the rollouts that may be open at once.
    Turn,
}

/// Why nothing moves forward.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Pause {
    /// The kind of reason.
    pub reason: PauseReason,
    /// What happened and what to do.
    pub detail: String,
}

/// The kinds of reasons to pause.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum PauseReason {
    /// A person set `siskin.dev/paused`.
    Requested,
    /// A check failed and the policy says to pause.
    CheckFailed,
    /// A check failed after Kubernetes had completed the update.
    FailedAfterCompletion,
    /// No verdict in time.
    Undecided,
    /// A check has no data and the policy says to pause.
    NoData,
    /// No progress in time and the policy says to pause.
    ProgressDeadline,
    /// Canary pods were deleted by others too often.
    ExposureLost,
    /// Pods run several revisions and none is known as stable.
    MixedRevisions,
    /// `siskin.dev/stable` and the state disagree.
    StateMismatch,
    /// The state was lost while a rollout was open.
    StateLost,
    /// Our write came out different from what was sent.
    AdmissionMismatch,
    /// A surge ordinal has a claim from before.
    ClaimLeftOver,
    /// An applier takes the surge away again and again.
    ReplicasContested,
    /// The template that undo wrote did not become the stable one.
    UndoMismatch,
    /// Somebody wrote another template during undo.
    UndoContested,
    /// Extra pods are not let in.
    SurgeRefused,
    /// The policy's steps don't fit the number of replicas.
    PolicyUnfit,
    /// A ConfigMap or Secret changed and the policy says to pause.
    ConfigChanged,
}

/// A standing problem, as it was saved last.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Obstacle {
    /// As in the metric `siskin_workload_problem`.
    pub reason: String,
    /// What is wrong and what to do.
    pub detail: String,
    /// When it was first saved.
    pub since: Wall,
}
