//! What people and programs do. It is worked out on the copy of the cluster, by the same code as on the models, and then
//! done at the API server as `kubectl`, an autoscaler or a GitOps tool would.

use serde_json::{Map, Value, json};
use siskin_embedded::{
    Millis,
    cluster::{Cluster, Verb},
    object::{Kind, PodManagement, StatefulSet, UpdateStrategy},
};
use siskin_embedded_api::{
    kinds::{CLAIM, STATEFUL_SET},
    refusal::Refusal,
    store::{Call, DeleteOptions, Part, Patch, Propagation, Store, Target},
};

use crate::NAMESPACE;

/// One write of somebody's.
#[derive(Clone, Debug)]
pub struct Deed {
    /// How long after the first.
    pub after: Millis,
    /// By whom, as the rehearsal names them.
    pub who: &'static str,
    what: What,
}

#[derive(Clone, Debug)]
enum What {
    Create(Value),
    Patch(Part, Value),
    Orphan(String),
    DeleteClaim(String),
}

/// What somebody does who would do this on the models.
pub fn worked_out(copy: &Cluster, act: impl FnOnce(&mut Cluster)) -> Vec<Deed> {
    let mut tried = copy.clone();
    let before = tried.trace().len();
    act(&mut tried);
    let writes = tried.trace().iter().skip(before);
    let deeds = writes.filter_map(|write| {
        let who = ["person", "gitops", "hpa"].into_iter().find(|who| **who == *write.actor)?;
        let view = tried.view_at(write.version);
        let what = match (write.kind, write.verb) {
            (Kind::StatefulSet, Verb::Create) => What::Create(manifest(view.statefulset(&write.name)?)),
            (Kind::StatefulSet, Verb::Update) => {
                let old = tried.view_at(write.version - 1);
                changes(old.statefulset(&write.name)?, view.statefulset(&write.name)?)
            }
            (Kind::StatefulSet, Verb::Delete) => What::Orphan(write.name.to_string()),
            (Kind::Claim, Verb::Delete) => What::DeleteClaim(write.name.to_string()),
            _ => return None,
        };
        Some(Deed { after: write.at - copy.now(), who, what })
    });
    deeds.collect()
}

impl Deed {
    /// Does it to the StatefulSet of this name.
    ///
    /// # Errors
    /// The API server says no, as it may.
    pub fn carry_out(self, store: &mut Store, set: &str, now: jiff::Timestamp) -> Result<(), Refusal> {
        let scales = matches!(self.what, What::Patch(Part::Scale, _));
        let manager = match (self.who, scales) {
            ("hpa", _) => "kube-controller-manager",
            ("gitops", _) => "argocd-controller",
            _ => "kubectl",
        };
        let call = Call::new(manager, now);
        let target = Target::new(STATEFUL_SET, NAMESPACE, set);
        match self.what {
            What::Create(set) => store.create(STATEFUL_SET, NAMESPACE, set, &call).map(drop),
            What::Patch(part, patch) => store.patch(&target, part, &Patch::Merge(patch), &call).map(drop),
            What::Orphan(name) => {
                let options = DeleteOptions { propagation: Propagation::Orphan, ..DeleteOptions::default() };
                store.delete(&Target::new(STATEFUL_SET, NAMESPACE, &name), &options, &call).map(drop)
            }
            What::DeleteClaim(name) => store
                .delete(&Target::new(CLAIM, NAMESPACE, &name), &DeleteOptions::default(), &call)
                .map(drop),
        }
    }
}

/// A merge patch from one to the other. Who changes nothing but the replicas scales.
fn changes(old: &StatefulSet, new: &StatefulSet) -> What {
    let (mut spec, mut annotations) = (Map::new(), Map::new());
    let (before, after) = (&old.metadata.annotations, &new.metadata.annotations);
    for name in before.keys().chain(after.keys()) {
        if before.get(name) != after.get(name) {
            annotations.insert(name.clone(), after.get(name).cloned().map_or(Value::Null, Value::String));
        }
    }
    if old.spec.template != new.spec.template {
        spec.insert("template".to_owned(), new.spec.template.json().clone());
    }
    if old.spec.update_strategy != new.spec.update_strategy {
        spec.insert("updateStrategy".to_owned(), strategy(new));
    }
    let scales = spec.is_empty() && annotations.is_empty();
    if old.spec.replicas != new.spec.replicas {
        spec.insert("replicas".to_owned(), new.spec.replicas.into());
    }
    let part = if scales { Part::Scale } else { Part::Whole };
    if annotations.is_empty() {
        What::Patch(part, json!({ "spec": spec }))
    } else {
        What::Patch(part, json!({ "metadata": { "annotations": annotations }, "spec": spec }))
    }
}

fn strategy(set: &StatefulSet) -> Value {
    match set.spec.update_strategy {
        UpdateStrategy::RollingUpdate { partition } => {
            json!({ "type": "RollingUpdate", "rollingUpdate": { "partition": partition.unwrap_or(0) } })
        }
        UpdateStrategy::OnDelete => json!({ "type": "OnDelete", "rollingUpdate": null }),
    }
}

/// A StatefulSet of the models as its manifest.
pub fn manifest(set: &StatefulSet) -> Value {
    let StatefulSet { metadata, spec, .. } = set;
    let claim = |name: &str| {
        json!({ "metadata": { "name": name }, "spec": {
            "accessModes": ["ReadWriteOnce"], "resources": { "requests": { "storage": "1Gi" } },
        } })
    };
    let claims: Vec<Value> = spec.claim_templates.iter().map(|template| claim(&template.name)).collect();
    let parallel = spec.pod_management == PodManagement::Parallel;
    json!({
        "metadata": { "name": &*metadata.name, "labels": *metadata.labels, "annotations": *metadata.annotations },
        "spec": {
            "replicas": spec.replicas,
            "ordinals": { "start": spec.ordinals_start },
            "serviceName": &*spec.service_name,
            "selector": { "matchLabels": *spec.selector },
            "template": spec.template.json(),
            "podManagementPolicy": if parallel { "Parallel" } else { "OrderedReady" },
            "updateStrategy": strategy(set),
            "volumeClaimTemplates": claims,
        },
    })
}
