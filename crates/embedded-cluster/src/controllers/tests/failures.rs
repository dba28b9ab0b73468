//! Pods that don't get well, and writes that are refused.

use super::*;

fn waiting(world: &World, pod: &str) -> String {
    text(&world.get(POD, pod), "/status/containerStatuses/0/state/waiting/reason").to_owned()
}

#[test]
fn an_image_that_does_not_exist_is_backed_off_from() {
    let mut world = World::with_set(2);
    world.set_image("visits:v2-missing");
    world.until(60, |world| world.all(POD).len() == 2 && waiting(world, "db-1") == "ErrImagePull");
    world.until(60, |world| waiting(world, "db-1") == "ImagePullBackOff");
    let told = world.events("db-1");
    assert!(told.contains(&"BackOff: Back-off pulling image \"visits:v2-missing\"".to_owned()), "{told:?}");
    assert_eq!((world.ready(), text(&world.get(POD, "db-1"), "/status/phase")), (1, "Pending"));
}

#[test]
fn a_process_that_crashes_is_started_again_and_backed_off_from() {
    let mut world = World::with_set(1);
    world.set_image("visits:v2-crash");
    world.until(120, |world| world.all(POD).len() == 1 && waiting(world, "db-0") == "CrashLoopBackOff");
    let pod = world.get(POD, "db-0");
    let container = &pod["status"]["containerStatuses"][0];
    assert_eq!(
        (&container["restartCount"], &container["lastState"]["terminated"]["exitCode"]),
        (&json!(1), &json!(1))
    );
    let uid = text(&pod, "/metadata/uid");
    let told = format!("BackOff: Back-off restarting failed container db in pod db-0_default({uid})");
    assert!(world.events("db-0").contains(&told), "{:?}", world.events("db-0"));
}

#[test]
fn a_pod_that_no_node_takes_says_why_and_starts_when_one_does() {
    let mut world = World::new();
    world.memory.faults.unschedulable = Some("0/1 nodes are available: 1 Insufficient cpu.".into());
    world.create(STATEFUL_SET, set(1));
    world.pass_time(10);
    let pod = world.get(POD, "db-0");
    assert_eq!(
        (text(&pod, "/spec/nodeName"), text(&pod, "/status/conditions/0/reason")),
        ("", "Unschedulable")
    );
    assert_eq!(world.events("db-0"), ["FailedScheduling: 0/1 nodes are available: 1 Insufficient cpu."]);
    world.memory.faults.unschedulable = None;
    world.until(20, |world| world.ready() == 1);
}

#[test]
fn a_quota_refuses_a_pod_and_the_controller_tries_again() {
    let mut world = World::with_set(1);
    world.memory.faults.pod_quota = Some(1);
    world.patch(STATEFUL_SET, "db", json!({ "spec": { "replicas": 2 } }));
    world.pass_time(5);
    let about = |event: &&Arc<Value>| text(event, "/reason") == "FailedCreate";
    let events = world.all(EVENT);
    let event = events.iter().find(about).unwrap();
    assert!(text(event, "/message").contains("exceeded quota"), "{event}");
    assert!(event["count"].as_u64().unwrap() > 3, "{event}");
    world.memory.faults.pod_quota = None;
    world.until(60, |world| world.ready() == 2);
}

#[test]
fn a_set_that_the_models_cannot_look_at_is_left_alone_and_said_so() {
    let mut world = World::new();
    let mut odd = set(1);
    odd["spec"]["selector"]["matchExpressions"] = json!([{ "key": "app", "operator": "Exists" }]);
    world.create(STATEFUL_SET, odd);
    world.pass_time(10);
    assert_eq!(world.names(POD), Vec::<String>::new());
    let [problem] = world.memory.left_alone.as_slice() else { panic!("{:?}", world.memory.left_alone) };
    assert_eq!(
        problem.to_string(),
        "StatefulSet default/db: `spec.selector.matchExpressions` has to be absent, as the models know matchLabels only; the controllers leave the object alone"
    );
}
