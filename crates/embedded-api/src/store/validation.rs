//! What an object may not be, and what of it may not change, in Kubernetes' words.

use serde_json::Value;

use super::Part;
use crate::{kinds::Kind, refusal::Cause, value};

/// What is wrong with a new object.
pub fn of_new(kind: &Kind, object: &Value) -> Vec<Cause> {
    let mut causes: Vec<_> = name(object).into_iter().collect();
    causes.extend(of_any(kind, object));
    causes
}

/// What is wrong with a change.
pub fn of_changed(kind: &Kind, part: Part, live: &Value, new: &Value) -> Vec<Cause> {
    let mut causes = Vec::new();
    match (kind.plural, part) {
        ("statefulsets", Part::Status) => causes.extend(stateful_set_status(&new["status"])),
        ("statefulsets", _) => causes.extend(stateful_set_change(live, new)),
        ("pods", Part::Whole) => causes.extend(pod_change(live, new)),
        ("controllerrevisions", _) if new.get("data") != live.get("data") => {
            causes.push(Cause::invalid("data", &Value::Null, "field is immutable"));
        }
        ("configmaps" | "secrets", _) if live["immutable"] == true && new.get("data") != live.get("data") => {
            causes.push(Cause::forbidden("data", "field is immutable when `immutable` is set"));
        }
        _ => {}
    }
    causes.extend(of_any(kind, new));
    causes
}

/// What is wrong with an object, new or changed.
fn of_any(kind: &Kind, object: &Value) -> Vec<Cause> {
    let mut causes = Vec::new();
    for (field, what) in [("labels", "label"), ("annotations", "annotation")] {
        let pairs = value::at(object, &["metadata", field]).and_then(Value::as_object);
        let wrong = pairs.into_iter().flatten().filter(|(_, value)| !value.is_string());
        causes.extend(wrong.map(|(name, value)| {
            Cause::invalid(
                format!("metadata.{field}.{name}"),
                value,
                &format!("the value of a {what} is a string"),
            )
        }));
    }
    match kind.plural {
        "statefulsets" => causes.extend(stateful_set(&object["spec"])),
        "pods" => causes.extend(containers(&object["spec"], "spec")),
        "services" => causes.extend(service(&object["spec"])),
        "events" => {
            if let Some(base) =
                value::of(object, &["metadata", "generateName"]).as_str().filter(|base| base.ends_with('.'))
            {
                let why = "a lowercase RFC 1123 subdomain must not end in a dot";
                causes.push(Cause::invalid("metadata.generateName", &base.into(), why));
            }
        }
        _ => {}
    }
    causes
}

const NAME_RULE: &str = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";

fn name(object: &Value) -> Option<Cause> {
    const LONGEST: usize = 253;
    let name = value::text(object, &["metadata", "name"]);
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let part = |part: &str| {
        let bytes = part.as_bytes();
        bytes.iter().all(|byte| inner(*byte) || *byte == b'-')
            && bytes.first().copied().is_some_and(inner)
            && bytes.last().copied().is_some_and(inner)
    };
    if name.len() > LONGEST {
        return Some(Cause::invalid("metadata.name", &name.into(), "must be no more than 253 characters"));
    }
    (!name.split('.').all(part)).then(|| Cause::invalid("metadata.name", &name.into(), NAME_RULE))
}

fn stateful_set(spec: &Value) -> Vec<Cause> {
    let mut causes = Vec::new();
    let strategy = &spec["updateStrategy"];
    let kind = &strategy["type"];
    let management = &spec["podManagementPolicy"];
    if !matches!(management.as_str(), Some("OrderedReady" | "Parallel")) {
        let supported = ["OrderedReady", "Parallel"];
        causes.push(Cause::unsupported("spec.podManagementPolicy", management, &supported));
    }
    if !matches!(kind.as_str(), Some("RollingUpdate" | "OnDelete")) {
        causes.push(Cause::unsupported("spec.updateStrategy", kind, &["OnDelete", "RollingUpdate"]));
    }
    if kind == "OnDelete" && !strategy["rollingUpdate"].is_null() {
        let why = "only allowed for updateStrategy 'RollingUpdate'";
        causes.push(Cause::invalid("spec.updateStrategy.rollingUpdate", &strategy["rollingUpdate"], why));
    }
    let counts = [
        ("spec.replicas", &spec["replicas"]),
        ("spec.updateStrategy.rollingUpdate.partition", value::of(strategy, &["rollingUpdate", "partition"])),
        ("spec.minReadySeconds", &spec["minReadySeconds"]),
        ("spec.revisionHistoryLimit", &spec["revisionHistoryLimit"]),
        ("spec.ordinals.start", value::of(spec, &["ordinals", "start"])),
    ];
    for (field, count) in counts {
        causes.extend(not_a_count(field, count));
    }
    let labels = value::of(spec, &["template", "metadata", "labels"]);
    let selector = value::of(spec, &["selector", "matchLabels"]);
    match selector.as_object() {
        _ if !spec["selector"].is_object() => causes.push(Cause::required("spec.selector", "")),
        Some(wanted) if wanted.iter().any(|(label, value)| labels.get(label) != Some(value)) => {
            let why = "`selector` does not match template `labels`";
            causes.push(Cause::invalid("spec.template.metadata.labels", labels, why));
        }
        Some(_) => {}
        None if value::of(spec, &["selector", "matchExpressions"]).is_array() => {}
        None => {
            let why = "empty selector is invalid for statefulset";
            causes.push(Cause::invalid("spec.selector", &spec["selector"], why));
        }
    }
    let pod = value::of(spec, &["template", "spec"]);
    if pod["restartPolicy"] != "Always" {
        causes.push(Cause::unsupported(
            "spec.template.spec.restartPolicy",
            &pod["restartPolicy"],
            &["Always"],
        ));
    }
    causes.extend(containers(pod, "spec.template.spec"));
    causes
}

fn not_a_count(field: &str, count: &Value) -> Option<Cause> {
    match count.as_i64() {
        Some(0..=2_147_483_647) => None,
        _ if count.is_null() => None,
        _ => Some(Cause::invalid(field, count, "must be greater than or equal to 0")),
    }
}

fn containers(pod: &Value, at: &str) -> Vec<Cause> {
    let containers = value::items(pod, &["containers"]);
    if containers.is_empty() {
        return vec![Cause::required(format!("{at}.containers"), "")];
    }
    let mut causes = Vec::new();
    for (index, container) in containers.iter().enumerate() {
        let mut required = |field: &str| {
            if value::text(container, &[field]).is_empty() {
                causes.push(Cause::required(format!("{at}.containers[{index}].{field}"), ""));
            }
        };
        required("name");
        required("image");
        if containers.iter().take(index).any(|other| other["name"] == container["name"]) {
            let message = format!("Duplicate value: {}", container["name"]);
            let field = format!("{at}.containers[{index}].name");
            causes.push(Cause { reason: "FieldValueDuplicate", field, message });
        }
    }
    causes
}

const SET_RULE: &str = "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden";
const SET_MAY_CHANGE: [&str; 7] = [
    "replicas",
    "ordinals",
    "template",
    "updateStrategy",
    "revisionHistoryLimit",
    "persistentVolumeClaimRetentionPolicy",
    "minReadySeconds",
];

fn stateful_set_change(live: &Value, new: &Value) -> Option<Cause> {
    let fixed = |set: &Value| {
        let mut spec = set["spec"].clone();
        for field in SET_MAY_CHANGE {
            value::remove(&mut spec, &[], field);
        }
        spec
    };
    (fixed(live) != fixed(new)).then(|| Cause::forbidden("spec", SET_RULE))
}

fn stateful_set_status(status: &Value) -> Vec<Cause> {
    let count = |field: &str| status[field].as_i64().unwrap_or(0);
    let mut causes = Vec::new();
    for field in ["replicas", "readyReplicas", "currentReplicas", "updatedReplicas", "availableReplicas"] {
        causes.extend(not_a_count(&format!("status.{field}"), &status[field]));
        if field != "replicas" && count(field) > count("replicas") {
            let why = "cannot be greater than status.replicas";
            causes.push(Cause::invalid(format!("status.{field}"), &status[field], why));
        }
    }
    if count("availableReplicas") > count("readyReplicas") {
        let why = "cannot be greater than status.readyReplicas";
        causes.push(Cause::invalid("status.availableReplicas", &status["availableReplicas"], why));
    }
    causes
}

const POD_RULE: &str = "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)";

fn pod_change(live: &Value, new: &Value) -> Option<Cause> {
    let fixed = |pod: &Value| {
        let mut spec = pod["spec"].clone();
        for field in ["activeDeadlineSeconds", "tolerations", "nodeName"] {
            value::remove(&mut spec, &[], field);
        }
        for list in ["containers", "initContainers"] {
            let containers = spec.get_mut(list).and_then(Value::as_array_mut);
            for container in containers.into_iter().flatten() {
                value::remove(container, &[], "image");
            }
        }
        spec
    };
    let node = |pod: &Value| value::text(pod, &["spec", "nodeName"]).to_owned();
    let moved = !node(live).is_empty() && node(live) != node(new);
    (moved || fixed(live) != fixed(new)).then(|| Cause::forbidden("spec", POD_RULE))
}

fn service(spec: &Value) -> Vec<Cause> {
    let ports = value::items(spec, &["ports"]);
    if ports.is_empty() && spec["type"] != "ExternalName" && spec["clusterIP"] != "None" {
        return vec![Cause::required("spec.ports", "")];
    }
    let wrong =
        ports.iter().enumerate().filter(|(_, port)| !matches!(port["port"].as_i64(), Some(1..=65_535)));
    wrong
        .map(|(index, port)| {
            let field = format!("spec.ports[{index}].port");
            Cause::invalid(field, &port["port"], "must be between 1 and 65535, inclusive")
        })
        .collect()
}
