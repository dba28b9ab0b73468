//! `StatefulSets`, and the pods and claims that they are made into.

use serde_json::{Value, json};
use siskin_embedded::{
    model::statefulset::NewPod,
    object::{
        ClaimPolicy, ClaimRetention, ClaimTemplate, Labels, Name, PodManagement, StatefulSet,
        StatefulSetSpec, StatefulSetStatus, Template, UpdateStrategy,
    },
};

use super::{
    Untranslatable, items, merge,
    metadata::{metadata, strings, with_owner},
    number, text,
};

/// Reads a StatefulSet. Selectors with expressions are not modelled.
pub fn read(object: &Value) -> Result<StatefulSet, Untranslatable> {
    if !items(object, "/spec/selector/matchExpressions").is_empty() {
        let field = "spec.selector.matchExpressions";
        return Err(Untranslatable::new(object, field, "absent, as the models know matchLabels only"));
    }
    let spec = &object["spec"];
    let count = |pointer: &str, field: &'static str| {
        u32::try_from(number(spec, pointer))
            .map_err(|_| Untranslatable::new(object, field, "from 0 to 2147483647"))
    };
    let policy = |when: &str| {
        let found = text(spec, &format!("/persistentVolumeClaimRetentionPolicy/{when}"));
        if found == "Delete" { ClaimPolicy::Delete } else { ClaimPolicy::Retain }
    };
    let partition = count("/updateStrategy/rollingUpdate/partition", "spec.updateStrategy")?;
    let rolls = spec.pointer("/updateStrategy/rollingUpdate").is_some_and(Value::is_object);
    let update_strategy = match text(spec, "/updateStrategy/type") {
        "OnDelete" => UpdateStrategy::OnDelete,
        _ => UpdateStrategy::RollingUpdate { partition: rolls.then_some(partition) },
    };
    let parallel = text(spec, "/podManagementPolicy") == "Parallel";
    Ok(StatefulSet {
        metadata: metadata(object)?,
        spec: StatefulSetSpec {
            replicas: count("/replicas", "spec.replicas")?,
            ordinals_start: count("/ordinals/start", "spec.ordinals.start")?,
            selector: strings(spec.pointer("/selector/matchLabels")),
            template: Template::new(spec["template"].clone()),
            claim_templates: items(spec, "/volumeClaimTemplates").iter().map(claim_template).collect(),
            service_name: text(spec, "/serviceName").into(),
            pod_management: if parallel { PodManagement::Parallel } else { PodManagement::OrderedReady },
            update_strategy,
            min_ready_seconds: count("/minReadySeconds", "spec.minReadySeconds")?,
            revision_history_limit: count("/revisionHistoryLimit", "spec.revisionHistoryLimit")?,
            claim_retention: ClaimRetention {
                when_deleted: policy("whenDeleted"),
                when_scaled: policy("whenScaled"),
            },
        },
        status: status(&object["status"]),
    })
}

fn claim_template(template: &Value) -> ClaimTemplate {
    ClaimTemplate {
        name: text(template, "/metadata/name").into(),
        labels: strings(template.pointer("/metadata/labels")),
    }
}

fn status(status: &Value) -> StatefulSetStatus {
    StatefulSetStatus {
        observed_generation: number(status, "/observedGeneration"),
        replicas: number(status, "/replicas"),
        ready_replicas: number(status, "/readyReplicas"),
        available_replicas: number(status, "/availableReplicas"),
        current_replicas: number(status, "/currentReplicas"),
        updated_replicas: number(status, "/updatedReplicas"),
        current_revision: text(status, "/currentRevision").into(),
        update_revision: text(status, "/updateRevision").into(),
        collision_count: u32::try_from(number(status, "/collisionCount")).unwrap_or(0),
    }
}

/// A patch of the status. Some counts of zero are absent, as the API's types leave them out.
pub fn status_patch(status: &StatefulSetStatus) -> Value {
    let unless_zero = |count: i64| if count == 0 { Value::Null } else { count.into() };
    json!({ "status": {
        "observedGeneration": status.observed_generation,
        "replicas": status.replicas,
        "readyReplicas": unless_zero(status.ready_replicas),
        "availableReplicas": status.available_replicas,
        "currentReplicas": unless_zero(status.current_replicas),
        "updatedReplicas": unless_zero(status.updated_replicas),
        "currentRevision": &*status.current_revision,
        "updateRevision": &*status.update_revision,
        "collisionCount": status.collision_count,
    } })
}

/// The pod that the controller makes: the template with names, labels, owner and the claims' volumes.
pub fn pod(new: &NewPod, service: &Name) -> Value {
    let template = new.template.json();
    let mut pod = json!({
        "metadata": template.get("metadata").cloned().unwrap_or_else(|| json!({})),
        "spec": template.get("spec").cloned().unwrap_or_else(|| json!({})),
    });
    merge(&mut pod, with_owner(&json!({}), &new.owner));
    merge(&mut pod, json!({ "metadata": { "name": &*new.name, "labels": *new.labels } }));
    merge(&mut pod, json!({ "spec": { "hostname": &*new.name, "subdomain": &**service } }));
    let replaced = |volume: &&Value| !new.volumes.iter().any(|(name, _)| **name == *text(volume, "/name"));
    let mut volumes: Vec<Value> = items(&pod, "/spec/volumes").iter().filter(replaced).cloned().collect();
    volumes.extend(
        new.volumes.iter().map(
            |(name, claim)| json!({ "name": &**name, "persistentVolumeClaim": { "claimName": &**claim } }),
        ),
    );
    if !volumes.is_empty() {
        merge(&mut pod, json!({ "spec": { "volumes": volumes } }));
    }
    pod
}

/// The claim that the controller makes of the template whose claim has this name.
pub fn claim(set: &Value, name: &str, labels: &Labels) -> Value {
    let owner = text(set, "/metadata/name");
    let is_of = |template: &&Value| {
        let base = format!("{}-{owner}-", text(template, "/metadata/name"));
        name.strip_prefix(&base).is_some_and(|ordinal| ordinal.parse::<u32>().is_ok())
    };
    let template = items(set, "/spec/volumeClaimTemplates").iter().find(is_of);
    let part =
        |field: &str| template.and_then(|template| template.get(field)).cloned().unwrap_or_else(|| json!({}));
    let mut claim = json!({ "metadata": part("metadata"), "spec": part("spec") });
    merge(&mut claim, json!({ "metadata": { "name": name, "labels": **labels } }));
    claim
}
