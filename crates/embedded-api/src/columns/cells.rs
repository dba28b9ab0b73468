//! Cells that are more than one field.

use jiff::Timestamp;
use serde_json::Value;

use crate::value;

const NONE: &str = "<none>";

pub fn text(object: &Value, path: &[&str]) -> String {
    value::text(object, path).to_owned()
}

/// The field, text or number, or this.
pub fn or(object: &Value, path: &[&str], otherwise: &str) -> String {
    match value::at(object, path) {
        None | Some(Value::Null) => otherwise.to_owned(),
        Some(Value::String(text)) if text.is_empty() => otherwise.to_owned(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}

pub fn or_none(object: &Value, path: &[&str]) -> String {
    or(object, path, NONE)
}

pub fn count(object: &Value, path: &[&str]) -> i64 {
    value::at(object, path).and_then(Value::as_i64).unwrap_or(0)
}

fn joined(parts: impl Iterator<Item = String>) -> String {
    let parts: Vec<_> = parts.collect();
    if parts.is_empty() { NONE.to_owned() } else { parts.join(",") }
}

pub fn of_containers(set: &Value, field: &str) -> String {
    let containers = value::items(set, &["spec", "template", "spec", "containers"]);
    joined(containers.iter().map(|container| text(container, &[field])))
}

pub fn controller(object: &Value, _: Timestamp) -> String {
    let owners = value::items(object, &["metadata", "ownerReferences"]);
    let Some(owner) = owners.iter().find(|owner| owner["controller"] == true) else { return NONE.to_owned() };
    let kind = value::text(owner, &["kind"]).to_lowercase();
    match value::text(owner, &["apiVersion"]).split_once('/') {
        Some((group, _)) => format!("{kind}.{group}/{}", value::text(owner, &["name"])),
        None => format!("{kind}/{}", value::text(owner, &["name"])),
    }
}

pub fn claim_status(claim: &Value, _: Timestamp) -> String {
    if value::of(claim, &["metadata", "deletionTimestamp"]).is_string() {
        return "Terminating".to_owned();
    }
    text(claim, &["status", "phase"])
}

pub fn access_modes(claim: &Value, _: Timestamp) -> String {
    let modes = value::items(claim, &["status", "accessModes"]).iter().filter_map(|mode| {
        Some(match mode.as_str()? {
            "ReadWriteOnce" => "RWO",
            "ReadOnlyMany" => "ROX",
            "ReadWriteMany" => "RWX",
            "ReadWriteOncePod" => "RWOP",
            _ => return None,
        })
    });
    modes.collect::<Vec<_>>().join(",")
}

pub fn service_ports(service: &Value, _: Timestamp) -> String {
    joined(
        value::items(service, &["spec", "ports"])
            .iter()
            .map(|port| format!("{}/{}", count(port, &["port"]), or(port, &["protocol"], "TCP"))),
    )
}

pub fn selector(service: &Value, _: Timestamp) -> String {
    let pairs = value::at(service, &["spec", "selector"]).and_then(Value::as_object);
    joined(
        pairs
            .into_iter()
            .flatten()
            .map(|(label, value)| format!("{label}={}", value.as_str().unwrap_or_default())),
    )
}

pub fn slice_ports(slice: &Value, _: Timestamp) -> String {
    let ports = value::items(slice, &["ports"]);
    if ports.is_empty() {
        return "<unset>".to_owned();
    }
    joined(ports.iter().map(|port| count(port, &["port"]).to_string()))
}

/// The first addresses, and how many there are more.
pub fn endpoints(slice: &Value, _: Timestamp) -> String {
    const SHOWN: usize = 3;
    let addresses: Vec<_> = value::items(slice, &["endpoints"])
        .iter()
        .flat_map(|endpoint| value::items(endpoint, &["addresses"]))
        .filter_map(Value::as_str)
        .collect();
    match addresses.get(..SHOWN) {
        _ if addresses.is_empty() => "<unset>".to_owned(),
        Some(first) if addresses.len() > SHOWN => {
            format!("{} + {} more...", first.join(","), addresses.len() - SHOWN)
        }
        _ => addresses.join(","),
    }
}

pub fn data(object: &Value, _: Timestamp) -> String {
    let entries = |field: &str| object[field].as_object().map_or(0, serde_json::Map::len);
    (entries("data") + entries("binaryData")).to_string()
}

pub fn node_status(node: &Value, _: Timestamp) -> String {
    let ready = value::items(node, &["status", "conditions"])
        .iter()
        .any(|condition| condition["type"] == "Ready" && condition["status"] == "True");
    let status = if ready { "Ready" } else { "NotReady" };
    if *value::of(node, &["spec", "unschedulable"]) == true {
        format!("{status},SchedulingDisabled")
    } else {
        status.to_owned()
    }
}

pub fn event_object(event: &Value, _: Timestamp) -> String {
    let kind = value::text(event, &["involvedObject", "kind"]).to_lowercase();
    format!("{kind}/{}", value::text(event, &["involvedObject", "name"]))
}

pub fn event_source(event: &Value, _: Timestamp) -> String {
    let source = value::text(event, &["source", "component"]);
    if source.is_empty() { text(event, &["reportingComponent"]) } else { source.to_owned() }
}

pub fn scale_target(scaler: &Value, _: Timestamp) -> String {
    let target = |field| value::text(scaler, &["spec", "scaleTargetRef", field]);
    format!("{}/{}", target("kind"), target("name"))
}
