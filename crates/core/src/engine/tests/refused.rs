//! Extra pods that nobody lets in.

use super::world::{World, surge};
use crate::{
    facts::PARKED,
    policy::{OnSurgeRefused, Policy},
    state::Phase,
};

fn on_refused(on: OnSurgeRefused) -> Policy {
    let mut policy = surge();
    policy.outcome.on_surge_refused = on;
    policy.bounds.progress_deadline = super::world::seconds(600);
    policy
}

/// Three pods, and no room for a fourth: by a quota, or on the nodes.
fn full(by_quota: bool, on: OnSurgeRefused) -> World {
    let mut world = World::at_rest(3, on_refused(on));
    (world.quota, world.room) = if by_quota { (Some(3), None) } else { (None, Some(3)) };
    world.release("v2");
    world
}

#[test]
fn refused_extra_pods_are_taken_away_and_a_person_is_asked() {
    for by_quota in [true, false] {
        let mut world = full(by_quota, OnSurgeRefused::Pause);
        world.until("asked", |world| world.told("PausedSurgeRefused"));
        world.run(10);
        assert_eq!((world.sts.replicas, world.sts.partition), (3, PARKED));
        assert_eq!(world.pods(), ["v1", "v1", "v1"]);
        assert!(!world.told("CheckFailed") && world.verdict_of("v2").is_none(), "{:?}", world.told);
        let why = world.told.iter().find(|note| note.reason() == "PausedSurgeRefused").unwrap().to_string();
        let said = if by_quota { "exceeded quota: pods" } else { "no node takes db-3: 0/1 nodes" };
        assert!(why.contains(said), "{why}");
    }
}

#[test]
fn after_resume_the_extra_pods_are_tried_again() {
    for by_quota in [true, false] {
        let mut world = full(by_quota, OnSurgeRefused::Pause);
        world.until("asked", |world| world.told("PausedSurgeRefused"));
        world.run(5);
        world.unannotate("paused");
        world.until("asked again", |world| world.count("PausedSurgeRefused") == 2);
        (world.quota, world.room) = (None, None);
        world.run(5);
        world.unannotate("paused");
        world.until_promoted();
        world.run(5);
        assert_eq!(world.pods(), ["v2", "v2", "v2"]);
        assert_eq!(world.claim_names(), ["data-db-0", "data-db-1", "data-db-2"]);
    }
}

#[test]
fn where_the_policy_says_so_the_rollout_goes_on_in_place() {
    for by_quota in [true, false] {
        let mut world = full(by_quota, OnSurgeRefused::InPlace);
        let id = {
            world.until("started", |world| world.phase() == Phase::Opening);
            world.rollout_id()
        };
        world.fewest_ready = usize::MAX;
        world.until("told", |world| world.told("SurgeRefused"));
        world.until("one pod in place", |world| world.pods() == ["v1", "v1", "v2"]);
        assert_eq!((world.rollout_id(), world.sts.replicas), (id, 3), "the same rollout");
        world.until_promoted();
        world.run(5);
        assert_eq!(world.pods(), ["v2", "v2", "v2"]);
        assert!(!world.told("CheckFailed"), "{:?}", world.told);
        assert_eq!(world.claim_names(), ["data-db-0", "data-db-1", "data-db-2"]);
        assert!(world.fewest_ready >= 2, "{}", world.fewest_ready);
    }
}

#[test]
fn a_rollout_that_went_on_in_place_stays_so_after_a_restart() {
    let mut world = full(true, OnSurgeRefused::InPlace);
    world.until("one pod in place", |world| world.pods() == ["v1", "v1", "v2"]);
    world.quota = None;
    world.restart();
    world.until_promoted();
    assert_eq!(world.count("SurgeRefused"), 1);
    assert_eq!(world.sts.replicas, 3);
}

#[test]
fn a_bad_revision_is_still_rolled_back_after_the_surge_was_given_up() {
    for by_quota in [true, false] {
        let mut world = full(by_quota, OnSurgeRefused::InPlace);
        world.broken.insert("v2".to_owned());
        world.until("rolled back", |world| world.told("RolledBack"));
        assert_eq!(world.pods(), ["v1", "v1", "v1"]);
        assert_eq!(world.verdict_of("v2"), Some("rejected"));
    }
}

#[test]
fn where_the_policy_says_so_the_revision_is_rolled_back_and_not_tried_again() {
    let mut world = full(true, OnSurgeRefused::RollBack);
    world.until("rolled back", |world| world.told("RolledBack"));
    world.run(30);
    assert_eq!((world.phase(), world.verdict_of("v2")), (Phase::Idle, Some("rejected")));
    assert_eq!(world.sts.replicas, 3);
}

#[test]
fn a_broken_extra_pod_is_the_revisions_fault_and_not_a_refusal() {
    let mut world = World::at_rest(3, on_refused(OnSurgeRefused::Pause));
    world.broken.insert("v2".to_owned());
    world.release("v2");
    world.until("rolled back", |world| world.told("RolledBack"));
    assert!(!world.told("PausedSurgeRefused"));
}

#[test]
fn an_extra_pod_that_waits_for_a_stable_one_is_not_refused() {
    let mut world = World::at_rest(3, on_refused(OnSurgeRefused::Pause)).ordered();
    world.release("v2");
    world.until("started", |world| world.phase() == Phase::Opening);
    world.quota = Some(3);
    world.delete_pod(0);
    world.run(20);
    assert!(!world.told("PausedSurgeRefused"), "{:?}", world.told);
}

#[test]
fn one_replica_is_never_left_to_the_extra_pod_alone() {
    let mut world = World::at_rest(1, on_refused(OnSurgeRefused::InPlace));
    world.room = Some(1);
    world.release("v2");
    world.until_promoted();
    world.run(5);
    assert_eq!((world.pods(), world.sts.replicas), (vec!["v2".to_owned()], 1));
}
