//! Siskin's admission policies in force.

use super::*;
use crate::policies::{Policies, SISKIN};

fn guarded() -> World {
    let mut world = World::with_set(3);
    let stable = text(&world.get(STATEFUL_SET, "db"), "/status/currentRevision").to_owned();
    world.store.admit_by(Policies::ALL);
    let cares = json!({ "metadata": { "annotations": { "siskin.dev/policy": "careful" } } });
    world.patch(STATEFUL_SET, "db", cares);
    siskin(&mut world, json!({ "metadata": { "annotations": { "siskin.dev/stable": stable } } }));
    world
}

fn siskin(world: &mut World, patch: Value) {
    let target = Target::new(STATEFUL_SET, "default", "db");
    world.store.patch(&target, Part::Whole, &Patch::Merge(patch), &Call::new(SISKIN, world.now)).unwrap();
}

fn refused(world: &mut World, patch: Value) -> String {
    let (call, target) = (world.call(), Target::new(STATEFUL_SET, "default", "db"));
    world.store.patch(&target, Part::Whole, &Patch::Merge(patch), &call).unwrap_err().message
}

fn partition(at: i64) -> Value {
    json!({ "spec": { "updateStrategy": { "rollingUpdate": { "partition": at } } } })
}

#[test]
fn a_new_template_comes_parked_and_nobody_but_siskin_opens_it() {
    let mut world = guarded();
    world.set_image("visits:v2");
    world.patch(STATEFUL_SET, "db", partition(0));
    world.pass_time(60);
    assert_eq!(world.images(), ["visits:v1"; 3]);
    siskin(&mut world, partition(2));
    world.pass_time(60);
    assert_eq!(world.images(), ["visits:v1", "visits:v1", "visits:v2"]);
}

#[test]
fn the_stable_revision_is_held_through_zero_replicas() {
    let mut world = guarded();
    let current = |world: &World| text(&world.get(STATEFUL_SET, "db"), "/status/currentRevision").to_owned();
    let before = current(&world);
    world.set_image("visits:v2");
    world.patch(STATEFUL_SET, "db", json!({ "spec": { "replicas": 0 } }));
    world.until(60, |world| world.all(POD).is_empty());
    world.patch(STATEFUL_SET, "db", json!({ "spec": { "replicas": 3 } }));
    world.until(60, |world| world.ready() == 3);
    assert_eq!((current(&world), world.images()), (before, vec!["visits:v1".to_owned(); 3]));
}

#[test]
fn what_siskin_keeps_on_a_workload_is_siskins() {
    let mut world = guarded();
    let why = refused(&mut world, json!({ "metadata": { "annotations": { "siskin.dev/stable": "other" } } }));
    assert!(why.ends_with("only Siskin writes or removes the annotation siskin.dev/stable"), "{why}");
    let why = refused(
        &mut world,
        json!({ "spec": { "updateStrategy": { "type": "OnDelete", "rollingUpdate": null } } }),
    );
    assert!(why.contains("updateStrategy.type can't change"), "{why}");
}

#[test]
fn pods_of_a_revision_that_was_not_released_are_not_made() {
    let mut world = guarded();
    let stable = text(&world.get(STATEFUL_SET, "db"), "/status/currentRevision").to_owned();
    world.create(
        kinds::CONFIG_MAP,
        json!({
        "metadata": { "name": "siskin-guard-db", "labels": { "siskin.dev/guard": "true" } },
        "data": { "workload": "db", "allowed": stable } }),
    );
    world.set_image("visits:v2");
    siskin(&mut world, partition(2));
    world.pass_time(30);
    assert_eq!(world.names(POD), ["db-0", "db-1"]);
    let told = world.events("db");
    assert!(told.iter().any(|event| event.contains("Siskin has not released revision")), "{told:?}");
}
