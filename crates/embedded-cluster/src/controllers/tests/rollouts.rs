//! Coming up, rolling, scaling, and nothing at rest.

use siskin_embedded::{model::traffic::Clients, object::Name};
use siskin_embedded_api::kinds::{CONTROLLER_REVISION, ENDPOINT_SLICE};

use super::*;

#[test]
fn a_set_with_a_service_and_claims_comes_up_in_order() {
    let mut world = World::new();
    world.create(STATEFUL_SET, set(3));
    let mut seen = Vec::new();
    world.watch(60, |world| {
        let count = (world.all(POD).len(), world.ready());
        if seen.last() != Some(&count) {
            seen.push(count);
        }
        false
    });
    assert_eq!(seen, [(1, 0), (1, 1), (2, 1), (2, 2), (3, 2), (3, 3)]);
    assert_eq!(world.names(CLAIM), ["data-db-0", "data-db-1", "data-db-2"]);
    assert!(world.all(CLAIM).iter().all(|claim| text(claim, "/status/phase") == "Bound"));
    let status = &world.get(STATEFUL_SET, "db")["status"];
    assert_eq!(
        (&status["readyReplicas"], &status["currentRevision"]),
        (&json!(3), &status["updateRevision"])
    );
}

#[test]
fn a_pod_is_what_the_template_says_and_what_kubernetes_adds() {
    let world = World::with_set(1);
    let pod = world.get(POD, "db-0");
    assert_eq!(text(&pod, "/spec/nodeSelector/disk"), "fast");
    assert_eq!(text(&pod, "/metadata/annotations/team"), "payments");
    assert_eq!(text(&pod, "/metadata/labels/statefulset.kubernetes.io~1pod-name"), "db-0");
    assert_eq!(text(&pod, "/spec/volumes/0/persistentVolumeClaim/claimName"), "data-db-0");
    assert_eq!((text(&pod, "/spec/hostname"), text(&pod, "/spec/subdomain")), ("db-0", "db"));
    assert_eq!((text(&pod, "/spec/nodeName"), text(&pod, "/status/phase")), ("embedded", "Running"));
    assert_eq!(pod.pointer("/status/containerStatuses/0/ready"), Some(&json!(true)));
    assert_eq!(text(&pod, "/status/podIP"), "127.9.0.1");
    let revision = &world.all(CONTROLLER_REVISION)[0];
    assert_eq!(text(revision, "/metadata/name"), text(&pod, "/metadata/labels/controller-revision-hash"));
    assert_eq!(text(revision, "/data/spec/template/$patch"), "replace");
    let told = ["SuccessfulCreate: create Pod db-0 in StatefulSet db successful"];
    assert!(
        told.iter().all(|event| world.events("db").contains(&(*event).to_owned())),
        "{:?}",
        world.events("db")
    );
    let reasons: Vec<_> =
        world.events("db-0").iter().filter_map(|event| event.split(':').next().map(str::to_owned)).collect();
    assert!(
        ["Scheduled", "Pulled", "Created", "Started"].iter().all(|told| reasons.iter().any(|r| r == told)),
        "{reasons:?}"
    );
}

#[test]
fn endpoints_follow_the_pods() {
    let mut world = World::with_set(2);
    let ready = |world: &World| {
        let slices = world.all(ENDPOINT_SLICE);
        items(&slices[0], "/endpoints")
            .iter()
            .filter(|endpoint| endpoint["conditions"]["ready"] == true)
            .count()
    };
    assert_eq!(ready(&world), 2);
    let slice = &world.all(ENDPOINT_SLICE)[0];
    assert_eq!(
        (text(slice, "/endpoints/0/addresses/0"), text(slice, "/endpoints/0/targetRef/name")),
        ("127.9.0.1", "db-0")
    );
    assert_eq!(slice.pointer("/ports/0/port"), Some(&json!(8000)));
    world.delete(POD, "db-1", Propagation::Background);
    world.until(5, |world| ready(world) == 1);
    world.until(20, |world| ready(world) == 2);
}

#[test]
fn at_rest_nothing_is_written_and_nothing_is_due() {
    let mut world = World::with_set(3);
    let version = world.store.version();
    let wake = run(&mut world.store, &mut world.memory, world.now, &mut world.chance);
    world.pass_time(600);
    assert_eq!((world.store.version(), wake), (version, None));
}

#[test]
fn a_new_image_rolls_the_pods_one_by_one_from_the_highest() {
    let mut world = World::with_set(3);
    world.set_image("visits:v2");
    let mut fewest = 3;
    let mut rolled = Vec::new();
    world.watch(120, |world| {
        fewest = fewest.min(world.ready());
        for pod in world.all(POD) {
            let name = text(&pod, "/metadata/name").to_owned();
            if text(&pod, "/spec/containers/0/image") == "visits:v2" && !rolled.contains(&name) {
                rolled.push(name);
            }
        }
        false
    });
    assert_eq!((fewest, rolled), (2, vec!["db-2".to_owned(), "db-1".to_owned(), "db-0".to_owned()]));
    let set = world.get(STATEFUL_SET, "db");
    assert_eq!(set["status"]["currentRevision"], set["status"]["updateRevision"]);
    assert_eq!(world.all(CONTROLLER_REVISION).len(), 2);
}

#[test]
fn a_partition_holds() {
    let mut world = World::with_set(3);
    world.patch(
        STATEFUL_SET,
        "db",
        json!({ "spec": { "updateStrategy": { "rollingUpdate": { "partition": 2 } } } }),
    );
    world.set_image("visits:v2");
    world.pass_time(120);
    assert_eq!(world.images(), ["visits:v1", "visits:v1", "visits:v2"]);
    world.delete(POD, "db-0", Propagation::Background);
    world.pass_time(60);
    assert_eq!(
        (world.images(), world.ready()),
        (vec!["visits:v1".into(), "visits:v1".into(), "visits:v2".into()], 3)
    );
}

#[test]
fn scaled_to_zero_and_back_a_set_has_its_claims_again() {
    let mut world = World::with_set(2);
    let uids = |world: &World| -> Vec<String> {
        world.all(CLAIM).iter().map(|claim| text(claim, "/metadata/uid").to_owned()).collect()
    };
    let before = uids(&world);
    world.patch(STATEFUL_SET, "db", json!({ "spec": { "replicas": 0 } }));
    world.until(60, |world| world.all(POD).is_empty());
    world.patch(STATEFUL_SET, "db", json!({ "spec": { "replicas": 2 } }));
    world.until(60, |world| world.ready() == 2);
    assert_eq!((uids(&world), before.len()), (before, 2));
}

#[test]
fn a_deleted_pod_comes_back_as_another_one_on_the_same_claim() {
    let mut world = World::with_set(2);
    let uid = |world: &World| text(&world.get(POD, "db-1"), "/metadata/uid").to_owned();
    let before = uid(&world);
    world.delete(POD, "db-1", Propagation::Background);
    world.until(60, |world| world.ready() == 1);
    world.until(60, |world| world.ready() == 2);
    assert_ne!(uid(&world), before);
    assert!(world.events("db-1").iter().any(|event| event == "Killing: Stopping container db"));
}

#[test]
fn fields_of_others_in_a_status_are_kept() {
    let mut world = World::with_set(1);
    let call = world.call();
    let gate = json!({ "status": { "conditions": [{ "type": "example.com/Warm", "status": "True" }] } });
    let target = Target::new(POD, "default", "db-0");
    world.store.patch(&target, Part::Status, &Patch::Strategic(gate), &call).unwrap();
    world.patch(
        STATEFUL_SET,
        "db",
        json!({ "metadata": { "annotations": { "a": "b" } }, "spec": { "replicas": 2 } }),
    );
    world.pass_time(60);
    let conditions = world.get(POD, "db-0")["status"]["conditions"].clone();
    assert!(
        conditions.as_array().unwrap().iter().any(|found| found["type"] == "example.com/Warm"),
        "{conditions}"
    );
    assert_eq!(text(&world.get(STATEFUL_SET, "db"), "/metadata/annotations/a"), "b");
}

#[test]
fn requests_reach_ready_pods_and_count_on_their_volumes() {
    let mut world = World::with_set(2);
    let now = crate::translate::millis(world.now);
    world.memory.open_traffic("default", Clients::new(Name::from("db"), 100), now);
    world.pass_time(10);
    let uid = world.memory.uid_of("default", "db-0").unwrap();
    let now = crate::translate::millis(world.now);
    let reading = world.memory.ask(uid, now, &mut world.chance).unwrap();
    let (_, clients) = world.memory.clients().next().unwrap();
    assert_eq!((clients.sent, clients.failed, clients.refused), (1_000, 0, 0));
    assert!(reading.visits > 300 && reading.visits == reading.counters.ok, "{reading:?}");
}

#[test]
fn the_same_seed_and_writes_give_the_same_store() {
    let story = || {
        let mut world = World::with_set(3);
        world.set_image("visits:v2-crash");
        world.pass_time(120);
        let objects: Vec<_> =
            kinds::all().filter(|kind| !kind.is_question()).flat_map(|kind| world.all(kind)).collect();
        (world.store.version(), objects)
    };
    assert_eq!(story(), story());
}
