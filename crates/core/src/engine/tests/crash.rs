//! The process dies after each write in turn; the end is the same.

use super::world::{World, canary, in_place, seconds, surge};
use crate::{
    facts::PARKED,
    policy::{Placement, Policy},
    state::Phase,
};

/// Writes, pods, the stable revision, claims and replicas.
type End = (usize, Vec<String>, Option<String>, usize, u32);

fn end_of(policy: &Policy, bad: bool, die_after: Option<usize>) -> End {
    let mut world = World::at_rest(3, policy.clone());
    world.die_after = die_after;
    end(&mut world, bad)
}

fn end(world: &mut World, bad: bool) -> End {
    world.undo_after_completion();
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
fn a_write_that_arrives_when_another_leads_changes_nothing_about_the_end() {
    let (mut done, mut refused) = (0, 0);
    for policy in [surge(), in_place(), canary(Placement::InPlace, &[(100, 2)])] {
        for bad in [false, true] {
            let (writes, pods, stable, claims, replicas) = end_of(&policy, bad, None);
            for nth in 1..=writes {
                for by in [50, 5000] {
                    let mut world = World::at_rest(3, policy.clone());
                    (world.late.nth, world.late.by) = (Some(nth), by);
                    end(&mut world, bad);
                    world.until("it has arrived", |world| world.late.refused.is_some());
                    world.run(5);
                    world.until_idle();
                    assert_eq!(
                        (
                            world.pods(),
                            world.annotation("stable").map(str::to_owned),
                            world.claims.len(),
                            world.sts.replicas
                        ),
                        (pods.clone(), stable.clone(), claims, replicas),
                        "write {nth} came {by} ms late"
                    );
                    assert_eq!(world.sts.partition, PARKED);
                    match world.late.refused {
                        Some(true) => refused += 1,
                        _ => done += 1,
                    }
                }
            }
        }
    }
    assert!(done > 0 && refused > 0, "{done} took effect, {refused} were refused");
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
