//! Looking around a workload: the cluster -> [`Surroundings`].

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;
use siskin_core::{facts::Workload, policy};

use super::findings::{Named, Seen, Service, Surroundings};
use crate::{
    cli::{
        doctor::rights::{Need, needed},
        status::pods,
        workload::Found,
    },
    cluster::{Error, Question, Resource, Scope},
};

/// The name of everything that the daemon's manifests make.
const DAEMON: &str = "siskin";
const POLICIES: &str = "siskin-policies";
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// Looks at everything that may stand against a workload's adoption.
pub async fn around(found: &Found, policy: &str, daemon: &str) -> Result<Surroundings, Error> {
    let workload = found.managed.workload.clone();
    let whole = whole(found).await?;
    let template = &workload.template;
    let containers = || template.pointer("/spec/containers").and_then(Value::as_array).into_iter().flatten();
    let any = |path: &str| containers().any(|container| container.pointer(path).is_some());
    let user = format!("system:serviceaccount:{daemon}:{DAEMON}");
    Ok(Surroundings {
        pods: pods(found).await?,
        policy: named(found, policy, daemon).await,
        applied_partition: applied_partition(&whole),
        readiness_probe: any("/readinessProbe"),
        pre_stop: any("/lifecycle/preStop"),
        autoscalers: autoscalers(found).await,
        blocking_budgets: blocking_budgets(found).await,
        services: services(found).await,
        missing_rights: missing_rights(found, &user).await,
        may_delete_claims: may(found, &user, "delete", "", "persistentvolumeclaims").await,
        daemon: runs(found, daemon).await,
        workload,
    })
}

/// Whether the manifest that was applied last has an annotation.
pub async fn is_applied(found: &Found, annotation: &str) -> Result<bool, Error> {
    let whole = whole(found).await?;
    let owned = managers(&whole, &["f:metadata", "f:annotations", &format!("f:{annotation}")]);
    let applied = last_applied(&whole)
        .and_then(|applied| applied.get("metadata")?.get("annotations")?.get(annotation).cloned());
    Ok(applied.is_some() || !owned.is_empty())
}

/// The StatefulSet with everything that the projection leaves out.
async fn whole(found: &Found) -> Result<Value, Error> {
    let Workload { namespace, name, .. } = &found.managed.workload;
    found.cluster.get(Resource::StatefulSets, namespace, name).await
}

fn last_applied(whole: &Value) -> Option<Value> {
    let text = whole.get("metadata")?.get("annotations")?.get(LAST_APPLIED)?.as_str()?;
    serde_json::from_str(text).ok()
}

/// Who owns a field by server-side apply. Other writes own defaults too, so they tell nothing of a manifest.
fn managers(whole: &Value, path: &[&str]) -> Vec<String> {
    let entries = whole.pointer("/metadata/managedFields").and_then(Value::as_array);
    let applied =
        entries.into_iter().flatten().filter(|entry| entry.get("operation") == Some(&"Apply".into()));
    let owns = |entry: &&Value| {
        let fields = entry.get("fieldsV1");
        fields.and_then(|fields| path.iter().try_fold(fields, |fields, name| fields.get(name))).is_some()
    };
    applied.filter(owns).filter_map(|entry| Some(entry.get("manager")?.as_str()?.to_owned())).collect()
}

fn applied_partition(whole: &Value) -> Option<(u32, String)> {
    const FIELD: &str = "/spec/updateStrategy/rollingUpdate/partition";
    let number = |value: &Value| u32::try_from(value.pointer(FIELD)?.as_u64()?).ok();
    if let Some(partition) = last_applied(whole).as_ref().and_then(number) {
        return Some((partition, "kubectl apply".to_owned()));
    }
    let path = ["f:spec", "f:updateStrategy", "f:rollingUpdate", "f:partition"];
    let manager = managers(whole, &path).into_iter().next()?;
    Some((number(whole)?, manager))
}

async fn named(found: &Found, name: &str, daemon: &str) -> Named {
    #[derive(Deserialize)]
    struct ConfigMap {
        #[serde(default)]
        data: BTreeMap<String, String>,
    }
    let files = match found.cluster.get::<ConfigMap>(Resource::ConfigMaps, daemon, POLICIES).await {
        Ok(map) => map.data.into_iter().collect::<Vec<_>>(),
        Err(error) if error.is_not_found() => Vec::new(),
        Err(error) => {
            return policy::builtin(name)
                .map_or_else(|| Named::NotSeen(error.to_string()), |policy| Named::Loaded(Box::new(policy)));
        }
    };
    match policy::load(&files).lookup(name) {
        Ok(policy) => Named::Loaded(Box::new(policy)),
        Err(error) => Named::Unusable(error.to_string()),
    }
}

async fn list<T: DeserializeOwned>(found: &Found, resource: Resource) -> Seen<Vec<T>> {
    let namespace = Some(found.managed.workload.namespace.clone());
    let scope = Scope { resource, namespace, selector: None, name: None };
    found.cluster.list::<T>(&scope).await.map(|listed| listed.items).map_err(|error| error.to_string())
}

async fn autoscalers(found: &Found) -> Seen<Vec<String>> {
    let all: Vec<Value> = list(found, Resource::HorizontalPodAutoscalers).await?;
    let text = |object: &Value, path: &str| {
        object.pointer(path).and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    let targets = |object: &&Value| {
        text(object, "/spec/scaleTargetRef/kind") == "StatefulSet"
            && text(object, "/spec/scaleTargetRef/name") == found.managed.workload.name
    };
    Ok(all
        .iter()
        .filter(targets)
        .map(|object| format!("the HorizontalPodAutoscaler {}", text(object, "/metadata/name")))
        .collect())
}

/// The labels that every pod of the workload has.
fn pod_labels(workload: &Workload) -> BTreeMap<String, String> {
    let labels = workload.template.pointer("/metadata/labels").cloned().unwrap_or_default();
    serde_json::from_value(labels).unwrap_or_default()
}

/// Whether a map of labels, as in a Service, selects the pods.
fn selects(selector: Option<&Value>, labels: &BTreeMap<String, String>) -> bool {
    let Some(selector) = selector.and_then(Value::as_object).filter(|selector| !selector.is_empty()) else {
        return false;
    };
    selector.iter().all(|(label, value)| labels.get(label).map(String::as_str) == value.as_str())
}

async fn blocking_budgets(found: &Found) -> Seen<Vec<String>> {
    let all: Vec<Value> = list(found, Resource::PodDisruptionBudgets).await?;
    let labels = pod_labels(&found.managed.workload);
    let blocks = |budget: &&Value| {
        let allowed = budget.pointer("/status/disruptionsAllowed").and_then(Value::as_u64).unwrap_or(0);
        allowed == 0 && selects(budget.pointer("/spec/selector/matchLabels"), &labels)
    };
    let name = |budget: &Value| Some(format!("the budget {}", budget.pointer("/metadata/name")?.as_str()?));
    Ok(all.iter().filter(blocks).filter_map(name).collect())
}

async fn services(found: &Found) -> Seen<Vec<Service>> {
    let all: Vec<Value> = list(found, Resource::Services).await?;
    let labels = pod_labels(&found.managed.workload);
    let serves = |service: &&Value| {
        let address = service.pointer("/spec/clusterIP").and_then(Value::as_str).unwrap_or_default();
        address != "None" && selects(service.pointer("/spec/selector"), &labels)
    };
    let service = |service: &Value| {
        Some(Service {
            name: service.pointer("/metadata/name")?.as_str()?.to_owned(),
            publishes_not_ready: service.pointer("/spec/publishNotReadyAddresses")
                == Some(&Value::Bool(true)),
        })
    };
    Ok(all.iter().filter(serves).filter_map(service).collect())
}

async fn missing_rights(found: &Found, user: &str) -> Seen<Vec<String>> {
    let mut missing = Vec::new();
    for (right, verb) in needed(&BTreeSet::from([Need::Always])) {
        if !may(found, user, verb, right.group, right.resource).await? {
            missing.push(format!("{verb} {}", right.resource));
        }
    }
    Ok(missing)
}

async fn may(found: &Found, user: &str, verb: &str, group: &str, resource: &str) -> Seen<bool> {
    let namespace = &found.managed.workload.namespace;
    let question = Question { user, namespace, verb, group, resource, subresource: "" };
    found.cluster.may(&question).await.map_err(|error| error.to_string())
}

async fn runs(found: &Found, daemon: &str) -> Seen<bool> {
    match found.cluster.get::<Value>(Resource::Deployments, daemon, DAEMON).await {
        Ok(deployment) => {
            let ready = deployment.pointer("/status/readyReplicas").and_then(Value::as_u64);
            Ok(ready.is_some_and(|ready| ready > 0))
        }
        Err(error) if error.is_not_found() => Ok(false),
        Err(error) => Err(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_partition_of_a_manifest_is_told_from_a_default() {
        let manifest = json!({ "spec": { "updateStrategy": { "rollingUpdate": { "partition": 0 } } } });
        let applied = json!({ "metadata": { "annotations": { LAST_APPLIED: manifest.to_string() } } });
        assert_eq!(applied_partition(&applied), Some((0, "kubectl apply".to_owned())));
        let owned = |operation: &str| {
            let fields =
                json!({ "f:spec": { "f:updateStrategy": { "f:rollingUpdate": { "f:partition": {} } } } });
            json!({
                "metadata": { "managedFields": [{ "manager": "flux", "operation": operation, "fieldsV1": fields }] },
                "spec": { "updateStrategy": { "rollingUpdate": { "partition": 2 } } },
            })
        };
        assert_eq!(applied_partition(&owned("Apply")), Some((2, "flux".to_owned())));
        assert_eq!(applied_partition(&owned("Update")), None, "it may be the default");
    }

    #[test]
    fn a_selector_has_to_match_whole_and_an_empty_one_matches_nothing() {
        let labels =
            BTreeMap::from([("app".to_owned(), "db".to_owned()), ("tier".to_owned(), "x".to_owned())]);
        assert!(selects(Some(&json!({ "app": "db" })), &labels));
        assert!(!selects(Some(&json!({ "app": "db", "tier": "y" })), &labels));
        assert!(!selects(Some(&json!({})), &labels) && !selects(None, &labels));
    }
}
