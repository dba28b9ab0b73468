//! Bad releases.

use super::world::{World, canary, in_place, seconds, surge};
use crate::{
    facts::PARKED,
    facts::Writer,
    policy::{Amount, OnFailure, Placement},
    state::{PauseReason, Phase},
};

fn rolled_back(world: &mut World, replicas: usize) {
    world.until("rolled back", |world| world.told("RolledBack"));
    assert_eq!(world.pods(), vec!["v1"; replicas], "said only when it is true");
    assert_eq!(world.phase(), Phase::Idle);
    assert_eq!(world.verdict_of("v2"), Some("rejected"));
    assert_eq!(world.annotation("stable"), Some("db-v1"));
    assert_eq!((world.sts.partition, world.sts.replicas as usize), (PARKED, replicas));
    assert_eq!(world.claims.len(), replicas);
    let writes = world.writes;
    world.run(60);
    assert_eq!(world.pods(), vec!["v1"; replicas], "a rejected revision is not tried again");
    assert_eq!(world.writes, writes, "no writes at rest");
}

#[test]
fn a_failing_canary_goes_and_no_stable_pod_is_touched() {
    let mut world = World::at_rest(4, surge());
    world.failing.insert("v2".to_owned());
    world.release("v2");
    rolled_back(&mut world, 4);
    assert_eq!(world.fewest_ready, 4);
}

#[test]
fn a_failing_canary_in_place_returns_stable() {
    let mut world = World::at_rest(4, in_place());
    world.failing.insert("v2".to_owned());
    world.release("v2");
    rolled_back(&mut world, 4);
}

#[test]
fn a_canary_that_never_gets_ready_is_taken_back_also_under_ordered_ready() {
    for policy in [
        surge(),
        in_place(),
        canary(
            Placement::Surge(crate::policy::Surge {
                pods: Some(Amount::Count(2)),
                claims: Some(crate::policy::ClaimUse::Discard),
                ..crate::policy::Surge::default()
            }),
            &[(50, 3)],
        ),
    ] {
        let mut world = World::at_rest(4, policy).ordered();
        world.broken.insert("v2".to_owned());
        world.release("v2");
        rolled_back(&mut world, 4);
    }
}

#[test]
fn a_failure_at_half_takes_ready_pods_back_one_at_a_time() {
    let mut world = World::at_rest(4, canary(Placement::InPlace, &[(50, 30)]));
    world.release("v2");
    world.until("baking", |world| world.phase() == Phase::Baking);
    world.run(5);
    world.fewest_ready = usize::MAX;
    world.failing.insert("v2".to_owned());
    rolled_back(&mut world, 4);
    assert_eq!(world.fewest_ready, 3);
}

#[test]
fn one_replica_with_surge_comes_back_without_losing_the_stable_revision() {
    let mut world = World::at_rest(1, surge());
    world.release("v2");
    world.until("baking", |world| world.phase() == Phase::Baking);
    world.run(2);
    world.failing.insert("v2".to_owned());
    world.delete_pod(0);
    rolled_back(&mut world, 1);
}

#[test]
fn after_completion_a_failure_pauses_and_undo_writes_the_template_back() {
    let mut world = World::at_rest(1, in_place());
    world.release("v2");
    world.until("completed", |world| {
        world.sts.current_revision.as_ref().is_some_and(|current| current.0 == "db-v2")
    });
    world.failing.insert("v2".to_owned());
    world.until("paused", |world| world.told("PausedFailedAfterCompletion"));
    world.run(20);
    assert_eq!(world.pods(), ["v2"]);
    assert_eq!(world.count("PausedFailedAfterCompletion"), 1);
    assert_eq!(world.count("CheckFailed"), 1);
    let id = world.rollout_id();
    world.annotate("undo", &id);
    rolled_back(&mut world, 1);
    assert_eq!(world.annotation("paused"), None);
}

#[test]
fn after_completion_the_policy_may_undo_by_itself() {
    let mut world = World::at_rest(1, in_place());
    world.undo_after_completion();
    world.release("v2");
    world.until("completed", |world| {
        world.sts.current_revision.as_ref().is_some_and(|current| current.0 == "db-v2")
    });
    world.failing.insert("v2".to_owned());
    rolled_back(&mut world, 1);
}

#[test]
fn with_the_hold_a_full_rollout_is_taken_back_without_a_template_write() {
    let mut world = World::at_rest(3, canary(Placement::InPlace, &[(100, 30)]));
    world.hold = true;
    world.release("v2");
    world.until("baking", |world| world.phase() == Phase::Baking);
    world.run(5);
    assert_eq!(world.pods(), ["v2", "v2", "v2"]);
    world.failing.insert("v2".to_owned());
    rolled_back(&mut world, 3);
    assert_eq!(world.sts.template["image"], "v2");
}

#[test]
fn a_foreign_template_during_undo_is_not_fought() {
    let mut world = World::at_rest(2, canary(Placement::InPlace, &[(100, 30)]));
    world.undo_after_completion();
    world.release("v2");
    world.until("completed", |world| {
        world.sts.current_revision.as_ref().is_some_and(|current| current.0 == "db-v2")
    });
    world.failing.insert("v2".to_owned());
    world.until("undoing", |world| world.phase() == Phase::Undoing);
    world.release("v2");
    world.until("contested", |world| world.told("PausedUndoContested"));
    world.run(10);
    assert_eq!(world.sts.partition, PARKED);
    assert_eq!(world.sts.template["image"], "v2");
    world.unannotate("paused");
    rolled_back(&mut world, 2);
}

#[test]
fn on_failure_pause_stops_and_an_abort_goes_back() {
    let mut world = World::at_rest(3, in_place());
    world.with_policy(|policy| policy.outcome.on_failure = OnFailure::Pause);
    world.failing.insert("v2".to_owned());
    world.release("v2");
    world.until("paused", |world| world.told("PausedCheckFailed"));
    world.run(10);
    assert_eq!(world.pods(), ["v1", "v1", "v2"]);
    assert_eq!(world.count("CheckFailed"), 1);
    let id = world.rollout_id();
    world.annotate("abort", &id);
    rolled_back(&mut world, 3);
}

#[test]
fn without_progress_the_deadline_acts() {
    let mut world = World::at_rest(3, in_place());
    world.with_policy(|policy| policy.bounds.progress_deadline = seconds(2));
    world.broken.insert("v2".to_owned());
    world.release("v2");
    world.until("stopped", |world| world.phase() == Phase::Reverting || world.told("PausedProgressDeadline"));
}

#[test]
fn the_template_of_a_rejected_revision_stays_rejected_after_a_restart() {
    let mut world = World::at_rest(3, in_place());
    world.failing.insert("v2".to_owned());
    world.release("v2");
    rolled_back(&mut world, 3);
    world.release("v1");
    world.run(5);
    world.release("v2");
    world.restart();
    world.run(20);
    assert_eq!(world.pods(), ["v1", "v1", "v1"]);
    assert_eq!(world.count("RevisionRejected"), 1);
}

#[test]
fn a_lost_exposure_is_restored_three_times_and_is_no_failure() {
    let mut world = World::at_rest(4, canary(Placement::InPlace, &[(25, 60)]));
    world.release("v2");
    for lost in 1..=3 {
        world.until("baking", |world| world.phase() == Phase::Baking && world.pods()[3] == "v2");
        world.delete_pod(3);
        world.until("lost", |world| world.count("ExposureLost") == lost);
    }
    world.until("baking", |world| world.phase() == Phase::Baking && world.pods()[3] == "v2");
    world.delete_pod(3);
    world.until("asked", |world| world.told("PausedExposureLost"));
    world.run(5);
    assert_eq!(world.pods(), ["v1", "v1", "v1", "v1"]);
    assert!(!world.told("CheckFailed"));
    world.unannotate("paused");
    world.until("promoted", |world| world.told("Promoted"));
}

#[test]
fn a_refused_write_pauses_and_is_not_repeated() {
    let mut world = World::at_rest(3, in_place());
    world.state.refused("partition 2 came out as 1000000".to_owned());
    world.run(60);
    let pause = world.state.record.as_ref().unwrap().pause.as_ref().map(|pause| pause.reason);
    assert_eq!(pause, Some(PauseReason::AdmissionMismatch));
    assert_eq!(world.writes, 1);
}

#[test]
fn scaled_to_zero_and_back_after_completion_the_rollout_goes_on() {
    for wait in 1..10 {
        let mut world = World::at_rest(2, canary(Placement::InPlace, &[(100, 30)]));
        world.release("v2");
        world.until("completed", World::completed);
        world.until("baking", |world| world.phase() == Phase::Baking);
        world.scale(0, Writer::Person("ann".to_owned()));
        for _ in 0..wait {
            world.turn_once();
        }
        world.scale(2, Writer::Person("ann".to_owned()));
        world.run(100);
        assert!(world.count("RollingBack") <= 1, "{wait}: {}", world.count("RollingBack"));
        assert!(
            world.phase() == Phase::Idle || world.annotation("paused").is_some(),
            "{wait}: {:?}",
            world.phase()
        );
    }
}

#[test]
fn a_way_back_that_is_stuck_says_so() {
    let mut world = World::baking(4, canary(Placement::InPlace, &[(25, 60)]));
    world.broken.insert("v1".to_owned());
    world.failing.insert("v2".to_owned());
    world.run(180);
    assert_eq!(world.phase(), Phase::Reverting);
    assert!(world.problem.is_some());
}

#[test]
fn a_right_that_was_taken_away_is_missed_aloud() {
    let mut world = World::baking(3, surge());
    world.forbid_claim_deletion();
    world.failing.insert("v2".to_owned());
    world.run(30);
    assert_eq!(world.problem, Some("MissingRight"));
    assert_eq!(world.phase(), Phase::Reverting);
}

/// The watch of the pods may be behind that of the StatefulSet, whose counters know better.
#[test]
fn no_ready_pod_is_taken_down_while_the_counters_say_that_another_one_is_not_ready() {
    let mut world = World::baking(4, in_place());
    world.stop_watching_pods();
    world.break_pod(0, "v1");
    world.run(1);
    world.failing.insert("v2".to_owned());
    world.run(3);
    assert_eq!(world.phase(), Phase::Reverting);
    assert_eq!(world.pods(), ["v1!", "v1", "v1", "v2"]);
}
