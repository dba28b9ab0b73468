//! What goes with what.

use siskin_embedded_api::kinds::{CONTROLLER_REVISION, ENDPOINT_SLICE, NAMESPACE};

use super::*;

#[test]
fn a_deleted_set_takes_its_pods_along_and_leaves_the_claims() {
    let mut world = World::with_set(2);
    world.delete(STATEFUL_SET, "db", Propagation::Background);
    world.until(60, |world| world.all(POD).is_empty());
    assert_eq!(
        (world.all(CONTROLLER_REVISION).len(), world.names(CLAIM)),
        (0, vec!["data-db-0".into(), "data-db-1".into()])
    );
}

#[test]
fn a_foreground_deletion_waits_for_the_pods() {
    let mut world = World::with_set(2);
    world.delete(STATEFUL_SET, "db", Propagation::Foreground);
    let mut early = false;
    world.watch(60, |world| {
        early |= world.names(STATEFUL_SET).is_empty() && !world.all(POD).is_empty();
        false
    });
    assert_eq!((early, world.names(STATEFUL_SET), world.names(POD)), (false, vec![], vec![]));
}

#[test]
fn an_orphaned_pod_stays_and_is_adopted_by_a_set_of_the_same_name() {
    let mut world = World::with_set(2);
    let uid = |world: &World| text(&world.get(POD, "db-0"), "/metadata/uid").to_owned();
    let before = uid(&world);
    world.delete(STATEFUL_SET, "db", Propagation::Orphan);
    world.until(60, |world| world.names(STATEFUL_SET).is_empty());
    world.pass_time(30);
    assert_eq!((world.ready(), items(&world.get(POD, "db-0"), "/metadata/ownerReferences")), (2, &[][..]));
    let created = world.create(STATEFUL_SET, set(2));
    world.pass_time(30);
    assert_eq!(uid(&world), before);
    let pod = world.get(POD, "db-0");
    assert_eq!(text(&pod, "/metadata/ownerReferences/0/uid"), text(&created, "/metadata/uid"));
}

#[test]
fn a_deleted_claim_stays_while_a_pod_uses_it() {
    let mut world = World::with_set(1);
    world.delete(CLAIM, "data-db-0", Propagation::Background);
    world.pass_time(30);
    assert!(!text(&world.get(CLAIM, "data-db-0"), "/metadata/deletionTimestamp").is_empty());
    world.patch(STATEFUL_SET, "db", json!({ "spec": { "replicas": 0 } }));
    world.until(60, |world| world.all(CLAIM).is_empty());
}

#[test]
fn claims_go_with_their_pods_where_the_retention_policy_says_so() {
    let mut world = World::with_set(2);
    let policy = json!({ "whenScaled": "Delete", "whenDeleted": "Retain" });
    world.patch(
        STATEFUL_SET,
        "db",
        json!({ "spec": { "persistentVolumeClaimRetentionPolicy": policy, "replicas": 1 } }),
    );
    world.until(60, |world| world.names(CLAIM) == ["data-db-0"]);
    assert_eq!(world.names(POD), ["db-0"]);
}

#[test]
fn a_deleted_service_takes_its_endpoints_along() {
    let mut world = World::with_set(1);
    world.delete(SERVICE, "db", Propagation::Background);
    world.until(10, |world| world.all(ENDPOINT_SLICE).is_empty());
}

#[test]
fn a_deleted_namespace_ends_when_it_is_empty() {
    let mut world = World::new();
    let call = world.call();
    world.store.create(NAMESPACE, "", json!({ "metadata": { "name": "shop" } }), &call).unwrap();
    world.store.create(STATEFUL_SET, "shop", set(2), &call).unwrap();
    world.pass_time(60);
    let pods = |world: &World| all(&world.store, &Query::namespaced(POD, "shop")).len();
    assert_eq!(pods(&world), 2);
    world.store.delete(&Target::new(NAMESPACE, "", "shop"), &DeleteOptions::default(), &call).unwrap();
    let space = Target::new(NAMESPACE, "", "shop");
    world.until(60, |world| world.store.get(&space).is_err());
}

#[test]
fn an_object_of_an_owner_that_the_models_do_not_know_stays_while_the_owner_does() {
    let mut world = World::new();
    let owner = world.create(kinds::CONFIG_MAP, json!({ "metadata": { "name": "owner" } }));
    let reference =
        json!({ "apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": owner["metadata"]["uid"] });
    world.create(kinds::SECRET, json!({ "metadata": { "name": "owned", "ownerReferences": [reference] } }));
    world.pass_time(10);
    assert_eq!(world.names(kinds::SECRET), ["owned"]);
    world.delete(kinds::CONFIG_MAP, "owner", Propagation::Background);
    world.until(10, |world| world.names(kinds::SECRET).is_empty());
}
