//! Where `OrderedReady` waits, and where it waits for ever.

use super::*;

#[test]
fn pods_are_made_one_after_the_other_or_at_once() {
    let made = |management| {
        let world = World::new(management, |_| ());
        let created = |pod: &Pod| pod.metadata.created;
        let spread = created(world.pod("db-2")) - created(world.pod("db-0"));
        (spread, created(world.pod("db-1")) >= world.pod("db-0").status.ready_since.unwrap())
    };
    let (ordered, after_ready) = made(PodManagement::OrderedReady);
    assert!(ordered > 1_000 && after_ready, "{ordered}");
    assert_eq!(made(PodManagement::Parallel), (0, false));
}

// [V 3]: surge of 2 with a bad image: N is created, N+1 never.
#[test]
fn the_second_surge_pod_is_never_made_while_the_first_is_broken() {
    let mut world = ordered();
    world.partition(3).image("bad").scale(5).settle();
    assert_eq!(world.pods(), "0:v1 1:v1 2:v1 3:bad!");
    let mut world = parallel();
    world.partition(3).image("bad").scale(5).settle();
    assert_eq!(world.pods(), "0:v1 1:v1 2:v1 3:bad! 4:bad!");
}

// [V 3]
#[test]
fn one_broken_surge_pod_is_scaled_away_two_are_not() {
    let mut world = ordered();
    world.partition(3).image("bad").scale(4).settle();
    world.scale(3).pass(2_000);
    assert_eq!(world.pods(), "0:v1 1:v1 2:v1");

    let mut world = ordered();
    world.partition(3).image("v2").scale(5).settle();
    world.cluster.behave("v2", Behaviour { crash_after: Some(100), ..Behaviour::default() });
    world.settle();
    assert_eq!(world.pods(), "0:v1 1:v1 2:v1 3:v2! 4:v2!");
    world.scale(3).settle();
    assert_eq!(world.pods(), "0:v1 1:v1 2:v1 3:v2! 4:v2!");
    // [V 3]: deleting the condemned pods oneself frees the scale-down; they are not made again.
    world.delete("db-3").delete("db-4").settle();
    assert_eq!(world.pods(), "0:v1 1:v1 2:v1");
}

// [V 3]
#[test]
fn parallel_scales_away_what_is_broken() {
    let mut world = parallel();
    world.partition(3).image("bad").scale(5).settle();
    world.scale(3).settle();
    assert_eq!(world.pods(), "0:v1 1:v1 2:v1");
}

// [V 3]
#[test]
fn ordered_ready_makes_no_surge_pod_while_a_stable_one_is_on_its_way_out_and_parallel_does() {
    for (mut world, pods) in [(ordered(), "0:v1- 1:v1 2:v1"), (parallel(), "0:v1- 1:v1 2:v1 3:v2")] {
        world.park().image("v2").settle();
        let stuck = world.pod("db-0").metadata.uid;
        world.cluster.change_faults(|faults| faults.silent = [stuck].into());
        world.delete("db-0").partition(3).scale(4).settle();
        assert_eq!(world.pods(), pods);
    }
}

// kubernetes#67250; [V 3]
#[test]
fn a_reverted_template_heals_parallel_and_not_ordered_ready() {
    for (mut world, healed) in [(ordered(), false), (parallel(), true)] {
        world.image("bad").settle();
        assert_eq!(world.pods(), "0:v1 1:v1 2:bad!");
        world.image("v1").settle();
        assert_eq!(world.pods() == "0:v1 1:v1 2:v1", healed, "{}", world.pods());
        if !healed {
            // kubernetes docs, "Forced rollback": revert, then delete the broken pod.
            world.delete("db-2").settle();
            assert_eq!(world.pods(), "0:v1 1:v1 2:v1");
        }
    }
}

// [V 3]
#[test]
fn a_partition_on_a_broken_revision_costs_exactly_one_pod() {
    for mut world in both() {
        world.image("bad").settle().settle();
        assert_eq!(world.pods(), "0:v1 1:v1 2:bad!");
    }
}

// [V 3]: parked, the broken pod stays; park, then delete: stable.
#[test]
fn parking_keeps_a_broken_pod_and_deleting_it_then_brings_it_back() {
    for mut world in both() {
        world.image("bad").settle();
        world.park().settle();
        assert_eq!(world.pods(), "0:v1 1:v1 2:bad!");
        world.delete("db-2").settle();
        assert_eq!(world.pods(), "0:v1 1:v1 2:v1");
    }
}

// Reference §1.3: a crash-looping container without a readiness probe flickers Ready, so OrderedReady may get by.
#[test]
fn without_a_readiness_probe_a_crashing_pod_is_ready_in_between() {
    let mut world = ordered();
    let json = serde_json::json!({ "metadata": { "labels": { "app": "db" } },
        "spec": { "containers": [{ "name": "app", "image": "crashing" }] } });
    world.cluster.set_template(USER, "db", Template::new(json)).unwrap();
    let seen = world.cluster.run_while(60_000, |cluster| {
        let ready_canary = |pod: &Pod| pod.ready() && &**pod.template.image() == "crashing";
        !cluster.pods().iter().any(ready_canary)
    });
    assert!(seen);
}

#[test]
fn ordered_ready_scales_down_one_by_one_and_parallel_at_once() {
    for (mut world, left) in [(ordered(), 2), (parallel(), 0)] {
        world.scale(0).pass(16);
        let living = world.cluster.pods().iter().filter(|pod| !pod.metadata.terminating()).count();
        assert_eq!(living, left);
        world.settle();
        assert_eq!(world.pods(), "");
    }
}

// [src] processReplica: a pod that has failed is deleted and made anew.
#[test]
fn an_evicted_pod_is_replaced() {
    for mut world in both() {
        world.park().image("v2").settle();
        let before = world.pod("db-1").metadata.uid;
        world.cluster.evict("db-1").unwrap();
        world.settle();
        assert_eq!(world.pods(), "0:v1 1:v1 2:v1");
        assert_ne!(world.pod("db-1").metadata.uid, before);
    }
}

// KEP-2599
#[test]
fn ordered_ready_waits_until_pods_are_available_everywhere_parallel_only_in_updates() {
    let slow = |spec: &mut StatefulSetSpec| spec.min_ready_seconds = 10;
    let mut world = World::new(PodManagement::OrderedReady, slow);
    let gap = |world: &World, later: &str, earlier: &str| {
        world.pod(later).metadata.created.saturating_sub(world.pod(earlier).status.ready_since.unwrap())
    };
    world.settle();
    assert!((10_000..10_100).contains(&gap(&world, "db-1", "db-0")), "{}", gap(&world, "db-1", "db-0"));
    let mut world = World::new(PodManagement::Parallel, slow);
    assert_eq!(world.pod("db-2").metadata.created, world.pod("db-0").metadata.created);
    world.image("v2").settle().settle();
    assert!((10_000..10_200).contains(&gap(&world, "db-1", "db-2")), "{}", gap(&world, "db-1", "db-2"));
}
