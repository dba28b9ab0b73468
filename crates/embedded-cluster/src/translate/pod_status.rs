//! The status that the kubelet writes, as `kubectl get pod -o yaml` shows it.

use std::net::Ipv4Addr;

use serde_json::{Map, Value, json};
use siskin_embedded::{
    Millis,
    object::{Container, ContainerState, Phase, PodStatus, Terminated},
};

use super::{items, text, written};

/// The conditions that the kubelet and the scheduler write; others are left as they are.
const CONDITIONS: [&str; 5] =
    ["PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled"];

/// A patch of a pod's status. Conditions that are as they were keep their times.
pub fn patch(pod: &Value, status: &PodStatus, ip: Ipv4Addr, now: Millis) -> Value {
    let mut patch = json!({
        "phase": phase(status.phase),
        "reason": status.reason.as_deref(),
        "observedGeneration": pod.pointer("/metadata/generation"),
        "conditions": conditions(pod, status, now),
        "containerStatuses": status.container.as_ref().map(|container| containers(pod, status, container)),
    });
    let fields = super::merge;
    if status.unschedulable.is_none() && text(pod, "/status/startTime").is_empty() {
        fields(
            &mut patch,
            json!({ "startTime": written(now), "hostIP": NODE_IP, "hostIPs": [{ "ip": NODE_IP }] }),
        );
    }
    if status.has_ip {
        fields(&mut patch, json!({ "podIP": ip.to_string(), "podIPs": [{ "ip": ip.to_string() }] }));
    }
    json!({ "status": patch })
}

/// A status as it is once it was written and read: times to the second.
pub fn rounded(status: &PodStatus) -> PodStatus {
    let to_second = |moment: Millis| moment / 1000 * 1000;
    let ended = |how: &Terminated| Terminated { at: to_second(how.at), ..how.clone() };
    let container = |container: &Container| Container {
        state: match &container.state {
            ContainerState::Running { since } => ContainerState::Running { since: to_second(*since) },
            ContainerState::Terminated(how) => ContainerState::Terminated(ended(how)),
            waiting @ ContainerState::Waiting { .. } => waiting.clone(),
        },
        last: container.last.as_ref().map(ended),
        restarts: container.restarts,
    };
    PodStatus {
        ready_since: status.ready_since.map(to_second),
        container: status.container.as_ref().map(container),
        ..status.clone()
    }
}

/// The address of the one node.
pub const NODE_IP: &str = "127.0.0.1";

fn phase(phase: Phase) -> &'static str {
    match phase {
        Phase::Pending => "Pending",
        Phase::Running => "Running",
        Phase::Succeeded => "Succeeded",
        Phase::Failed => "Failed",
    }
}

fn conditions(pod: &Value, status: &PodStatus, now: Millis) -> Vec<Value> {
    let live = items(pod, "/status/conditions");
    let foreign = live.iter().filter(|condition| !CONDITIONS.contains(&text(condition, "/type"))).cloned();
    let scheduled = status.unschedulable.is_none();
    let kept = CONDITIONS.into_iter().filter(|kind| scheduled || *kind == "PodScheduled");
    let own = kept.map(|kind| {
        let is_true = match kind {
            "Ready" | "ContainersReady" => status.ready_since.is_some(),
            "PodReadyToStartContainers" => status.has_ip,
            "PodScheduled" => scheduled,
            _ => true,
        };
        let value = if is_true { "True" } else { "False" };
        let before = live.iter().find(|condition| condition["type"] == kind);
        let since = match before.filter(|before| before["status"] == value) {
            Some(before) => before["lastTransitionTime"].clone(),
            None if is_true && kind.ends_with("Ready") => written(status.ready_since.unwrap_or(now)).into(),
            None => written(now).into(),
        };
        let mut condition =
            json!({ "type": kind, "status": value, "lastProbeTime": null, "lastTransitionTime": since });
        if let Some((reason, message)) = why(pod, status, kind).filter(|_| !is_true) {
            super::merge(&mut condition, json!({ "reason": reason, "message": message }));
        }
        condition
    });
    own.chain(foreign).collect()
}

fn why(pod: &Value, status: &PodStatus, kind: &str) -> Option<(&'static str, String)> {
    match kind {
        "PodScheduled" => Some(("Unschedulable", status.unschedulable.as_deref()?.to_owned())),
        "Ready" | "ContainersReady" if status.phase == Phase::Failed => Some(("PodFailed", String::new())),
        "Ready" | "ContainersReady" => {
            let names: Vec<&str> =
                items(pod, "/spec/containers").iter().map(|container| text(container, "/name")).collect();
            Some(("ContainersNotReady", format!("containers with unready status: [{}]", names.join(" "))))
        }
        _ => None,
    }
}

/// All containers share the state of the one that is modelled, the first.
fn containers(pod: &Value, status: &PodStatus, container: &Container) -> Vec<Value> {
    let uid = text(pod, "/metadata/uid");
    let runs = matches!(container.state, ContainerState::Running { .. });
    let one = |spec: &Value| {
        let (name, image) = (text(spec, "/name"), text(spec, "/image"));
        let id = format!("embedded://{uid}/{name}/{}", container.restarts);
        json!({
            "name": name, "image": image, "imageID": if runs { image } else { "" },
            "containerID": if runs { id } else { String::new() },
            "ready": runs && status.ready_since.is_some(), "started": runs,
            "restartCount": container.restarts,
            "state": state(pod, name, image, &container.state),
            "lastState": container.last.as_ref().map_or_else(|| json!({}), ended),
        })
    };
    items(pod, "/spec/containers").iter().map(one).collect()
}

fn state(pod: &Value, name: &str, image: &str, state: &ContainerState) -> Value {
    match state {
        ContainerState::Running { since } => json!({ "running": { "startedAt": written(*since) } }),
        ContainerState::Terminated(how) => ended(how),
        ContainerState::Waiting { reason } => {
            let mut waiting = Map::from_iter([("reason".to_owned(), Value::from(&**reason))]);
            if let Some(message) = message(pod, name, image, reason) {
                waiting.insert("message".to_owned(), message.into());
            }
            json!({ "waiting": waiting })
        }
    }
}

fn message(pod: &Value, name: &str, image: &str, reason: &str) -> Option<String> {
    let of = |field: &str| text(pod, &format!("/metadata/{field}"));
    match reason {
        "ErrImagePull" => Some(format!("failed to pull image \"{image}\": not found")),
        "ImagePullBackOff" => Some(format!("Back-off pulling image \"{image}\": not found")),
        "CrashLoopBackOff" => Some(format!(
            "back-off restarting failed container={name} pod={}_{}({})",
            of("name"),
            of("namespace"),
            of("uid")
        )),
        "CreateContainerConfigError" => {
            Some("a ConfigMap or Secret of its environment was not found".to_owned())
        }
        "RunContainerError" => Some("its command can't be run".to_owned()),
        _ => None,
    }
}

fn ended(how: &Terminated) -> Value {
    json!({ "terminated": { "reason": &*how.reason, "exitCode": how.exit_code, "startedAt": written(how.at),
        "finishedAt": written(how.at) } })
}
