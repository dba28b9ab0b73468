//! The standing problem in the state.

use super::world::{World, in_place};
use crate::{facts::PolicyFact, state::Obstacle};

fn saved(world: &World) -> Option<&Obstacle> {
    world.state.record.as_ref().and_then(|record| record.problem.as_ref())
}

fn unusable() -> PolicyFact {
    PolicyFact::Unusable { name: "test".to_owned(), reason: "there is no policy test".to_owned() }
}

#[test]
fn a_problem_is_in_the_state_at_once_and_goes_when_it_stayed_away() {
    let mut world = World::at_rest(2, in_place());
    let policy = std::mem::replace(&mut world.policy, unusable());
    world.run(1);
    let problem = saved(&world).cloned().unwrap();
    assert_eq!(problem.reason, "PolicyUnusable");
    assert!(problem.detail.contains("there is no policy test"), "{}", problem.detail);
    let writes = world.writes;
    world.run(100);
    assert_eq!((saved(&world), world.writes), (Some(&problem), writes), "it is written once");
    world.policy = policy;
    world.run(20);
    assert_eq!(saved(&world), Some(&problem), "it may come back");
    world.run(20);
    assert_eq!((saved(&world), world.writes), (None, writes + 1));
}

#[test]
fn a_problem_that_comes_and_goes_is_written_seldom() {
    let mut world = World::at_rest(2, in_place());
    let policy = world.policy.clone();
    let writes = world.writes;
    for _ in 0..100 {
        world.policy = unusable();
        world.run(2);
        world.policy = policy.clone();
        world.run(2);
    }
    assert_eq!(world.writes, writes + 1);
    assert!(saved(&world).is_some());
}

#[test]
fn the_write_of_a_rollout_takes_the_end_of_a_problem_along() {
    let mut world = World::at_rest(2, in_place());
    let policy = std::mem::replace(&mut world.policy, unusable());
    world.release("v2");
    world.run(2);
    assert!(saved(&world).is_some());
    world.policy = policy;
    world.run(2);
    assert!(world.open_rollout().is_some());
    assert_eq!(saved(&world), None);
}
