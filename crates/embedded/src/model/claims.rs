//! Binding claims to volumes, and keeping deleted ones while a pod uses them (`pvc-protection`).

use crate::{
    Millis,
    object::{Claim, ClaimPhase, Name, Pod, Uid},
};

/// What the controllers look at.
#[derive(Clone, Debug)]
pub struct View<'a> {
    /// Claims.
    pub claims: Vec<&'a Claim>,
    /// Pods that may use them.
    pub pods: Vec<&'a Pod>,
    /// How long a volume takes to be made; `None`: there is none to be had.
    pub provisioning: Option<Millis>,
}

/// One write, or a wish to be called again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Give the claim its volume.
    Bind {
        /// Its name.
        name: Name,
        /// Its UID.
        uid: Uid,
    },
    /// Let a deleted claim go: no pod uses it.
    Remove {
        /// Its name.
        name: Name,
        /// Its UID.
        uid: Uid,
    },
    /// Sync again then.
    SyncAgainAt(Millis),
}

/// One pass over the claims.
pub fn sync(view: &View<'_>, now: Millis) -> Vec<Action> {
    view.claims.iter().filter_map(|claim| sync_one(view, claim, now)).collect()
}

fn sync_one(view: &View<'_>, claim: &Claim, now: Millis) -> Option<Action> {
    let metadata = &claim.metadata;
    let (name, uid) = (metadata.name.clone(), metadata.uid);
    if metadata.terminating() {
        let used = view.pods.iter().any(|pod| !pod.ended() && pod.claims.contains(&name));
        return (!used).then_some(Action::Remove { name, uid });
    }
    let bound_at = metadata.created + view.provisioning?;
    match claim.phase {
        ClaimPhase::Bound => None,
        ClaimPhase::Pending if bound_at <= now => Some(Action::Bind { name, uid }),
        ClaimPhase::Pending => Some(Action::SyncAgainAt(bound_at)),
    }
}
