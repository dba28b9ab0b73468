//! Commands and pauses.

use super::world::{World, canary, in_place, surge};
use crate::{
    facts::Writer,
    policy::{OnFailure, Placement, Strategy},
    state::Phase,
};

fn with_approval() -> World {
    let mut world = World::at_rest(4, in_place());
    world.with_policy(|policy| {
        if let Strategy::Canary(canary) = &mut policy.strategy {
            canary.steps[0].approval = true;
        }
    });
    world.release("v2");
    world.until("waiting", |world| world.phase() == Phase::AwaitingApproval);
    world
}

#[test]
fn an_approval_passes_one_gate_once() {
    let mut world = with_approval();
    world.run(30);
    assert_eq!(world.phase(), Phase::AwaitingApproval);
    world.annotate("approve", "db-v2/other/ann");
    world.run(2);
    assert_eq!(world.phase(), Phase::AwaitingApproval);
    assert_eq!(world.annotation("approve"), None, "an unmatched command is taken away");
    world.annotate("approve", "db-v2/s0/ann");
    world.until("approved", |world| world.told("Approved"));
    world.annotate("approve", "db-v2/s0/ann");
    world.until("promoted", |world| world.told("Promoted"));
    assert_eq!(world.count("Approved"), 1);
    assert_eq!(world.annotation("approve"), Some("db-v2/s0/ann"), "what returns is ignored");
}

#[test]
fn checks_run_on_while_waiting_for_approval() {
    let mut world = with_approval();
    world.failing.insert("v2".to_owned());
    world.until("rolled back", |world| world.told("RolledBack"));
}

#[test]
fn a_pause_stops_forward_motion_and_a_resume_goes_on() {
    let mut world = World::at_rest(4, in_place());
    world.release("v2");
    world.until("baking", |world| world.phase() == Phase::Baking);
    world.annotate("paused", "true");
    world.run(60);
    assert_eq!(world.pods().iter().filter(|pod| pod.starts_with("v2")).count(), 1);
    world.unannotate("paused");
    world.until("promoted", |world| world.told("Promoted"));
}

#[test]
fn a_pause_while_opening_parks() {
    let mut world = World::at_rest(4, canary(Placement::InPlace, &[(50, 5)]));
    world.release("v2");
    world.until("opening", |world| world.sts.partition == 2);
    world.annotate("paused", "true");
    world.run(10);
    assert_eq!(world.sts.partition, crate::facts::PARKED);
    world.unannotate("paused");
    world.until("promoted", |world| world.told("Promoted"));
}

#[test]
fn a_failure_during_a_pause_still_rolls_back() {
    let mut world = World::at_rest(4, in_place());
    world.release("v2");
    world.until("baking", |world| world.phase() == Phase::Baking);
    world.annotate("paused", "true");
    world.run(2);
    world.failing.insert("v2".to_owned());
    world.until("rolled back", |world| world.told("RolledBack"));
    assert_eq!(world.pods(), ["v1", "v1", "v1", "v1"]);
}

#[test]
fn an_abort_names_its_rollout() {
    let mut world = World::at_rest(4, surge());
    world.release("v2");
    world.until("baking", |world| world.phase() == Phase::Baking);
    world.annotate("abort", "another");
    world.run(1);
    assert_ne!(world.phase(), Phase::Reverting);
    let id = world.rollout_id();
    world.annotate("abort", &id);
    world.until("rolled back", |world| world.told("RolledBack"));
    assert_eq!(world.pods(), ["v1", "v1", "v1", "v1"]);
    assert_eq!(world.claims.len(), 4);
}

#[test]
fn an_abort_kept_in_git_acts_once() {
    let mut world = World::at_rest(4, surge());
    world.release("v2");
    world.until("baking", |world| world.phase() == Phase::Baking);
    let id = world.rollout_id();
    world.annotate("abort", &id);
    world.until("rolled back", |world| world.told("RolledBack"));
    world.annotate("abort", &id);
    world.release("v3");
    world.until("promoted", |world| world.told("Promoted"));
    assert_eq!(world.count("CommandTaken"), 1);
}

#[test]
fn promote_skips_the_steps_and_the_remainder_follows() {
    let mut world = World::at_rest(4, canary(Placement::InPlace, &[(25, 1000), (50, 1000)]));
    world.release("v2");
    world.until("baking", |world| world.phase() == Phase::Baking);
    world.annotate("promote", "db-v2");
    world.until("promoted", |world| world.told("Promoted"));
    assert_eq!(world.pods(), ["v2", "v2", "v2", "v2"]);
}

#[test]
fn retry_tries_a_rejected_revision_again() {
    let mut world = World::at_rest(3, in_place());
    world.failing.insert("v2".to_owned());
    world.release("v2");
    world.until("opened", |world| world.phase() != Phase::Idle);
    let id = world.rollout_id();
    world.until("rolled back", |world| world.told("RolledBack"));
    world.failing.clear();
    world.annotate("retry", "another");
    world.run(2);
    assert_eq!(world.phase(), Phase::Idle);
    world.annotate("retry", &id);
    world.until("promoted", |world| world.told("Promoted"));
    assert_eq!(world.verdict_of("v2"), Some("stable"));
}

#[test]
fn the_last_gate_is_not_passed_while_a_check_fails() {
    let mut world = World::at_rest(2, canary(Placement::InPlace, &[(100, 2)]));
    world.with_policy(|policy| {
        if let Strategy::Canary(canary) = &mut policy.strategy {
            canary.steps[0].approval = true;
        }
        policy.outcome.on_failure = OnFailure::Pause;
    });
    world.release("v2");
    world.until("waiting", |world| world.phase() == Phase::AwaitingApproval);
    world.failing.insert("v2".to_owned());
    world.until("paused", |world| world.annotation("paused").is_some());
    world.annotate("approve", "db-v2/s0/ann");
    world.run(10);
    assert!(!world.told("Promoted"));
}

#[test]
fn an_approval_of_the_last_step_promotes() {
    let mut world = World::at_rest(2, canary(Placement::InPlace, &[(100, 2)]));
    world.with_policy(|policy| {
        if let Strategy::Canary(canary) = &mut policy.strategy {
            canary.steps[0].approval = true;
        }
    });
    world.release("v2");
    world.until("waiting", |world| world.phase() == Phase::AwaitingApproval);
    world.annotate("approve", "db-v2/s0/ann");
    world.until("promoted", |world| world.told("Promoted"));
}

#[test]
fn a_promote_that_came_too_early_counts_once_the_stable_revision_is_forgotten() {
    let mut world = World::at_rest(1, in_place());
    world.annotate("promote", "db-v2");
    world.run(1);
    world.scale(0, Writer::Person("ann".to_owned()));
    world.run(2);
    world.release("v2");
    world.until("forgotten", |world| world.told("StableForgotten"));
    world.annotate("promote", "db-v2");
    world.run(2);
    assert_eq!(world.annotation("stable"), Some("db-v2"));
}
