//! Claims: their names, making those that are missing, and owners as the retention policy asks for.

use super::{Action, View, members::reference};
use crate::object::{Claim, ClaimPolicy, Kind, Labels, Name, Owner, Pod, StatefulSet, Uid};

/// The volumes of a pod and the claims they name, `<template>-<statefulset>-<ordinal>`.
pub fn volumes(set: &StatefulSet, ordinal: u32) -> Vec<(Name, Name)> {
    let templates = set.spec.claim_templates.iter();
    templates.map(|claim| (claim.name.clone(), name(set, &claim.name, ordinal))).collect()
}

fn name(set: &StatefulSet, template: &str, ordinal: u32) -> Name {
    format!("{template}-{}-{ordinal}", set.metadata.name).into()
}

/// Makes the claims of an ordinal that are missing. An existing one is taken as it is, whoever made it; one that
/// is being deleted is an error, which this returns.
pub fn create_missing(view: &View<'_>, ordinal: u32, actions: &mut Vec<Action>) -> Result<(), String> {
    let mut deleting = Vec::new();
    for template in &view.set.spec.claim_templates {
        let name = name(view.set, &template.name, ordinal);
        match find(view, &name) {
            None => {
                let mut labels = (*template.labels).clone();
                labels.extend(view.set.spec.selector.iter().map(|(key, value)| (key.clone(), value.clone())));
                actions.push(Action::CreateClaim { name, labels: Labels::new(labels) });
            }
            Some(claim) if claim.metadata.terminating() => {
                deleting.push(format!("pvc {name} is being deleted"));
            }
            Some(_) => {}
        }
    }
    if deleting.is_empty() { Ok(()) } else { Err(deleting.join(", ")) }
}

/// Whether a claim still belongs to an earlier pod of this name: with `whenScaled: Delete` the garbage collector
/// will take it, and no pod may start on it.
pub fn stale(view: &View<'_>, pod: &Name, ordinal: u32) -> bool {
    view.set.spec.claim_retention.when_scaled == ClaimPolicy::Delete
        && volumes(view.set, ordinal).iter().filter_map(|(_, claim)| find(view, claim)).any(|claim| {
            claim.metadata.owners.iter().any(|owner| owner.kind == Kind::Pod && owner.name == *pod)
        })
}

/// Writes the owners that the retention policy asks for, where they differ. The pod's UID is zero before it exists.
pub fn set_owners(view: &View<'_>, pod: &Name, uid: Uid, ordinal: u32, actions: &mut Vec<Action>) {
    for (_, claim) in volumes(view.set, ordinal) {
        if let Some(claim) = find(view, &claim)
            && let Some(owners) = wanted_owners(view.set, claim, pod, uid, ordinal)
        {
            actions.push(Action::SetClaimOwners { name: claim.metadata.name.clone(), owners });
        }
    }
}

/// The owners that a claim should have instead; `None`: it is as it should be, or not ours to touch.
fn wanted_owners(set: &StatefulSet, claim: &Claim, pod: &Name, uid: Uid, ordinal: u32) -> Option<Vec<Owner>> {
    let owners = &claim.metadata.owners;
    let is_set = |owner: &Owner| owner.kind == Kind::StatefulSet && owner.name == set.metadata.name;
    let is_pod = |owner: &Owner| owner.kind == Kind::Pod && owner.name == *pod;
    let stale =
        |owner: &&Owner| is_set(owner) && owner.uid != set.metadata.uid || is_pod(owner) && owner.uid != uid;
    if owners.iter().any(|owner| stale(&owner)) {
        return None;
    }
    let policy = set.spec.claim_retention;
    let retains = policy.when_scaled == ClaimPolicy::Retain && policy.when_deleted == ClaimPolicy::Retain;
    let foreign = |owner: &Owner| owner.controller && !is_set(owner) && !is_pod(owner);
    let mut wanted: Vec<Owner> =
        owners.iter().filter(|owner| !is_set(owner) && !is_pod(owner)).cloned().collect();
    if retains || !owners.iter().any(foreign) {
        // A claim goes with its pod only once the pod is scaled away; until then it may go with the StatefulSet.
        let scaled_away = policy.when_scaled == ClaimPolicy::Delete && !set.spec.wants(ordinal);
        if scaled_away {
            wanted.push(Owner { kind: Kind::Pod, name: pod.clone(), uid, controller: true });
        } else if policy.when_deleted == ClaimPolicy::Delete {
            wanted.push(reference(set));
        }
    }
    let same = |owner: &Owner| owners.contains(owner);
    (wanted.len() != owners.len() || !wanted.iter().all(same)).then_some(wanted)
}

/// Whether the pod's volumes name the claims of its ordinal.
pub fn match_pod(set: &StatefulSet, pod: &Pod, ordinal: u32) -> bool {
    volumes(set, ordinal).iter().all(|(_, claim)| pod.claims.contains(claim))
}

fn find<'a>(view: &View<'a>, name: &Name) -> Option<&'a Claim> {
    view.claims.iter().copied().find(|claim| claim.metadata.name == *name)
}
