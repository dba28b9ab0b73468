//! Claims get their volumes, and go when they are deleted and no pod uses them.

use siskin_embedded::{
    model::claims::{self, Action},
    object::{Claim, Name, Uid},
};
use siskin_embedded_api::{kinds::CLAIM, store::Part};

use super::Pass;
use crate::{
    seen::{Seen, Space, typed},
    translate::claim,
};

const BINDER: &str = "persistentvolume-binder";
const PROTECTION: &str = "pvc-protection-controller";

pub(super) fn sync(pass: &mut Pass<'_>, seen: &Seen) {
    for (namespace, space) in &seen.spaces {
        let view = claims::View {
            claims: typed(&space.claims),
            pods: typed(&space.pods),
            provisioning: pass.memory.faults.provisioning,
        };
        for action in claims::sync(&view, pass.now) {
            match action {
                Action::Bind { name, uid } => bind(pass, namespace, space, &name, uid),
                Action::Remove { name, uid } => release(pass, namespace, &name, uid),
                Action::SyncAgainAt(at) => pass.wake_at(at),
            }
        }
    }
}

fn bind(pass: &mut Pass<'_>, namespace: &str, space: &Space, name: &Name, uid: Uid) {
    let Some((target, object)) = pass.live(CLAIM, namespace, name, uid) else { return };
    let is = |claim: &&Claim| claim.metadata.uid == uid;
    let Some(claim) = space.claims.iter().map(|claim| &*claim.typed).find(is) else { return };
    // Both are tried again with the next pass if they are refused.
    let _ = pass.patch(BINDER, &target, Part::Whole, claim::volume_patch(claim));
    let _ = pass.patch(BINDER, &target, Part::Status, claim::bound_patch(&object));
}

fn release(pass: &mut Pass<'_>, namespace: &str, name: &Name, uid: Uid) {
    let Some((target, object)) = pass.live(CLAIM, namespace, name, uid) else { return };
    let freed = claim::without_finalizer(&object, claim::PROTECTION);
    if pass.patch(PROTECTION, &target, Part::Whole, freed).is_ok() && pass.store.get(&target).is_err() {
        pass.memory.forget_data(uid);
    }
}
