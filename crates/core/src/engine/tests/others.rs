//! Other writers of replicas.

use super::world::{World, canary, in_place, surge};
use crate::{
    facts::{PARKED, UpdateStrategy, Writer},
    policy::{ClaimUse, Placement},
    state::Phase,
};

fn person() -> Writer {
    Writer::Person("ann".to_owned())
}

fn long_surge() -> World {
    let mut world = World::at_rest(
        4,
        canary(Placement::Surge { pods: None, claims: Some(ClaimUse::Discard) }, &[(25, 20)]),
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
fn an_autoscaler_that_scales_to_zero_means_it() {
    let mut world = World::baking(
        1,
        canary(Placement::Surge { pods: None, claims: Some(ClaimUse::Discard) }, &[(25, 20)]),
    );
    world.scale(0, Writer::Autoscaler("keda".to_owned()));
    world.run(10);
    assert_eq!(world.sts.replicas, 0);
}
