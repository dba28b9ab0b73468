//! The kubelet without a host.

use super::*;
use crate::object::{Metadata, Phase, Template, labels};

fn pod() -> Pod {
    Pod {
        metadata: Metadata::named("db-0"),
        template: Template::of_image("v1", &labels([])),
        claims: Vec::new(),
        status: PodStatus::default(),
    }
}

fn turn(pod: &Pod, memory: &Memory, behaviour: &Behaviour, now: Millis) -> Turn {
    let view = View { pod, memory, unschedulable: None, claims_bound: true, behaviour };
    sync(&view, now, &mut Chance::new(1))
}

fn reported(turn: &Turn) -> &PodStatus {
    match &turn.action {
        Some(Action::Report(status)) => status,
        other => panic!("no report: {other:?}"),
    }
}

#[test]
fn a_pass_that_comes_late_does_what_was_due_at_its_own_times() {
    let (pod, behaviour) = (pod(), Behaviour::default());
    let first = turn(&pod, &Memory::default(), &behaviour, 0);
    let due = first.wake.unwrap();
    let late = turn(&pod, &first.memory, &behaviour, 60_000);
    let in_time = turn(&pod, &first.memory, &behaviour, due);
    let probed = turn(&pod, &in_time.memory, &behaviour, in_time.wake.unwrap());
    let again = turn(&pod, &probed.memory, &behaviour, probed.wake.unwrap());
    assert_eq!(reported(&late), reported(&again));
    assert_eq!(reported(&late).phase, Phase::Running);
}

#[test]
fn a_pass_in_which_nothing_changed_writes_nothing() {
    let behaviour = Behaviour::default();
    let mut pod = pod();
    let ready = turn(&pod, &Memory::default(), &behaviour, 0);
    let ready = turn(&pod, &ready.memory, &behaviour, 60_000);
    pod.status = reported(&ready).clone();
    let again = turn(&pod, &ready.memory, &behaviour, 61_000);
    assert_eq!((again.action, again.wake, again.memory), (None, None, ready.memory));
}

#[test]
fn a_pod_that_no_node_had_taken_goes_at_once() {
    let mut pod = pod();
    pod.metadata.deletion = Some(crate::object::Deletion { requested: 0, at: 30_000 });
    assert_eq!(turn(&pod, &Memory::default(), &Behaviour::default(), 0).action, Some(Action::Remove));
}

#[test]
fn an_evicted_pod_has_failed_and_stays() {
    let behaviour = Behaviour::default();
    let memory = Memory::default().failed("Evicted");
    let turn = turn(&pod(), &memory, &behaviour, 5_000);
    let status = reported(&turn);
    assert_eq!(
        (status.phase, status.reason.as_deref(), status.ready_since),
        (Phase::Failed, Some("Evicted"), None)
    );
}
