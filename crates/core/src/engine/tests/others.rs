//! Other writers of replicas.

use super::world::{World, canary, in_place, policy, seconds, surge};
use crate::{
    facts::{Autoscaler, PARKED, UpdateStrategy, Writer},
    policy::{Amount, AutoscalerUse, Batches, ClaimUse, Placement, Strategy, Surge},
    state::{PauseReason, Phase},
};

fn person() -> Writer {
    Writer::Person("ann".to_owned())
}

fn long_surge() -> World {
    let mut world = World::at_rest(
        4,
        canary(Placement::Surge(Surge { claims: Some(ClaimUse::Discard), ..Surge::default() }), &[(25, 20)]),
    );
    world.release("v2");
    world.until("baking", |world| world.phase() == Phase::Baking);
    world.run(2);
    world
}

fn ends_with(world: &mut World, replicas: u32) {
    world.until("promoted", |world| world.told("Promoted"));
    world.run(2);
    assert_eq!(world.pods(), vec!["v2"; replicas as usize]);
    assert_eq!((world.sts.replicas, world.sts.partition), (replicas, PARKED));
    assert_eq!(world.claims.len(), replicas as usize);
}

#[test]
fn a_person_scales_up_during_a_surge() {
    let mut world = long_surge();
    world.scale(6, person());
    world.until("baking again", |world| world.phase() == Phase::Baking && world.pods().len() == 8);
    let pods: Vec<String> =
        world.pods().into_iter().map(|pod| pod.trim_end_matches('!').to_owned()).collect();
    assert_eq!(pods, ["v1", "v1", "v1", "v1", "v1", "v1", "v2", "v2"], "25% of 6 is 2");
    assert!(!world.told("ExposureLost"));
    ends_with(&mut world, 6);
}

#[test]
fn a_scale_down_during_a_surge_leaves_the_users_claims_where_they_are() {
    let mut world = long_surge();
    world.scale(2, person());
    world.until("asked", |world| world.told("PausedClaimLeftOver"));
    world.run(10);
    assert_eq!(world.pods(), ["v1", "v1"]);
    assert_eq!(&world.claim_names()[..4], ["data-db-0", "data-db-1", "data-db-2", "data-db-3"]);
    let id = world.rollout_id();
    world.annotate("abort", &id);
    world.until("rolled back", |world| world.told("RolledBack"));
    assert_eq!(world.claim_names(), ["data-db-0", "data-db-1", "data-db-2", "data-db-3"]);
}

#[test]
fn an_autoscaler_counted_the_extra_pod() {
    let mut world = long_surge();
    world.scale(6, Writer::Autoscaler("horizontal-pod-autoscaler".to_owned()));
    world.run(1);
    assert_eq!(world.user_replicas(), 5);
    ends_with(&mut world, 5);
}

#[test]
fn an_applier_that_takes_the_surge_away_twice_is_not_fought() {
    let mut world = long_surge();
    world.scale(4, Writer::Applier("argocd".to_owned()));
    world.until("again", |world| world.phase() == Phase::Baking && world.sts.replicas == 5);
    world.scale(4, Writer::Applier("argocd".to_owned()));
    world.until("asked", |world| world.told("PausedReplicasContested"));
    world.run(10);
    let pause = world.state.record.as_ref().and_then(|record| record.pause.as_ref());
    assert_eq!(pause.map(|pause| pause.reason), Some(PauseReason::ReplicasContested));
    assert!(!world.told("Resumed"));
    assert_eq!(world.pods(), ["v1", "v1", "v1", "v1"]);
    world.unannotate("paused");
    ends_with(&mut world, 4);
}

#[test]
fn scaling_during_an_in_place_bake_keeps_the_exposure_to_the_step() {
    let mut world = World::at_rest(4, canary(Placement::InPlace, &[(25, 20)]));
    world.release("v2");
    world.until("baking", |world| world.phase() == Phase::Baking);
    world.scale(8, person());
    world.until("baking again", |world| world.phase() == Phase::Baking && world.pods().len() == 8);
    let on_v2: Vec<usize> = (0..8).filter(|&index| world.pods()[index].starts_with("v2")).collect();
    assert_eq!(on_v2, [6, 7]);
    ends_with(&mut world, 8);
}

#[test]
fn scaling_up_in_the_remainder_does_not_take_judged_pods_back() {
    let mut world = World::at_rest(4, in_place());
    world.release("v2");
    world.until("the remainder", |world| world.pods().iter().filter(|pod| *pod == "v2").count() == 3);
    world.fewest_ready = usize::MAX;
    world.scale(6, person());
    ends_with(&mut world, 6);
    assert!(world.fewest_ready >= 3);
}

#[test]
fn after_scaling_a_batch_is_judged_for_its_whole_bake() {
    let step = |world: &World| {
        let record = world.state.record.as_ref().unwrap();
        record.rollout.as_ref().map(|rollout| (record.phase == Phase::Completing, rollout.step))
    };
    for replicas in [2, 3, 5, 6] {
        let batches = Batches { batch: Amount::Count(1), bake: seconds(10), approval: false };
        let mut world = World::at_rest(4, policy(Strategy::RollingUpdate(batches)));
        world.release("v2");
        world.until("the third batch bakes", |world| {
            world.phase() == Phase::Baking && step(world) == Some((false, 2))
        });
        world.run(8);
        world.scale(replicas, person());
        world.until("taken over", |world| world.user_replicas() == replicas);
        world.until("baking", |world| world.phase() == Phase::Baking);
        let (began, baking) = (world.at, step(&world));
        world.until("left", |world| step(world) != baking);
        assert!(world.at - began >= 10_000, "{replicas}: {} ms", world.at - began);
        world.until_promoted();
    }
}

#[test]
fn scaling_at_rest_is_taken_over() {
    let mut world = World::at_rest(3, surge());
    world.scale(5, person());
    world.run(3);
    assert_eq!(world.user_replicas(), 5);
    world.release("v2");
    ends_with(&mut world, 5);
}

#[test]
fn scaling_down_while_rolling_back_ends_at_the_new_number() {
    let mut world = long_surge();
    world.failing.insert("v2".to_owned());
    world.until("going back", |world| world.phase() == Phase::Reverting);
    world.scale(3, person());
    world.until("rolled back", |world| world.told("RolledBack"));
    assert_eq!(world.pods(), ["v1", "v1", "v1"]);
}

#[test]
fn a_workload_that_is_being_deleted_is_left_alone() {
    let mut world = World::at_rest(3, in_place());
    world.sts.deleting = true;
    world.scale(0, person());
    world.run(5);
    assert_eq!((world.sts.replicas, world.writes), (0, 0));
}

#[test]
fn scaling_a_workload_that_became_unsupported_is_not_fought() {
    let mut world = World::at_rest(3, in_place());
    world.sts.update_strategy = UpdateStrategy::OnDelete;
    world.scale(5, person());
    world.run(5);
    assert_eq!(world.sts.replicas, 5);
}

#[test]
fn extra_pods_that_an_autoscaler_would_count_are_refused_until_it_is_gone() {
    for in_the_way in [Autoscaler::Present("db".to_owned()), Autoscaler::Unknown("no right".to_owned())] {
        let mut world = World::at_rest(3, surge());
        world.autoscaler = in_the_way;
        world.release("v2");
        world.run(15);
        assert_eq!(world.phase(), Phase::Idle);
        assert_eq!((world.sts.replicas, world.problem), (3, Some("AutoscalerInTheWay")));
        assert_eq!(world.told.iter().filter(|note| note.reason() == "AutoscalerInTheWay").count(), 1);
        world.autoscaler = Autoscaler::Absent;
        ends_with(&mut world, 3);
    }
}

#[test]
fn an_autoscaler_is_only_looked_for_when_extra_pods_would_be_added() {
    let mut world = World::at_rest(3, in_place());
    world.autoscaler = Autoscaler::Present("db".to_owned());
    world.release("v2");
    ends_with(&mut world, 3);
}

/// An extra ordinal is as good as any other here: claims are used again.
fn follows_an_autoscaler() -> World {
    let (pods, claims) = (Some(Amount::Count(1)), Some(ClaimUse::Reuse));
    let extra = Surge { pods, claims, autoscaler: AutoscalerUse::Follow };
    let mut world = World::at_rest(4, canary(Placement::Surge(extra), &[(25, 20)]));
    world.autoscaler = Autoscaler::Present("db".to_owned());
    world.release("v2");
    world.until("baking", |world| world.phase() == Phase::Baking && world.sts.replicas == 5);
    world
}

#[test]
fn where_the_policy_follows_the_autoscaler_it_has_the_number_of_pods_that_it_wants() {
    for wanted in [4, 6, 7] {
        let mut world = follows_an_autoscaler();
        world.scale(wanted, Writer::Autoscaler("kube-controller-manager".to_owned()));
        world.run(2);
        let writes = world.writes;
        world.until("baking with them", |world| {
            world.phase() == Phase::Baking && world.pods().len() == wanted as usize
        });
        world.run(5);
        assert_eq!(world.sts.replicas, wanted, "nothing is put back");
        assert!(world.writes - writes <= 6, "{} writes", world.writes - writes);
        assert!(!world.told("PausedReplicasContested"));
        world.until("promoted", |world| world.told("Promoted"));
        world.run(2);
        assert_eq!(world.pods(), vec!["v2"; wanted as usize - 1]);
    }
}

#[test]
fn an_autoscaler_that_scales_to_zero_means_it() {
    let mut world = World::baking(
        1,
        canary(Placement::Surge(Surge { claims: Some(ClaimUse::Discard), ..Surge::default() }), &[(25, 20)]),
    );
    world.scale(0, Writer::Autoscaler("keda".to_owned()));
    world.run(10);
    assert_eq!(world.sts.replicas, 0);
}

/// Somebody's tool writes `partition: 0` every second, as long as `seconds`.
fn opened_every_second(world: &mut World, seconds: u64) {
    for _ in 0..seconds {
        world.set_partition(0);
        world.run(1);
    }
}

#[test]
fn a_partition_that_somebody_writes_is_parked_again_and_said() {
    let mut world = World::at_rest(3, in_place());
    world.set_partition(0);
    world.run(2);
    assert_eq!((world.sts.partition, world.writes), (PARKED, 1));
    assert_eq!(world.problem, Some("PartitionContested"));
    world.run(601);
    assert_eq!(world.problem, None);
    world.set_partition(1);
    world.run(2);
    assert_eq!(world.sts.partition, PARKED);
}

#[test]
fn a_tool_that_writes_the_partition_every_second_is_not_fought() {
    let mut world = World::at_rest(3, in_place());
    opened_every_second(&mut world, 120);
    assert!(world.writes <= 8, "{} writes", world.writes);
    assert_eq!(world.told.iter().filter(|note| note.reason() == "PartitionContested").count(), 1);
    world.run(61);
    assert_eq!(world.sts.partition, PARKED, "parked when the tool has ended");
}

#[test]
fn after_a_contest_at_rest_a_rollout_opens_and_parks_as_any_other() {
    let mut world = World::at_rest(3, in_place());
    opened_every_second(&mut world, 10);
    world.run(60);
    world.release("v2");
    ends_with(&mut world, 3);
    assert!(world.told("Started") || world.told("RolloutStarted"));
}

#[test]
fn our_own_steps_are_no_contest() {
    let mut world = World::at_rest(4, in_place());
    world.release("v2");
    ends_with(&mut world, 4);
    world.failing.insert("v3".to_owned());
    world.release("v3");
    world.until("rolled back", |world| world.told("RolledBack"));
    assert!(!world.told("PartitionContested"));
}

#[test]
fn a_manifest_that_takes_the_surge_away_and_opens_is_parked_and_the_surge_comes_again() {
    let mut world = long_surge();
    world.sts.partition = 0;
    world.scale(4, Writer::Applier("argocd".to_owned()));
    world.run(1);
    assert_eq!(world.sts.partition, PARKED);
    world.until("judged again", |world| world.phase() == Phase::Baking && world.sts.replicas == 5);
    assert_eq!(world.problem, Some("PartitionContested"));
    ends_with(&mut world, 4);
}

/// Whoever writes replicas, whenever and to whatever: the rollout ends at the number that the rules say.
#[test]
fn replicas_written_at_any_moment_end_at_the_number_of_their_writer() {
    let extra = Surge { pods: Some(Amount::Count(1)), claims: Some(ClaimUse::Reuse), ..Surge::default() };
    let writers = [
        person(),
        Writer::Autoscaler("kube-controller-manager".to_owned()),
        Writer::Applier("helm".to_owned()),
    ];
    for moment in [Phase::Idle, Phase::Opening, Phase::Baking, Phase::Reverting, Phase::Completing] {
        for writer in &writers {
            for wanted in [2, 7] {
                let mut world = World::at_rest(4, canary(Placement::Surge(extra), &[(25, 5)]));
                if moment != Phase::Idle {
                    world.release("v2");
                    if moment == Phase::Reverting {
                        world.failing.insert("v2".to_owned());
                    }
                    world.until("the moment", |world| world.phase() == moment);
                }
                let record = world.state.record.clone().unwrap();
                let surge = record.rollout.map_or(0, |rollout| rollout.surge);
                world.scale(wanted, writer.clone());
                if moment == Phase::Idle {
                    world.run(1);
                    world.release("v2");
                }
                world.until("the end", |world| world.told("Promoted") || world.told("RolledBack"));
                world.run(5);
                let counted = matches!(writer, Writer::Autoscaler(_)) && surge > 0;
                let expected = if counted { wanted - surge } else { wanted };
                let version = if moment == Phase::Reverting { "v1" } else { "v2" };
                let told = format!("{writer:?} to {wanted} at {moment:?}: {:#?}", world.told);
                assert_eq!(world.pods(), vec![version; expected as usize], "{told}");
                assert_eq!((world.sts.replicas, world.sts.partition), (expected, PARKED), "{told}");
                assert!(!world.told("PartitionContested"), "{told}");
            }
        }
    }
}
