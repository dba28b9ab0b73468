//! How lists and maps of the served kinds merge, as Kubernetes' `OpenAPI` document says it (1.35): which lists are keyed,
//! and which values change as one. Paths are field names from the root of the object.

use serde_json::Value;

/// How a list merges.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListShape {
    /// As one value.
    Atomic,
    /// Each value once.
    Set,
    /// Items are known by these fields.
    Keyed(&'static [&'static str]),
}

/// How the list at a path merges under server-side apply.
pub fn list(path: &[&str]) -> ListShape {
    use ListShape::{Atomic, Keyed, Set};
    match path {
        // Free content of a ControllerRevision; and the lists of a ServiceAccount and an EndpointSlice.
        ["data", ..] | ["imagePullSecrets" | "ports"] | [] => Atomic,
        ["metadata", "finalizers"] => Set,
        ["spec", "ports"] => Keyed(&["port", "protocol"]),
        ["status", "addresses"] => Keyed(&["type"]),
        [.., field] => match *field {
            "containers"
            | "initContainers"
            | "ephemeralContainers"
            | "env"
            | "volumes"
            | "imagePullSecrets"
            | "resourceClaims"
            | "schedulingGates"
            | "secrets"
            | "claims" => Keyed(&["name"]),
            "ports" => Keyed(&["containerPort", "protocol"]),
            "conditions" => Keyed(&["type"]),
            "ownerReferences" => Keyed(&["uid"]),
            "hostAliases" | "podIPs" => Keyed(&["ip"]),
            "volumeMounts" => Keyed(&["mountPath"]),
            "volumeDevices" => Keyed(&["devicePath"]),
            "topologySpreadConstraints" => Keyed(&["topologyKey", "whenUnsatisfiable"]),
            "podCIDRs" => Set,
            _ => Atomic,
        },
    }
}

/// The field by which a strategic merge patch knows the items of the list at a path; `None`: the list is replaced.
pub fn merge_key(path: &[&str]) -> Option<&'static str> {
    match list(path) {
        ListShape::Keyed(_) if path.last() == Some(&"claims") => None,
        ListShape::Keyed(keys) => keys.first().copied(),
        ListShape::Atomic | ListShape::Set => None,
    }
}

/// Whether the object at a path changes as one value.
pub fn is_atomic(path: &[&str]) -> bool {
    match path {
        [.., "ownerReferences"] => true,
        [.., field] => matches!(
            *field,
            "selector"
                | "labelSelector"
                | "namespaceSelector"
                | "nodeSelector"
                | "configMapKeyRef"
                | "secretKeyRef"
                | "fieldRef"
                | "resourceFieldRef"
                | "fileKeyRef"
                | "secretRef"
                | "nodePublishSecretRef"
                | "dataSource"
                | "involvedObject"
                | "related"
                | "targetRef"
                | "preference"
        ),
        [] => false,
    }
}

/// Whether the object at a path is part of its parent whatever it holds, so that nobody owns it itself.
pub fn is_always_there(path: &[&str]) -> bool {
    matches!(
        path,
        ["metadata" | "spec" | "status"]
            | ["spec", "updateStrategy"]
            | [.., "template" | "containers" | "resources"]
            | [.., "template", "metadata" | "spec"]
    )
}

/// The name of a list's item in `fieldsV1`.
pub fn item_name(shape: ListShape, item: &Value) -> Option<String> {
    match shape {
        ListShape::Atomic => None,
        ListShape::Set => Some(format!("v:{item}")),
        ListShape::Keyed(keys) => {
            let mut key: Vec<_> = keys.iter().map(|field| (*field, key_value(item, field))).collect();
            key.sort_by_key(|(field, _)| *field);
            let told: Vec<_> = key.iter().map(|(field, value)| format!("{field:?}:{value}")).collect();
            Some(format!("k:{{{}}}", told.join(",")))
        }
    }
}

/// A port without a protocol is one of TCP.
fn key_value(item: &Value, field: &str) -> Value {
    match &item[field] {
        Value::Null if field == "protocol" => "TCP".into(),
        value => value.clone(),
    }
}
