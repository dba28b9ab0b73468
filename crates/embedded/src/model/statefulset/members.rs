//! Which pods and revisions are the StatefulSet's: adopting orphans, releasing what it no longer selects.

use super::{Action, View};
use crate::object::{ControllerRevision, Kind, Owner, Pod, StatefulSet, parent, selects};

/// The reference by which a StatefulSet is the controller of what it owns.
pub fn reference(set: &StatefulSet) -> Owner {
    let metadata = &set.metadata;
    Owner { kind: Kind::StatefulSet, name: metadata.name.clone(), uid: metadata.uid, controller: true }
}

/// Its revisions, lowest number first, orphans adopted. `None` if it is being deleted and there are orphans: the
/// pass ends there.
pub fn revisions<'a>(view: &View<'a>, actions: &mut Vec<Action>) -> Option<Vec<&'a ControllerRevision>> {
    let set = view.set;
    let mut found = Vec::with_capacity(view.revisions.len());
    for &revision in &view.revisions {
        let metadata = &revision.metadata;
        match metadata.controller() {
            _ if !selects(&set.spec.selector, &metadata.labels) => continue,
            Some(owner) if owner.uid != set.metadata.uid => continue,
            Some(_) => {}
            None if set.metadata.terminating() => {
                actions.clear();
                actions.push(Action::Retry);
                return None;
            }
            None => actions.push(Action::AdoptRevision {
                name: metadata.name.clone(),
                uid: metadata.uid,
                owner: reference(set),
            }),
        }
        found.push(revision);
    }
    found.sort_by(|a, b| {
        let key = |revision: &'a ControllerRevision| {
            (revision.number, revision.metadata.created, &revision.metadata.name)
        };
        key(a).cmp(&key(b))
    });
    Some(found)
}

/// Its pods, by ordinal.
pub fn pods<'a>(view: &View<'a>, actions: &mut Vec<Action>) -> Vec<&'a Pod> {
    let set = view.set;
    let mut members: Vec<&Pod> = Vec::with_capacity(view.pods.len());
    for &pod in &view.pods {
        let metadata = &pod.metadata;
        let fits = selects(&set.spec.selector, &metadata.labels)
            && parent(&metadata.name) == Some(&*set.metadata.name);
        match metadata.controller() {
            Some(owner) if owner.uid != set.metadata.uid => {}
            Some(_) if fits => members.push(pod),
            Some(_) if set.metadata.terminating() => {}
            Some(_) => actions.push(Action::ReleasePod {
                name: metadata.name.clone(),
                uid: metadata.uid,
                owner: set.metadata.uid,
            }),
            None if !fits || metadata.terminating() || set.metadata.terminating() => {}
            None => {
                actions.push(Action::AdoptPod {
                    name: metadata.name.clone(),
                    uid: metadata.uid,
                    owner: reference(set),
                });
                members.push(pod);
            }
        }
    }
    members.sort_by_key(|pod| pod.ordinal());
    members
}
