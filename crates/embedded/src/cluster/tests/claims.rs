//! Claims: made, adopted, kept, deleted.

use super::*;
use crate::{
    cluster::Cascade,
    model::traffic::Clients,
    object::{ClaimPolicy, ClaimRetention, Uid},
};

fn world(change: impl FnOnce(&mut StatefulSetSpec)) -> World {
    World::new(PodManagement::Parallel, |spec| {
        with_claims(spec);
        change(spec);
    })
}

fn retention(when_scaled: ClaimPolicy, when_deleted: ClaimPolicy) -> impl FnOnce(&mut StatefulSetSpec) {
    move |spec| spec.claim_retention = ClaimRetention { when_deleted, when_scaled }
}

fn claims(world: &World) -> String {
    world.cluster.claims().iter().map(|claim| &*claim.metadata.name).collect::<Vec<_>>().join(" ")
}

fn uid(world: &World, claim: &str) -> Uid {
    world.cluster.claims().get(claim).unwrap().metadata.uid
}

#[test]
fn each_pod_has_its_claim_named_by_template_set_and_ordinal() {
    let world = world(|spec| spec.ordinals_start = 5);
    assert_eq!(claims(&world), "data-db-5 data-db-6 data-db-7");
    assert_eq!(world.pod("db-5").claims, [Name::from("data-db-5")]);
    let labels = &world.cluster.claims().get("data-db-5").unwrap().metadata.labels;
    assert_eq!(labels.get("app").map(String::as_str), Some("db"));
}

// [V 7]: Retain is the default; abort and surge again boots on the old data.
#[test]
fn a_claim_left_by_an_aborted_surge_is_adopted_with_its_data() {
    let mut world = world(|_| ());
    world.cluster.create_service(USER, "web", app()).unwrap();
    world.cluster.open_traffic(Clients::new("web", 40));
    world.partition(3).image("v2").scale(4).settle();
    let (claim, visits) = (uid(&world, "data-db-3"), world.cluster.ask("db-3").unwrap().visits);
    assert!(visits > 0);
    world.scale(3).settle();
    assert_eq!(claims(&world), "data-db-0 data-db-1 data-db-2 data-db-3");
    world.scale(4).settle();
    assert_eq!(uid(&world, "data-db-3"), claim);
    assert!(world.cluster.ask("db-3").unwrap().visits > visits);
}

// [V 7]
#[test]
fn a_claim_deleted_after_its_pod_is_gone_makes_room_for_an_empty_one() {
    let mut world = world(|_| ());
    world.scale(4).settle();
    let claim = uid(&world, "data-db-3");
    world.scale(3).settle();
    world.cluster.delete_claim(USER, "data-db-3", Precondition::uid(claim)).unwrap();
    world.pass(100);
    assert_eq!(claims(&world), "data-db-0 data-db-1 data-db-2");
    world.scale(4).settle();
    assert_ne!(uid(&world, "data-db-3"), claim);
    assert_eq!(world.cluster.ask("db-3").unwrap().visits, 0);
}

// [V 7]
#[test]
fn a_claim_deleted_under_a_running_pod_stays_until_the_pod_is_gone_and_a_new_pod_waits_for_that() {
    let mut world = world(|_| ());
    world.scale(4).settle();
    let claim = uid(&world, "data-db-3");
    world.cluster.behave("v1", Behaviour { stop: 3_000, ..Behaviour::default() });
    world.cluster.delete_claim(USER, "data-db-3", Precondition::NONE).unwrap();
    world.pass(5_000);
    assert_eq!(uid(&world, "data-db-3"), claim);
    world.scale(3).pass(500);
    // The pod goes at once, its claim a moment later.
    world.force_delete("db-3").scale(4).pass(20);
    assert_eq!(world.refusals(), ["forbidden: pvc data-db-3 is being deleted"]);
    world.settle();
    assert_ne!(uid(&world, "data-db-3"), claim);
    assert_eq!(world.pods(), "0:v1 1:v1 2:v1 3:v1");
}

// KEP-1847; [V 7]
#[test]
fn claims_that_go_with_a_scale_down_go_with_their_pods_and_with_no_other_deletion() {
    for management in [PodManagement::OrderedReady, PodManagement::Parallel] {
        let mut world = World::new(management, |spec| {
            with_claims(spec);
            retention(ClaimPolicy::Delete, ClaimPolicy::Retain)(spec);
        });
        let kept = uid(&world, "data-db-1");
        world.delete("db-1").settle();
        assert_eq!(uid(&world, "data-db-1"), kept);
        world.scale(1).settle();
        assert_eq!(claims(&world), "data-db-0");
        world.scale(3).settle();
        assert_ne!(uid(&world, "data-db-1"), kept);
        assert_eq!(world.pods(), "0:v1 1:v1 2:v1");
    }
}

// [V 7]: abort and surge again within 30 ms: the old claim and its data were adopted. Kubernetes takes the owner off
// again when the ordinal is wanted before the pod is gone.
#[test]
fn a_scale_down_taken_back_at_once_keeps_the_claim() {
    let mut world = world(retention(ClaimPolicy::Delete, ClaimPolicy::Retain));
    let claim = uid(&world, "data-db-2");
    world.cluster.behave("v1", Behaviour { stop: 2_000, ..Behaviour::default() });
    world.scale(2).pass(40).scale(3).settle();
    assert_eq!(uid(&world, "data-db-2"), claim);
    assert_eq!(world.pods(), "0:v1 1:v1 2:v1");
}

// [src] PodClaimIsStale. The controller doesn't watch claims and doesn't come back by itself, so the pod waits until
// something else wakes it.
#[test]
fn a_new_pod_waits_while_its_claim_still_belongs_to_the_pod_before() {
    let mut world = world(retention(ClaimPolicy::Delete, ClaimPolicy::Retain));
    world.scale(2).pass(16);
    let claim = world.cluster.claims().get("data-db-2").unwrap();
    assert_eq!(claim.metadata.owners.len(), 1);
    let claim = claim.metadata.uid;
    world.force_delete("db-2").scale(3).settle();
    assert_eq!((&*claims(&world), &*world.pods()), ("data-db-0 data-db-1", "0:v1 1:v1"));
    world.cluster.annotate_statefulset(USER, "db", Precondition::NONE, ("wake", Some("up"))).unwrap();
    world.settle();
    assert_ne!(uid(&world, "data-db-2"), claim);
    assert_eq!(world.pods(), "0:v1 1:v1 2:v1");
}

// KEP-1847
#[test]
fn claims_go_with_the_statefulset_if_it_says_so() {
    for (policy, left) in [(ClaimPolicy::Delete, ""), (ClaimPolicy::Retain, "data-db-0 data-db-1 data-db-2")]
    {
        let mut world = world(retention(ClaimPolicy::Retain, policy));
        world.cluster.delete_statefulset(USER, "db", Precondition::NONE, Cascade::Background).unwrap();
        world.settle();
        assert_eq!((&*world.pods(), &*claims(&world)), ("", left));
    }
}

#[test]
fn a_pod_whose_claim_finds_no_volume_stays_pending() {
    let mut world = world(|_| ());
    world.cluster.change_faults(|faults| faults.provisioning = None);
    world.scale(4).settle();
    assert_eq!(world.pods(), "0:v1 1:v1 2:v1 3:v1!");
    world.cluster.change_faults(|faults| faults.provisioning = Some(50));
    world.settle();
    assert_eq!(world.pods(), "0:v1 1:v1 2:v1 3:v1");
}

#[test]
fn a_claim_that_was_there_before_is_adopted_silently() {
    let mut world = world(|_| ());
    let stranger = crate::object::Claim {
        metadata: crate::object::Metadata::named("data-db-3"),
        phase: crate::object::ClaimPhase::Bound,
    };
    let stranger = world.cluster.create(USER, stranger).unwrap();
    world.scale(4).settle();
    assert_eq!((uid(&world, "data-db-3"), &*world.pods()), (stranger, "0:v1 1:v1 2:v1 3:v1"));
}
