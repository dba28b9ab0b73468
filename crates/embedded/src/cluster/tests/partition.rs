//! Which pods get which revision.

use super::*;

#[test]
fn a_template_change_rolls_all_pods_from_the_highest_down() {
    for mut world in both() {
        let from = world.cluster.trace().len();
        world.image("v2").settle();
        assert_eq!(world.pods(), "0:v2 1:v2 2:v2");
        let deleted =
            world.cluster.trace()[from..].iter().filter(|write| write.verb == super::super::Verb::Delete);
        assert_eq!(deleted.map(|write| &*write.name).collect::<Vec<_>>(), ["db-2", "db-1", "db-0"]);
    }
}

// [V 2.1, V 12]
#[test]
fn a_parked_template_reaches_no_pod_not_even_a_new_or_lost_one() {
    for mut world in both() {
        world.park().image("v2").settle();
        world.delete("db-1").scale(5).settle();
        assert_eq!(world.pods(), "0:v1 1:v1 2:v1 3:v1 4:v1");
        assert_eq!(world.revisions(), "v1 > v2");
    }
}

// kubernetes#112767; [V 10]
#[test]
fn replicas_and_partition_in_one_write_make_surge_pods_and_touch_no_other() {
    for mut world in both() {
        let before = world.cluster.pods().iter().map(|pod| pod.metadata.uid).collect::<Vec<_>>();
        world.park().image("v2").settle();
        let surge = |set: &mut StatefulSet| {
            set.spec.replicas = 5;
            set.spec.update_strategy = UpdateStrategy::RollingUpdate { partition: Some(3) };
        };
        world.change(surge).unwrap();
        world.settle();
        assert_eq!(world.pods(), "0:v1 1:v1 2:v1 3:v2 4:v2");
        let after = world.cluster.pods().iter().map(|pod| pod.metadata.uid).collect::<Vec<_>>();
        assert_eq!(after[..3], before);
    }
}

// kubernetes#91676
#[test]
fn raising_the_partition_takes_nothing_back() {
    for mut world in both() {
        world.partition(1).image("v2").settle();
        world.park().settle();
        assert_eq!(world.pods(), "0:v1 1:v2 2:v2");
        world.delete("db-2").settle();
        assert_eq!(world.pods(), "0:v1 1:v2 2:v1");
    }
}

// [V 5]: start 5, N 3, R 4: partition 3 makes pod 8 new, partition 2 pods 7 and 8.
#[test]
fn the_partition_is_an_index_and_not_an_ordinal() {
    for management in [PodManagement::OrderedReady, PodManagement::Parallel] {
        let mut world = World::new(management, |spec| spec.ordinals_start = 5);
        assert_eq!(world.pods(), "5:v1 6:v1 7:v1");
        world.partition(3).image("v2").settle();
        world.scale(4).settle();
        assert_eq!(world.pods(), "5:v1 6:v1 7:v1 8:v2");
        assert_eq!(world.pod("db-8").metadata.labels[crate::object::POD_INDEX_LABEL], "8");
        world.partition(2).settle();
        assert_eq!(world.pods(), "5:v1 6:v1 7:v2 8:v2");
    }
}

#[test]
fn moving_the_first_ordinal_replaces_pods_by_name() {
    let mut world = parallel();
    world.change(|set| set.spec.ordinals_start = 2).unwrap();
    world.settle();
    assert_eq!(world.pods(), "2:v1 3:v1 4:v1");
}

// [V 3]
#[test]
fn scaling_down_removes_the_highest_ordinals_whatever_their_revision() {
    for mut world in both() {
        world.partition(2).image("v2").settle();
        world.scale(2).settle();
        assert_eq!(world.pods(), "0:v1 1:v1");
    }
}

// [V 4]
#[test]
fn a_third_template_replaces_the_surge_pods_at_or_above_the_partition() {
    for mut world in both() {
        world.partition(3).image("v2").scale(5).settle();
        assert_eq!(world.pods(), "0:v1 1:v1 2:v1 3:v2 4:v2");
        world.image("v3").settle();
        assert_eq!((&*world.pods(), &*world.revisions()), ("0:v1 1:v1 2:v1 3:v3 4:v3", "v1 > v3"));
    }
}

// [V 4]
#[test]
fn parked_surge_pods_stay_at_a_revision_that_is_neither_current_nor_wanted_until_they_are_lost() {
    for mut world in both() {
        world.partition(3).image("v2").scale(5).settle();
        let park_and_change = |set: &mut StatefulSet| {
            set.spec.update_strategy = UpdateStrategy::RollingUpdate { partition: Some(PARKED) };
            set.spec.template = template("v3");
        };
        world.change(park_and_change).unwrap();
        world.settle().delete("db-4").settle();
        assert_eq!(world.pods(), "0:v1 1:v1 2:v1 3:v2 4:v1");
    }
}

// [V 12]
#[test]
fn a_partition_left_open_makes_new_pods_of_the_new_revision() {
    for mut world in both() {
        world.partition(2).image("v2").settle();
        world.scale(4).settle();
        assert_eq!(world.pods(), "0:v1 1:v1 2:v2 3:v2");
    }
}

// [V 6]: `rollingUpdate` may be absent; the whole set rolls then.
#[test]
fn without_rolling_update_everything_rolls() {
    for mut world in both() {
        world.park().image("v2").settle();
        world
            .change(|set| set.spec.update_strategy = UpdateStrategy::RollingUpdate { partition: None })
            .unwrap();
        world.settle();
        assert_eq!((&*world.pods(), &*world.revisions()), ("0:v2 1:v2 2:v2", "v2 > v2"));
    }
}

// [src] newVersionedStatefulSetPod
#[test]
fn without_rolling_update_a_lost_pod_among_the_current_ones_comes_back_as_it_was() {
    let mut world = World::new(PodManagement::OrderedReady, |spec| {
        spec.update_strategy = UpdateStrategy::RollingUpdate { partition: None };
    });
    world.image("bad").settle();
    assert_eq!(world.pods(), "0:v1 1:v1 2:bad!");
    world.delete("db-0").pass(5_000);
    assert_eq!(world.pods(), "0:v1 1:v1 2:bad!");
}

// kubernetes/api apps/v1: OnDelete; reference: every recreated or new pod gets the update revision.
#[test]
fn on_delete_replaces_nothing_and_makes_every_new_pod_of_the_new_revision() {
    for mut world in both() {
        world.change(|set| set.spec.update_strategy = UpdateStrategy::OnDelete).unwrap();
        world.image("v2").settle();
        assert_eq!(world.pods(), "0:v1 1:v1 2:v1");
        world.delete("db-0").settle();
        assert_eq!(world.pods(), "0:v2 1:v1 2:v1");
        world.delete("db-1").delete("db-2").settle();
        // kubernetes#73492: with OnDelete the current revision never moves.
        assert_eq!((&*world.pods(), &*world.revisions()), ("0:v2 1:v2 2:v2", "v1 > v2"));
    }
}

// LWS PR#488; [V 3]
#[test]
fn parallel_replaces_a_pod_above_the_partition_while_one_below_is_down() {
    let mut world = parallel();
    world.cluster.behave("v1", Behaviour { start: Start::NoImage, ..Behaviour::default() });
    world.park().delete("db-0").pass(5_000);
    world.image("v2").partition(2).pass(10_000);
    assert_eq!(world.pods(), "0:v1! 1:v1 2:v2");
}

// [V 5]: 3 pods in 7.9 s; a lowered partition rolls one pod after the other in both policies.
#[test]
fn updates_are_serial_in_both_policies() {
    for mut world in both() {
        world.image("v2");
        let mut most = 0;
        for _ in 0..300 {
            world.pass(100);
            most = most.max(3 - world.cluster.pods().iter().filter(|pod| pod.ready()).count());
        }
        assert_eq!((most, &*world.pods()), (1, "0:v2 1:v2 2:v2"));
    }
}

// [V 4]: OrderedReady with a broken v3: only the highest surge pod is replaced, the other stays v2.
#[test]
fn a_broken_third_template_replaces_the_highest_surge_pod_only() {
    let mut world = ordered();
    world.partition(3).image("v2").scale(5).settle();
    world.image("bad").settle();
    assert_eq!(world.pods(), "0:v1 1:v1 2:v1 3:v2 4:bad!");
}

// [V 5]
#[test]
fn replicas_given_back_before_the_partition_leave_an_update_that_completes_later() {
    for mut world in both() {
        world.partition(3).image("v2").scale(5).settle();
        world.partition(2).settle().scale(3).settle();
        assert_eq!((&*world.pods(), &*world.revisions()), ("0:v1 1:v1 2:v2", "v1 > v2"));
        world.partition(0).settle();
        assert_eq!((&*world.pods(), &*world.revisions()), ("0:v2 1:v2 2:v2", "v2 > v2"));
    }
}

// [V 5]: lower the partition, then delete the pods yourself: all return at the new revision, together.
#[test]
fn pods_deleted_under_an_open_partition_come_back_new_together() {
    let mut world = parallel();
    world.park().image("v2").settle().partition(0);
    for pod in ["db-0", "db-1", "db-2"] {
        world.delete(pod);
    }
    world.pass(3_000);
    assert_eq!(world.pods(), "0:v2 1:v2 2:v2");
}

// [V 3]: park and force delete without waiting for observedGeneration: 0 of 5 wrong.
#[test]
fn a_pod_deleted_right_after_parking_comes_back_stable() {
    for mut world in both() {
        world.image("bad").settle();
        world.park().force_delete("db-2").settle();
        assert_eq!(world.pods(), "0:v1 1:v1 2:v1");
    }
}
