//! What the manifest of a StatefulSet says, as far as the object tells.

use serde_json::Value;
use siskin_core::facts::{Workload, Writer};

const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";
const KUBECTL: &str = "kubectl apply";
/// What Kubernetes puts in where a manifest has no `replicas`.
const DEFAULT_REPLICAS: u32 = 1;

/// A number that a manifest holds, and who applies that manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied {
    /// The number.
    pub value: u32,
    /// The field manager.
    pub manager: String,
}

/// The partition, from `kubectl apply` or server-side apply. Helm 3 owns the default as well, so it tells nothing.
pub fn partition(whole: &Value) -> Option<Applied> {
    applied(whole, &["spec", "updateStrategy", "rollingUpdate", "partition"])
}

/// `replicas`, also from a tool that writes the whole object, where that is not the default.
pub fn replicas(whole: &Value, workload: &Workload) -> Option<Applied> {
    applied(whole, &["spec", "replicas"]).or_else(|| match &workload.replicas_writer {
        Writer::Applier(manager) if workload.replicas != DEFAULT_REPLICAS => {
            Some(Applied { value: workload.replicas, manager: manager.clone() })
        }
        _ => None,
    })
}

/// Whether the manifest that was applied last has an annotation.
pub fn has_annotation(whole: &Value, annotation: &str) -> bool {
    let path = ["metadata", "annotations", annotation];
    last_applied(whole).is_some_and(|applied| at(&applied, &path).is_some()) || owner(whole, &path).is_some()
}

fn applied(whole: &Value, path: &[&str]) -> Option<Applied> {
    let number = |value: &Value| u32::try_from(at(value, path)?.as_u64()?).ok();
    if let Some(value) = last_applied(whole).as_ref().and_then(number) {
        return Some(Applied { value, manager: KUBECTL.to_owned() });
    }
    Some(Applied { manager: owner(whole, path)?, value: number(whole)? })
}

fn at<'a>(value: &'a Value, path: &[&str]) -> Option<&'a Value> {
    path.iter().try_fold(value, |value, name| value.get(name))
}

fn last_applied(whole: &Value) -> Option<Value> {
    let text = at(whole, &["metadata", "annotations", LAST_APPLIED])?.as_str()?;
    serde_json::from_str(text).ok()
}

/// Who owns a field by server-side apply. Other writes own defaults too, so they tell nothing of a manifest.
fn owner(whole: &Value, path: &[&str]) -> Option<String> {
    let path: Vec<String> = path.iter().map(|name| format!("f:{name}")).collect();
    let entries = whole.pointer("/metadata/managedFields").and_then(Value::as_array)?;
    let mut applied = entries.iter().filter(|entry| entry.get("operation") == Some(&"Apply".into()));
    let owner = applied.find(|entry| {
        let fields = entry.get("fieldsV1");
        fields.and_then(|fields| path.iter().try_fold(fields, |fields, name| fields.get(name))).is_some()
    })?;
    Some(owner.get("manager")?.as_str()?.to_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn found(value: u32, manager: &str) -> Applied {
        Applied { value, manager: manager.to_owned() }
    }

    /// Written by kubectl on the client's side.
    fn by_kubectl(manifest: &Value) -> Value {
        json!({ "metadata": { "annotations": { LAST_APPLIED: manifest.to_string() } } })
    }

    /// An object on which flux owns these fields, by this operation.
    fn by_flux(operation: &str, fields: &Value, spec: &Value) -> Value {
        let entry = json!({ "manager": "flux", "operation": operation, "fieldsV1": fields });
        json!({ "metadata": { "managedFields": [entry] }, "spec": spec })
    }

    #[test]
    fn the_partition_of_a_manifest_is_told_from_a_default() {
        let spec = |number: u32| json!({ "updateStrategy": { "rollingUpdate": { "partition": number } } });
        assert_eq!(partition(&by_kubectl(&json!({ "spec": spec(0) }))), Some(found(0, "kubectl apply")));
        let fields =
            json!({ "f:spec": { "f:updateStrategy": { "f:rollingUpdate": { "f:partition": {} } } } });
        assert_eq!(partition(&by_flux("Apply", &fields, &spec(2))), Some(found(2, "flux")));
        assert_eq!(partition(&by_flux("Update", &fields, &spec(2))), None, "it may be the default");
    }

    #[test]
    fn replicas_are_in_a_manifest_if_somebody_applies_them() {
        let other = Workload::default();
        let spec = json!({ "replicas": 3 });
        assert_eq!(replicas(&by_kubectl(&json!({ "spec": spec })), &other), Some(found(3, "kubectl apply")));
        let fields = json!({ "f:spec": { "f:replicas": {} } });
        assert_eq!(replicas(&by_flux("Apply", &fields, &spec), &other), Some(found(3, "flux")));
        assert_eq!(replicas(&by_flux("Update", &fields, &spec), &other), None);
        let without = json!({ "f:spec": { "f:template": {} } });
        assert_eq!(replicas(&by_flux("Apply", &without, &spec), &other), None);
    }

    #[test]
    fn a_tool_that_writes_the_whole_object_has_replicas_in_its_manifest_unless_they_are_the_default() {
        let helm = |replicas: u32| Workload {
            replicas,
            replicas_writer: Writer::Applier("helm".into()),
            ..Workload::default()
        };
        assert_eq!(replicas(&json!({}), &helm(3)), Some(found(3, "helm")));
        assert_eq!(replicas(&json!({}), &helm(1)), None);
        let scaled = Workload { replicas_writer: Writer::Person("kubectl".into()), ..helm(3) };
        assert_eq!(replicas(&json!({}), &scaled), None);
    }

    #[test]
    fn an_annotation_of_a_manifest_is_known_whoever_applied_it() {
        let annotations = json!({ "metadata": { "annotations": { "siskin.dev/policy": "careful" } } });
        assert!(has_annotation(&by_kubectl(&annotations), "siskin.dev/policy"));
        let fields = json!({ "f:metadata": { "f:annotations": { "f:siskin.dev/policy": {} } } });
        assert!(has_annotation(&by_flux("Apply", &fields, &json!({})), "siskin.dev/policy"));
        assert!(!has_annotation(&by_flux("Update", &fields, &json!({})), "siskin.dev/policy"));
    }
}
