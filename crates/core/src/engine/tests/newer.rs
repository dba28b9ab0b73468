//! Templates that come at odd moments, or under other names.

use super::world::{World, canary, in_place};
use crate::{
    facts::{PolicyFact, Writer},
    policy::{Amount, OnFailure, Placement, Strategy},
    state::Phase,
};

fn person() -> Writer {
    Writer::Person("ann".to_owned())
}

#[test]
fn a_newer_template_mends_what_failed_after_completion() {
    let mut world = World::at_rest(1, in_place());
    world.release("v2");
    world.until("completed", World::completed);
    world.failing.insert("v2".to_owned());
    world.until("paused", |world| world.told("PausedFailedAfterCompletion"));
    world.release("v3");
    world.until("promoted", |world| world.told("Promoted"));
    assert_eq!(world.pods(), ["v3"]);
}

#[test]
fn a_newer_template_mends_what_failed_and_paused() {
    let mut world = World::at_rest(4, in_place());
    world.with_policy(|policy| policy.outcome.on_failure = OnFailure::Pause);
    world.failing.insert("v2".to_owned());
    world.release("v2");
    world.until("paused", |world| world.told("PausedCheckFailed"));
    world.release("v3");
    world.until("promoted", |world| world.told("Promoted"));
    assert_eq!(world.pods(), ["v3", "v3", "v3", "v3"]);
}

#[test]
fn a_pod_that_comes_up_on_the_newest_revision_is_not_taken_down() {
    let mut world = World::at_rest(4, in_place());
    world.release("v2");
    world.until("open", |world| world.sts.partition == 3);
    world.down = true;
    world.release("v3");
    world.until("coming up", |world| world.pods() == ["v1", "v1", "v1", "v3!"]);
    let uid = world.uid_at(3);
    world.down = false;
    world.until_promoted();
    assert_eq!(world.uid_at(3), uid);
}

#[test]
fn verdicts_on_the_old_revision_do_not_count_for_the_new_one() {
    let mut world = World::baking(4, canary(Placement::InPlace, &[(75, 30)]));
    world.with_policy(|policy| {
        if let Strategy::Canary(canary) = &mut policy.strategy {
            canary.steps[0].exposure = Amount::Percent(25);
        }
    });
    world.release("v3");
    world.until("reverting", |world| world.phase() == Phase::Reverting);
    world.failing.insert("v2".to_owned());
    world.until("promoted", |world| world.told("Promoted"));
    assert_eq!(world.count("CheckFailed"), 0);
    assert_eq!(world.verdict_of("v3"), Some("stable"));
}

#[test]
fn a_newer_template_before_the_completion_is_seen_is_reported() {
    let mut world = World::at_rest(2, canary(Placement::InPlace, &[(100, 5)]));
    world.hold = true;
    world.release("v2");
    world.until("completing", |world| world.phase() == Phase::Completing);
    world.release("v3");
    world.run(60);
    assert!(world.phase() == Phase::Idle || world.problem.is_some(), "{:?}", world.phase());
}

#[test]
fn scaling_to_zero_before_the_completion_is_seen_is_reported() {
    let mut world = World::at_rest(2, canary(Placement::InPlace, &[(100, 5)]));
    world.hold = true;
    world.release("v2");
    world.until("completing", |world| world.phase() == Phase::Completing);
    world.hold = false;
    world.release("v3");
    world.scale(0, person());
    world.run(60);
    assert!(world.phase() == Phase::Idle || world.problem.is_some(), "{:?}", world.phase());
}

#[test]
fn equal_templates_with_other_names_are_brought_to_one_name() {
    for named in ["db-v1", "db-v1b"] {
        let mut world = World::new(4, in_place());
        world.sts.partition = 2;
        world.down = true;
        world.release_renamed("v1");
        world.run(10);
        world.down = false;
        assert_eq!(world.pods(), ["v1", "v1", "v1b", "v1b"]);
        world.annotate("policy", "test");
        world.run(5);
        world.annotate("promote", named);
        world.run(60);
        let before = world.writes;
        world.run(60);
        assert_eq!(world.writes, before, "{named}: {:?}", world.pods());
        assert_eq!(world.phase(), Phase::Idle);
    }
}

#[test]
fn a_canary_renamed_by_kubernetes_is_judged_under_its_new_name() {
    let mut world = World::baking(4, canary(Placement::InPlace, &[(25, 20), (50, 20)]));
    world.rehashed = true;
    world.run(100);
    assert!(world.told("Promoted"), "{:?} {:?}", world.told, world.pods());
    assert_eq!(world.phase(), Phase::Idle);
}

/// v2 was completed by Kubernetes, and v3 is to take its place.
fn superseding_a_completed_one(prepare: impl FnOnce(&mut World)) -> World {
    let mut world = World::at_rest(1, canary(Placement::InPlace, &[(100, 60)]));
    world.release("v2");
    world.until("completed natively", World::completed);
    prepare(&mut world);
    world.release("v3");
    world.run(5);
    world
}

#[test]
fn what_keeps_a_newer_template_from_following_a_completed_one_is_reported() {
    let unusable = superseding_a_completed_one(|world| {
        world.policy =
            PolicyFact::Unusable { name: "test".to_owned(), reason: "a typing mistake".to_owned() };
    });
    assert_eq!(unusable.problem, Some("PolicyUnusable"));
    let mut limited = superseding_a_completed_one(|world| world.sts.revision_history_limit = 1);
    assert_eq!(limited.problem, Some("HistoryLimitTooLow"));
    limited.sts.revision_history_limit = 2;
    limited.until_promoted();
    assert_eq!((limited.pods(), limited.problem), (vec!["v3".to_owned()], None));
}

#[test]
fn a_rejected_template_that_follows_a_completed_one_is_not_tried_again() {
    let mut world = World::at_rest(1, canary(Placement::InPlace, &[(100, 60)]));
    world.hold = true;
    world.failing.insert("v2".to_owned());
    world.release("v2");
    world.until("rejected", |world| world.told("RolledBack"));
    world.hold = false;
    world.release("v3");
    world.until("completed natively", |world| {
        world.sts.current_revision.as_ref().is_some_and(|current| current.0 == "db-v3")
    });
    world.release("v2");
    world.run(90);
    assert_eq!((world.count("RolloutStarted"), world.problem), (2, Some("RevisionRejected")));
    assert_eq!(world.pods(), ["v3"]);
    world.release("v4");
    world.until_promoted();
    assert_eq!(world.pods(), ["v4"]);
}
