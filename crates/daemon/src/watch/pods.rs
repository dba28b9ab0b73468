//! Pods: what tells of readiness and failure.

use std::collections::BTreeMap;

use serde::Deserialize;
use siskin_core::facts::{Container, Phase, Pod, Revision, Uid};

use super::{Watched, meta::Meta};
use crate::clock;

/// A pod and its controller.
#[derive(Clone, Debug, Deserialize)]
#[serde(from = "Raw")]
pub struct OwnedPod {
    /// The projection.
    pub pod: Pod,
    resource_version: String,
    owner: Option<Uid>,
}

impl OwnedPod {
    /// Whether the pod's controller is the one of this UID.
    pub fn owned_by(&self, uid: &Uid) -> bool {
        self.owner.as_ref() == Some(uid)
    }
}

impl Watched for OwnedPod {
    fn resource_version(&self) -> &str {
        &self.resource_version
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
    host_network: bool,
    containers: Vec<SpecContainer>,
    init_containers: Vec<SpecContainer>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct SpecContainer {
    ports: Vec<Port>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Port {
    #[serde(default)]
    name: Option<String>,
    container_port: u16,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Status {
    phase: String,
    reason: Option<String>,
    #[serde(rename = "podIP")]
    pod_ip: Option<String>,
    conditions: Vec<Condition>,
    container_statuses: Vec<ContainerStatus>,
    init_container_statuses: Vec<ContainerStatus>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Condition {
    #[serde(rename = "type")]
    kind: String,
    status: String,
    reason: String,
    message: String,
    last_transition_time: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct ContainerStatus {
    name: String,
    restart_count: u32,
    state: ContainerState,
    last_state: ContainerState,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ContainerState {
    waiting: Option<Waiting>,
    terminated: Option<Terminated>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Waiting {
    reason: Option<String>,
    message: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Terminated {
    reason: Option<String>,
    exit_code: Option<i32>,
}

impl From<Raw> for OwnedPod {
    fn from(Raw { metadata, spec, status }: Raw) -> Self {
        let condition = |kind: &str| status.conditions.iter().find(|condition| condition.kind == kind);
        let ready = condition("Ready").filter(|condition| condition.status == "True");
        let scheduled = condition("PodScheduled");
        let unschedulable = scheduled.filter(|c| c.status == "False" && c.reason == "Unschedulable");
        let pod = Pod {
            ordinal: ordinal(&metadata.name),
            created: metadata.created(),
            revision: metadata.labels.get("controller-revision-hash").map(|name| Revision(name.clone())),
            role: metadata.labels.get("siskin.dev/role").cloned(),
            terminating: metadata.deletion_timestamp.is_some(),
            phase: match status.phase.as_str() {
                "Running" => Phase::Running,
                "Succeeded" => Phase::Succeeded,
                "Failed" => Phase::Failed,
                "Unknown" => Phase::Unknown,
                _ => Phase::Pending,
            },
            ready: ready.is_some(),
            ready_since: ready.and_then(|condition| clock::parse(condition.last_transition_time.as_deref()?)),
            unschedulable: unschedulable.map(|condition| condition.message.clone()),
            ip: status.pod_ip.filter(|ip| !ip.is_empty()),
            host_network: spec.host_network,
            ports: ports(&spec),
            containers: (status.init_container_statuses.into_iter().map(|container| container.project(true)))
                .chain(status.container_statuses.into_iter().map(|container| container.project(false)))
                .collect(),
            reason: status.reason,
            name: metadata.name,
            uid: metadata.uid,
        };
        let owner =
            metadata.owner_references.into_iter().find(|owner| owner.controller).map(|owner| owner.uid);
        Self { pod, resource_version: metadata.resource_version, owner }
    }
}

/// The number at the end of a pod's name.
fn ordinal(name: &str) -> u32 {
    name.rsplit('-').next().and_then(|digits| digits.parse().ok()).unwrap_or_default()
}

fn ports(spec: &Spec) -> BTreeMap<String, u16> {
    let containers = spec.init_containers.iter().chain(&spec.containers);
    containers
        .flat_map(|container| &container.ports)
        .filter_map(|port| Some((port.name.clone()?, port.container_port)))
        .collect()
}

impl ContainerStatus {
    fn project(self, init: bool) -> Container {
        // An init container that ended well says nothing of failures; its last failure does.
        let ended = [self.state.terminated, self.last_state.terminated]
            .into_iter()
            .flatten()
            .find(|ended| !(init && ended.exit_code == Some(0)))
            .unwrap_or_default();
        let waiting = self.state.waiting.unwrap_or_default();
        Container {
            name: self.name,
            restarts: self.restart_count,
            waiting: waiting.reason,
            waiting_message: waiting.message,
            terminated: ended.reason,
            exit_code: ended.exit_code,
            init,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use siskin_core::time::Wall;

    use super::*;

    fn pod(status: &serde_json::Value) -> OwnedPod {
        serde_json::from_value(json!({
            "metadata": {
                "name": "db-a-12", "namespace": "payments", "uid": "p-1", "resourceVersion": "9",
                "labels": { "controller-revision-hash": "db-a-6f" },
                "ownerReferences": [{ "uid": "u-1", "controller": true, "kind": "StatefulSet", "name": "db-a" }]
            },
            "spec": { "containers": [
                { "name": "db", "ports": [{ "name": "web", "containerPort": 8000 }, { "containerPort": 9000 }] }
            ] },
            "status": status
        }))
        .unwrap()
    }

    #[test]
    fn a_ready_pod_is_projected() {
        let owned = pod(&json!({
            "phase": "Running", "podIP": "10.0.0.7",
            "conditions": [{ "type": "Ready", "status": "True", "lastTransitionTime": "1970-01-01T00:01:00Z" }],
            "containerStatuses": [{ "name": "db", "restartCount": 0, "state": { "running": {} } }]
        }));
        assert!(owned.owned_by(&Uid::from("u-1")) && !owned.owned_by(&Uid::from("u-2")));
        assert_eq!((owned.pod.ordinal, owned.pod.phase, owned.pod.ready), (12, Phase::Running, true));
        assert_eq!(owned.pod.ready_since, Some(Wall(60)));
        assert_eq!(owned.pod.revision, Some(Revision::from("db-a-6f")));
        assert_eq!(owned.pod.ports, BTreeMap::from([("web".to_owned(), 8000)]));
    }

    #[test]
    fn a_crash_is_seen_while_the_container_runs_again() {
        let owned = pod(&json!({
            "phase": "Running",
            "containerStatuses": [{
                "name": "db", "restartCount": 2, "state": { "running": {} },
                "lastState": { "terminated": { "reason": "OOMKilled", "exitCode": 137 } }
            }]
        }));
        let container = &owned.pod.containers[0];
        assert_eq!((container.restarts, container.terminated.as_deref()), (2, Some("OOMKilled")));
        assert_eq!(container.exit_code, Some(137));
    }

    #[test]
    fn a_missing_image_and_a_missing_node_are_seen() {
        let owned = pod(&json!({
            "phase": "Pending",
            "conditions": [{ "type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/1 nodes" }],
            "containerStatuses": [{ "name": "db", "state": { "waiting": { "reason": "ImagePullBackOff", "message": "no" } } }]
        }));
        assert_eq!(owned.pod.containers[0].waiting.as_deref(), Some("ImagePullBackOff"));
        assert_eq!(owned.pod.unschedulable.as_deref(), Some("0/1 nodes"));
    }

    #[test]
    fn an_init_container_that_ended_well_tells_of_no_failure() {
        let owned = pod(&json!({
            "initContainerStatuses": [{ "name": "wait", "state": { "terminated": { "reason": "Completed", "exitCode": 0 } } }]
        }));
        let container = &owned.pod.containers[0];
        assert!(container.init && container.terminated.is_none());
    }
}
