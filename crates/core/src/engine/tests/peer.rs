//! What went wrong in the only other StatefulSet implementation, case by case; the row ids are those of docs/traps.md.

use super::world::{World, canary, seconds, surge};
use crate::{
    facts::{PARKED, Writer},
    policy::{Placement, Policy, Strategy},
    state::Phase,
};

fn ann() -> Writer {
    Writer::Person("ann".to_owned())
}

/// In place, one step of a share that bakes for long.
fn share(percent: u32) -> Policy {
    canary(Placement::InPlace, &[(percent, 30)])
}

/// As many pods of v2 as there are, whatever state they are in.
fn on_v2(world: &World) -> usize {
    world.pods().iter().filter(|pod| pod.starts_with("v2")).count()
}

fn abort(world: &mut World) {
    let id = world.rollout_id();
    world.annotate("abort", &id);
}

fn back(world: &mut World, replicas: usize) {
    world.until("rolled back", |world| world.told("RolledBack"));
    assert_eq!(world.pods(), vec!["v1"; replicas]);
    assert_eq!(world.sts.partition, PARKED);
    world.run(60);
    assert_eq!(world.pods(), vec!["v1"; replicas], "and stays so");
}

fn require_approval(world: &mut World) {
    world.with_policy(|policy| {
        if let Strategy::Canary(canary) = &mut policy.strategy {
            canary.steps[0].approval = true;
        }
    });
}

/// Rows 1a and 1b.
#[test]
fn a_small_share_is_one_pod_and_a_broken_release_is_not_verified_with_none() {
    for (replicas, percent) in [(3, 20), (5, 10)] {
        let mut world = World::at_rest(replicas, share(percent));
        let untouched: Vec<_> = (0..replicas - 1).map(|index| world.uid_at(index)).collect();
        world.failing.insert("v2".to_owned());
        world.release("v2");
        world.until("exposed", |world| on_v2(world) == 1);
        back(&mut world, replicas as usize);
        let now: Vec<_> = (0..replicas - 1).map(|index| world.uid_at(index)).collect();
        assert_eq!(now, untouched, "no stable pod is restarted for nothing");
        assert!(!world.told("Promoted"));
    }
}

/// Rows 2a and 2b.
#[test]
fn killed_at_any_write_of_an_abort_it_goes_back_and_says_so_only_then() {
    for die_after in 1..12 {
        let mut world = World::baking(5, share(60));
        world.die_after = Some(world.writes + die_after);
        abort(&mut world);
        world.until("back", |world| world.pods() == ["v1"; 5] && world.phase() == Phase::Idle);
        assert_eq!(world.verdict_of("v2"), Some("rejected"), "died after {die_after}");
    }
}

/// Rows 2c and 2d.
#[test]
fn deletes_that_are_denied_for_a_while_are_sent_again_until_every_pod_is_back() {
    for fails in [false, true] {
        let mut world = World::baking(5, share(60));
        world.deletes_denied = true;
        if fails {
            world.failing.insert("v2".to_owned());
        } else {
            abort(&mut world);
        }
        world.run(8);
        assert_eq!((on_v2(&world), world.phase()), (3, Phase::Reverting));
        assert!(!world.told("RolledBack"), "said before it was true");
        world.deletes_denied = false;
        back(&mut world, 5);
    }
}

/// Rows 3 and 3b.
#[test]
fn a_way_back_takes_one_pod_down_at_a_time() {
    for (replicas, percent, canaries) in [(5, 60, 3), (8, 50, 4)] {
        for fails in [false, true] {
            let mut world = World::baking(replicas, share(percent));
            assert_eq!(on_v2(&world), canaries);
            world.fewest_ready = usize::MAX;
            if fails {
                world.failing.insert("v2".to_owned());
            } else {
                abort(&mut world);
            }
            back(&mut world, replicas as usize);
            assert_eq!(world.fewest_ready, replicas as usize - 1);
        }
    }
}

/// Row 3c.
#[test]
fn an_abort_of_the_last_step_deletes_no_stable_pod() {
    let mut world = World::at_rest(5, share(100));
    world.broken.insert("v2".to_owned());
    let stable: Vec<_> = (0..4).map(|index| world.uid_at(index)).collect();
    world.release("v2");
    world.until("stuck", |world| world.pods() == ["v1", "v1", "v1", "v1", "v2!"]);
    abort(&mut world);
    back(&mut world, 5);
    let now: Vec<_> = (0..4).map(|index| world.uid_at(index)).collect();
    assert_eq!(now, stable);
    assert_eq!(world.fewest_ready, 4);
}

/// Row 3d.
#[test]
fn a_failure_in_the_last_step_leaves_the_pods_that_are_still_stable_alone() {
    let mut world = World::at_rest(5, share(100));
    let lowest = world.uid_at(0);
    world.release("v2");
    world.until("three are new", |world| world.pods().iter().filter(|pod| *pod == "v2").count() == 3);
    world.failing.insert("v2".to_owned());
    back(&mut world, 5);
    assert_eq!(world.uid_at(0), lowest);
    assert!(world.fewest_ready >= 4, "{}", world.fewest_ready);
}

/// Row 4a; 4b and 4d lose or delay the first event, and come to the same.
#[test]
fn a_template_that_nobody_saw_waits_parked_and_is_tried_later() {
    let mut world = World::at_rest(5, share(20));
    world.down = true;
    world.release("v2");
    world.run(600);
    assert_eq!(world.pods(), ["v1"; 5]);
    world.restart();
    world.until("promoted", |world| world.told("Promoted"));
}

/// Row 4c.
#[test]
fn a_first_step_that_waits_for_a_person_exposes_its_own_share_only() {
    let mut world = World::at_rest(5, share(20));
    require_approval(&mut world);
    world.release("v2");
    world.until("waiting", |world| world.phase() == Phase::AwaitingApproval);
    world.run(120);
    assert_eq!((on_v2(&world), world.sts.partition), (1, PARKED));
}

/// Row 5a.
#[test]
fn an_abort_works_while_paused() {
    let mut world = World::baking(5, share(60));
    world.annotate("paused", "true");
    world.run(5);
    abort(&mut world);
    back(&mut world, 5);
}

/// Row 5b.
#[test]
fn a_canary_that_fails_while_paused_is_taken_back() {
    let mut world = World::baking(5, share(60));
    world.annotate("paused", "true");
    world.run(5);
    world.failing.insert("v2".to_owned());
    back(&mut world, 5);
}

/// Row 5c.
#[test]
fn paused_at_rest_a_new_template_reaches_no_pod() {
    let mut world = World::at_rest(5, share(20));
    world.annotate("paused", "true");
    world.release("v2");
    world.run(120);
    assert_eq!(world.pods(), ["v1"; 5]);
    world.unannotate("paused");
    world.until("promoted", |world| world.told("Promoted"));
}

/// Row 5d.
#[test]
fn an_abort_works_while_a_step_waits_for_a_person() {
    let mut world = World::at_rest(5, share(20));
    require_approval(&mut world);
    world.release("v2");
    world.until("waiting", |world| world.phase() == Phase::AwaitingApproval);
    abort(&mut world);
    back(&mut world, 5);
}

/// Row 6.
#[test]
fn ordinals_that_start_at_five_are_aborted_by_their_own_names() {
    let mut world = World::new(5, share(60));
    world.scale(0, ann());
    world.run(5);
    world.sts.ordinals_start = 5;
    world.scale(5, ann());
    world.run(5);
    world.annotate("policy", "test");
    world.run(5);
    world.release("v2");
    world.until("baking", |world| world.phase() == Phase::Baking && on_v2(world) == 3);
    abort(&mut world);
    back(&mut world, 5);
}

/// Row 7a.
#[test]
fn scaled_up_in_a_step_the_share_is_kept_to() {
    let mut world = World::baking(5, share(20));
    world.scale(8, ann());
    let mut most = 0;
    for _ in 0..200 {
        world.turn_once();
        most = most.max(on_v2(&world));
    }
    // Pod 4 is below the new step: it goes back, and 20% of 8 are pods 6 and 7.
    assert!(most <= 3, "{most}");
    world.until("baking again", |world| world.phase() == Phase::Baking && on_v2(world) == 2);
    assert_eq!(world.pods()[6..], ["v2", "v2"]);
}

/// Row 7b.
#[test]
fn scaled_down_in_a_step_it_does_not_go_on_without_a_canary() {
    let mut world = World::baking(5, share(20));
    world.scale(3, ann());
    world.until("baking again", |world| world.phase() == Phase::Baking && world.pods() == ["v1", "v1", "v2"]);
    world.failing.insert("v2".to_owned());
    back(&mut world, 3);
}

/// Row 7c.
#[test]
fn scaled_up_after_an_abort_every_new_pod_is_stable() {
    let mut world = World::baking(5, share(20));
    abort(&mut world);
    back(&mut world, 5);
    world.scale(8, Writer::Autoscaler("hpa".to_owned()));
    world.run(20);
    assert_eq!(world.pods(), ["v1"; 8]);
}

/// Rows 8a, 8b and 8c.
#[test]
fn a_canary_that_never_gets_ready_is_taken_back_whether_or_not_a_person_is_waited_for() {
    for approval in [false, true] {
        let mut world = World::at_rest(5, share(20));
        if approval {
            require_approval(&mut world);
        }
        world.broken.insert("v2".to_owned());
        world.release("v2");
        back(&mut world, 5);
        assert!(!world.told("StepBaking") || !world.told("AwaitingApproval"));
        assert!(!world.told("Approved") && !world.told("Promoted"));
    }
}

/// Rows 8d and 8e.
#[test]
fn a_deadline_counts_neither_a_bake_nor_a_wait_for_a_person() {
    let mut world = World::at_rest(5, share(20));
    world.with_policy(|policy| policy.bounds.progress_deadline = seconds(3));
    require_approval(&mut world);
    world.release("v2");
    world.until("waiting", |world| world.phase() == Phase::AwaitingApproval);
    world.run(120);
    assert_eq!(world.phase(), Phase::AwaitingApproval);
    world.annotate("approve", "db-v2/s0/ann");
    world.until("promoted", |world| world.told("Promoted"));
}

/// Row 8f.
#[test]
fn a_bake_longer_than_the_deadline_is_watched_to_its_end() {
    let mut world = World::at_rest(5, canary(Placement::InPlace, &[(20, 900)]));
    world.with_policy(|policy| policy.bounds.progress_deadline = seconds(60));
    world.release("v2");
    world.run(625);
    assert_eq!(world.phase(), Phase::Baking);
    world.failing.insert("v2".to_owned());
    back(&mut world, 5);
}

/// Row 8g.
#[test]
fn a_canary_that_gets_ready_after_the_deadline_rolls_nothing_by_itself() {
    let mut world = World::at_rest(5, share(100));
    world.with_policy(|policy| {
        policy.bounds.progress_deadline = seconds(2);
        policy.outcome.on_failure = crate::policy::OnFailure::Pause;
    });
    world.broken.insert("v2".to_owned());
    world.release("v2");
    world.until("paused", |world| world.annotation("paused").is_some());
    world.broken.clear();
    world.run(120);
    assert_eq!((on_v2(&world), world.sts.partition), (1, PARKED));
}

/// Rows 9a to 9e: what has no data is neither good nor bad.
#[test]
fn without_data_nothing_is_promoted_and_nothing_is_taken_back() {
    let mut world = World::at_rest(5, share(20));
    world.silent = true;
    world.release("v2");
    world.run(50);
    assert_eq!((world.phase(), on_v2(&world)), (Phase::Baking, 1));
    assert_eq!(world.problem, Some("NoData"));
    world.silent = false;
    world.until("promoted", |world| world.told("Promoted"));
}

/// Row 10.
#[test]
fn aborted_scaled_to_zero_and_back_no_pod_runs_the_aborted_revision() {
    for (hold, guard) in [(true, false), (false, true), (false, false)] {
        let mut world = World::new(5, share(20));
        (world.hold, world.guarded) = (hold, guard);
        world.restore_when_forgotten();
        world.annotate("policy", "test");
        world.run(5);
        world.release("v2");
        world.until("baking", |world| world.phase() == Phase::Baking);
        abort(&mut world);
        back(&mut world, 5);
        world.scale(0, ann());
        world.run(5);
        world.scale(5, ann());
        world.run(20);
        assert_eq!(world.pods(), ["v1"; 5], "hold {hold} guard {guard}");
    }
}

/// Row 11a.
#[test]
fn a_third_template_starts_from_the_first_step() {
    let mut world = World::baking(5, share(20));
    world.release("v3");
    world.until("v3 is tried", |world| world.pods() == ["v1", "v1", "v1", "v1", "v3"]);
    world.until("promoted", |world| world.told("Promoted"));
}

/// Row 11b.
#[test]
fn an_abort_of_the_third_template_leaves_no_pod_on_the_second() {
    let mut world = World::baking(5, share(60));
    world.release("v3");
    world.until("v3 is tried", |world| world.pods().iter().any(|pod| pod == "v3"));
    world.until("baking", |world| world.phase() == Phase::Baking);
    abort(&mut world);
    back(&mut world, 5);
}

/// The row without a number: the template back to stable after an abort.
#[test]
fn git_reverted_after_an_abort_nothing_is_left_to_say_and_the_next_release_is_gated() {
    let mut world = World::baking(5, share(20));
    abort(&mut world);
    back(&mut world, 5);
    world.release("v1");
    world.run(5);
    assert_eq!((world.phase(), world.problem), (Phase::Idle, None));
    world.failing.insert("v3".to_owned());
    world.release("v3");
    world.until("v3 is tried", |world| world.pods()[4].starts_with("v3"));
    world.until("back", |world| world.count("RolledBack") == 2);
}

/// Section 12: what a long bake costs the API server.
#[test]
fn a_long_bake_writes_its_evidence_twice_a_minute_at_most() {
    let mut world = World::at_rest(5, canary(Placement::InPlace, &[(20, 3600)]));
    world.release("v2");
    world.until("baking", |world| world.phase() == Phase::Baking);
    world.run(10);
    let writes = world.writes;
    world.run(600);
    assert!(world.writes - writes <= 20, "{}", world.writes - writes);
}

/// Section 13: the way back begins in the step that hears of the failure.
#[test]
fn a_failure_parks_and_takes_the_surge_away_at_once() {
    let mut world = World::baking(5, surge());
    world.failing.insert("v2".to_owned());
    world.turn_once();
    assert_eq!((world.phase(), world.sts.replicas, world.sts.partition), (Phase::Reverting, 5, PARKED));
    let mut world = World::baking(5, share(20));
    world.failing.insert("v2".to_owned());
    world.turn_once();
    assert_eq!(world.pods(), ["v1", "v1", "v1", "v1", "v2-"]);
}
