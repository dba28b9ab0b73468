//! With the hold Kubernetes keeps the stable revision current until it is promoted; it may come and go between steps.

use super::world::{World, canary, in_place, surge};
use crate::{
    decision::Note,
    facts::{PARKED, Revision},
    policy::{Placement, Policy},
    state::Phase,
};

fn all_at_once() -> Policy {
    canary(Placement::InPlace, &[(100, 20)])
}

/// Every pod on v2 and in the bake of the last step.
fn full(replicas: u32, hold: bool) -> World {
    let mut world = World::at_rest(replicas, all_at_once());
    world.hold = hold;
    world.release("v2");
    world.until("baking", |world| {
        world.phase() == Phase::Baking && world.pods().iter().all(|pod| pod == "v2")
    });
    world.run(2);
    world
}

fn irrevocable_steps(world: &World) -> Vec<bool> {
    let steps = world.told.iter().filter_map(|note| match note {
        Note::StepOpening { irrevocable, .. } => Some(*irrevocable),
        _ => None,
    });
    steps.collect()
}

#[test]
fn only_without_the_hold_the_last_step_is_irrevocable() {
    for hold in [false, true] {
        let mut world = World::at_rest(3, in_place());
        world.hold = hold;
        world.release("v2");
        world.until("promoted", |world| world.told("Promoted"));
        assert_eq!(irrevocable_steps(&world), [false, false, !hold]);
    }
}

#[test]
fn with_the_hold_every_full_exposure_is_reverted_without_a_template_write() {
    for replicas in [1, 3] {
        for policy in [all_at_once(), in_place(), surge()] {
            let mut world = World::at_rest(replicas, policy);
            world.hold = true;
            world.release("v2");
            world.until("full", |world| {
                let pods = world.pods();
                world.phase() == Phase::Baking && pods.iter().take(replicas as usize).all(|pod| pod == "v2")
            });
            world.failing.insert("v2".to_owned());
            world.until("rolled back", |world| {
                assert_eq!(world.sts.current_revision, Some(Revision::from("db-v1")));
                world.told("RolledBack")
            });
            assert_eq!(world.sts.template["image"], "v2", "no template is written");
            assert_eq!(
                (world.pods(), world.claims.len()),
                (vec!["v1".to_owned(); replicas as usize], replicas as usize)
            );
        }
    }
}

#[test]
fn promotion_is_one_write_that_kubernetes_follows_while_it_stays_parked() {
    let mut world = full(3, true);
    world.until("promoted in the annotation", |world| world.annotation("stable") == Some("db-v2"));
    assert_eq!(world.phase(), Phase::Completing, "in the same write");
    world.until("promoted", |world| {
        assert_eq!(world.sts.partition, PARKED);
        world.told("Promoted")
    });
    assert_eq!(world.sts.current_revision, Some(Revision::from("db-v2")));
    world.delete_pod(0);
    world.run(3);
    assert_eq!(world.pods(), ["v2", "v2", "v2"]);
}

#[test]
fn a_pod_lost_before_kubernetes_follows_the_promotion_is_opened_again() {
    for replicas in [1, 3] {
        let mut world = full(replicas, true);
        world.until("promoting", |world| {
            // Lost again and again, so that there is one missing just then.
            world.phase() == Phase::Completing
                || world.state.record.as_ref().unwrap().rollout.as_ref().unwrap().bake_done_ms > 19_800
        });
        world.delete_pod(0);
        world.until("promoted", |world| world.told("Promoted"));
        world.run(3);
        assert_eq!(world.pods(), vec!["v2"; replicas as usize]);
        assert_eq!(world.annotation("stable"), Some("db-v2"));
    }
}

#[test]
fn a_hold_that_vanishes_in_the_last_bake_leaves_only_undo() {
    let mut world = full(3, true);
    world.hold = false;
    world.until("completed", World::completed);
    world.failing.insert("v2".to_owned());
    world.until("asked", |world| world.told("PausedFailedAfterCompletion"));
    // It comes back, and holds what is current now: nothing.
    world.hold = true;
    let id = world.rollout_id();
    world.annotate("undo", &id);
    world.until("rolled back", |world| world.told("RolledBack"));
    assert_eq!((world.pods(), world.sts.template["image"].as_str()), (vec!["v1".to_owned(); 3], Some("v1")));
    assert_eq!(world.sts.current_revision, Some(Revision::from("db-v1")));
}

#[test]
fn a_hold_that_vanishes_on_the_way_back_from_everything_is_noticed() {
    let mut world = full(3, true);
    world.undo_after_completion();
    world.failing.insert("v2".to_owned());
    world.until("going back", |world| world.phase() == Phase::Reverting);
    world.hold = false;
    world.until("rolled back", |world| world.told("RolledBack"));
    assert_eq!(world.pods(), ["v1", "v1", "v1"]);
    assert_eq!(world.sts.current_revision, Some(Revision::from("db-v1")));
}

#[test]
fn a_hold_that_appears_in_the_middle_makes_the_rest_revocable() {
    let mut world = World::baking(3, in_place());
    world.hold = true;
    world.until("full", |world| world.phase() == Phase::Baking && world.pods().iter().all(|pod| pod == "v2"));
    assert_eq!(irrevocable_steps(&world), [false, false, false]);
    let id = world.rollout_id();
    world.annotate("abort", &id);
    world.until("rolled back", |world| world.told("RolledBack"));
    assert_eq!(world.sts.template["image"], "v2");
}

#[test]
fn the_hold_is_asked_for_only_where_the_answer_matters() {
    let mut world = World::at_rest(3, in_place());
    world.release("v2");
    let mut asked = Vec::new();
    world.until("promoted", |world| world.told("Promoted"));
    asked.extend(world.asked_for_hold.iter().copied());
    assert_eq!(asked.len(), 1, "once, before the last batch: {asked:?}");
    world.run(600);
    assert_eq!(world.asked_for_hold.len(), 1, "never at rest");
}

#[test]
fn without_the_hold_one_replica_and_its_surge_pod_swap_places_before_replicas_are_lowered() {
    let mut world = World::baking(1, surge());
    world.failing.insert("v2".to_owned());
    world.delete_pod(0);
    world.until("rolled back", |world| {
        assert!(!world.completed(), "{:?}", world.pods());
        world.told("RolledBack")
    });
    assert_eq!(world.pods(), ["v1"]);
}

#[test]
fn opted_out_of_a_full_exposure_the_hold_is_over_and_whoever_is_first_decides() {
    for (kubernetes_is_first, end) in [(true, "v2"), (false, "v1")] {
        let mut world = full(3, true);
        world.down = kubernetes_is_first;
        world.unannotate("policy");
        world.run(1);
        world.down = false;
        world.until("out", |world| world.state.record.is_none());
        world.run(5);
        assert_eq!((world.pods(), world.annotation("stable")), (vec![end.to_owned(); 3], None));
        assert_eq!(world.sts.current_revision, Some(Revision(format!("db-{end}"))));
    }
}
