//! Siskin's admission policies, as code: what `deploy/admission` says in CEL.
//!
//! A model: the real ones are known by their objects, and tell Siskin by its user; here they are in force without
//! objects, and Siskin is who writes as [`SISKIN`]. Not modelled: the right to approve, and the refusing form of park.

use serde_json::{Value, json};
use siskin_embedded_api::{
    kinds::{CONFIG_MAP, POD, STATEFUL_SET},
    store::{
        Part, Query, Store,
        admission::{Admission, Review},
    },
};

use crate::{
    seen::all,
    translate::{items, merge, text},
};

/// The field manager of Siskin's writes.
pub const SISKIN: &str = "siskin";
/// The partition of a parked StatefulSet.
const PARKED: i64 = 1_000_000;
/// Where a StatefulSet's partition is.
const PARTITION: &str = "/spec/updateStrategy/rollingUpdate/partition";

/// Which of the policies are in force.
#[derive(Clone, Copy, Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is installed or not, whatever the others are")]
pub struct Policies {
    /// `mutating/park.yaml`: a new template comes parked, and only Siskin lowers a partition.
    pub park: bool,
    /// `mutating/hold.yaml`: the current revision stays the stable one until Siskin promotes another.
    pub hold: bool,
    /// `guards/guard.yaml`: only Siskin writes its state and the stable revision, and the strategy's type stays.
    pub guards: bool,
    /// `pod-guard/pod-guard.yaml`: pods are made of released revisions only.
    pub pod_guard: bool,
}

impl Policies {
    /// All of them.
    pub const ALL: Self = Self { park: true, hold: true, guards: true, pod_guard: true };
}

impl Admission for Policies {
    fn admit(&self, store: &Store, review: &Review<'_>, new: &mut Value) -> Result<(), String> {
        if review.target.kind == POD && review.old.is_none() && self.pod_guard {
            return guard_pod(store, &review.target.namespace, new);
        }
        if review.target.kind != STATEFUL_SET {
            return Ok(());
        }
        let others = review.manager != SISKIN;
        let opted_in = |set: &Value| !annotation(set, "policy").is_empty();
        let cared_for = opted_in(new) || review.old.is_some_and(opted_in);
        match (review.part, review.old) {
            (Part::Status, Some(old)) if self.hold && opted_in(old) => hold(old, new),
            (Part::Whole, old) if self.park && others && cared_for => park(old, new),
            _ => {}
        }
        match review.old {
            Some(old) if self.guards && others && cared_for => guard(old, new),
            _ => Ok(()),
        }
    }
}

fn annotation<'a>(set: &'a Value, name: &str) -> &'a str {
    text(set, &format!("/metadata/annotations/siskin.dev~1{name}"))
}

fn rolls(set: &Value) -> bool {
    text(set, "/spec/updateStrategy/type") == "RollingUpdate"
}

fn partition(set: &Value) -> i64 {
    set.pointer(PARTITION).and_then(Value::as_i64).unwrap_or(0)
}

fn park(old: Option<&Value>, new: &mut Value) {
    if !rolls(new) {
        return;
    }
    let same = old.filter(|old| rolls(old) && old.pointer("/spec/template") == new.pointer("/spec/template"));
    let least = same.map_or(PARKED, partition);
    if partition(new) < least {
        merge(new, json!({ "spec": { "updateStrategy": { "rollingUpdate": { "partition": least } } } }));
    }
}

fn hold(old: &Value, new: &mut Value) {
    let current = text(old, "/status/currentRevision");
    if rolls(old) && !current.is_empty() && annotation(old, "stable") == current {
        merge(new, json!({ "status": { "currentRevision": current } }));
    }
}

fn guard(old: &Value, new: &Value) -> Result<(), String> {
    for name in ["state", "stable"] {
        if annotation(old, name) != annotation(new, name) {
            return Err(format!("only Siskin writes or removes the annotation siskin.dev/{name}"));
        }
    }
    let kind = |set: &Value| text(set, "/spec/updateStrategy/type").to_owned();
    if !annotation(old, "policy").is_empty() && kind(old) != kind(new) {
        return Err("spec.updateStrategy.type can't change while siskin.dev/policy is there".to_owned());
    }
    Ok(())
}

fn guard_pod(store: &Store, namespace: &str, pod: &Value) -> Result<(), String> {
    let revision = text(pod, "/metadata/labels/controller-revision-hash");
    let is_set =
        |owner: &&Value| owner["kind"] == "StatefulSet" && text(owner, "/apiVersion").starts_with("apps/");
    let owners = items(pod, "/metadata/ownerReferences").iter().filter(is_set);
    let lists = all(store, &Query::namespaced(CONFIG_MAP, namespace));
    for owner in owners.map(|owner| text(owner, "/name")) {
        let is_of = |list: &&std::sync::Arc<Value>| {
            text(list, "/metadata/labels/siskin.dev~1guard") == "true"
                && text(list, "/data/workload") == owner
        };
        let mut guarding = lists.iter().filter(is_of);
        if guarding.any(|list| !text(list, "/data/allowed").split(',').any(|allowed| allowed == revision)) {
            return Err(format!("Siskin has not released revision {revision} of StatefulSet {owner}"));
        }
    }
    Ok(())
}
