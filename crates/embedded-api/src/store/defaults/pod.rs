//! What the API server fills into the spec of a pod, in a template too.

use serde_json::{Value, json};

use crate::value;

/// Fills in the spec of a pod.
pub fn spec(spec: &mut Value) {
    for (field, default) in [
        ("dnsPolicy", json!("ClusterFirst")),
        ("restartPolicy", json!("Always")),
        ("schedulerName", json!("default-scheduler")),
        ("securityContext", json!({})),
        ("terminationGracePeriodSeconds", json!(30)),
    ] {
        value::default(spec, &[], field, default);
    }
    for list in ["containers", "initContainers"] {
        each(spec, list, container);
    }
    each(spec, "volumes", volume);
}

fn each(object: &mut Value, list: &str, fill: impl Fn(&mut Value)) {
    if let Some(Value::Array(items)) = object.get_mut(list) {
        items.iter_mut().filter(|item| item.is_object()).for_each(fill);
    }
}

fn container(container: &mut Value) {
    let policy = if is_latest(value::text(container, &["image"])) { "Always" } else { "IfNotPresent" };
    value::default(container, &[], "imagePullPolicy", policy);
    value::default(container, &[], "terminationMessagePath", "/dev/termination-log");
    value::default(container, &[], "terminationMessagePolicy", "File");
    value::default(container, &[], "resources", json!({}));
    each(container, "ports", |port| value::default(port, &[], "protocol", "TCP"));
    each(container, "env", |variable| {
        if value::of(variable, &["valueFrom", "fieldRef"]).is_object() {
            value::default(variable, &["valueFrom", "fieldRef"], "apiVersion", "v1");
        }
    });
    for name in ["livenessProbe", "readinessProbe", "startupProbe"] {
        if container[name].is_object() {
            probe(container, name);
        }
    }
}

fn probe(container: &mut Value, name: &str) {
    for (field, default) in
        [("timeoutSeconds", 1), ("periodSeconds", 10), ("successThreshold", 1), ("failureThreshold", 3)]
    {
        value::default(container, &[name], field, default);
    }
    if value::of(container, &[name, "httpGet"]).is_object() {
        value::default(container, &[name, "httpGet"], "path", "/");
        value::default(container, &[name, "httpGet"], "scheme", "HTTP");
    }
}

fn volume(volume: &mut Value) {
    const MODE: i64 = 0o644;
    for source in ["configMap", "secret", "downwardAPI", "projected"] {
        if volume[source].is_object() {
            value::default(volume, &[source], "defaultMode", MODE);
        }
    }
}

/// Whether an image has no tag or digest, or the tag `latest`.
fn is_latest(image: &str) -> bool {
    let name = image.rsplit('/').next().unwrap_or_default();
    if name.contains('@') {
        return false;
    }
    name.split_once(':').is_none_or(|(_, tag)| tag == "latest")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_without_a_tag_is_the_latest() {
        let latest = ["db", "db:latest", "host:5000/db"];
        assert!(latest.into_iter().all(is_latest));
        let fixed = ["db:1", "host:5000/db:1", "db@sha256:00"];
        assert!(!fixed.into_iter().any(is_latest));
    }
}
