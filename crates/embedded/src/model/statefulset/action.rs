//! What the controller writes.

use crate::{
    Millis,
    object::{Labels, Name, Owner, StatefulSetStatus, Template, Uid},
};

/// One write, or a wish to be called again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Make a `ControllerRevision`.
    CreateRevision(NewRevision),
    /// Write `revision`: an old template is wanted again, or an orphan is wanted by its number.
    RenumberRevision {
        /// Its name.
        name: Name,
        /// The number to write.
        number: i64,
    },
    /// Become the controller of an orphaned revision. Fails if `uid` doesn't match.
    AdoptRevision {
        /// Its name.
        name: Name,
        /// Its UID.
        uid: Uid,
        /// The reference to add.
        owner: Owner,
    },
    /// Delete a revision that the history has no room for.
    DeleteRevision {
        /// Its name.
        name: Name,
    },
    /// Become the controller of an orphaned pod. Fails if `uid` doesn't match.
    AdoptPod {
        /// Its name.
        name: Name,
        /// Its UID.
        uid: Uid,
        /// The reference to add.
        owner: Owner,
    },
    /// Give up a pod that the selector no longer selects. Fails if `uid` doesn't match.
    ReleasePod {
        /// Its name.
        name: Name,
        /// Its UID.
        uid: Uid,
        /// The owner whose reference goes.
        owner: Uid,
    },
    /// Make a claim.
    CreateClaim {
        /// Its name.
        name: Name,
        /// Its labels.
        labels: Labels,
    },
    /// Write the owners that the retention policy asks for.
    SetClaimOwners {
        /// The claim.
        name: Name,
        /// All its owner references from now on.
        owners: Vec<Owner>,
    },
    /// Make a pod.
    CreatePod(NewPod),
    /// Delete a pod, by name: the real controller has no UID precondition here.
    DeletePod {
        /// Its name.
        name: Name,
    },
    /// A pod can't be made; the message goes into an Event `FailedCreate`.
    Refuse {
        /// The pod.
        pod: Name,
        /// Why.
        message: String,
    },
    /// Write the status, whatever it is by now. The API refuses one with a count below zero.
    UpdateStatus(StatefulSetStatus),
    /// Sync again after a failure, at a growing delay.
    Retry,
    /// Sync again then, to see whether pods have become available.
    SyncAgainAt(Millis),
}

impl Action {
    /// Whether it is left out after a refused one.
    pub fn is_on_pods(&self) -> bool {
        matches!(
            self,
            Self::CreateClaim { .. }
                | Self::SetClaimOwners { .. }
                | Self::CreatePod(_)
                | Self::DeletePod { .. }
                | Self::Refuse { .. }
        )
    }
}

/// A `ControllerRevision` to make.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewRevision {
    /// Its name, `<statefulset>-<hash>`.
    pub name: Name,
    /// `revision`.
    pub number: i64,
    /// `data`.
    pub template: Template,
    /// The labels of the template.
    pub labels: Labels,
    /// All annotations of the StatefulSet, as they are now.
    pub annotations: Labels,
    /// The StatefulSet.
    pub owner: Owner,
}

/// A pod to make.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewPod {
    /// `<statefulset>-<ordinal>`.
    pub name: Name,
    /// The labels of the template, with name, ordinal and revision.
    pub labels: Labels,
    /// The template of its revision.
    pub template: Template,
    /// Its volumes and the claims they name.
    pub volumes: Vec<(Name, Name)>,
    /// The StatefulSet.
    pub owner: Owner,
}
