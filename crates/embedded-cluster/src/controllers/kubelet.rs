//! The scheduler and the kubelet of the one node.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use siskin_embedded::{
    model::{
        application::Start,
        kubelet::{self, Action, View},
    },
    object::{Claim, ClaimPhase, Name, Pod, PodStatus, Uid},
};
use siskin_embedded_api::{
    kinds::POD,
    store::{DeleteOptions, Part},
};

use super::{Pass, only};
use crate::{
    events::{self, Told},
    seen::{Object, Seen, Space},
    translate::{items, pod_status, text},
};

const KUBELET: &str = "kubelet";
const SCHEDULER: &str = "default-scheduler";
/// The name of the one node.
pub const NODE: &str = "embedded";

pub(super) fn sync(pass: &mut Pass<'_>, seen: &Seen) {
    let mut living: BTreeSet<Uid> = BTreeSet::new();
    for (namespace, space) in &seen.spaces {
        for pod in &space.pods {
            living.insert(pod.typed.metadata.uid);
            sync_one(pass, namespace, space, pod);
        }
    }
    pass.memory.pods.retain(|uid, _| living.contains(uid));
}

fn sync_one(pass: &mut Pass<'_>, namespace: &str, space: &Space, pod: &Object<Pod>) {
    let (typed, uid) = (&pod.typed, pod.typed.metadata.uid);
    let claim = |name: &Name| {
        space.claims.iter().map(|claim| &*claim.typed).find(|claim| claim.metadata.name == *name)
    };
    let bound = |claim: Option<&Claim>| {
        claim.is_some_and(|claim| claim.phase == ClaimPhase::Bound && !claim.metadata.terminating())
    };
    let volume = typed.claims.first().and_then(claim).map(|claim| claim.metadata.uid);
    pass.memory.see(namespace, typed, ports(&pod.json), volume);
    if pass.memory.faults.silent.contains(&uid) {
        return;
    }
    let unschedulable = pass.memory.faults.unschedulable.clone();
    let behaviour = pass.memory.behaviour(typed.template.image());
    let Some(running) = pass.memory.pods.get(&uid) else { return };
    let (memory, ip) = (&running.kubelet, running.ip);
    let scheduled = !text(&pod.json, "/spec/nodeName").is_empty();
    let view = View {
        pod: typed,
        memory,
        unschedulable: unschedulable.as_deref().filter(|_| !scheduled),
        claims_bound: typed.claims.iter().all(|name| bound(claim(name))),
        behaviour: &behaviour,
    };
    let told_to_stop =
        |memory: &kubelet::Memory| memory.process(pass.now).is_none_or(|process| process.stopping);
    let stops = typed.metadata.terminating() && !told_to_stop(memory);
    let turn = kubelet::sync(&view, pass.now, pass.chance);
    let stops = stops && told_to_stop(&turn.memory);
    // A process that is ill from its first answer on changes nothing by listening, but it listens.
    let listens = turn.memory.process(pass.now).map(|process| process.since + behaviour.start_up);
    if let Some(running) = pass.memory.pods.get_mut(&uid) {
        running.kubelet = turn.memory;
    }
    for wake in turn.wake.into_iter().chain(listens.filter(|&at| at > pass.now)) {
        pass.wake_at(wake);
    }
    match turn.action {
        // The API knows times to the second.
        Some(Action::Report(status)) if pod_status::rounded(&status) != typed.status => {
            if status.unschedulable.is_none() && !scheduled && !typed.metadata.terminating() {
                bind(pass, pod, namespace, behaviour.start);
            }
            report(pass, namespace, pod, &status, ip);
        }
        Some(Action::Remove) => {
            let target = siskin_embedded_api::store::Target::new(POD, namespace, &typed.metadata.name);
            let at_once = DeleteOptions { grace_seconds: Some(0), ..only(uid) };
            // Finalizers may hold it.
            let _ = pass.delete(KUBELET, &target, &at_once);
        }
        Some(Action::Report(_)) | None => {}
    }
    if stops {
        let container = typed.template.container();
        pass.record(KUBELET, &pod.json, &Told::normal("Killing", format!("Stopping container {container}")));
    }
}

/// Puts the pod on the node.
fn bind(pass: &mut Pass<'_>, pod: &Object<Pod>, namespace: &str, start: Start) {
    let metadata = &pod.typed.metadata;
    let Some((target, _)) = pass.live(POD, namespace, &metadata.name, metadata.uid) else { return };
    if pass.patch(SCHEDULER, &target, Part::Whole, json!({ "spec": { "nodeName": NODE } })).is_ok() {
        let message = format!("Successfully assigned {namespace}/{} to {NODE}", metadata.name);
        pass.record(SCHEDULER, &pod.json, &Told::normal("Scheduled", message));
        if start == Start::NoMount {
            let message = "MountVolume.SetUp failed for a volume: its secret was not found";
            pass.record(KUBELET, &pod.json, &Told::warning("FailedMount", message));
        }
    }
}

fn report(
    pass: &mut Pass<'_>,
    namespace: &str,
    pod: &Object<Pod>,
    status: &PodStatus,
    ip: std::net::Ipv4Addr,
) {
    let metadata = &pod.typed.metadata;
    let Some((target, object)) = pass.live(POD, namespace, &metadata.name, metadata.uid) else { return };
    let before = pass.store.version();
    let patch = pod_status::patch(&object, status, ip, pass.now);
    // Refused only if somebody changed the pod into one that isn't valid; then the next change brings it up.
    let _ = pass.patch(KUBELET, &target, Part::Status, patch);
    if pass.store.version() == before {
        return;
    }
    if let Some(message) =
        status.unschedulable.as_deref().filter(|_| pod.typed.status.unschedulable.is_none())
    {
        pass.record(SCHEDULER, &pod.json, &Told::warning("FailedScheduling", message));
    }
    for told in events::of_pod(&pod.json, &pod.typed.status, status) {
        pass.record(KUBELET, &pod.json, &told);
    }
}

fn ports(pod: &Value) -> Vec<u16> {
    let ports = items(pod, "/spec/containers").iter().flat_map(|container| items(container, "/ports"));
    let numbers = ports.filter_map(|port| u16::try_from(port["containerPort"].as_u64()?).ok());
    numbers.collect::<BTreeSet<_>>().into_iter().collect()
}
