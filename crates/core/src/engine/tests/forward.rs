//! Good releases.

use super::world::{World, canary, in_place, policy, seconds, surge};
use crate::{
    facts::{PARKED, Writer},
    policy::{Amount, Batches, ClaimUse, Placement, Strategy, Surge},
    state::Phase,
};

fn promoted(world: &mut World, replicas: usize) {
    world.until("promoted", |world| world.told("Promoted"));
    world.run(2);
    assert_eq!(world.phase(), Phase::Idle);
    assert_eq!(world.pods(), vec!["v2"; replicas]);
    assert_eq!(world.annotation("stable"), Some("db-v2"));
    assert_eq!(world.verdict_of("v2"), Some("stable"));
    assert_eq!((world.sts.partition, world.sts.replicas as usize), (PARKED, replicas));
    assert_eq!(world.sts.current_revision, world.sts.update_revision);
    assert_eq!(world.claims.len(), replicas);
    let writes = world.writes;
    world.run(20);
    assert_eq!(world.writes, writes, "no writes at rest");
}

#[test]
fn surge_tries_extra_pods_first_and_ends_with_every_pod_promoted() {
    let mut world = World::at_rest(4, surge());
    world.release("v2");
    world.until("a canary", |world| world.pods().len() == 5);
    assert_eq!(world.pods(), ["v1", "v1", "v1", "v1", "v2!"]);
    world.until("parked", |world| world.phase() == Phase::Baking);
    assert_eq!(world.sts.partition, PARKED);
    assert_eq!(world.fewest_ready, 4, "no stable pod is touched by a surge");
    promoted(&mut world, 4);
    assert_eq!(world.fewest_ready, 3);
}

#[test]
fn in_place_starts_at_the_highest_index_and_takes_one_pod_down_at_a_time() {
    let mut world = World::at_rest(4, in_place());
    world.release("v2");
    world.until("baking", |world| world.phase() == Phase::Baking);
    assert_eq!(world.pods(), ["v1", "v1", "v1", "v2!"]);
    promoted(&mut world, 4);
    assert_eq!(world.fewest_ready, 3);
}

#[test]
fn ordered_ready_works_the_same() {
    for policy in [surge(), in_place()] {
        let mut world = World::at_rest(3, policy).ordered();
        world.release("v2");
        promoted(&mut world, 3);
        assert_eq!(world.fewest_ready, 2);
    }
}

#[test]
fn one_replica_surges_or_is_replaced() {
    for policy in [surge(), in_place()] {
        let mut world = World::at_rest(1, policy);
        world.release("v2");
        promoted(&mut world, 1);
    }
}

#[test]
fn ordinals_may_start_above_zero() {
    for policy in [surge(), in_place()] {
        let mut world = World::new(3, policy);
        world.scale(0, Writer::Person("ann".to_owned()));
        world.down = true;
        world.run(5);
        world.down = false;
        world.claims.clear();
        world.sts.ordinals_start = 5;
        world.scale(3, Writer::Person("ann".to_owned()));
        world.run(5);
        world.annotate("policy", "test");
        world.run(5);
        world.release("v2");
        promoted(&mut world, 3);
        assert_eq!(world.claim_names(), ["data-db-5", "data-db-6", "data-db-7"]);
    }
}

#[test]
fn rolling_update_goes_in_batches() {
    let batches = Batches { batch: Amount::Count(2), bake: seconds(2), approval: false };
    let mut world = World::at_rest(5, policy(Strategy::RollingUpdate(batches)));
    world.release("v2");
    world.until("the first batch", |world| world.phase() == Phase::Baking);
    assert_eq!(world.pods().iter().filter(|pod| pod.starts_with("v2")).count(), 2);
    promoted(&mut world, 5);
    assert_eq!(world.count("StepBaking"), 3);
}

#[test]
fn exposure_grows_only_after_the_whole_bake() {
    let mut world = World::at_rest(4, canary(Placement::InPlace, &[(25, 20), (50, 20)]));
    world.release("v2");
    world.until("baking", |world| world.phase() == Phase::Baking);
    world.run(15);
    assert_eq!(world.pods().iter().filter(|pod| pod.starts_with("v2")).count(), 1);
    world.until("the second step", |world| world.count("StepBaking") == 2);
    assert_eq!(world.pods().iter().filter(|pod| pod.starts_with("v2")).count(), 2);
}

#[test]
fn a_gap_counts_nothing_towards_the_bake() {
    let mut world = World::at_rest(4, canary(Placement::InPlace, &[(25, 20)]));
    world.release("v2");
    world.until("baking", |world| world.phase() == Phase::Baking);
    world.down = true;
    world.run(60);
    world.down = false;
    world.run(10);
    assert_eq!(world.count("StepBaking"), 1);
    world.until("the next step", |world| world.count("StepBaking") == 2);
}

#[test]
fn claims_of_extra_pods_are_kept_if_the_policy_says_so() {
    let keep =
        canary(Placement::Surge(Surge { claims: Some(ClaimUse::Keep), ..Surge::default() }), &[(25, 2)]);
    let mut world = World::at_rest(3, keep);
    world.release("v2");
    world.until("promoted", |world| world.told("Promoted"));
    assert_eq!(world.claim_names(), ["data-db-0", "data-db-1", "data-db-2", "data-db-3"]);
    world.release("v3");
    world.until("refused", |world| world.told("PausedClaimLeftOver"));
    assert_eq!(world.pods(), ["v2", "v2", "v2"]);
}

#[test]
fn a_left_over_claim_stops_a_surge_until_it_is_gone() {
    let mut world = World::at_rest(2, surge());
    world.claim("data-db-2");
    world.release("v2");
    world.until("refused", |world| world.told("PausedClaimLeftOver"));
    world.run(5);
    assert_eq!(world.pods(), ["v1", "v1"]);
    assert_eq!(world.annotation("paused"), Some("true"));
    world.claims.retain(|claim| claim.name != "data-db-2");
    world.unannotate("paused");
    promoted(&mut world, 2);
}

#[test]
fn reuse_surges_onto_a_claim_from_before_and_leaves_it() {
    let reuse =
        canary(Placement::Surge(Surge { claims: Some(ClaimUse::Reuse), ..Surge::default() }), &[(25, 2)]);
    let mut world = World::at_rest(2, reuse);
    world.claim("data-db-2");
    let uid = world.claims.last().unwrap().uid.clone();
    world.release("v2");
    world.until("promoted", |world| world.told("Promoted"));
    assert_eq!(world.claims.last().map(|claim| &claim.uid), Some(&uid));
}

#[test]
fn discard_needs_the_right_to_delete_claims() {
    let mut world = World::at_rest(2, surge());
    world.forbid_claim_deletion();
    world.release("v2");
    world.run(10);
    assert_eq!(world.problem, Some("MissingRight"));
    assert_eq!(world.pods(), ["v1", "v1"]);
}

#[test]
fn a_step_waits_until_every_other_pod_is_ready() {
    let mut world = World::at_rest(3, in_place());
    world.broken.insert("v1".to_owned());
    world.delete_pod(0);
    world.run(1);
    world.release("v2");
    world.run(10);
    assert_eq!(world.pods(), ["v1!", "v1", "v1"]);
    assert_eq!(world.problem, Some("WaitingForReady"));
    world.broken.clear();
    promoted(&mut world, 3);
}

#[test]
fn a_surge_grows_and_keeps_the_claims_that_it_has() {
    let grows = canary(
        Placement::Surge(Surge {
            pods: Some(Amount::Count(2)),
            claims: Some(ClaimUse::Discard),
            ..Surge::default()
        }),
        &[(25, 3), (50, 3)],
    );
    let mut world = World::at_rest(4, grows);
    world.release("v2");
    world.until("promoted", |world| world.told("Promoted"));
    world.run(2);
    assert_eq!(world.claims.len(), 4);
}

#[test]
fn missing_data_is_told_once() {
    let mut world = World::at_rest(4, in_place());
    world.silent = true;
    world.release("v2");
    world.run(60);
    assert_eq!(world.problem, Some("NoData"));
    assert_eq!(world.count("NoData"), 1);
    let told = world.told.iter().find(|note| note.reason() == "NoData").unwrap().to_string();
    assert!(told.starts_with("check errors has no data; the bake stands still: nothing until "), "{told}");
}

#[test]
fn claims_that_kubernetes_deletes_can_not_be_kept() {
    let keep =
        canary(Placement::Surge(Surge { claims: Some(ClaimUse::Keep), ..Surge::default() }), &[(25, 2)]);
    let mut world = World::at_rest(3, keep);
    world.sts.delete_claims_when_scaled = true;
    world.release("v2");
    world.run(5);
    assert_eq!((world.pods(), world.problem), (vec!["v1".to_owned(); 3], Some("PolicyUnfit")));
}

#[test]
fn a_step_without_a_verdict_in_time_asks() {
    let mut world = World::at_rest(3, in_place());
    world.with_policy(|policy| {
        if let Strategy::Canary(canary) = &mut policy.strategy {
            canary.steps[0].decide_within = Some(seconds(8));
        }
    });
    world.silent = true;
    world.release("v2");
    world.until("asked", |world| world.told("PausedUndecided"));
    world.run(5);
    assert_eq!(world.pods(), ["v1", "v1", "v2"]);
}

#[test]
fn an_approval_of_the_batches_waits_before_the_one_that_kubernetes_may_complete() {
    let batches = Batches { batch: Amount::Count(1), bake: seconds(2), approval: true };
    let mut world = World::at_rest(3, policy(Strategy::RollingUpdate(batches)));
    world.release("v2");
    world.until("asked", |world| world.told("AwaitingApproval"));
    world.run(60);
    assert_eq!((world.pods(), world.completed()), (["v1", "v2", "v2"].map(str::to_owned).to_vec(), false));
    world.annotate("approve", "db-v2/batch-2/ann");
    world.until_promoted();
}
