//! A pod template: opaque to the controllers, which only compare and name it; the kubelet reads a few fields.

use std::{fmt, sync::Arc};

use serde_json::{Map, Value};

use super::{Labels, Name};
use crate::Millis;

/// A pod template, cheap to copy.
///
/// Read from it, once: the first container (name, image, memory limit, `readinessProbe`, `livenessProbe`,
/// `preStop.sleep`), the labels and `terminationGracePeriodSeconds`. Everything else only makes it a different one.
#[derive(Clone)]
pub struct Template(Arc<Parts>);

struct Parts {
    json: Value,
    /// The bytes that a revision keeps: keys in order.
    text: String,
    /// The same without empty members, if it differs.
    meaning: Option<String>,
    labels: Labels,
    container: Name,
    image: Name,
    grace: Millis,
    pre_stop: Millis,
    memory_limit: Option<u64>,
    readiness: Option<Probe>,
    liveness: Option<Probe>,
}

/// A probe's timing. How long one takes to answer is not modelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Probe {
    /// `initialDelaySeconds`, in milliseconds.
    pub initial_delay: Millis,
    /// `periodSeconds`, in milliseconds.
    pub period: Millis,
    /// `failureThreshold`.
    pub failure_threshold: u64,
}

impl Template {
    /// Takes a `PodTemplateSpec`.
    pub fn new(json: Value) -> Self {
        let text = canonical(&json);
        let meaning = Some(canonical(&without_empty(&json))).filter(|meaning| *meaning != text);
        let container = json.pointer("/spec/containers/0").unwrap_or(&Value::Null);
        let string =
            |key: &str, default: &str| container.get(key).and_then(Value::as_str).unwrap_or(default).into();
        let grace = json.pointer("/spec/terminationGracePeriodSeconds").and_then(Value::as_u64).unwrap_or(30);
        let pre_stop =
            container.pointer("/lifecycle/preStop/sleep/seconds").and_then(Value::as_u64).unwrap_or(0);
        let memory = container.pointer("/resources/limits/memory").and_then(Value::as_str);
        let parts = Parts {
            labels: Arc::new(strings(json.pointer("/metadata/labels"))),
            container: string("name", "app"),
            image: string("image", ""),
            grace: grace.saturating_mul(1000),
            pre_stop: pre_stop.saturating_mul(1000),
            memory_limit: memory.and_then(bytes),
            readiness: container.get("readinessProbe").map(Probe::read),
            liveness: container.get("livenessProbe").map(Probe::read),
            json,
            text,
            meaning,
        };
        Self(Arc::new(parts))
    }

    /// The usual template of tests: one container `app` with this image and a readiness probe each second, and
    /// these labels.
    pub fn of_image(image: &str, labels: &Labels) -> Self {
        Self::new(serde_json::json!({
            "metadata": { "labels": **labels },
            "spec": { "containers": [{ "name": "app", "image": image, "readinessProbe": { "periodSeconds": 1 } }] },
        }))
    }

    /// The template as it was given.
    pub fn json(&self) -> &Value {
        &self.0.json
    }

    /// The bytes that a revision keeps and is named by.
    pub fn text(&self) -> &str {
        &self.0.text
    }

    /// Whether both mean the same: equal but for members that are null or empty. A Kubernetes upgrade that wrote
    /// such members differently made new revisions of old templates (kubernetes#134773).
    pub fn means_same_as(&self, other: &Self) -> bool {
        let meaning = |template: &Self| template.0.meaning.clone().unwrap_or_else(|| template.0.text.clone());
        Arc::ptr_eq(&self.0, &other.0) || self == other || meaning(self) == meaning(other)
    }

    /// `metadata.labels`.
    pub fn labels(&self) -> &Labels {
        &self.0.labels
    }

    /// The first container's name.
    pub fn container(&self) -> &Name {
        &self.0.container
    }

    /// The first container's image.
    pub fn image(&self) -> &Name {
        &self.0.image
    }

    /// `terminationGracePeriodSeconds`, in milliseconds.
    pub fn grace(&self) -> Millis {
        self.0.grace
    }

    /// How long `preStop` sleeps before the process is told to stop.
    pub fn pre_stop(&self) -> Millis {
        self.0.pre_stop
    }

    /// The first container's memory limit in bytes.
    pub fn memory_limit(&self) -> Option<u64> {
        self.0.memory_limit
    }

    /// The first container's readiness probe.
    pub fn readiness(&self) -> Option<Probe> {
        self.0.readiness
    }

    /// The first container's liveness probe.
    pub fn liveness(&self) -> Option<Probe> {
        self.0.liveness
    }
}

impl PartialEq for Template {
    /// Byte by byte, as the history compares them.
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.0.text == other.0.text
    }
}

impl Eq for Template {}

impl fmt::Debug for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Template({})", self.0.text)
    }
}

impl Probe {
    fn read(json: &Value) -> Self {
        let number = |key: &str, default: u64| json.get(key).and_then(Value::as_u64).unwrap_or(default);
        Self {
            initial_delay: number("initialDelaySeconds", 0).saturating_mul(1000),
            period: number("periodSeconds", 10).max(1).saturating_mul(1000),
            failure_threshold: number("failureThreshold", 3).max(1),
        }
    }
}

/// JSON with the keys in order, whatever order they came in.
fn canonical(json: &Value) -> String {
    match json {
        Value::Object(members) => {
            let mut sorted: Vec<_> = members.iter().collect();
            sorted.sort_by_key(|(key, _)| *key);
            let written = sorted
                .into_iter()
                .map(|(key, value)| format!("{}:{}", Value::from(key.as_str()), canonical(value)));
            format!("{{{}}}", written.collect::<Vec<_>>().join(","))
        }
        Value::Array(items) => format!("[{}]", items.iter().map(canonical).collect::<Vec<_>>().join(",")),
        other => other.to_string(),
    }
}

fn without_empty(json: &Value) -> Value {
    match json {
        Value::Object(members) => {
            let kept = members.iter().map(|(key, value)| (key.clone(), without_empty(value)));
            Value::Object(kept.filter(|(_, value)| !is_empty(value)).collect::<Map<_, _>>())
        }
        Value::Array(items) => Value::Array(items.iter().map(without_empty).collect()),
        other => other.clone(),
    }
}

fn is_empty(json: &Value) -> bool {
    match json {
        Value::Null => true,
        Value::Object(members) => members.is_empty(),
        Value::Array(items) => items.is_empty(),
        _ => false,
    }
}

fn strings(json: Option<&Value>) -> std::collections::BTreeMap<String, String> {
    let members = json.and_then(Value::as_object).into_iter().flatten();
    members.filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned()))).collect()
}

/// A quantity in whole bytes, with Ki, Mi, Gi, k, M or G.
fn bytes(quantity: &str) -> Option<u64> {
    let digits = quantity.find(|c: char| !c.is_ascii_digit()).unwrap_or(quantity.len());
    let (number, unit) = quantity.split_at(digits);
    let factor = match unit {
        "" => 1,
        "Ki" => 1 << 10,
        "Mi" => 1 << 20,
        "Gi" => 1 << 30,
        "k" => 1000,
        "M" => 1_000_000,
        "G" => 1_000_000_000,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(factor)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_template_is_equal_whatever_the_order_of_its_keys() {
        let one: Value = serde_json::from_str(r#"{"spec":{"a":1,"b":[{"c":2,"d":3}]}}"#).unwrap();
        let other: Value = serde_json::from_str(r#"{"spec":{"b":[{"d":3,"c":2}],"a":1}}"#).unwrap();
        assert_eq!(Template::new(one), Template::new(other));
    }

    #[test]
    fn a_null_changes_the_bytes_and_not_the_meaning() {
        let old = Template::new(json!({ "metadata": { "creationTimestamp": null }, "spec": { "x": 1 } }));
        let new = Template::new(json!({ "metadata": {}, "spec": { "x": 1 } }));
        assert_ne!(old, new);
        assert!(old.means_same_as(&new));
        assert!(!old.means_same_as(&Template::new(json!({ "spec": { "x": 2 } }))));
    }

    #[test]
    fn the_kubelets_fields_are_read_with_their_units() {
        let template = Template::new(json!({ "metadata": { "labels": { "app": "db" } }, "spec": {
            "terminationGracePeriodSeconds": 5,
            "containers": [{ "name": "db", "image": "db:1", "resources": { "limits": { "memory": "64Mi" } },
                "lifecycle": { "preStop": { "sleep": { "seconds": 2 } } },
                "readinessProbe": { "periodSeconds": 2, "initialDelaySeconds": 3 } }] } }));
        assert_eq!((&**template.image(), &**template.container()), ("db:1", "db"));
        assert_eq!((template.grace(), template.pre_stop()), (5_000, 2_000));
        assert_eq!(template.memory_limit(), Some(64 << 20));
        let probe = Probe { initial_delay: 3_000, period: 2_000, failure_threshold: 3 };
        assert_eq!((template.readiness(), template.liveness()), (Some(probe), None));
        assert_eq!(template.labels().get("app").map(String::as_str), Some("db"));
    }
}
