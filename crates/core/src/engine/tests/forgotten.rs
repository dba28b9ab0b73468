//! Kubernetes forgets the stable revision: scaled to zero and back, created anew, with a history limit that is too low.

use super::world::{World, in_place, seconds, surge};
use crate::{
    facts::{PARKED, Revision, Writer},
    policy::Policy,
    state::Phase,
};

fn ann() -> Writer {
    Writer::Person("ann".to_owned())
}

/// What v2 is when the stable revision is forgotten.
#[derive(Clone, Copy, Debug, PartialEq)]
enum V2 {
    /// Paused before anything was opened.
    Pending,
    /// On canary pods.
    Running,
    /// Rolled back.
    Rejected,
}

const EACH: [V2; 3] = [V2::Pending, V2::Running, V2::Rejected];

struct Protection {
    hold: bool,
    guard: bool,
}

const PROTECTIONS: [Protection; 4] = [
    Protection { hold: false, guard: false },
    Protection { hold: true, guard: false },
    Protection { hold: false, guard: true },
    Protection { hold: true, guard: true },
];

fn with(v2: V2, protection: &Protection, policy: Policy, restore: bool) -> World {
    let mut world = World::new(3, policy);
    (world.hold, world.guarded, world.parks) = (protection.hold, protection.guard, true);
    if restore {
        world.restore_when_forgotten();
    }
    world.annotate("policy", "test");
    world.run(5);
    match v2 {
        V2::Pending => {
            world.annotate("paused", "true");
            world.release("v2");
            world.run(5);
        }
        V2::Running => {
            world.release("v2");
            world.until("baking", |world| world.phase() == Phase::Baking);
        }
        V2::Rejected => {
            world.failing.insert("v2".to_owned());
            world.release("v2");
            world.until("rejected", |world| world.told("RolledBack"));
        }
    }
    world.told.clear();
    world
}

#[test]
fn at_zero_restore_writes_the_stable_template_and_every_pod_comes_back_stable() {
    for v2 in EACH {
        for protection in &PROTECTIONS {
            let mut world = with(v2, protection, in_place(), true);
            world.scale(0, ann());
            world.run(5);
            world.annotate("paused", "true");
            world.scale(3, ann());
            world.run(20);
            let context = format!("{v2:?} hold {} guard {}", protection.hold, protection.guard);
            assert_eq!(world.pods(), ["v1", "v1", "v1"], "{context}: {:?}", world.told);
            assert_eq!(world.told("StableForgotten"), !protection.hold, "{context}");
            assert_eq!(world.count("StableForgotten"), usize::from(!protection.hold), "{context}");
            assert_eq!(world.sts.partition, PARKED);
            assert_eq!(world.sts.template["image"] == "v1", !protection.hold, "{context}");
        }
    }
}

#[test]
fn at_zero_hold_tells_it_and_the_guard_lets_no_pod_run_what_was_not_judged() {
    for v2 in EACH {
        let mut world = with(v2, &Protection { hold: false, guard: true }, in_place(), false);
        world.scale(0, ann());
        world.run(5);
        world.scale(3, ann());
        world.run(10);
        assert_eq!(world.pods(), [""; 0], "{v2:?}");
        assert_eq!((world.problem, world.listed()), (Some("StableForgotten"), vec!["v1"]), "{v2:?}");
        // One way out is the stable template, the other a person's word.
        world.release("v1");
        world.until("back", |world| world.pods() == ["v1", "v1", "v1"] && world.phase() == Phase::Idle);
        assert_eq!(world.sts.partition, PARKED);
    }
}

#[test]
fn the_word_of_a_person_releases_the_current_revision() {
    let mut world = with(V2::Pending, &Protection { hold: false, guard: true }, in_place(), false);
    world.scale(0, ann());
    world.run(5);
    world.annotate("promote", "db-v2");
    world.scale(3, ann());
    world.run(5);
    assert_eq!((world.pods(), world.listed()), (vec!["v2".to_owned(); 3], vec!["v2"]));
    assert_eq!(world.annotation("stable"), Some("db-v2"));
}

#[test]
fn scaled_up_before_anybody_looked_restore_undoes() {
    // A running one is the open rollout's canary: it is judged on.
    for v2 in [V2::Pending, V2::Rejected] {
        for guard in [false, true] {
            for ordered in [false, true] {
                let mut world = with(v2, &Protection { hold: false, guard }, surge(), true);
                if ordered {
                    world = world.ordered();
                }
                world.annotate("paused", "true");
                world.run(1);
                world.down = true;
                world.scale(0, ann());
                world.run(10);
                world.scale(3, ann());
                world.run(2);
                world.restart();
                world.until("back", |world| {
                    world.pods() == ["v1", "v1", "v1"] && world.phase() == Phase::Idle
                });
                world.run(20);
                assert_eq!(world.pods(), ["v1", "v1", "v1"], "{v2:?} guard {guard} ordered {ordered}");
                assert_eq!((world.sts.partition, world.sts.template["image"].as_str()), (PARKED, Some("v1")));
                assert_eq!(world.problem, None);
            }
        }
    }
}

#[test]
fn a_tool_that_applies_the_other_template_at_zero_again_is_not_fought() {
    let mut world = with(V2::Rejected, &Protection { hold: false, guard: false }, in_place(), true);
    world.scale(0, ann());
    world.run(5);
    assert_eq!(world.sts.template["image"], "v1");
    for _ in 0..20 {
        world.release("v2");
        world.run(5);
    }
    let restored = world.told.iter().filter(|note| note.reason() == "StableForgotten").count();
    assert_eq!((restored, world.sts.template["image"].as_str()), (2, Some("v2")), "{:?}", world.told);
    assert_eq!(world.problem, Some("StableForgotten"));
    let writes = world.writes;
    world.run(60);
    assert_eq!(world.writes, writes);
}

#[test]
fn what_was_pending_is_tried_when_it_is_applied_again() {
    let mut world = with(V2::Running, &Protection { hold: false, guard: true }, in_place(), true);
    world.scale(0, ann());
    world.run(5);
    world.scale(3, ann());
    world.run(5);
    assert_eq!((world.pods(), world.listed()), (vec!["v1".to_owned(); 3], vec!["v1"]));
    world.release("v2");
    world.until("promoted", |world| world.told("Promoted"));
    assert_eq!(world.pods(), ["v2", "v2", "v2"]);
}

#[test]
fn with_the_hold_a_rollout_starts_anew_after_zero() {
    let mut world = with(V2::Running, &Protection { hold: true, guard: false }, in_place(), false);
    world.scale(0, ann());
    world.run(5);
    world.scale(3, ann());
    world.until("tried again", |world| world.pods() == ["v1", "v1", "v2"]);
    assert_eq!(world.phase(), Phase::Baking);
    world.until("promoted", |world| world.told("Promoted"));
    assert!(!world.told("StableForgotten"));
}

#[test]
fn created_anew_with_another_template_no_pod_runs_it_under_the_guard() {
    for v2 in EACH {
        for hold in [false, true] {
            for restore in [false, true] {
                let mut world = with(v2, &Protection { hold, guard: true }, in_place(), restore);
                if v2 == V2::Running {
                    // Its canary pod is on v2 already; what is shown is that no further one comes.
                    let id = world.rollout_id();
                    world.annotate("abort", &id);
                    world.until_idle();
                }
                world.recreate("v2");
                world.run(3);
                world.delete_pod(1);
                world.run(20);
                let context = format!(
                    "{v2:?} hold {hold} restore {restore}: {:?}, told {:?}",
                    world.pods(),
                    world.told
                );
                assert!(world.pods().iter().all(|pod| pod == "v1"), "{context}");
                assert_eq!(world.pods().len(), if restore { 3 } else { 2 }, "{context}");
                assert!(world.told("StableForgotten"), "{context}");
            }
        }
    }
}

#[test]
fn created_anew_without_the_guard_a_lost_pod_comes_back_wrong_and_restore_brings_it_back() {
    let mut world = with(V2::Rejected, &Protection { hold: true, guard: false }, in_place(), true);
    world.down = true;
    world.recreate("v2");
    world.down = true;
    world.run(2);
    world.delete_pod(1);
    world.run(2);
    assert_eq!(world.pods(), ["v1", "v2", "v1"], "nothing else than the pod guard holds a new object");
    world.restart();
    world.until("asked", |world| world.told("PausedMixedRevisions"));
    world.annotate("promote", "db-v1");
    world.until("back", |world| world.phase() == Phase::Idle && world.pods() == ["v1", "v1", "v1"]);
    assert_eq!(world.sts.partition, PARKED);
}

#[test]
fn created_anew_with_the_stable_template_all_goes_on() {
    for guard in [false, true] {
        let mut world = with(V2::Pending, &Protection { hold: false, guard }, in_place(), false);
        world.recreate("v1");
        world.run(5);
        assert_eq!((world.phase(), world.annotation("stable")), (Phase::Idle, Some("db-v1")));
        world.release("v3");
        world.until("promoted", |world| world.told("Promoted"));
        assert_eq!(world.pods(), ["v3", "v3", "v3"]);
    }
}

#[test]
fn a_state_from_before_is_not_taken_over_by_the_new_object() {
    let mut world = with(V2::Running, &Protection { hold: false, guard: false }, in_place(), false);
    let state = world.annotation("state").unwrap().to_owned();
    world.recreate("v1");
    world.annotate("state", &state);
    world.restart();
    world.run(2);
    assert!(world.told("StateRebuilt"));
    assert!(world.state.record.as_ref().unwrap().rollout.is_none());
    assert!(world.told_last("PausedMixedRevisions"), "its canary pod is still there");
}

#[test]
fn a_stable_revision_that_kubernetes_deleted_is_told_and_a_person_leads_out() {
    for v2 in EACH {
        let mut world = with(v2, &Protection { hold: false, guard: false }, in_place(), true);
        world.annotate("paused", "true");
        world.run(1);
        world.sts.revision_history_limit = 0;
        world.scale(0, ann());
        world.run(20);
        assert_eq!(world.problem, Some("StableRevisionGone"), "{v2:?}");
        assert_eq!(world.sts.template["image"], "v2", "there is nothing to write back");
        world.annotate("promote", "db-v2");
        world.run(5);
        assert_eq!(world.annotation("stable"), Some("db-v2"), "{v2:?}");
    }
}

#[test]
fn a_history_limit_that_is_too_low_starts_no_rollout() {
    let mut world = World::at_rest(3, in_place());
    world.sts.revision_history_limit = 1;
    world.release("v2");
    world.run(20);
    assert_eq!((world.phase(), world.problem), (Phase::Idle, Some("HistoryLimitTooLow")));
    assert_eq!(world.pods(), ["v1", "v1", "v1"]);
    world.sts.revision_history_limit = 2;
    world.until("promoted", |world| world.told("Promoted"));
}

#[test]
fn the_only_pod_missing_while_its_surge_pod_goes_the_stable_revision_is_kept() {
    for ordered in [false, true] {
        for missing in [true, false] {
            let mut world = World::baking(1, surge());
            if ordered {
                world = world.ordered();
            }
            world.failing.insert("v2".to_owned());
            if missing {
                world.delete_pod(0);
            }
            world.until("rolled back", |world| {
                assert!(!world.completed(), "forgotten, ordered {ordered}");
                world.told("RolledBack")
            });
            assert_eq!((world.pods(), world.sts.replicas), (vec!["v1".to_owned()], 1));
        }
    }
}

#[test]
fn undo_of_the_forgotten_is_not_fought_over() {
    let mut world = with(V2::Rejected, &Protection { hold: false, guard: false }, in_place(), true);
    world.with_policy(|policy| policy.bounds.progress_deadline = seconds(3600));
    world.down = true;
    world.scale(0, ann());
    world.run(10);
    world.scale(3, ann());
    world.run(5);
    world.restart();
    world.until("undoing", |world| world.phase() == Phase::Undoing);
    world.release("v2");
    world.until("asked", |world| world.told("PausedUndoContested"));
    let writes = world.writes;
    world.run(60);
    assert_eq!((world.writes, world.sts.partition), (writes, PARKED));
    world.unannotate("paused");
    world.until("back", |world| world.told("RolledBack"));
    assert_eq!(world.pods(), ["v1", "v1", "v1"]);
}

#[test]
fn pods_that_kubernetes_made_between_restore_and_its_own_completion_are_brought_back() {
    for v2 in EACH {
        for ordered in [false, true] {
            let mut world = with(v2, &Protection { hold: false, guard: false }, in_place(), true);
            if ordered {
                world = world.ordered();
            }
            world.annotate("paused", "true");
            world.scale(0, ann());
            world.until("restored", |world| world.sts.template["image"] == "v1" && world.pods().is_empty());
            world.run(2);
            // Scaled up in the same moment: the pods are made from the current revision of before.
            world.sts.current_revision = Some(Revision("db-v2".to_owned()));
            world.scale(3, ann());
            world.down = true;
            world.until("made", |world| !world.pods().is_empty());
            world.sts.current_revision = Some(Revision("db-v1".to_owned()));
            world.restart();
            world.until("back", |world| world.pods() == ["v1"; 3] && world.phase() == Phase::Idle);
            assert!(world.told("RolledBack"), "{v2:?} ordered {ordered}: {:?}", world.told);
            let writes = world.writes;
            world.run(60);
            assert_eq!((world.writes, world.problem), (writes, None), "{v2:?} ordered {ordered}");
        }
    }
}

/// Somebody opens v2 for one pod while Siskin is down; when it is up again, every pod comes back.
fn opened_and_back(v2: V2) -> World {
    let mut world = with(v2, &Protection { hold: false, guard: false }, in_place(), false);
    world.parks = false;
    world.down = true;
    world.set_partition(2);
    world.until("opened", |world| world.pods() == ["v1", "v1", "v2"]);
    world.restart();
    world.until("back", |world| world.pods() == ["v1"; 3] && world.phase() == Phase::Idle);
    world
}

#[test]
fn a_rejected_template_that_somebody_opened_while_siskin_was_down_is_brought_back() {
    let world = opened_and_back(V2::Rejected);
    assert_eq!((world.sts.partition, world.verdict_of("v2")), (PARKED, Some("rejected")));
}

#[test]
fn what_somebody_opened_goes_back_also_while_a_person_pauses() {
    let mut world = opened_and_back(V2::Pending);
    assert!(world.annotation("paused").is_some(), "the pause is the person's");
    world.unannotate("paused");
    world.until_promoted();
}

#[test]
fn a_pod_that_restarts_at_rest_is_no_reason_to_write() {
    let mut world = World::at_rest(3, in_place());
    let writes = world.writes;
    for index in 0..3 {
        world.delete_pod(index);
        world.run(5);
    }
    assert_eq!((world.writes, world.phase()), (writes, Phase::Idle));
    assert_eq!(world.pods(), ["v1"; 3]);
}

#[test]
fn an_undo_brings_back_pods_that_kubernetes_has_already_counted_as_done() {
    let mut world = with(V2::Rejected, &Protection { hold: false, guard: false }, in_place(), true);
    world.down = true;
    world.scale(0, ann());
    world.run(10);
    world.scale(3, ann());
    world.run(5);
    world.restart();
    world.until("undoing", |world| world.phase() == Phase::Undoing);
    world.sts.current_revision = Some(Revision("db-v1".to_owned()));
    world.until("back", |world| world.pods() == ["v1"; 3] && world.phase() == Phase::Idle);
    assert_eq!(world.sts.partition, PARKED);
}
