//! Ownership as Kubernetes answers it; the rows of a real cluster's answers are in the research notes
//! (`verified.md` §6).

use serde_json::json;

use super::*;
use crate::refusal::Refusal;

const APPS: &str = "apps/v1";

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn updated(live: Option<&Value>, mut new: Value, manager: &str) -> Value {
    written(live, &mut new, Written::update(manager, None), APPS, at(1));
    new
}

fn apply(live: &Value, config: Value, manager: &str, force: bool) -> Result<Value, Refusal> {
    applied(live, config, Written::apply(manager, None), APPS, at(2), force)
}

fn fields(object: &Value, manager: &str) -> Vec<String> {
    let entry = entries(object).into_iter().find(|entry| entry.manager == manager);
    entry.map(|entry| entry.fields.paths()).unwrap_or_default()
}

fn partition(partition: u32) -> Value {
    json!({ "spec": { "updateStrategy": { "rollingUpdate": { "partition": partition } } } })
}

#[test]
fn whoever_makes_an_object_manages_its_fields() {
    let made = updated(
        None,
        json!({ "metadata": { "labels": { "a": "b" } }, "spec": { "replicas": 1 } }),
        "kubectl",
    );
    assert_eq!(fields(&made, "kubectl"), [".metadata.labels", ".metadata.labels.a", ".spec.replicas"]);
    let entry = &made["metadata"]["managedFields"][0];
    assert_eq!((&entry["operation"], &entry["time"]), (&json!("Update"), &json!("1970-01-01T00:00:01Z")));
}

#[test]
fn what_is_always_there_is_nobody_s_and_the_status_is_written_apart() {
    let pod = json!({ "containers": [{ "name": "a", "ports": [{ "containerPort": 80 }] }] });
    let new = json!({ "metadata": { "name": "db" }, "spec": { "template": { "spec": pod } }, "status": { "replicas": 0 } });
    let container = ".spec.template.spec.containers[name=\"a\"]";
    let port = format!("{container}.ports[containerPort=80,protocol=\"TCP\"]");
    let wanted = [
        container.to_owned(),
        format!("{container}.name"),
        format!("{container}.ports"),
        port.clone(),
        format!("{port}.containerPort"),
    ];
    assert_eq!(fields(&updated(None, new, "kubectl"), "kubectl"), wanted);
}

#[test]
fn a_merge_patch_takes_ownership_of_what_it_changes() {
    let made = updated(None, json!({ "spec": { "replicas": 1, "paused": true } }), "kubectl");
    let mut new = made.clone();
    value::set(&mut new, &["spec"], "replicas", 2);
    let patched = updated(Some(&made), new, "siskin");
    assert_eq!(fields(&patched, "siskin"), [".spec.replicas"]);
    assert_eq!(fields(&patched, "kubectl"), [".spec.paused"]);
}

#[test]
fn applying_another_value_over_a_manager_is_a_conflict_that_names_the_field() {
    let live = updated(None, partition(2), "siskin");
    let refusal = apply(&live, partition(0), "flux", false).unwrap_err();
    let message = "Apply failed with 1 conflict: conflict with \"siskin\" using apps/v1: .spec.updateStrategy.rollingUpdate.partition";
    assert_eq!((refusal.code, refusal.message.as_str()), (409, message));
    let cause = &refusal.details["causes"][0];
    assert_eq!(cause["reason"], "FieldManagerConflict");
    assert_eq!(cause["field"], ".spec.updateStrategy.rollingUpdate.partition");
}

#[test]
fn several_conflicts_are_told_by_manager() {
    let live = updated(None, json!({ "spec": { "replicas": 1, "serviceName": "a" } }), "siskin");
    let refusal =
        apply(&live, json!({ "spec": { "replicas": 2, "serviceName": "b" } }), "flux", false).unwrap_err();
    let told = "Apply failed with 2 conflicts: conflicts with \"siskin\" using apps/v1:\n- .spec.replicas\n- .spec.serviceName";
    assert_eq!(refusal.message, told);
}

#[test]
fn force_takes_the_field() {
    let live = updated(None, partition(2), "siskin");
    let forced = apply(&live, partition(0), "flux", true).unwrap();
    assert_eq!(forced["spec"], partition(0)["spec"]);
    assert_eq!(fields(&forced, "flux"), [".spec.updateStrategy.rollingUpdate.partition"]);
    assert!(!fields(&forced, "siskin").contains(&".spec.updateStrategy.rollingUpdate.partition".to_owned()));
}

#[test]
fn the_same_value_is_managed_together() {
    let live = updated(None, json!({ "spec": { "replicas": 3 } }), "siskin");
    let both = apply(&live, json!({ "spec": { "replicas": 3 } }), "flux", false).unwrap();
    assert_eq!(
        (fields(&both, "siskin"), fields(&both, "flux")),
        (vec![".spec.replicas".to_owned()], vec![".spec.replicas".to_owned()])
    );
    let dropped = apply(&both, json!({ "spec": {} }), "flux", false).unwrap();
    assert_eq!(dropped["spec"]["replicas"], 3);
}

#[test]
fn what_a_manager_no_longer_applies_goes_and_takes_empty_parents_along() {
    let config = json!({ "metadata": { "labels": { "a": "1", "b": "2" } }, "spec": { "updateStrategy": { "type": "RollingUpdate", "rollingUpdate": { "partition": 2 } } } });
    let live = apply(&json!({}), config, "flux", false).unwrap();
    let config = json!({ "metadata": { "labels": { "b": "2" } }, "spec": { "updateStrategy": { "type": "RollingUpdate" } } });
    let dropped = apply(&live, config, "flux", false).unwrap();
    assert_eq!(dropped["metadata"]["labels"], json!({ "b": "2" }));
    assert_eq!(dropped["spec"]["updateStrategy"], json!({ "type": "RollingUpdate" }));
}

#[test]
fn items_of_keyed_lists_are_managed_one_by_one() {
    let containers =
        |containers: Value| json!({ "spec": { "template": { "spec": { "containers": containers } } } });
    let one = apply(&json!({}), containers(json!([{ "name": "a", "image": "a:1" }])), "flux", false).unwrap();
    let both = apply(&one, containers(json!([{ "name": "b", "image": "b:1" }])), "mesh", false).unwrap();
    let of_mesh = [
        ".spec.template.spec.containers[name=\"b\"]",
        ".spec.template.spec.containers[name=\"b\"].image",
        ".spec.template.spec.containers[name=\"b\"].name",
    ];
    assert_eq!(fields(&both, "mesh"), of_mesh);
    let gone = apply(&both, json!({ "spec": { "template": { "spec": {} } } }), "mesh", false).unwrap();
    assert_eq!(gone["spec"]["template"]["spec"]["containers"], json!([{ "name": "a", "image": "a:1" }]));
}

#[test]
fn a_selector_is_one_value() {
    let live = updated(None, json!({ "spec": { "selector": { "app": "db", "pin": "x" } } }), "siskin");
    let config = json!({ "spec": { "selector": { "app": "db" } } });
    assert_eq!(apply(&live, config.clone(), "flux", false).unwrap_err().code, 409);
    assert_eq!(apply(&live, config, "flux", true).unwrap()["spec"]["selector"], json!({ "app": "db" }));
}

#[test]
fn applying_the_same_again_changes_nothing() {
    let live = apply(&json!({}), json!({ "spec": { "replicas": 1 } }), "flux", false).unwrap();
    let again = applied(
        &live,
        json!({ "spec": { "replicas": 1 } }),
        Written::apply("flux", None),
        APPS,
        at(9),
        false,
    );
    assert_eq!(again.unwrap(), live);
}

#[test]
fn a_writer_may_hand_fields_from_one_manager_to_another() {
    let live = updated(None, json!({ "spec": { "replicas": 3 } }), "kubectl-client-side-apply");
    let mut new = live.clone();
    new["metadata"]["managedFields"][0]["manager"] = json!("kubectl");
    new["metadata"]["managedFields"][0]["operation"] = json!("Apply");
    let handed = updated(Some(&live), new, "kubectl");
    assert_eq!(handed["metadata"]["managedFields"].as_array().unwrap().len(), 1);
    let dropped = apply(&handed, json!({ "spec": {} }), "kubectl", false).unwrap();
    assert_eq!(dropped["spec"], json!({}));
}

#[test]
fn emptied_managed_fields_begin_anew() {
    let live = updated(None, json!({ "spec": { "replicas": 3 } }), "siskin");
    let mut new = live.clone();
    value::set(&mut new, &["metadata"], "managedFields", json!([{}]));
    assert_eq!(updated(Some(&live), new, "kubectl")["metadata"]["managedFields"], json!([]));
}
