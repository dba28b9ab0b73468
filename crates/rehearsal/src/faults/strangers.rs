//! People and programs that write to the same objects.

use serde_json::{Value, json};
use siskin_core::{decision::PREFIX, state::Record};
use siskin_embedded::{
    cluster::{Cascade, Cluster, Precondition},
    object::{
        ClaimTemplate, Labels, Metadata, PodManagement, StatefulSet, StatefulSetSpec, StatefulSetStatus,
        Template, UpdateStrategy, labels,
    },
};

use super::schedule::{Scaler, Setup, Strangers};
use crate::project;

/// The StatefulSet of every story.
pub const SET: &str = "db";
const PERSON: &str = "person";

/// The template of a version.
pub fn template(version: u8) -> Template {
    Template::of_image(&format!("v{version}"), &labels([("app", SET)]))
}

/// The StatefulSet as its manifest says.
pub fn manifest(setup: &Setup, version: u8, replicas: u32) -> StatefulSet {
    let mut spec = StatefulSetSpec::new(labels([("app", SET)]), template(version));
    spec.replicas = replicas;
    spec.ordinals_start = setup.start;
    if setup.parallel {
        spec.pod_management = PodManagement::Parallel;
    }
    if setup.claims {
        spec.claim_templates = vec![ClaimTemplate { name: "data".into(), labels: Labels::default() }];
    }
    let metadata =
        Metadata { annotations: labels([("siskin.dev/policy", "rehearsed")]), ..Metadata::named(SET) };
    StatefulSet { metadata, spec, status: StatefulSetStatus::default() }
}

/// The state as it stands on the StatefulSet.
pub fn record(cluster: &Cluster) -> Option<Record> {
    let set = cluster.statefulset(SET)?;
    serde_json::from_str(set.metadata.annotations.get("siskin.dev/state")?).ok()
}

/// Writes an annotation of ours, or takes it off.
pub fn annotate(cluster: &mut Cluster, name: &str, value: Option<&str>) {
    let name = format!("{PREFIX}{name}");
    // A StatefulSet that isn't there can't be annotated.
    let _written = cluster.annotate_statefulset(PERSON, SET, Precondition::NONE, (&name, value));
}

fn edit_state(cluster: &mut Cluster, edit: impl FnOnce(&mut Value)) {
    let text =
        cluster.statefulset(SET).and_then(|set| set.metadata.annotations.get("siskin.dev/state").cloned());
    if let Some(mut state) = text.and_then(|text| serde_json::from_str(&text).ok()) {
        edit(&mut state);
        annotate(cluster, "state", Some(&state.to_string()));
    }
}

/// Somebody acts; what can't be done is left.
pub fn act(cluster: &mut Cluster, setup: &Setup, stranger: Strangers) {
    let rollout = || record(cluster).and_then(|record| record.rollout);
    let _refused = match stranger {
        Strangers::Release(version) => cluster.set_template(PERSON, SET, template(version)),
        Strangers::Rewrite => {
            let Some(set) = cluster.statefulset(SET) else { return };
            let mut json = set.spec.template.json().clone();
            if let Some(spec) = json.get_mut("spec").and_then(Value::as_object_mut) {
                spec.insert("securityContext".to_owned(), json!({}));
            }
            cluster.set_template(PERSON, SET, Template::new(json))
        }
        Strangers::Scale(scaler, replicas) => {
            let user = match scaler {
                Scaler::Person => PERSON,
                Scaler::Autoscaler => "hpa",
                Scaler::Applier => "gitops",
            };
            cluster.set_replicas(user, SET, replicas)
        }
        Strangers::Partition(partition) => cluster.set_partition(PERSON, SET, partition),
        Strangers::Apply(version, replicas) => {
            cluster.update_statefulset("gitops", SET, Precondition::NONE, |set| {
                set.spec.template = template(version);
                set.spec.replicas = replicas;
                set.spec.update_strategy = UpdateStrategy::RollingUpdate { partition: Some(0) };
            })
        }
        Strangers::ZeroAndBack(_) => cluster.set_replicas(PERSON, SET, 0),
        Strangers::Recreate(version) => {
            let replicas = record(cluster).map_or(setup.replicas, |record| record.user_replicas);
            let deleted = cluster.delete_statefulset(PERSON, SET, Precondition::NONE, Cascade::Orphan);
            cluster.run_for(300);
            deleted.and_then(|()| {
                cluster.create_statefulset_with("gitops", manifest(setup, version, replicas)).map(drop)
            })
        }
        Strangers::Abort => return annotate(cluster, "abort", rollout().map(|it| it.id).as_deref()),
        Strangers::Undo => return annotate(cluster, "undo", rollout().map(|it| it.id).as_deref()),
        Strangers::Retry => {
            let last = record(cluster).and_then(|record| Some(record.history.last()?.id.clone()));
            return annotate(cluster, "retry", last.as_deref());
        }
        Strangers::Promote => {
            let update = cluster.statefulset(SET).map(|set| set.status.update_revision.clone());
            return annotate(cluster, "promote", update.as_deref());
        }
        Strangers::Approve => {
            approve(cluster);
            return;
        }
        Strangers::Pause => return annotate(cluster, "paused", Some("true")),
        Strangers::Resume => return annotate(cluster, "paused", None),
        Strangers::OptOut => return annotate(cluster, "policy", None),
        Strangers::OptIn => return annotate(cluster, "policy", Some("rehearsed")),
        Strangers::LoseState => return annotate(cluster, "state", None),
        Strangers::GarbleState => return annotate(cluster, "state", Some("{\"version\":1")),
        Strangers::LoseStable => return annotate(cluster, "stable", None),
        Strangers::ClaimEverything => {
            let claims = cluster.claims().iter().map(project::claim);
            let claims: Vec<Value> =
                claims.map(|claim| json!({ "name": claim.name, "uid": claim.uid.0 })).collect();
            return edit_state(cluster, |state| {
                let names: Vec<Value> =
                    claims.iter().filter_map(|claim| claim.get("name").cloned()).collect();
                if let Some(state) = state.as_object_mut() {
                    let ledger = json!({ "absentBefore": names, "lookedAt": 0, "created": claims });
                    state.insert("claims".to_owned(), ledger);
                }
            });
        }
        // What isn't in the cluster is changed elsewhere.
        Strangers::PolicyGone(_) | Strangers::PolicyEdited(_) | Strangers::EditList | Strangers::DropList => {
            Ok(())
        }
    };
}

/// A person lets the step that waits go on. False: none does.
pub fn approve(cluster: &mut Cluster) -> bool {
    let Some(record) = record(cluster) else { return false };
    let Some(rollout) =
        record.rollout.filter(|_| record.phase == siskin_core::state::Phase::AwaitingApproval)
    else {
        return false;
    };
    let plan = siskin_core::strategy::compile_rollout(&rollout, record.user_replicas, false);
    let step = plan.ok().and_then(|plan| plan.steps.get(rollout.step).map(|step| step.name.clone()));
    let Some(step) = step else { return false };
    annotate(cluster, "approve", Some(&format!("{}/{step}/person", rollout.canary)));
    true
}
