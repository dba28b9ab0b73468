//! How failures of pods show, and when. [V 9] is of a loaded machine: the order of magnitude counts.

use super::*;
use crate::{
    model::application::{Health, Service},
    object::{ContainerState, Phase},
};

/// A pod of a new revision, and how long it takes until the condition holds.
fn shows(image: &str, seen: impl Fn(&Pod) -> bool) -> Millis {
    let mut world = parallel();
    world.park().image(image).settle().partition(3).scale(4);
    let begin = world.cluster.now();
    let found =
        world.cluster.run_while(120_000, |cluster| !cluster.pods().get("db-3").is_some_and(|pod| seen(pod)));
    assert!(found, "never seen: {:?}", world.pod("db-3").status);
    world.cluster.now() - begin
}

fn waits_for(reason: &'static str) -> impl Fn(&Pod) -> bool {
    move |pod| {
        let container = pod.status.container.as_ref();
        container.is_some_and(
            |found| matches!(&found.state, ContainerState::Waiting { reason: is } if **is == *reason),
        )
    }
}

// [V 10]: pod object 6-17 ms after the write, Ready 0.97-1.6 s.
#[test]
fn a_good_pod_is_ready_after_a_second() {
    let ready = shows("v2", Pod::ready);
    assert!((500..2_500).contains(&ready), "{ready}");
}

// [V 9]: 1.7 s, ImagePullBackOff 13 s
#[test]
fn a_missing_image_is_an_error_first_and_a_back_off_later() {
    let (error, back_off) =
        (shows("bad", waits_for("ErrImagePull")), shows("bad", waits_for("ImagePullBackOff")));
    assert!((1_000..3_000).contains(&error) && (10_000..15_000).contains(&back_off), "{error} {back_off}");
    let mut world = parallel();
    world.image("bad").settle();
    assert_eq!(world.pod("db-2").status.phase, Phase::Pending);
    let text = format!("{:?}", world.waiting("db-2"));
    assert!(text.contains("ImagePull"), "{text}");
    // Someone pushes the image: the next pull finds it.
    world.cluster.behave("bad", Behaviour::default());
    world.pass(60_000);
    assert!(world.pod("db-2").ready());
}

// [V 9]
#[test]
fn a_bad_command_runs_its_pod_into_errors_and_back_offs() {
    let failed = shows("no-command", waits_for("RunContainerError"));
    assert!(failed < 3_000, "{failed}");
    let mut world = parallel();
    world.image("no-command").pass(5_000);
    let status = &world.pod("db-2").status;
    let last = status.container.as_ref().unwrap().last.as_ref().unwrap();
    assert_eq!((status.phase, &*last.reason, last.exit_code), (Phase::Running, "StartError", 128));
    assert_eq!(world.waiting("db-2").as_deref(), Some("CrashLoopBackOff"));
}

// [V 9]: 0.6 s
#[test]
fn a_missing_secret_in_the_environment_is_an_error() {
    let failed = shows("no-config", waits_for("CreateContainerConfigError"));
    assert!(failed < 3_000, "{failed}");
}

// [V 9]: the status says ContainerCreating for ever.
#[test]
fn a_missing_secret_volume_shows_nothing() {
    let mut world = parallel();
    world.cluster.behave("no-mount", Behaviour { start: Start::NoMount, ..Behaviour::default() });
    world.image("no-mount").pass(600_000);
    assert_eq!(world.waiting("db-2").as_deref(), Some("ContainerCreating"));
    assert_eq!(world.pod("db-2").status.phase, Phase::Pending);
}

// [V 9]: restartCount and lastState at 3.6 s, CrashLoopBackOff only at the 2nd restart.
#[test]
fn a_crash_restarts_at_once_and_then_ever_later() {
    let mut world = parallel();
    world.image("crashing");
    let mut restarts = Vec::new();
    let begin = world.cluster.now();
    for _ in 0..13_000 {
        world.pass(100);
        let container = world.cluster.pods().get("db-2").and_then(|pod| pod.status.container.clone());
        let count = container.map_or(0, |container| container.restarts);
        if usize::try_from(count).unwrap() > restarts.len() {
            restarts.push(world.cluster.now() - begin);
        }
    }
    let waits: Vec<Millis> = restarts.windows(2).map(|pair| (pair[1] - pair[0]) / 1_000).collect();
    assert!(restarts[0] < 4_000, "{restarts:?}");
    assert_eq!(
        waits[..7],
        [10, 20, 40, 80, 160, 300, 300].map(|wait| wait)[..waits.len().min(7)],
        "{restarts:?}"
    );
    assert_eq!(world.pod("db-2").status.phase, Phase::Running);
}

// [V 9]: 0.03 s
#[test]
fn a_pod_that_no_node_takes_says_so() {
    let mut world = parallel();
    world.cluster.change_faults(|faults| faults.unschedulable = Some("0/1 nodes are available".into()));
    world.scale(4).pass(50);
    let status = &world.pod("db-3").status;
    assert_eq!(status.unschedulable.as_deref(), Some("0/1 nodes are available"));
    assert_eq!((status.phase, &status.container), (Phase::Pending, &None));
    world.cluster.change_faults(|faults| faults.unschedulable = None);
    world.settle();
    assert_eq!(world.pods(), "0:v1 1:v1 2:v1 3:v1");
}

// [V 9]: no pod, an Event FailedCreate; retries within 1 s first, then backing off.
#[test]
fn a_quota_shows_as_no_pod_and_a_refusal() {
    let mut world = parallel();
    world.cluster.change_faults(|faults| faults.pod_quota = Some(3));
    world.scale(4).settle();
    assert_eq!((world.set().spec.replicas, world.set().status.replicas), (4, 3));
    assert_eq!(world.refusals(), ["forbidden: pods \"db-3\" is forbidden: exceeded quota"]);
    world.cluster.change_faults(|faults| faults.pod_quota = None);
    world.settle().settle();
    assert_eq!(world.pods(), "0:v1 1:v1 2:v1 3:v1");
}

#[test]
fn a_readiness_probe_fails_three_times_before_a_pod_is_unready() {
    let mut world = parallel();
    let sick = Service { from: 10_000, health: Health::Fail, ..Service::default() };
    let well = Service { from: 60_000, ..Service::default() };
    let phases = vec![Service::default(), sick, well];
    world.cluster.behave("v2", Behaviour { phases, ..Behaviour::default() });
    world.partition(2).image("v2").pass(5_000);
    let ContainerState::Running { since } = world.pod("db-2").status.container.clone().unwrap().state else {
        panic!("{:?}", world.pod("db-2"));
    };
    let ready_at = |world: &mut World, age: Millis| {
        world.cluster.run_until(since + age);
        world.pod("db-2").ready()
    };
    assert!(ready_at(&mut world, 11_900));
    assert!(!ready_at(&mut world, 12_100));
    assert!(!ready_at(&mut world, 59_900));
    assert!(ready_at(&mut world, 61_100));
}

#[test]
fn a_failing_liveness_probe_restarts_the_container() {
    let mut world = parallel();
    let sick = Service { from: 5_000, health: Health::Fail, ..Service::default() };
    world.cluster.behave("v2", Behaviour { phases: vec![Service::default(), sick], ..Behaviour::default() });
    let probe = serde_json::json!({ "periodSeconds": 1 });
    let json = serde_json::json!({ "metadata": { "labels": { "app": "db" } }, "spec": { "containers": [
        { "name": "app", "image": "v2", "readinessProbe": probe, "livenessProbe": probe }] } });
    world.partition(2);
    world.cluster.set_template(USER, "db", Template::new(json)).unwrap();
    world.pass(15_000);
    assert_eq!(world.pod("db-2").status.container.as_ref().unwrap().restarts, 1);
}

#[test]
fn a_leak_is_killed_at_the_limit() {
    let mut world = parallel();
    world.cluster.behave("v2", Behaviour { memory_growth: 10 << 20, ..Behaviour::default() });
    let json = serde_json::json!({ "metadata": { "labels": { "app": "db" } }, "spec": { "containers": [
        { "name": "app", "image": "v2", "resources": { "limits": { "memory": "64Mi" } } }] } });
    world.partition(2);
    world.cluster.set_template(USER, "db", Template::new(json)).unwrap();
    world.pass(9_000);
    let container = world.pod("db-2").status.container.clone().unwrap();
    assert_eq!(container.restarts, 1);
    assert_eq!(container.last.map(|last| last.reason.to_string()).as_deref(), Some("OOMKilled"));
}

// [V 8]
#[test]
fn a_terminating_pod_is_still_counted_but_as_current_or_updated() {
    let mut world = parallel();
    world.cluster.behave("v1", Behaviour { stop: 5_000, ..Behaviour::default() });
    world.park().delete("db-1").pass(1_000);
    let status = &world.set().status;
    assert_eq!((status.replicas, status.ready_replicas, status.available_replicas), (3, 3, 3));
    assert_eq!((status.current_replicas, status.updated_replicas), (2, 2));
}

#[test]
fn a_grace_period_ends_a_pod_that_won_t_stop_and_a_pre_stop_delays_the_signal() {
    let gone_after = |template: serde_json::Value, stop: Millis| {
        let mut world = parallel();
        world.cluster.behave("v1", Behaviour { stop, ..Behaviour::default() });
        world.cluster.set_template(USER, "db", Template::new(template)).unwrap();
        world.pass(200_000).park();
        let uid = world.pod("db-0").metadata.uid;
        world.delete("db-0");
        let begin = world.cluster.now();
        world.cluster.run_while(60_000, |cluster| cluster.pods().iter().any(|pod| pod.metadata.uid == uid));
        world.cluster.now() - begin
    };
    let with = |key: &str, value: serde_json::Value| {
        let mut json = serde_json::json!({ "metadata": { "labels": { "app": "db" } },
            "spec": { "terminationGracePeriodSeconds": 8, "containers": [{ "image": "v1" }] } });
        json["spec"]["containers"][0][key] = value;
        json
    };
    let stubborn = gone_after(with("name", "app".into()), 3_600_000);
    assert!((8_000..8_100).contains(&stubborn), "{stubborn}");
    let sleeping =
        gone_after(with("lifecycle", serde_json::json!({ "preStop": { "sleep": { "seconds": 5 } } })), 0);
    assert!((5_000..5_100).contains(&sleeping), "{sleeping}");
}
