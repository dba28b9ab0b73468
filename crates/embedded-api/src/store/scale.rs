//! The scale subresource of `StatefulSets`.

use serde_json::{Value, json};

use crate::value;

/// The Scale of an object.
pub fn of(object: &Value) -> Value {
    let metadata = &object["metadata"];
    let mut scale = json!({
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": {
            "name": metadata["name"], "namespace": metadata["namespace"], "uid": metadata["uid"],
            "resourceVersion": metadata["resourceVersion"], "creationTimestamp": metadata["creationTimestamp"],
        },
        "spec": {},
        "status": { "replicas": value::of(object, &["status", "replicas"]).as_i64().unwrap_or(0) },
    });
    let replicas = value::of(object, &["spec", "replicas"]).as_i64().unwrap_or(0);
    // Zero is left out, as it is in a real cluster.
    if replicas != 0 {
        value::set(&mut scale, &["spec"], "replicas", replicas);
    }
    let labels = value::at(object, &["spec", "selector", "matchLabels"]).and_then(Value::as_object);
    let selector: Vec<_> = labels
        .into_iter()
        .flatten()
        .map(|(label, value)| format!("{label}={}", value.as_str().unwrap_or_default()))
        .collect();
    if !selector.is_empty() {
        value::set(&mut scale, &["status"], "selector", selector.join(","));
    }
    scale
}

/// The object with the replicas, and the preconditions, of a Scale.
pub fn put(object: &Value, scale: &Value) -> Value {
    let mut object = object.clone();
    let replicas = match value::of(scale, &["spec", "replicas"]) {
        Value::Null => 0.into(),
        replicas => replicas.clone(),
    };
    value::set(&mut object, &["spec"], "replicas", replicas);
    for field in ["resourceVersion", "uid"] {
        let said = value::at(scale, &["metadata", field]).filter(|said| *said != "").cloned();
        match said {
            Some(said) => value::set(&mut object, &["metadata"], field, said),
            None if field == "resourceVersion" => value::remove(&mut object, &["metadata"], field),
            None => {}
        }
    }
    object
}
