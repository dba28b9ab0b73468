//! When Kubernetes calls an update complete, and forgets the revision before it.

use super::*;
use crate::{cluster::Admission, object::StatefulSetStatus};

// [src] completeRollingUpdate; [V 1]
#[test]
fn an_update_is_complete_when_all_pods_are_updated_and_ready_whatever_the_partition() {
    for mut world in both() {
        world.image("v2").pass(100);
        // Parked before the last pod is ready: current flips later all the same.
        world
            .cluster
            .run_while(30_000, |cluster| cluster.statefulset("db").unwrap().status.updated_replicas < 3);
        world.park().settle();
        assert_eq!((&*world.pods(), &*world.revisions()), ("0:v2 1:v2 2:v2", "v2 > v2"));
    }
}

#[test]
fn a_partial_update_is_never_complete() {
    for mut world in both() {
        world.partition(1).image("v2").settle().settle();
        assert_eq!((&*world.pods(), &*world.revisions()), ("0:v1 1:v2 2:v2", "v1 > v2"));
    }
}

// kubernetes#136831; [V 1]: cur flipped with ready=3, available=2.
#[test]
fn completion_does_not_wait_for_min_ready_seconds() {
    let mut world = World::new(PodManagement::Parallel, |spec| spec.min_ready_seconds = 10);
    world.image("v2").pass(100);
    assert_eq!(world.revisions(), "v1 > v2");
    let flipped = world.cluster.run_while(300_000, |cluster| {
        let status = &cluster.statefulset("db").unwrap().status;
        status.current_revision != status.update_revision
    });
    let status = &world.set().status;
    assert!(flipped);
    assert_eq!((status.ready_replicas, status.available_replicas), (3, 2));
}

// [V 1]
#[test]
fn all_but_one_scaled_away_and_back_stays_stable() {
    for mut world in both() {
        world.park().image("v2").settle();
        world.scale(1).settle().scale(4).settle();
        assert_eq!((&*world.pods(), &*world.revisions()), ("0:v1 1:v1 2:v1 3:v1", "v1 > v2"));
    }
}

// [V 1]: deleting the only pod, all pods, force-deleting all: all come back stable.
#[test]
fn losing_every_pod_forgets_nothing() {
    for mut world in both() {
        world.park().image("v2").settle();
        for pod in ["db-0", "db-1", "db-2"] {
            world.force_delete(pod);
        }
        world.settle();
        assert_eq!((&*world.pods(), &*world.revisions()), ("0:v1 1:v1 2:v1", "v1 > v2"));
    }
}

// [V 1]
#[test]
fn scaling_to_zero_forgets_the_stable_revision_when_the_last_pod_is_gone() {
    for mut world in both() {
        world.park().image("v2").settle();
        world.scale(0);
        let left = world.cluster.run_while(60_000, |cluster| !cluster.pods().is_empty());
        assert!(left);
        assert_eq!(world.revisions(), "v1 > v2");
        world.pass(50);
        assert_eq!(world.revisions(), "v2 > v2");
        world.scale(3).settle();
        assert_eq!(world.pods(), "0:v2 1:v2 2:v2");
    }
}

// [V 1, mitigation a]
#[test]
fn at_zero_the_stable_template_written_back_is_current_at_once() {
    for mut world in both() {
        world.park().image("v2").settle().scale(0).settle();
        world.image("v1").settle();
        assert_eq!(world.revisions(), "v1 > v1");
        let new_and_up = |set: &mut StatefulSet| {
            set.spec.template = template("v2");
            set.spec.replicas = 3;
        };
        world.change(new_and_up).unwrap();
        world.settle();
        assert_eq!((&*world.pods(), &*world.revisions()), ("0:v1 1:v1 2:v1", "v1 > v2"));
    }
}

// [V 1, mitigation b]
#[test]
fn on_delete_written_with_zero_keeps_the_stable_revision() {
    for mut world in both() {
        world.park().image("v2").settle();
        let down = |set: &mut StatefulSet| {
            set.spec.replicas = 0;
            set.spec.update_strategy = UpdateStrategy::OnDelete;
        };
        world.change(down).unwrap();
        world.settle();
        assert_eq!(world.revisions(), "v1 > v2");
        let up = |set: &mut StatefulSet| {
            set.spec.replicas = 3;
            set.spec.update_strategy = UpdateStrategy::RollingUpdate { partition: Some(PARKED) };
        };
        world.change(up).unwrap();
        world.settle();
        assert_eq!((&*world.pods(), &*world.revisions()), ("0:v1 1:v1 2:v1", "v1 > v2"));
    }
}

// [V 1, mitigation b]: RollingUpdate written back while still at 0: forgotten at once.
#[test]
fn rolling_update_written_back_at_zero_forgets() {
    let mut world = parallel();
    world.park().image("v2").settle();
    world.change(|set| set.spec.update_strategy = UpdateStrategy::OnDelete).unwrap();
    world.scale(0).settle();
    assert_eq!(world.revisions(), "v1 > v2");
    world.park().settle();
    assert_eq!(world.revisions(), "v2 > v2");
}

// [V 1, mitigation b and b']
#[test]
fn a_scale_up_under_on_delete_is_taken_back_if_it_is_seen_before_all_pods_are_ready() {
    for (mut world, in_time) in both().into_iter().flat_map(|world| {
        let copy = World { cluster: world.cluster.clone() };
        [(world, true), (copy, false)]
    }) {
        world.park().image("v2").settle();
        let down = |set: &mut StatefulSet| {
            set.spec.replicas = 0;
            set.spec.update_strategy = UpdateStrategy::OnDelete;
        };
        world.change(down).unwrap();
        world.settle().scale(3).pass(if in_time { 200 } else { 30_000 });
        world.park();
        if in_time {
            let pods: Vec<Name> = world.cluster.pods().iter().map(|pod| pod.metadata.name.clone()).collect();
            for pod in pods {
                world.delete(&pod);
            }
            world.settle();
            assert_eq!((&*world.pods(), &*world.revisions()), ("0:v1 1:v1 2:v1", "v1 > v2"));
        } else {
            assert_eq!(world.settle().revisions(), "v2 > v2");
        }
    }
}

// [V 1]
#[test]
fn a_person_who_patches_the_status_at_zero_is_overruled() {
    let mut world = parallel();
    world.park().image("v2").settle();
    let stable = world.set().status.current_revision.clone();
    world.scale(0).settle();
    world
        .cluster
        .update_status(USER, "db", Precondition::NONE, |status| status.current_revision = stable)
        .unwrap();
    world.settle();
    assert_eq!(world.revisions(), "v2 > v2");
}

// [V 1, mitigation c]
#[test]
fn after_a_forgotten_revision_the_stable_template_needs_partition_zero() {
    for mut world in both() {
        world.park().image("v2").settle().scale(0).settle().scale(3).settle();
        world.image("v1").settle();
        world.delete("db-2").settle();
        assert_eq!(world.pods(), "0:v2 1:v2 2:v2");
        world.partition(0).settle();
        assert_eq!((&*world.pods(), &*world.revisions()), ("0:v1 1:v1 2:v1", "v1 > v1"));
    }
}

// [V 1], "new trap": N=1, k=1.
#[test]
fn a_condemned_canary_alone_completes_the_update_while_the_stable_pod_is_missing() {
    let mut world = World::new(PodManagement::Parallel, |spec| spec.replicas = 1);
    world.partition(1).image("v2").scale(2).settle();
    assert_eq!(world.pods(), "0:v1 1:v2");
    // A quota refuses the stable pod.
    world.cluster.change_faults(|faults| faults.pod_quota = Some(1));
    world.force_delete("db-0");
    let abort = |set: &mut StatefulSet| {
        set.spec.replicas = 1;
        set.spec.update_strategy = UpdateStrategy::RollingUpdate { partition: Some(PARKED) };
    };
    world.change(abort).unwrap();
    world.settle();
    assert_eq!((&*world.pods(), &*world.revisions()), ("1:v2", "v2 > v2"));
    world.cluster.change_faults(|faults| faults.pod_quota = None);
    world.settle().settle();
    assert_eq!((&*world.pods(), &*world.revisions()), ("0:v2", "v2 > v2"));
}

// kubernetes#119684, #119685 (fixed in 1.29)
#[test]
fn a_pod_deleted_below_the_partition_does_not_complete_the_update() {
    for mut world in both() {
        world.partition(1).image("v2").settle();
        world.delete("db-0").settle();
        assert_eq!((&*world.pods(), &*world.revisions()), ("0:v1 1:v2 2:v2", "v1 > v2"));
    }
}

// [V 5]
#[test]
fn after_a_promotion_with_surge_pods_replicas_and_partition_go_back_in_one_write() {
    for mut world in both() {
        world.partition(3).image("v2").scale(5).settle();
        world.partition(0).settle();
        assert_eq!((&*world.pods(), &*world.revisions()), ("0:v2 1:v2 2:v2 3:v2 4:v2", "v2 > v2"));
        let back = |set: &mut StatefulSet| {
            set.spec.replicas = 3;
            set.spec.update_strategy = UpdateStrategy::RollingUpdate { partition: Some(PARKED) };
        };
        world.change(back).unwrap();
        world.settle().delete("db-1").settle();
        assert_eq!((&*world.pods(), &*world.revisions()), ("0:v2 1:v2 2:v2", "v2 > v2"));
    }
}

// [V 12]
#[test]
fn one_replica_in_place_completes_and_is_forgotten() {
    let mut world = World::new(PodManagement::OrderedReady, |spec| spec.replicas = 1);
    world.image("v2").settle();
    world.park().delete("db-0").settle();
    assert_eq!((&*world.pods(), &*world.revisions()), ("0:v2", "v2 > v2"));
}

/// The admission policy of [V 11]: `currentRevision` stays while the annotation names it.
struct Hold;

impl Admission for Hold {
    fn status(&self, old: &StatefulSet, new: &mut StatefulSetStatus) -> Result<(), String> {
        let held = old.metadata.annotations.get("stable");
        if held.is_some_and(|stable| **stable == *old.status.current_revision) {
            new.current_revision = old.status.current_revision.clone();
        }
        Ok(())
    }
}

fn hold(world: &mut World, revision: &str) {
    world.cluster.annotate_statefulset(USER, "db", Precondition::NONE, ("stable", Some(revision))).unwrap();
}

// [V 11]
#[test]
fn with_a_hold_a_full_rollout_is_taken_back_without_writing_the_template() {
    for mut world in both() {
        world.cluster.admit_by(Hold);
        let stable = world.set().status.current_revision.to_string();
        hold(&mut world, &stable);
        world.image("v2").settle();
        assert_eq!((&*world.pods(), &*world.revisions()), ("0:v2 1:v2 2:v2", "v1 > v2"));
        // As seen: `currentReplicas: 3, updatedReplicas: 3`.
        assert_eq!((world.set().status.current_replicas, world.set().status.updated_replicas), (3, 3));
        world.park();
        for pod in ["db-0", "db-1", "db-2"] {
            world.delete(pod);
        }
        world.settle();
        assert_eq!((&*world.pods(), &*world.revisions()), ("0:v1 1:v1 2:v1", "v1 > v2"));
    }
}

// [V 11]
#[test]
fn with_a_hold_zero_and_back_stays_stable_and_the_annotation_promotes() {
    for mut world in both() {
        world.cluster.admit_by(Hold);
        let stable = world.set().status.current_revision.to_string();
        hold(&mut world, &stable);
        world.park().image("v2").settle().scale(0).settle().scale(3).settle();
        assert_eq!((&*world.pods(), &*world.revisions()), ("0:v1 1:v1 2:v1", "v1 > v2"));
        world.partition(0).settle().park().settle();
        assert_eq!(world.revisions(), "v1 > v2");
        let writes = world.cluster.version();
        world.settle();
        assert_eq!(world.cluster.version(), writes, "no write at rest");
        let canary = world.set().status.update_revision.to_string();
        hold(&mut world, &canary);
        world.pass(500);
        assert_eq!(world.revisions(), "v2 > v2");
        world.delete("db-0").settle();
        assert_eq!(world.pods(), "0:v2 1:v2 2:v2");
    }
}
