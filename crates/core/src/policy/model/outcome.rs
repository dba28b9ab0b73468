//! What follows from verdicts, and who is told.

use serde::{Deserialize, Serialize};

/// What follows from verdicts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Outcome {
    /// A check failed. Default `RollBack`.
    pub on_failure: OnFailure,
    /// A step found no verdict in time. Default `Pause`.
    pub on_undecided: OnFailure,
    /// A check has no data. Default `Hold`.
    pub on_no_data: OnNoData,
    /// A failure after Kubernetes has completed. Default `Pause`.
    pub after_completion: AfterCompletion,
    /// Kubernetes has forgotten the stable revision. Default `Hold`.
    pub on_forgotten: OnForgotten,
    /// Extra pods are not let in. Default `Pause`.
    #[serde(default)]
    pub on_surge_refused: OnSurgeRefused,
    /// A ConfigMap or Secret that pods refer to changed while a rollout goes forward. Default `Warn`.
    #[serde(default)]
    pub on_config_change: OnConfigChange,
}

impl Default for Outcome {
    fn default() -> Self {
        Self {
            on_failure: OnFailure::RollBack,
            on_undecided: OnFailure::Pause,
            on_no_data: OnNoData::Hold,
            after_completion: AfterCompletion::Pause,
            on_forgotten: OnForgotten::Hold,
            on_surge_refused: OnSurgeRefused::Pause,
            on_config_change: OnConfigChange::Warn,
        }
    }
}

/// See [`Outcome::on_failure`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum OnFailure {
    /// Back to stable.
    RollBack,
    /// Stop and ask.
    Pause,
}

/// See [`Outcome::on_no_data`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum OnNoData {
    /// The bake stands still until there is data or a deadline runs out.
    Hold,
    /// Stop and ask.
    Pause,
    /// Back to stable.
    RollBack,
}

/// See [`Outcome::after_completion`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum AfterCompletion {
    /// Write the stable template back.
    Undo,
    /// Stop and ask.
    Pause,
}

/// See [`Outcome::on_surge_refused`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum OnSurgeRefused {
    /// Take them away, stop and ask.
    #[default]
    Pause,
    /// Go on without them, on the workload's own pods.
    InPlace,
    /// Back to stable.
    RollBack,
}

/// See [`Outcome::on_forgotten`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum OnForgotten {
    /// Say so, start no rollout.
    Hold,
    /// Write the stable template back: at zero replicas once per revision, with pods by an undo.
    Restore,
}

/// See [`Outcome::on_config_change`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum OnConfigChange {
    /// Say so, and mark the evidence where pods are configured differently.
    #[default]
    Warn,
    /// Also stop and ask.
    Pause,
}

/// Who is told what.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Notify {
    /// A receiver's name in the daemon's configuration.
    pub receiver: String,
    /// Which events; empty in the file: all.
    pub events: Vec<Topic>,
}

/// What a message is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Topic {
    /// A rollout began.
    Started,
    /// A step waits for approval.
    WaitingForApproval,
    /// The rollout stands still until a person acts.
    Paused,
    /// A check failed; with evidence.
    Failed,
    /// Every pod is back on the stable revision and ready.
    RolledBack,
    /// The canary revision is stable.
    Promoted,
    /// A ConfigMap or Secret that pods refer to changed.
    ConfigChanged,
}
