//! `metadata`: names, UIDs, owners, deletion.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use siskin_embedded::object::{Deletion, Kind, Labels, Metadata, Name, Owner, Uid};

use super::{Untranslatable, items, moment, number, text};

/// Reads `metadata`.
pub fn metadata(object: &Value) -> Result<Metadata, Untranslatable> {
    let own = uid(text(object, "/metadata/uid"));
    let own = own.ok_or_else(|| Untranslatable::new(object, "metadata.uid", "a UUID"))?;
    let grace = u64::try_from(number(object, "/metadata/deletionGracePeriodSeconds")).unwrap_or(0);
    let deletion = moment(object, "/metadata/deletionTimestamp");
    let finalizers = items(object, "/metadata/finalizers").iter().filter_map(Value::as_str);
    Ok(Metadata {
        name: text(object, "/metadata/name").into(),
        uid: own,
        resource_version: text(object, "/metadata/resourceVersion").parse().unwrap_or(0),
        generation: number(object, "/metadata/generation"),
        created: moment(object, "/metadata/creationTimestamp").unwrap_or(0),
        deletion: deletion.map(|at| Deletion { requested: at.saturating_sub(grace * 1000), at }),
        labels: strings(object.pointer("/metadata/labels")),
        annotations: strings(object.pointer("/metadata/annotations")),
        owners: items(object, "/metadata/ownerReferences").iter().map(owner).collect(),
        finalizers: finalizers.map(Name::from).collect(),
    })
}

/// A UID of this cluster.
pub fn uid(text: &str) -> Option<Uid> {
    text.parse().ok()
}

/// Members whose values are strings.
pub(super) fn strings(map: Option<&Value>) -> Labels {
    let members = map.and_then(Value::as_object).into_iter().flatten();
    let strings = members.filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())));
    Labels::new(strings.collect::<BTreeMap<_, _>>())
}

fn owner(reference: &Value) -> Owner {
    Owner {
        kind: kind(text(reference, "/apiVersion"), text(reference, "/kind")),
        name: text(reference, "/name").into(),
        uid: owner_uid(reference),
        controller: reference["controller"] == true,
    }
}

/// A UID that is none of this cluster's is nobody's.
fn owner_uid(reference: &Value) -> Uid {
    uid(text(reference, "/uid")).unwrap_or_default()
}

fn kind(api_version: &str, kind: &str) -> Kind {
    match (api_version, kind) {
        ("apps/v1", "StatefulSet") => Kind::StatefulSet,
        ("apps/v1", "ControllerRevision") => Kind::ControllerRevision,
        ("v1", "Pod") => Kind::Pod,
        ("v1", "PersistentVolumeClaim") => Kind::Claim,
        ("v1", "Service") => Kind::Service,
        ("discovery.k8s.io/v1", "EndpointSlice") => Kind::EndpointSlice,
        _ => Kind::Other,
    }
}

/// Which of the models' kinds an object is.
pub fn owner_of(object: &Value) -> Kind {
    kind(text(object, "/apiVersion"), text(object, "/kind"))
}

/// An owner reference as a controller of Kubernetes writes it.
fn reference(owner: &Owner) -> Value {
    let (api_version, kind) = match owner.kind {
        Kind::StatefulSet => ("apps/v1", "StatefulSet"),
        Kind::ControllerRevision => ("apps/v1", "ControllerRevision"),
        Kind::Pod => ("v1", "Pod"),
        Kind::Claim => ("v1", "PersistentVolumeClaim"),
        Kind::Service => ("v1", "Service"),
        Kind::EndpointSlice => ("discovery.k8s.io/v1", "EndpointSlice"),
        // The models make no references to other kinds.
        Kind::Other => ("", ""),
    };
    json!({ "apiVersion": api_version, "kind": kind, "name": &*owner.name, "uid": owner.uid.to_string(),
        "controller": owner.controller, "blockOwnerDeletion": true })
}

/// A patch that leaves an object exactly these owners. References that stay are left as they are written.
pub fn with_owners(object: &Value, wanted: &[Owner]) -> Value {
    let live = items(object, "/metadata/ownerReferences");
    let kept = |owner: &Owner| live.iter().find(|reference| self::owner(reference) == *owner).cloned();
    let owners = wanted.iter().map(|owner| kept(owner).unwrap_or_else(|| reference(owner)));
    owners_patch(owners.collect())
}

/// A patch that adds an owner.
pub fn with_owner(object: &Value, owner: &Owner) -> Value {
    let live = items(object, "/metadata/ownerReferences").iter().cloned();
    owners_patch(live.chain([reference(owner)]).collect())
}

/// A patch that takes owners away.
pub fn without_owners(object: &Value, owners: &[Uid]) -> Value {
    let live = items(object, "/metadata/ownerReferences").iter();
    owners_patch(live.filter(|reference| !owners.contains(&owner_uid(reference))).cloned().collect())
}

fn owners_patch(owners: Vec<Value>) -> Value {
    json!({ "metadata": { "ownerReferences": if owners.is_empty() { Value::Null } else { owners.into() } } })
}
