//! Ways in and out at odd moments.

use serde_json::json;

use super::world::{World, canary, in_place};
use crate::{facts::PARKED, policy::Placement, state::Phase};

#[test]
fn opting_out_of_a_contested_undo_is_done() {
    let mut world = World::at_rest(2, canary(Placement::InPlace, &[(100, 30)]));
    world.undo_after_completion();
    world.release("v2");
    world.until("completed", World::completed);
    world.failing.insert("v2".to_owned());
    world.until("undoing", |world| world.phase() == Phase::Undoing);
    world.release("v2");
    world.until("contested", |world| world.told("PausedUndoContested"));
    world.unannotate("policy");
    world.run(5);
    world.unannotate("paused");
    world.until("out", |world| world.state.record.is_none());
}

#[test]
fn a_pending_template_waits_when_a_pod_is_missing_at_opting_in() {
    let mut world = World::new(3, in_place());
    world.down = true;
    world.sts.partition = 3;
    world.release("v2");
    world.run(2);
    world.down = false;
    world.delete_pod(1);
    world.annotate("policy", "test");
    world.run(2);
    world.failing.insert("v2".to_owned());
    world.run(60);
    assert_eq!(world.pods(), ["v1", "v1", "v1"], "{:?}", world.told);
}

#[test]
fn opting_in_with_a_new_image_lets_one_pod_through_at_most() {
    for wait in 0..8 {
        let mut world = World::new(3, in_place());
        world.down = true;
        world.failing.insert("v2".to_owned());
        world.release("v2");
        world.annotate("policy", "test");
        for _ in 0..wait {
            world.turn_once();
        }
        world.down = false;
        world.run(60);
        let on_v2 = world.pods().iter().filter(|pod| pod.starts_with("v2")).count();
        assert!(on_v2 <= 1, "{wait}: {:?} {:?}", world.pods(), world.told);
    }
}

#[test]
fn a_workload_that_was_parked_before_stays_so_and_people_get_the_command() {
    let mut world = World::new(3, in_place());
    world.set_partition(PARKED);
    world.annotate("policy", "test");
    world.run(5);
    world.unannotate("policy");
    world.until("opted out", |world| world.told("OptedOut"));
    assert_eq!(world.sts.partition, PARKED);
    let told = world.told.last().unwrap().to_string();
    assert!(told.contains("\"partition\":0") && told.contains("lets templates roll"), "{told}");
}

/// Not opted in yet, and one of the three pods has been rolled to v2.
fn mixed(hold: bool) -> World {
    let mut world = World::new(3, in_place());
    world.hold = hold;
    world.run(5);
    world.set_partition(2);
    world.release("v2");
    world.until("mixed", |world| world.pods() == ["v1", "v1", "v2"]);
    world.run(5);
    world
}

#[test]
fn pods_of_several_revisions_that_were_seen_late_are_no_first_install() {
    let mut world = mixed(false);
    world.annotate("policy", "test");
    world.run(5);
    // As if the pods had not been seen at the first look.
    world.edit_state(|state| {
        state["phase"] = json!("Installing");
        state["pause"] = json!(null);
    });
    world.unannotate("paused");
    world.told.clear();
    world.run(5);
    assert!(world.told_last("PausedMixedRevisions"), "{:?}", world.told);
    assert_eq!((world.pods(), world.sts.partition), (vec!["v1".into(), "v1".into(), "v2".into()], PARKED));
    world.annotate("promote", "db-v1");
    world.until("back", |world| world.pods() == ["v1"; 3]);
}

#[test]
fn a_person_who_named_a_bad_revision_as_stable_names_another() {
    for hold in [false, true] {
        let mut world = mixed(hold);
        world.annotate("policy", "test");
        world.until("asked", |world| world.told("PausedMixedRevisions"));
        world.broken.insert("v2".to_owned());
        world.delete_pod(2);
        world.annotate("promote", "db-v2");
        world.until("stalled", |world| world.problem == Some("RollbackStalled"));
        world.annotate("promote", "db-v1");
        world.until("back", |world| world.pods() == ["v1"; 3]);
        world.run(5);
        assert_eq!(world.annotation("stable"), Some("db-v1"), "hold {hold}: {:?}", world.told);
        assert_eq!(world.problem, None, "hold {hold}");
    }
}
