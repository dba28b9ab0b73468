//! Where a workload stands.

use serde::{Deserialize, Serialize};

/// Where a workload stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Phase {
    /// Parked for the first time, or after the state was lost; the pods have to be looked at.
    OptingIn,
    /// Parked; the pods were never all Ready, so there is no stable revision yet.
    Installing,
    /// At rest.
    Idle,
    /// The step's pods are being changed.
    Opening,
    /// The step's pods are judged, parked.
    Baking,
    /// The bake is done; a person must let it go on. Parked, checks run.
    AwaitingApproval,
    /// The canary revision is the stable one; Kubernetes and the replicas are brought to it.
    Completing,
    /// Back to stable by deleting pods, parked.
    Reverting,
    /// Back to stable by the template, open.
    Undoing,
}

impl Phase {
    /// The name in the state and for people.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::OptingIn => "OptingIn",
            Self::Installing => "Installing",
            Self::Idle => "Idle",
            Self::Opening => "Opening",
            Self::Baking => "Baking",
            Self::AwaitingApproval => "AwaitingApproval",
            Self::Completing => "Completing",
            Self::Reverting => "Reverting",
            Self::Undoing => "Undoing",
        }
    }
}
