//! The host itself: preconditions, determinism, old views.

use super::*;
use crate::{cluster::Refused, model::traffic::Clients, object::Kind};

fn busy(seed: u64) -> String {
    let mut cluster = Cluster::new(seed);
    let mut spec = StatefulSetSpec::new(app(), template("v1"));
    spec.replicas = 3;
    with_claims(&mut spec);
    cluster.create_statefulset(USER, "db", spec).unwrap();
    cluster.create_service(USER, "web", app()).unwrap();
    cluster.open_traffic(Clients::new("web", 100));
    cluster.behave("v2", Behaviour { crash_after: Some(5_000), ..Behaviour::failing(100_000) });
    cluster.run_for(10_000);
    cluster.set_template(USER, "db", template("v2")).unwrap();
    cluster.run_for(120_000);
    let trace: Vec<String> = cluster.trace().iter().map(ToString::to_string).collect();
    let reading = cluster.ask("db-0");
    format!("{}\n{:?}\n{reading:?}", trace.join("\n"), cluster.clients())
}

#[test]
fn the_same_seed_gives_the_same_trace_byte_for_byte_and_another_seed_another() {
    let first = busy(1);
    assert_eq!(first, busy(1));
    assert_ne!(first, busy(2));
    assert!(first.lines().count() > 50, "{first}");
}

// [V 10]: a stale resourceVersion is a 409; a pod delete with a wrong UID is a 409.
#[test]
fn a_write_with_a_stale_version_or_a_wrong_uid_changes_nothing() {
    let mut world = parallel();
    let seen = Precondition::unchanged(&world.set().metadata);
    world.scale(4);
    let refused = world.cluster.update_statefulset(USER, "db", seen, |set| set.spec.replicas = 9);
    assert_eq!(refused, Err(Refused::Conflict { kind: Kind::StatefulSet, name: "db".into() }));
    assert_eq!(world.set().spec.replicas, 4);

    let old = world.pod("db-0").metadata.uid;
    world.force_delete("db-0").settle();
    let refused = world.cluster.delete_pod(USER, "db-0", Precondition::uid(old), None);
    assert_eq!(refused, Err(Refused::Conflict { kind: Kind::Pod, name: "db-0".into() }));
    assert_eq!(world.pods(), "0:v1 1:v1 2:v1 3:v1");
    let missing = world.cluster.delete_pod(USER, "db-9", Precondition::NONE, None);
    assert_eq!(missing, Err(Refused::NotFound { kind: Kind::Pod, name: "db-9".into() }));
}

// Reference §1.7
#[test]
fn what_may_not_change_is_refused() {
    let mut world = parallel();
    let changes: [fn(&mut StatefulSet); 4] = [
        |set| set.spec.selector = labels([("app", "other")]),
        |set| set.spec.service_name = "other".into(),
        |set| set.spec.pod_management = PodManagement::OrderedReady,
        |set| with_claims(&mut set.spec),
    ];
    for change in changes {
        assert!(matches!(world.change(change), Err(Refused::Invalid(_))));
    }
    let negative =
        world.cluster.update_status(USER, "db", Precondition::NONE, |status| status.current_replicas = -1);
    assert!(matches!(negative, Err(Refused::Invalid(_))));
}

// [src] ValidateStatefulSetStatus: the decrement for a deleted pod can fall below zero, and the write is refused.
#[test]
fn a_status_that_would_count_below_zero_is_written_a_moment_later() {
    let mut world = parallel();
    world.partition(0).image("v2").settle();
    world
        .cluster
        .update_status(USER, "db", Precondition::NONE, |status| status.current_revision = "db-none".into())
        .unwrap();
    world.image("v3").settle();
    assert_eq!((&*world.pods(), &*world.revisions()), ("0:v3 1:v3 2:v3", "v3 > v3"));
}

#[test]
fn an_old_view_shows_what_was_and_not_what_is() {
    let mut world = parallel();
    let before = world.cluster.version();
    let uid = world.pod("db-2").metadata.uid;
    world.image("v2").settle();
    let old = world.cluster.view_at(before);
    assert_eq!(old.statefulset("db").unwrap().spec.template, template("v1"));
    assert!(old.pods().any(|pod| pod.metadata.uid == uid && !pod.metadata.terminating()));
    assert_eq!(old.pods().count(), 3);
    assert_eq!(world.cluster.view_at(0).pods().count(), 0);
    let newest = world.cluster.view_at(u64::MAX);
    assert_eq!(newest.version(), world.cluster.version());
    assert!(newest.pods().all(|pod| pod.metadata.uid != uid));
}

#[test]
fn a_copy_of_a_cluster_goes_its_own_way() {
    let mut world = parallel();
    let mut copy = World { cluster: world.cluster.clone() };
    world.image("v2").settle();
    assert_eq!((&*world.pods(), &*copy.pods()), ("0:v2 1:v2 2:v2", "0:v1 1:v1 2:v1"));
    copy.image("v2").settle();
    assert_eq!(world.cluster.trace(), copy.cluster.trace());
}

#[test]
fn a_controller_that_was_stopped_catches_up() {
    let mut world = parallel();
    world.cluster.change_faults(|faults| faults.controller_stopped = true);
    world.image("v2").settle();
    assert_eq!((&*world.pods(), world.set().status.observed_generation), ("0:v1 1:v1 2:v1", 1));
    world.cluster.change_faults(|faults| faults.controller_stopped = false);
    world.settle();
    assert_eq!(world.pods(), "0:v2 1:v2 2:v2");
}

#[test]
fn nothing_is_written_at_rest() {
    for mut world in both() {
        let version = world.cluster.version();
        world.pass(3_600_000);
        assert_eq!(world.cluster.version(), version);
        assert_eq!(world.cluster.next(), None);
    }
}

#[test]
fn who_scaled_last_is_known_and_a_write_of_the_same_number_is_none() {
    let mut world = parallel();
    world.cluster.set_replicas("autoscaler", "db", 4).unwrap();
    world.scale(4);
    assert_eq!(world.cluster.scaled_by("db").map(|actor| &**actor), Some("autoscaler"));
}
