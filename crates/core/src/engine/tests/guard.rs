//! The pod guard's list in each phase, and who else writes it.

use std::collections::BTreeSet;

use super::world::{World, canary, in_place, surge};
use crate::{
    engine::guard::{Seen, released},
    facts::{PARKED, Revision},
    policy::Placement,
    state::{Phase, Record},
};

/// A record of v1 -> v2 in a phase.
fn record(phase: Phase) -> Record {
    let mut world = World::baking(3, in_place());
    let mut record = world.state.record.take().unwrap();
    record.phase = phase;
    if phase == Phase::Completing {
        record.stable = Some(revision("v2"));
    }
    if matches!(phase, Phase::OptingIn | Phase::Installing | Phase::Idle) {
        record.rollout = None;
    }
    if matches!(phase, Phase::OptingIn | Phase::Installing) {
        record.stable = None;
    }
    record
}

fn revision(version: &str) -> Revision {
    Revision(format!("db-{version}"))
}

fn set(versions: &[&str]) -> BTreeSet<Revision> {
    versions.iter().map(|version| revision(version)).collect()
}

fn seen(current: &str, update: &str, on_pods: &[&str]) -> Seen {
    Seen {
        current: Some(revision(current)),
        update: Some(revision(update)),
        update_is_stable: false,
        on_pods: set(on_pods),
        listed: BTreeSet::new(),
    }
}

#[test]
fn opting_in_releases_what_the_pods_run_and_not_what_came_with_the_opt_in() {
    let record = record(Phase::OptingIn);
    assert_eq!(released(&record, &seen("v1", "v2", &["v1"])), set(&["v1"]));
    assert_eq!(released(&record, &seen("v1", "v3", &["v1", "v2"])), set(&["v1", "v2"]));
    assert_eq!(released(&record, &seen("v1", "v2", &[])), set(&["v1"]), "without pods the current one");
}

#[test]
fn a_first_install_releases_the_newest_template() {
    assert_eq!(released(&record(Phase::Installing), &seen("v1", "v2", &["v1"])), set(&["v1", "v2"]));
}

#[test]
fn at_rest_only_the_stable_revision_is_released() {
    let record = record(Phase::Idle);
    assert_eq!(released(&record, &seen("v1", "v2", &["v1"])), set(&["v1"]));
    assert_eq!(released(&record, &seen("v2", "v2", &["v2"])), set(&["v1"]), "also when Kubernetes forgot it");
}

#[test]
fn going_forward_releases_stable_and_canary() {
    for phase in [Phase::Opening, Phase::Baking, Phase::AwaitingApproval] {
        assert_eq!(released(&record(phase), &seen("v1", "v2", &["v1"])), set(&["v1", "v2"]));
        assert_eq!(
            released(&record(phase), &seen("v3", "v3", &["v1"])),
            set(&["v1", "v2"]),
            "a current revision that never ran may not come in that way"
        );
        assert_eq!(
            released(&record(phase), &seen("v0", "v2", &["v0", "v2"])),
            set(&["v0", "v1", "v2"]),
            "a superseded one that Kubernetes had completed is what a lost pod returns as"
        );
    }
}

#[test]
fn completing_keeps_the_old_revision_while_lost_pods_return_as_it() {
    let record = record(Phase::Completing);
    assert_eq!(released(&record, &seen("v1", "v2", &["v1", "v2"])), set(&["v1", "v2"]));
    assert_eq!(released(&record, &seen("v2", "v2", &["v2"])), set(&["v2"]));
}

#[test]
fn going_back_keeps_the_canary_until_every_pod_is_back() {
    for phase in [Phase::Reverting, Phase::Undoing] {
        let mut seen = seen("v1", "v2", &["v1"]);
        assert_eq!(released(&record(phase), &seen), set(&["v1"]), "it never came to a pod");
        seen.listed = set(&["v1", "v2"]);
        assert_eq!(released(&record(phase), &seen), set(&["v1", "v2"]));
    }
}

#[test]
fn undo_releases_the_stable_template_also_under_another_name() {
    let mut seen = seen("v2", "v1b", &["v2"]);
    seen.update_is_stable = true;
    assert_eq!(released(&record(Phase::Undoing), &seen), set(&["v1", "v1b", "v2"]));
}

fn guarded(replicas: u32, policy: crate::policy::Policy) -> World {
    let mut world = World::new(replicas, policy);
    world.guarded = true;
    world.annotate("policy", "test");
    world.run(5);
    assert_eq!((world.phase(), world.listed()), (Phase::Idle, vec!["v1"]));
    world.told.clear();
    world.writes = 0;
    world
}

#[test]
fn the_list_is_widened_before_a_step_opens_and_narrowed_after_promotion() {
    for policy in [in_place(), surge(), canary(Placement::InPlace, &[(100, 2)])] {
        for hold in [false, true] {
            let mut world = guarded(3, policy.clone());
            world.hold = hold;
            world.release("v2");
            world.until("open", |world| {
                assert!(
                    world.listed() == ["v1", "v2"] || world.sts.partition >= PARKED,
                    "open before it is released"
                );
                world.sts.partition < PARKED
            });
            world.until("promoted", |world| world.told("Promoted"));
            world.run(2);
            assert_eq!((world.pods(), world.listed()), (vec!["v2".to_owned(); 3], vec!["v2"]));
            let writes = world.writes;
            world.run(60);
            assert_eq!(world.writes, writes, "no writes at rest");
        }
    }
}

#[test]
fn the_list_is_narrowed_when_every_pod_is_back() {
    for policy in [in_place(), surge()] {
        let mut world = guarded(3, policy);
        world.failing.insert("v2".to_owned());
        world.release("v2");
        world.until("back", |world| {
            assert!(world.listed() == ["v1", "v2"] || !world.pods().iter().any(|pod| pod.starts_with("v2")));
            world.told("RolledBack")
        });
        world.run(2);
        assert_eq!((world.pods(), world.listed()), (vec!["v1".to_owned(); 3], vec!["v1"]));
    }
}

#[test]
fn opting_in_with_a_new_image_in_one_write_lets_no_pod_run_it() {
    let mut world = World::new(3, in_place());
    (world.guarded, world.parks, world.down) = (true, true, true);
    world.annotate("policy", "test");
    world.annotate("paused", "true");
    world.release("v2");
    world.run(5);
    world.down = false;
    world.run(5);
    assert_eq!((world.pods(), world.listed()), (vec!["v1".to_owned(); 3], vec!["v1"]));
    world.unannotate("paused");
    world.until("promoted", |world| world.told("Promoted"));
}

#[test]
fn a_first_install_that_never_worked_is_replaced_under_the_guard() {
    let mut world = super::life::broken_install(3, false);
    world.guarded = true;
    world.annotate("policy", "test");
    world.run(3);
    assert_eq!(world.phase(), Phase::Installing);
    world.release("v3");
    world.until_idle();
    world.run(2);
    assert_eq!((world.pods(), world.listed()), (vec!["v3".to_owned(); 3], vec!["v3"]));
}

#[test]
fn an_edit_of_the_list_is_put_back_told_once_and_not_fought_without_end() {
    let mut world = guarded(3, in_place());
    let mut edits = 0;
    for _ in 0..100 {
        world.edit_list(&["v1", "v7"]);
        edits += 1;
        world.run(6);
    }
    assert_eq!(edits, 100);
    assert_eq!(world.count("GuardEdited"), 1);
    assert!((10..=13).contains(&world.writes), "three at once, then one a minute: {}", world.writes);
    assert_eq!(world.problem, Some("GuardContested"));
    world.run(70);
    assert_eq!((world.listed(), world.problem), (vec!["v1"], None));
}

#[test]
fn a_list_that_was_deleted_comes_back() {
    let mut world = guarded(3, in_place());
    world.list = None;
    world.run(1);
    assert_eq!(world.listed(), ["v1"]);
}

#[test]
fn an_edit_that_shuts_the_canary_out_does_not_stop_the_rollout_for_good() {
    let mut world = guarded(3, in_place());
    world.release("v2");
    world.until("baking", |world| world.phase() == Phase::Baking);
    world.edit_list(&["v1"]);
    world.until("promoted", |world| world.told("Promoted"));
    assert_eq!(world.count("GuardEdited"), 1);
}

#[test]
fn opting_out_deletes_the_list_before_anything_else() {
    let mut world = guarded(3, in_place());
    world.unannotate("policy");
    world.until("deleted", |world| {
        assert!(world.list.is_none() || world.annotation("state").is_some());
        world.state.record.is_none()
    });
    assert!(world.list.is_none());
    world.release("v2");
    world.run(10);
    assert_eq!(world.pods(), ["v2", "v2", "v2"], "nothing holds it any more");
}

#[test]
fn opting_out_of_a_rollout_reverts_and_deletes_the_list_also_when_dying_in_between() {
    for die_after in 1..8 {
        let mut world = guarded(3, surge());
        world.release("v2");
        world.until("baking", |world| world.phase() == Phase::Baking);
        world.die_after = Some(world.writes + die_after);
        world.unannotate("policy");
        world.until("out", |world| world.state.record.is_none());
        assert!(world.list.is_none(), "died after {die_after}");
        assert_eq!(world.pods(), ["v1", "v1", "v1"]);
    }
}

#[test]
fn a_list_without_a_workload_that_is_looked_after_is_deleted() {
    let mut world = guarded(3, in_place());
    for name in ["policy", "state", "stable"] {
        world.unannotate(name);
    }
    world.restart();
    world.run(1);
    assert!(world.list.is_none());
}

#[test]
fn dying_after_any_write_under_the_guard_changes_nothing_about_the_end() {
    for bad in [false, true] {
        for die_after in 1..20 {
            let mut world = guarded(3, surge());
            if bad {
                world.failing.insert("v2".to_owned());
            }
            world.die_after = Some(die_after);
            world.release("v2");
            world.until("ended", |world| world.phase() == Phase::Idle && world.verdict_of("v2").is_some());
            world.run(10);
            let end = if bad { "v1" } else { "v2" };
            assert_eq!(
                (world.pods(), world.listed()),
                (vec![end.to_owned(); 3], vec![end]),
                "died after {die_after}"
            );
        }
    }
}

#[test]
fn a_list_that_is_edited_each_second_does_not_make_us_write_each_second() {
    let mut world = guarded(3, in_place());
    for edit in 0..120 {
        world.edit_list(&["v1", &format!("v{}", edit + 7)]);
        world.run(1);
    }
    // Of the list, and of the problem in the state when it begins and ends.
    assert!(world.writes <= 3 + 2 + 2 * 2, "{}", world.writes);
}

#[test]
fn a_list_that_cannot_be_written_keeps_no_pod_from_going_back() {
    let mut world = World::new(4, canary(Placement::InPlace, &[(50, 60)]));
    world.guarded = true;
    world.annotate("policy", "test");
    world.run(5);
    world.release("v2");
    world.until("baking", |world| world.phase() == Phase::Baking);
    world.edit_list(&["v1"]);
    world.lists_denied = true;
    world.failing.insert("v2".to_owned());
    world.until("all back", |world| world.pods() == ["v1"; 4]);
}
