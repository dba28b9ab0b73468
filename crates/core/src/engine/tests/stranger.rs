//! What strangers write: states, admission policies, absurd sizes.

use serde_json::json;

use super::world::{World, canary, in_place, policy, seconds, surge};
use crate::{
    checks::Verdicts,
    engine::step,
    facts::{PARKED, Writer},
    policy::{Amount, Batches, ClaimUse, Placement, Strategy, Surge},
    state::{MAX_BYTES, Phase, Record},
    time::Now,
};

fn person() -> Writer {
    Writer::Person("ann".to_owned())
}

#[test]
fn huge_numbers_in_the_state_are_refused() {
    let big = [
        ("/rollout/surge", json!(u32::MAX)),
        ("/rollout/step", json!(1_000_000_000_u64)),
        ("/rollout/step", json!(u64::MAX)),
        ("/rollout/bakeDoneMs", json!(u64::MAX)),
        ("/rollout/stalledMs", json!(u64::MAX)),
        ("/rollout/inBakeMs", json!(u64::MAX)),
        ("/rollout/exposureLost", json!(u32::MAX)),
        ("/rollout/surgeContested", json!(u32::MAX)),
        ("/userReplicas", json!(u32::MAX)),
        ("/userPartition", json!(u32::MAX)),
        ("/seq", json!(u64::MAX)),
        ("/claims/looked_at", json!(i64::MIN)),
        ("/claims/lookedAt", json!(i64::MIN)),
    ];
    let mut bad = Vec::new();
    for (path, value) in big {
        for then in ["nothing", "lose", "scale", "out", "silent"] {
            let (path, value) = (path.to_owned(), value.clone());
            let shown = format!("{path}={value} then {then}");
            let result = std::panic::catch_unwind(move || {
                let mut world = World::baking(
                    4,
                    canary(
                        Placement::Surge(Surge { claims: Some(ClaimUse::Discard), ..Surge::default() }),
                        &[(25, 20)],
                    ),
                );
                world.edit_state(|state| {
                    if path == "/rollout/surge" {
                        state["userReplicas"] = json!(u32::MAX);
                    }
                    let (parent, key) = path.rsplit_once('/').unwrap();
                    state.pointer_mut(parent).unwrap()[key] = value;
                });
                match then {
                    "lose" => world.delete_pod(4),
                    "scale" => world.scale(4, Writer::Applier("argocd".to_owned())),
                    "out" => world.unannotate("policy"),
                    "silent" => world.silent = true,
                    _ => {}
                }
                world.run(90);
                if then == "out" {
                    assert!(world.state.record.is_none(), "not out");
                    assert!(i32::try_from(world.sts.partition).is_ok(), "not an int32");
                }
            });
            if result.is_err() {
                bad.push(shown);
            }
        }
    }
    assert!(bad.is_empty(), "{bad:#?}");
}

#[test]
fn a_state_without_a_stable_revision_deletes_no_pods() {
    let mut world = World::baking(4, canary(Placement::InPlace, &[(25, 60)]));
    world.edit_state(|state| drop(state.as_object_mut().unwrap().remove("stable")));
    world.unannotate("stable");
    world.fewest_ready = usize::MAX;
    world.run(60);
    assert_eq!(world.fewest_ready, 4, "{:?} {:?}", world.pods(), world.told);
}

#[test]
fn the_state_stays_readable_for_a_plan_of_a_thousand_steps() {
    let batches = Batches { batch: Amount::Count(1), bake: seconds(1), approval: false };
    let mut world = World::at_rest(1, policy(Strategy::RollingUpdate(batches)));
    world.scale(1500, person());
    // Only the first steps are of interest: the pods stay few.
    world.release("v2");
    for _ in 0..3 {
        world.run(1);
    }
    assert!(world.state.record.as_ref().unwrap().rollout.is_some());
    let length = world.annotation("state").unwrap().len();
    assert!(length <= MAX_BYTES, "{length}");
    assert!(Record::read(&world.sts).is_ok());
}

#[test]
fn a_claim_from_before_is_not_deleted_because_the_state_names_it() {
    let mut world = World::baking(3, surge());
    world.claim("data-db-7");
    let uid = world.claims.last().unwrap().uid.0.clone();
    world.run(1);
    world.edit_state(|state| {
        state["claims"]["created"] = json!([{"name": "data-db-7", "uid": uid}]);
        state["claims"]["lookedAt"] = json!(9_999_999);
    });
    world.until_idle();
    world.run(2);
    assert!(world.claim_names().contains(&"data-db-7"));
}

#[test]
fn a_claim_from_before_is_not_deleted_because_the_state_says_that_the_look_was_before_it() {
    let mut world = World::at_rest(3, surge());
    world.claim("data-db-7");
    let uid = world.claims.last().unwrap().uid.0.clone();
    world.run(60);
    world.release("v2");
    world.until("the surge", |world| world.sts.replicas > 3);
    world.edit_state(|state| {
        state["claims"]["created"] = json!([{"name": "data-db-7", "uid": uid}]);
        state["claims"]["lookedAt"] = json!(0);
    });
    world.until_idle();
    world.run(2);
    assert!(world.claim_names().contains(&"data-db-7"));
}

#[test]
fn what_only_brings_pods_back_deletes_no_claim_that_the_state_names() {
    let mut world = World::new(3, surge());
    world.run(60);
    world.claim("data-db-7");
    let uid = world.claims.last().unwrap().uid.0.clone();
    world.down = true;
    world.sts.partition = 2;
    world.release("v2");
    world.run(10);
    world.down = false;
    world.annotate("policy", "test");
    world.run(5);
    // The rollout's revision is v1 then, and the claim younger.
    world.annotate("promote", "db-v2");
    world.until("on the way", |world| matches!(world.phase(), Phase::Reverting | Phase::Undoing));
    world.edit_state(|state| {
        let created = json!([{"name": "data-db-7", "uid": uid}]);
        state["claims"] = json!({"absentBefore": ["data-db-7"], "lookedAt": 0, "created": created});
    });
    world.until_idle();
    world.run(2);
    assert_eq!(world.pods(), ["v2", "v2", "v2"]);
    assert!(world.claim_names().contains(&"data-db-7"));
}

#[test]
fn replicas_that_come_out_different_are_not_written_again_and_again() {
    let mut world = World::at_rest(4, surge());
    world.admission = Some(|set| set.replicas = set.replicas.min(4));
    world.release("v2");
    world.run(100);
    assert!(world.told_last("PausedAdmissionMismatch"));
    assert!(world.writes < 12, "{}", world.writes);
}

#[test]
fn a_partition_that_comes_out_different_is_not_written_again_and_again() {
    let mut world = World::at_rest(4, in_place());
    world.admission = Some(|set| set.partition = 0);
    world.set_partition(0);
    world.release("v2");
    world.run(100);
    assert!(world.writes < 30, "{}", world.writes);
}

#[test]
fn a_billion_replicas_are_refused_before_they_are_planned() {
    let mut world = World::at_rest(3, surge());
    world.down = true;
    world.release("v2");
    world.run(1);
    world.down = false;
    world.sts.replicas = i32::MAX as u32;
    let now = Now::default();
    let facts = world.facts();
    let decision = step(&world.state, &facts, &[], &Verdicts::default(), &[], now);
    // Planned, it would take all memory.
    assert_eq!(decision.problem.map(|problem| problem.reason), Some("TooManyReplicas"));
}

#[test]
fn a_state_that_skips_batches_is_believed_as_far_as_the_pods_show() {
    for restarts in [false, true] {
        let mut world = World::baking(6, in_place());
        world.edit_state(|state| state["rollout"]["step"] = json!(4));
        if restarts {
            world.restart();
        }
        world.until("open", |world| world.sts.partition < PARKED);
        assert_eq!(world.sts.partition, 3, "two pods are judged, and one more is the next");
        assert!(world.told("StateRebuilt"), "{:?}", world.told);
        world.until_promoted();
    }
}

#[test]
fn a_restart_in_any_batch_goes_on_with_that_batch() {
    for step in 1..5 {
        for phase in [Phase::Opening, Phase::Baking] {
            let mut world = World::at_rest(6, in_place());
            world.release("v2");
            world.until("there", |world| {
                let rollout = world.state.record.as_ref().and_then(|record| record.rollout.as_ref());
                world.phase() == phase && rollout.is_some_and(|rollout| rollout.step == step)
            });
            world.restart();
            world.until_promoted();
            assert!(!world.told("StateRebuilt"), "{step} {phase:?}: {:?}", world.told);
        }
    }
}

#[test]
fn a_state_that_says_promoted_is_not_believed_without_the_verdict_on_the_revision() {
    let mut world = World::baking(4, canary(Placement::InPlace, &[(25, 60)]));
    world.annotate("stable", "db-v2");
    world.edit_state(|state| {
        state["phase"] = json!("Completing");
        state["stable"] = json!("db-v2");
    });
    world.run(30);
    assert!(world.told_last("PausedStateMismatch"), "{:?}", world.told);
    assert_eq!(world.pods(), ["v1", "v1", "v1", "v2"]);
    assert_eq!(world.sts.partition, PARKED);
}

#[test]
fn a_state_whose_canary_contradicts_its_phase_is_not_read() {
    let world = World::baking(4, in_place());
    let read = |change: &dyn Fn(&mut serde_json::Value)| {
        let mut workload = world.sts.clone();
        let mut state = json!(world.state_json());
        change(&mut state);
        workload.annotations.insert("state".to_owned(), state.to_string());
        Record::read(&workload).is_ok()
    };
    assert!(read(&|_| {}));
    assert!(!read(&|state| state["phase"] = json!("Completing")));
    assert!(!read(&|state| state["stable"] = json!("db-v2")));
}
