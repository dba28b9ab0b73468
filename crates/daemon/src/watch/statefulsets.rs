//! `StatefulSets`: the projection that the engine reads, and nothing of those that Siskin has nothing to do with.

use std::{collections::BTreeMap, fmt, sync::Arc};

use serde::Deserialize;
use serde_json::Value;
use siskin_core::facts::{Revision, UpdateStrategy, Workload};

use super::{Watched, meta::Meta};

/// The name of a workload.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// A StatefulSet, as far as it matters.
#[derive(Clone, Debug, Deserialize)]
#[serde(from = "Raw")]
pub struct StatefulSet {
    /// Its name.
    pub key: Key,
    /// `metadata.resourceVersion`.
    pub resource_version: String,
    /// The rest, if it is opted in or has a state of ours.
    pub managed: Option<Arc<Managed>>,
}

/// A StatefulSet that Siskin has to do with.
#[derive(Debug)]
pub struct Managed {
    /// What the engine reads.
    pub workload: Workload,
    /// `spec.selector` in the form of a request.
    pub selector: String,
}

impl Watched for StatefulSet {
    fn resource_version(&self) -> &str {
        &self.resource_version
    }
}

/// A StatefulSet that was asked for by name: the projection whether or not it is opted in.
#[derive(Debug, Deserialize)]
#[serde(from = "Raw")]
pub struct Whole(pub Managed);

impl From<Raw> for Whole {
    fn from(raw: Raw) -> Self {
        Self(raw.project())
    }
}

impl From<Raw> for StatefulSet {
    fn from(raw: Raw) -> Self {
        let key = Key { namespace: raw.metadata.namespace.clone(), name: raw.metadata.name.clone() };
        let resource_version = raw.metadata.resource_version.clone();
        let managed = raw.managed().then(|| Arc::new(raw.project()));
        Self { key, resource_version, managed }
    }
}

#[derive(Deserialize)]
struct Raw {
    metadata: Meta,
    #[serde(default)]
    spec: Spec,
    #[serde(default)]
    status: Status,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Spec {
    replicas: Option<u32>,
    ordinals: Ordinals,
    update_strategy: Strategy,
    pod_management_policy: String,
    min_ready_seconds: u32,
    revision_history_limit: Option<u32>,
    volume_claim_templates: Vec<ClaimTemplate>,
    persistent_volume_claim_retention_policy: Retention,
    selector: Selector,
    template: Value,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Ordinals {
    start: u32,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Strategy {
    #[serde(rename = "type")]
    kind: String,
    rolling_update: Option<RollingUpdate>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RollingUpdate {
    partition: Option<u32>,
}

#[derive(Deserialize)]
struct ClaimTemplate {
    metadata: Meta,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Retention {
    when_scaled: String,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Selector {
    match_labels: BTreeMap<String, String>,
    match_expressions: Vec<Requirement>,
}

#[derive(Deserialize)]
struct Requirement {
    key: String,
    operator: String,
    #[serde(default)]
    values: Vec<String>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Status {
    observed_generation: i64,
    replicas: u32,
    ready_replicas: u32,
    current_replicas: u32,
    updated_replicas: u32,
    current_revision: Option<String>,
    update_revision: Option<String>,
}

impl Raw {
    fn managed(&self) -> bool {
        ["policy", "state"].iter().any(|name| {
            self.metadata.annotations.keys().any(|key| key.strip_prefix(super::meta::PREFIX) == Some(name))
        })
    }

    fn project(self) -> Managed {
        let Self { metadata, spec, status } = self;
        let revision = |name: Option<String>| name.filter(|name| !name.is_empty()).map(Revision);
        let workload = Workload {
            annotations: metadata.ours(),
            replicas_writer: metadata.replicas_writer(),
            namespace: metadata.namespace,
            name: metadata.name,
            uid: metadata.uid,
            resource_version: metadata.resource_version,
            generation: metadata.generation,
            observed_generation: status.observed_generation,
            deleting: metadata.deletion_timestamp.is_some(),
            replicas: spec.replicas.unwrap_or(1),
            ordinals_start: spec.ordinals.start,
            partition: spec.update_strategy.rolling_update.and_then(|rolling| rolling.partition).unwrap_or(0),
            update_strategy: match spec.update_strategy.kind.as_str() {
                "" | "RollingUpdate" => UpdateStrategy::RollingUpdate,
                "OnDelete" => UpdateStrategy::OnDelete,
                other => UpdateStrategy::Other(other.to_owned()),
            },
            parallel: spec.pod_management_policy == "Parallel",
            min_ready_seconds: spec.min_ready_seconds,
            revision_history_limit: spec.revision_history_limit.unwrap_or(10),
            claim_templates: spec
                .volume_claim_templates
                .into_iter()
                .map(|claim| claim.metadata.name)
                .collect(),
            delete_claims_when_scaled: spec.persistent_volume_claim_retention_policy.when_scaled == "Delete",
            pods: status.replicas,
            ready_pods: status.ready_replicas,
            current_pods: status.current_replicas,
            updated_pods: status.updated_replicas,
            current_revision: revision(status.current_revision),
            update_revision: revision(status.update_revision),
            template: spec.template,
        };
        Managed { workload, selector: spec.selector.request() }
    }
}

impl Selector {
    fn request(&self) -> String {
        let labels = self.match_labels.iter().map(|(label, value)| format!("{label}={value}"));
        let expressions = self.match_expressions.iter().map(|Requirement { key, operator, values }| {
            let values = values.join(",");
            match operator.as_str() {
                "In" => format!("{key} in ({values})"),
                "NotIn" => format!("{key} notin ({values})"),
                "DoesNotExist" => format!("!{key}"),
                _ => key.clone(),
            }
        });
        labels.chain(expressions).collect::<Vec<_>>().join(",")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn manifest() -> Value {
        json!({
            "apiVersion": "apps/v1", "kind": "StatefulSet",
            "metadata": {
                "name": "db", "namespace": "payments", "uid": "u-1", "resourceVersion": "77", "generation": 4,
                "annotations": { "siskin.dev/policy": "careful", "siskin.dev/stable": "db-1", "team": "payments" },
                "labels": { "app": "db" }
            },
            "spec": {
                "replicas": 3, "ordinals": { "start": 5 }, "podManagementPolicy": "Parallel", "minReadySeconds": 2,
                "serviceName": "db", "updateStrategy": { "type": "RollingUpdate", "rollingUpdate": { "partition": 1_000_000 } },
                "selector": {
                    "matchLabels": { "app": "db" },
                    "matchExpressions": [
                        { "key": "tier", "operator": "In", "values": ["a", "b"] },
                        { "key": "old", "operator": "DoesNotExist" },
                        { "key": "new", "operator": "Exists" }
                    ]
                },
                "persistentVolumeClaimRetentionPolicy": { "whenScaled": "Delete", "whenDeleted": "Retain" },
                "volumeClaimTemplates": [{ "metadata": { "name": "data" }, "spec": {} }],
                "template": { "spec": { "containers": [] } }
            },
            "status": { "observedGeneration": 3, "currentRevision": "db-1", "updateRevision": "db-2", "replicas": 3, "readyReplicas": 2 }
        })
    }

    #[test]
    fn a_stateful_set_is_projected_to_facts() {
        let seen: StatefulSet = serde_json::from_value(manifest()).unwrap();
        let managed = seen.managed.unwrap();
        let workload = &managed.workload;
        assert_eq!(seen.key.to_string(), "payments/db");
        assert_eq!(managed.selector, "app=db,tier in (a,b),!old,new");
        assert_eq!((workload.replicas, workload.ordinals_start, workload.partition), (3, 5, 1_000_000));
        assert_eq!((workload.generation, workload.observed_generation), (4, 3));
        assert_eq!((workload.pods, workload.ready_pods), (3, 2));
        assert_eq!(workload.annotations.keys().collect::<Vec<_>>(), ["policy", "stable"]);
        assert_eq!(workload.claim_templates, ["data"]);
        assert!(workload.parallel && workload.delete_claims_when_scaled && !workload.deleting);
        assert_eq!(workload.update_revision, Some(Revision::from("db-2")));
        assert_eq!(workload.template, json!({ "spec": { "containers": [] } }));
    }

    #[test]
    fn what_is_absent_has_the_api_s_default() {
        let mut manifest = manifest();
        manifest["spec"] = json!({ "selector": { "matchLabels": {} }, "template": {}, "updateStrategy": { "rollingUpdate": {} } });
        manifest["status"] = json!({});
        let workload = serde_json::from_value::<Whole>(manifest).unwrap().0.workload;
        assert_eq!((workload.replicas, workload.partition, workload.revision_history_limit), (1, 0, 10));
        assert_eq!(workload.update_strategy, UpdateStrategy::RollingUpdate);
        assert_eq!(workload.current_revision, None);
    }

    #[test]
    fn nothing_is_kept_of_a_stateful_set_that_is_not_opted_in() {
        let mut manifest = manifest();
        manifest["metadata"]["annotations"] = json!({ "siskin.dev/stable": "db-1" });
        assert!(serde_json::from_value::<StatefulSet>(manifest).unwrap().managed.is_none());
    }

    #[test]
    fn one_that_was_opted_in_is_kept_as_long_as_it_has_a_state() {
        let mut manifest = manifest();
        manifest["metadata"]["annotations"] = json!({ "siskin.dev/state": "{}" });
        assert!(serde_json::from_value::<StatefulSet>(manifest).unwrap().managed.is_some());
    }
}
