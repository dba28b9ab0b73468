//! `siskin.dev/role` on pods.

use super::world::{World, canary};
use crate::{policy::Placement, state::Phase};

fn labelling(replicas: u32) -> World {
    let mut policy = canary(Placement::InPlace, &[(33, 30)]);
    policy.pod_labels = true;
    World::at_rest(replicas, policy)
}

#[test]
fn pods_carry_their_role_while_a_rollout_is_open_and_not_after_it() {
    let mut world = labelling(3);
    assert_eq!(world.roles(), ["", "", ""]);
    world.release("v2");
    world.until("baking", |world| world.phase() == Phase::Baking);
    world.run(3);
    assert_eq!(world.roles(), ["stable", "stable", "canary"]);
    world.until_promoted();
    world.until_idle();
    world.run(10);
    assert_eq!(world.roles(), ["", "", ""]);
    assert!(!world.state.record.as_ref().unwrap().labelled, "nothing is looked at for labels any more");
}

#[test]
fn a_pod_that_returns_gets_the_other_role() {
    let mut world = labelling(3);
    world.failing.insert("v2".to_owned());
    world.release("v2");
    world.until("going back", |world| world.phase() == Phase::Reverting);
    world.until_idle();
    world.run(10);
    assert_eq!(world.pods(), ["v1", "v1", "v1"]);
    assert_eq!(world.roles(), ["", "", ""]);
}

#[test]
fn without_the_policy_s_word_no_pod_is_labelled() {
    let mut world = World::at_rest(3, canary(Placement::InPlace, &[(33, 30)]));
    world.release("v2");
    world.until("baking", |world| world.phase() == Phase::Baking);
    world.run(3);
    assert_eq!(world.roles(), ["", "", ""]);
}

#[test]
fn labels_are_taken_off_after_a_restart_too() {
    let mut world = labelling(3);
    world.release("v2");
    world.until("baking", |world| world.phase() == Phase::Baking);
    world.run(3);
    world.restart();
    world.until_promoted();
    world.until_idle();
    world.restart();
    world.run(10);
    assert_eq!(world.roles(), ["", "", ""]);
}

#[test]
fn opting_out_takes_the_labels_off_first() {
    let mut world = labelling(3);
    world.release("v2");
    world.until("baking", |world| world.phase() == Phase::Baking);
    world.run(3);
    world.unannotate("policy");
    world.until("out", |world| world.state.record.is_none());
    assert_eq!(world.roles(), ["", "", ""]);
}

#[test]
fn labels_that_cannot_be_written_hold_nothing_up() {
    let mut world = labelling(3);
    world.unlabelled = true;
    world.release("v2");
    world.until_promoted();
    world.unannotate("policy");
    world.until("out", |world| world.state.record.is_none());
}

#[test]
fn a_pod_is_labelled_once_and_its_successor_too() {
    let mut world = labelling(3);
    world.release("v2");
    world.until("baking", |world| world.phase() == Phase::Baking);
    world.run(20);
    assert_eq!(world.labels_written, 4, "three pods, one of them in both revisions");
}

#[test]
fn opting_out_with_labels_left_gives_the_partition_back_and_says_so() {
    let mut world = labelling(3);
    world.release("v2");
    world.until("baking", |world| world.phase() == Phase::Baking);
    world.run(3);
    world.unlabelled = true;
    world.until_promoted();
    world.until_idle();
    world.unlabelled = false;
    world.unannotate("policy");
    world.restart();
    world.until("out", |world| world.state.record.is_none());
    let told = world.told.iter().find(|note| note.reason() == "OptedOut").unwrap().to_string();
    assert!(told.ends_with("the partition from before is back"), "{told}");
    assert_eq!((world.sts.partition, world.roles()), (0, vec![""; 3]));
}
