//! Names, numbers and lengths of histories.

use super::*;
use crate::model::statefulset::revision_name;

#[test]
fn the_pod_label_is_the_full_name_of_the_revision() {
    let world = ordered();
    let revision = world.pod("db-0").revision().to_owned();
    assert!(revision.starts_with("db-"), "{revision}");
    assert_eq!(*revision, *world.set().status.current_revision);
    assert!(world.cluster.revisions().get(&revision).is_some());
}

// [V 4]: a template applied again reuses its revision's name; only the number is bumped.
#[test]
fn an_old_template_gets_its_old_revision_back_under_a_new_number() {
    for mut world in both() {
        let first = world.set().status.update_revision.clone();
        world.park().image("v2").settle().image("v3").settle().image("v1").settle();
        assert_eq!(world.set().status.update_revision, first);
        assert_eq!(world.history(), "v2 v3 v1");
        assert_eq!(world.cluster.revisions().get(&first).unwrap().number, 4);
    }
}

// kubernetes#135017, gate StatefulSetSemanticRevisionComparison
#[test]
fn a_template_that_only_gained_a_null_makes_no_new_revision() {
    let mut world = ordered();
    let revision = world.set().status.update_revision.clone();
    let mut json = world.set().spec.template.json().clone();
    json["metadata"]["creationTimestamp"] = serde_json::Value::Null;
    world.cluster.set_template(USER, "db", Template::new(json)).unwrap();
    world.settle();
    assert_eq!((&*world.history(), &world.set().status.update_revision), ("v1", &revision));
    assert_eq!(world.set().status.observed_generation, 2);
}

// [src] CreateControllerRevision: the collision count enters the hash.
#[test]
fn a_name_that_another_template_has_taken_is_passed_over() {
    let mut world = parallel();
    let taken = revision_name("db", &template("v2"), 0);
    let mut squatter = (**world.cluster.revisions().iter().next().as_ref().unwrap()).clone();
    squatter.metadata.name = taken.clone();
    squatter.metadata.owners.clear();
    world.cluster.create(USER, squatter).unwrap();
    world.park().image("v2").settle();
    assert_eq!(world.set().status.update_revision, revision_name("db", &template("v2"), 1));
    assert_eq!(world.set().status.collision_count, 1);
}

// [src] truncateHistory
#[test]
fn the_history_keeps_its_limit_besides_the_revisions_in_use() {
    let mut world = World::new(PodManagement::Parallel, |spec| spec.revision_history_limit = 2);
    world.park();
    for image in ["v2", "v3", "v4", "v5", "v6"] {
        world.image(image).settle();
    }
    assert_eq!(world.history(), "v1 v4 v5 v6");
}

// [V 12]: with a limit of 0 the stable revision is deleted at the moment of scale to 0.
#[test]
fn without_a_history_scaling_to_zero_deletes_the_stable_revision() {
    let mut world = World::new(PodManagement::Parallel, |spec| spec.revision_history_limit = 0);
    world.park().image("v2").settle();
    assert_eq!(world.history(), "v1 v2");
    world.scale(0).settle();
    assert_eq!(world.history(), "v2");
}

// [V 12]: all annotations of the StatefulSet are copied into each new ControllerRevision.
#[test]
fn a_new_revision_has_the_annotations_that_the_statefulset_has_at_its_birth() {
    let mut world = ordered();
    world.cluster.annotate_statefulset(USER, "db", Precondition::NONE, ("note", Some("one"))).unwrap();
    world.park().image("v2").settle();
    world.cluster.annotate_statefulset(USER, "db", Precondition::NONE, ("note", Some("two"))).unwrap();
    world.settle();
    let of = |image: &str| {
        let found = world.cluster.revisions().iter().find(|revision| &**revision.template.image() == image);
        found.unwrap().metadata.annotations.get("note").cloned()
    };
    assert_eq!((of("v1"), of("v2").as_deref()), (None, Some("one")));
}

// Reference §1.6: a revert in the middle shows update == current with updatedReplicas < replicas.
#[test]
fn a_revert_in_the_middle_makes_current_and_update_equal_at_once() {
    let mut world = ordered();
    world.image("bad").settle();
    world.image("v1").settle();
    let status = &world.set().status;
    assert_eq!((&*world.revisions(), status.updated_replicas, status.replicas), ("v1 > v1", 2, 3));
}

// Reference §1.2: updateRevision is empty right after creation.
#[test]
fn a_statefulset_has_no_status_until_the_controller_has_seen_it() {
    let mut cluster = Cluster::new(1);
    cluster.create_statefulset(USER, "db", StatefulSetSpec::new(app(), template("v1"))).unwrap();
    let status = cluster.statefulset("db").unwrap().status.clone();
    assert_eq!((status.observed_generation, &*status.update_revision), (0, ""));
    cluster.run_for(1_000);
    let status = &cluster.statefulset("db").unwrap().status;
    assert_eq!((status.observed_generation, &status.current_revision), (1, &status.update_revision));
}

// [V 10]: observedGeneration 2-19 ms after the reply; an annotation changes no generation, a no-op no version.
#[test]
fn generations_follow_the_spec_only_and_writes_of_nothing_are_none() {
    let mut world = ordered();
    let (generation, version) = (world.set().metadata.generation, world.set().metadata.resource_version);
    world.scale(3);
    assert_eq!(world.set().metadata.resource_version, version);
    world.cluster.annotate_statefulset(USER, "db", Precondition::NONE, ("note", Some("x"))).unwrap();
    assert_ne!(world.set().metadata.resource_version, version);
    assert_eq!(world.set().metadata.generation, generation);
    world.park().pass(20);
    assert_eq!((world.set().metadata.generation, world.set().status.observed_generation), (2, 2));
}
