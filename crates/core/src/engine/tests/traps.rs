//! Surprises of the StatefulSet that no other file here is about; docs/traps.md lists them all.

use super::world::{World, canary, in_place, seconds, surge};
use crate::{
    facts::{PARKED, PolicyFact},
    policy::{Amount, ClaimUse, Placement, Surge},
    state::Phase,
};

#[test]
fn a_pod_lost_below_the_partition_returns_stable_and_one_above_is_an_exposure_lost() {
    let mut world = World::baking(4, in_place());
    world.delete_pod(0);
    world.run(2);
    assert_eq!((world.pods()[0].as_str(), world.told("ExposureLost")), ("v1", false));
    let mut world = World::baking(4, in_place());
    world.delete_pod(3);
    world.until("opened again", |world| world.told("ExposureLost"));
    world.until("promoted", |world| world.told("Promoted"));
}

#[test]
fn raising_the_partition_reverts_nothing_so_every_canary_pod_is_deleted() {
    let mut world = World::baking(4, canary(Placement::InPlace, &[(75, 30)]));
    let id = world.rollout_id();
    world.annotate("abort", &id);
    world.until("rolled back", |world| world.told("RolledBack"));
    assert_eq!(world.pods(), ["v1", "v1", "v1", "v1"]);
}

#[test]
fn surge_pods_of_a_superseded_revision_and_their_claims_are_gone_before_the_next_surge() {
    for ordered in [false, true] {
        let policy = canary(
            Placement::Surge(Surge {
                pods: Some(Amount::Count(2)),
                claims: Some(ClaimUse::Discard),
                ..Surge::default()
            }),
            &[(50, 10)],
        );
        let mut world = World::baking(4, policy);
        if ordered {
            world = world.ordered();
        }
        let old = (world.uid_at(4), world.uid_at(5));
        world.release("v3");
        world.until("v3 surges", |world| {
            let surge = (world.uid_at(4), world.uid_at(5));
            assert!(!world.pods().iter().any(|pod| pod.starts_with("v3")) || surge != old);
            world.pods()[4..] == ["v3", "v3"]
        });
        assert_eq!(world.claims.len(), 6);
        world.until("promoted", |world| world.told("Promoted"));
        assert_eq!(world.claims.len(), 4);
    }
}

#[test]
fn a_canary_pod_is_judged_when_it_has_been_ready_for_min_ready_seconds() {
    let mut world = World::at_rest(4, in_place());
    world.sts.min_ready_seconds = 20;
    world.release("v2");
    world.until("ready", |world| world.pods()[3] == "v2");
    world.run(15);
    let baked = |world: &World| world.state.record.as_ref().unwrap().rollout.as_ref().unwrap().bake_done_ms;
    assert_eq!((world.phase(), baked(&world)), (Phase::Baking, 0));
    world.run(8);
    assert!(baked(&world) > 0);
}

#[test]
fn a_policy_that_is_gone_in_the_middle_neither_opens_nor_drops_anything() {
    let mut world = World::baking(4, surge());
    world.policy = PolicyFact::Unusable { name: "test".to_owned(), reason: "it was deleted".to_owned() };
    world.until("promoted by the copy in the state", |world| world.told("Promoted"));
    world.run(2);
    assert_eq!((world.pods(), world.sts.partition), (vec!["v2".to_owned(); 4], PARKED));
}

#[test]
fn a_surge_waits_under_ordered_ready_while_a_pod_below_it_is_not_ready() {
    let mut world = World::at_rest(3, surge()).ordered();
    world.with_policy(|policy| policy.bounds.progress_deadline = seconds(3600));
    world.broken.insert("v1".to_owned());
    world.delete_pod(1);
    world.run(2);
    world.release("v2");
    world.run(30);
    assert_eq!((world.sts.replicas, world.problem), (3, Some("WaitingForReady")));
    assert_eq!(world.pods(), ["v1", "v1!", "v1"]);
    world.broken.clear();
    world.until("promoted", |world| world.told("Promoted"));
}

#[test]
fn every_test_that_the_page_on_traps_names_exists() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = std::fs::read_to_string(root.join("../../docs/traps.md")).unwrap();
    let named: Vec<(&str, &str)> = page
        .split('`')
        .skip(1)
        .step_by(2)
        .filter_map(|code| code.split_once("::"))
        .filter(|(file, _)| !file.contains('<') && *file != "folder/file")
        .collect();
    assert!(named.len() > 50, "{}", named.len());
    for (file, test) in named {
        let (folder, file) = file.split_once('/').unwrap();
        let path = root.join(format!("src/{folder}/tests/{file}.rs"));
        let text = std::fs::read_to_string(&path).unwrap_or_else(|_| panic!("{}", path.display()));
        assert!(text.contains(&format!("fn {test}(")), "{folder}/{file}::{test}");
    }
}
