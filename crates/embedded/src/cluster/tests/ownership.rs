//! Adopting, releasing, orphaning.

use super::*;
use crate::cluster::{Cascade, operations::annotate};

// [V 12]; reference §1.6
#[test]
fn orphan_delete_and_recreate_keeps_pods_and_revisions_and_forgets_the_stable_one() {
    for mut world in both() {
        world.park().image("v2").settle();
        let pods: Vec<_> = world.cluster.pods().iter().map(|pod| pod.metadata.uid).collect();
        let revision = world.set().status.current_revision.clone();
        world
            .cluster
            .update_revision(USER, &revision, Precondition::NONE, |_, annotations| {
                annotate(annotations, ("verdict", Some("stable")));
            })
            .unwrap();
        let spec = world.set().spec.clone();
        world.cluster.delete_statefulset(USER, "db", Precondition::NONE, Cascade::Orphan).unwrap();
        world.settle();
        assert!(world.cluster.statefulset("db").is_none());
        assert!(world.cluster.pods().iter().all(|pod| pod.metadata.owners.is_empty()));
        world.cluster.create_statefulset(USER, "db", spec).unwrap();
        world.settle();
        // The new object has no status: current is what its template says, and the pods are adopted as they are.
        assert_eq!((&*world.pods(), &*world.revisions()), ("0:v1 1:v1 2:v1", "v2 > v2"));
        assert_eq!(world.cluster.pods().iter().map(|pod| pod.metadata.uid).collect::<Vec<_>>(), pods);
        assert_eq!(
            world.cluster.revisions().get(&revision).unwrap().metadata.annotations["verdict"],
            "stable"
        );
        world.delete("db-1").settle();
        assert_eq!(world.pods(), "0:v1 1:v2 2:v1");
    }
}

#[test]
fn a_pod_relabelled_out_of_the_selector_is_released_and_replaced_when_it_is_gone() {
    let mut world = parallel();
    world
        .cluster
        .update_pod(USER, "db-1", Precondition::NONE, |labels, _| annotate(labels, ("app", Some("other"))))
        .unwrap();
    world.pass(1_000);
    assert!(world.pod("db-1").metadata.owners.is_empty());
    // Its name is taken, so the wanted pod can't be made.
    assert!(world.refusals()[0].contains("already exists"), "{:?}", world.refusals());
    world.force_delete("db-1").settle().settle();
    assert_eq!(world.pods(), "0:v1 1:v1 2:v1");
    assert!(world.pod("db-1").metadata.controller().is_some());
}

#[test]
fn deleting_a_statefulset_takes_pods_and_revisions_with_it() {
    for cascade in [Cascade::Background, Cascade::Foreground] {
        let mut world = parallel();
        world.cluster.delete_statefulset(USER, "db", Precondition::NONE, cascade).unwrap();
        world.settle();
        assert!(world.cluster.pods().is_empty() && world.cluster.revisions().is_empty(), "{cascade:?}");
        assert!(world.cluster.statefulset("db").is_none(), "{cascade:?}");
    }
}

#[test]
fn a_namesake_does_not_inherit_what_its_predecessor_owned() {
    let mut world = parallel();
    let spec = world.set().spec.clone();
    let before: Vec<_> = world.cluster.pods().iter().map(|pod| pod.metadata.uid).collect();
    world.cluster.delete_statefulset(USER, "db", Precondition::NONE, Cascade::Background).unwrap();
    world.cluster.create_statefulset(USER, "db", spec).unwrap();
    world.settle().settle();
    assert_eq!(world.pods(), "0:v1 1:v1 2:v1");
    assert!(world.cluster.pods().iter().all(|pod| !before.contains(&pod.metadata.uid)));
}
