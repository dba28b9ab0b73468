//! The process dies after each write in turn; the end is the same.

use super::world::{World, canary, in_place, seconds, surge};
use crate::{
    facts::PARKED,
    policy::{Placement, Policy},
    state::Phase,
};

fn end_of(
    policy: &Policy,
    bad: bool,
    die_after: Option<usize>,
) -> (usize, Vec<String>, Option<String>, usize, u32) {
    let mut world = World::at_rest(3, policy.clone());
    world.undo_after_completion();
    world.die_after = die_after;
    if bad {
        world.failing.insert("v2".to_owned());
    }
    world.release("v2");
    world.until("begun", |world| world.writes > 0);
    world.until("ended", |world| {
        world.phase() == Phase::Idle
            && world.state.record.as_ref().is_some_and(|record| !record.history.is_empty())
    });
    world.run(2);
    assert_eq!(world.sts.partition, PARKED);
    (
        world.writes,
        world.pods(),
        world.annotation("stable").map(str::to_owned),
        world.claims.len(),
        world.sts.replicas,
    )
}

#[test]
fn dying_after_any_write_changes_nothing_about_the_end() {
    for policy in [surge(), in_place(), canary(Placement::InPlace, &[(100, 2)])] {
        for bad in [false, true] {
            let (writes, pods, stable, claims, replicas) = end_of(&policy, bad, None);
            assert!(writes > 3);
            for k in 1..=writes {
                let (_, after, named, kept, wanted) = end_of(&policy, bad, Some(k));
                assert_eq!(
                    (&after, &named, kept, wanted),
                    (&pods, &stable, claims, replicas),
                    "died after write {k}"
                );
            }
        }
    }
}

#[test]
fn answers_that_are_lost_change_nothing_about_the_end() {
    for policy in [surge(), in_place(), canary(Placement::InPlace, &[(100, 2)])] {
        for bad in [false, true] {
            let mut world = World::at_rest(3, policy.clone());
            world.undo_after_completion();
            world.answers_lost = true;
            if bad {
                world.failing.insert("v2".to_owned());
            }
            world.release("v2");
            world.until("ended", |world| {
                world.phase() == Phase::Idle
                    && world.state.record.as_ref().is_some_and(|record| !record.history.is_empty())
            });
            world.run(2);
            assert_eq!(world.pods(), vec![if bad { "v1" } else { "v2" }; 3]);
            assert_eq!(world.sts.partition, PARKED);
            assert_eq!(world.claims.len(), 3);
        }
    }
}

#[test]
fn restarts_do_not_put_the_deadline_off() {
    let mut world = World::at_rest(4, in_place());
    world.with_policy(|policy| {
        policy.bounds.progress_deadline = seconds(120);
    });
    world.silent = true;
    world.release("v2");
    for _ in 0..10 {
        world.run(45);
        world.restart();
    }
    assert!(world.told("PausedProgressDeadline"));
}
