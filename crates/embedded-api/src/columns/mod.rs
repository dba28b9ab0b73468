//! What `kubectl get` shows of each kind: columns, and how a cell is read from an object.

mod age;
mod cells;
mod pod;

use jiff::Timestamp;
use serde_json::Value;

/// A column of a table.
#[derive(Debug)]
pub struct Column {
    /// Its head.
    pub name: &'static str,
    /// Shown by `-o wide` only.
    pub wide: bool,
    /// Its cell for an object at a time.
    pub cell: fn(&Value, Timestamp) -> String,
}

const fn column(name: &'static str, cell: fn(&Value, Timestamp) -> String) -> Column {
    Column { name, wide: false, cell }
}

const fn wide(name: &'static str, cell: fn(&Value, Timestamp) -> String) -> Column {
    Column { name, wide: true, cell }
}

pub const AGE: &[Column] = &[column("Age", age::created)];

pub const POD: &[Column] = &[
    column("Ready", pod::ready),
    column("Status", pod::status),
    column("Restarts", pod::restarts),
    column("Age", age::created),
    wide("IP", |pod, _| cells::or_none(pod, &["status", "podIP"])),
    wide("Node", |pod, _| cells::or_none(pod, &["spec", "nodeName"])),
    wide("Nominated Node", |pod, _| cells::or_none(pod, &["status", "nominatedNodeName"])),
    wide("Readiness Gates", |_, _| "<none>".to_owned()),
];

pub const STATEFUL_SET: &[Column] = &[
    column("Ready", |set, _| {
        format!(
            "{}/{}",
            cells::count(set, &["status", "readyReplicas"]),
            cells::count(set, &["spec", "replicas"])
        )
    }),
    column("Age", age::created),
    wide("Containers", |set, _| cells::of_containers(set, "name")),
    wide("Images", |set, _| cells::of_containers(set, "image")),
];

pub const CONTROLLER_REVISION: &[Column] = &[
    column("Controller", cells::controller),
    column("Revision", |revision, _| cells::count(revision, &["revision"]).to_string()),
    column("Age", age::created),
];

pub const CLAIM: &[Column] = &[
    column("Status", cells::claim_status),
    column("Volume", |claim, _| cells::text(claim, &["spec", "volumeName"])),
    column("Capacity", |claim, _| cells::text(claim, &["status", "capacity", "storage"])),
    column("Access Modes", cells::access_modes),
    column("StorageClass", |claim, _| cells::text(claim, &["spec", "storageClassName"])),
    column("VolumeAttributesClass", |_, _| "<unset>".to_owned()),
    column("Age", age::created),
    wide("VolumeMode", |claim, _| cells::text(claim, &["spec", "volumeMode"])),
];

pub const SERVICE: &[Column] = &[
    column("Type", |service, _| cells::text(service, &["spec", "type"])),
    column("Cluster-IP", |service, _| cells::or_none(service, &["spec", "clusterIP"])),
    column("External-IP", |service, _| cells::or_none(service, &["spec", "externalName"])),
    column("Port(s)", cells::service_ports),
    column("Age", age::created),
    wide("Selector", cells::selector),
];

pub const ENDPOINT_SLICE: &[Column] = &[
    column("AddressType", |slice, _| cells::text(slice, &["addressType"])),
    column("Ports", cells::slice_ports),
    column("Endpoints", cells::endpoints),
    column("Age", age::created),
];

pub const CONFIG_MAP: &[Column] = &[column("Data", cells::data), column("Age", age::created)];

pub const SECRET: &[Column] = &[
    column("Type", |secret, _| cells::text(secret, &["type"])),
    column("Data", cells::data),
    column("Age", age::created),
];

pub const NAMESPACE: &[Column] =
    &[column("Status", |space, _| cells::text(space, &["status", "phase"])), column("Age", age::created)];

pub const NODE: &[Column] = &[
    column("Status", cells::node_status),
    column("Roles", |_, _| "<none>".to_owned()),
    column("Age", age::created),
    column("Version", |node, _| cells::text(node, &["status", "nodeInfo", "kubeletVersion"])),
];

pub const EVENT: &[Column] = &[
    column("Last Seen", age::last_seen),
    column("Type", |event, _| cells::text(event, &["type"])),
    column("Reason", |event, _| cells::text(event, &["reason"])),
    column("Object", cells::event_object),
    wide("Source", cells::event_source),
    column("Message", |event, _| cells::text(event, &["message"]).trim().to_owned()),
    wide("First Seen", age::first_seen),
    wide("Count", |event, _| cells::count(event, &["count"]).max(1).to_string()),
    wide("Name", |event, _| cells::text(event, &["metadata", "name"])),
];

pub const LEASE: &[Column] = &[
    column("Holder", |lease, _| cells::text(lease, &["spec", "holderIdentity"])),
    column("Age", age::created),
];

pub const DISRUPTION_BUDGET: &[Column] = &[
    column("Min Available", |budget, _| cells::or(budget, &["spec", "minAvailable"], "N/A")),
    column("Max Unavailable", |budget, _| cells::or(budget, &["spec", "maxUnavailable"], "N/A")),
    column("Allowed Disruptions", |budget, _| {
        cells::count(budget, &["status", "disruptionsAllowed"]).to_string()
    }),
    column("Age", age::created),
];

pub const AUTOSCALER: &[Column] = &[
    column("Reference", cells::scale_target),
    column("Targets", |_, _| "<unknown>".to_owned()),
    column("MinPods", |scaler, _| cells::or(scaler, &["spec", "minReplicas"], "<unset>")),
    column("MaxPods", |scaler, _| cells::or(scaler, &["spec", "maxReplicas"], "<unset>")),
    column("Replicas", |scaler, _| cells::count(scaler, &["status", "currentReplicas"]).to_string()),
    column("Age", age::created),
];
