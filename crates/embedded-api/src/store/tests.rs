//! What the store does with objects over their lives.

use serde_json::json;

use super::*;
use crate::kinds::{CLAIM, CONFIG_MAP, EVENT, LEASE, NAMESPACE, NEW_EVENT, POD, SERVICE, STATEFUL_SET};

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn by(manager: &str) -> Call {
    Call::new(manager, at(10))
}

fn store() -> Store {
    Store::new(1, at(0))
}

fn set(name: &str) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": { "name": name },
        "spec": {
            "serviceName": name, "selector": { "matchLabels": { "app": name } },
            "template": {
                "metadata": { "labels": { "app": name } },
                "spec": { "containers": [{ "name": "db", "image": "db:1" }] },
            },
        },
    })
}

fn pod(name: &str, node: &str) -> Value {
    json!({ "metadata": { "name": name, "labels": { "app": "db" } },
        "spec": { "nodeName": node, "containers": [{ "name": "db", "image": "db:1" }] } })
}

fn merge(patch: Value) -> Patch {
    Patch::Merge(patch)
}

fn with_set() -> (Store, Target) {
    let mut store = store();
    store.create(STATEFUL_SET, "default", set("db"), &by("kubectl")).unwrap();
    (store, Target::new(STATEFUL_SET, "default", "db"))
}

fn in_default(kind: &'static Kind, name: &str) -> Target {
    Target::new(kind, "default", name)
}

#[test]
fn a_new_stateful_set_is_filled_in_and_has_no_status_of_its_own() {
    let mut store = store();
    let mut body = set("db");
    body["status"] = json!({ "replicas": 9 });
    let made = store.create(STATEFUL_SET, "default", body, &by("kubectl")).unwrap();
    let spec = &made["spec"];
    assert_eq!((&spec["replicas"], &spec["revisionHistoryLimit"]), (&json!(1), &json!(10)));
    assert_eq!(
        spec["updateStrategy"],
        json!({ "type": "RollingUpdate", "rollingUpdate": { "partition": 0 } })
    );
    assert_eq!(spec["podManagementPolicy"], "OrderedReady");
    assert_eq!(spec["template"]["spec"]["containers"][0]["imagePullPolicy"], "IfNotPresent");
    assert_eq!(made["status"], json!({ "availableReplicas": 0, "replicas": 0 }));
    assert_eq!(made["metadata"]["creationTimestamp"], "1970-01-01T00:00:10Z");
    assert_eq!(made["metadata"]["generation"], 1);
}

#[test]
fn the_same_seed_gives_the_same_names_and_uids() {
    let make = |seed| {
        let mut store = Store::new(seed, at(0));
        let body = json!({ "metadata": { "generateName": "a-" } });
        let made = store.create(CONFIG_MAP, "default", body, &by("x")).unwrap();
        (made["metadata"]["name"].clone(), made["metadata"]["uid"].clone())
    };
    assert_eq!(make(1), make(1));
    assert_ne!(make(1), make(2));
    assert_eq!(make(1).0.as_str().unwrap().len(), 7);
}

#[test]
fn a_name_is_taken_once_and_a_namespace_has_to_be_there() {
    let (mut store, _) = with_set();
    let refusal = store.create(STATEFUL_SET, "default", set("db"), &by("kubectl")).unwrap_err();
    assert_eq!((refusal.code, refusal.reason), (409, "AlreadyExists"));
    assert_eq!(refusal.message, "statefulsets.apps \"db\" already exists");
    let refusal = store.create(STATEFUL_SET, "shop", set("db"), &by("kubectl")).unwrap_err();
    assert_eq!((refusal.code, refusal.message.as_str()), (404, "namespaces \"shop\" not found"));
}

#[test]
fn the_generation_counts_changes_of_the_spec_only() {
    let (mut store, target) = with_set();
    let mut patched = |part, patch: Value| {
        store.patch(&target, part, &merge(patch), &by("x")).unwrap()["metadata"]["generation"].clone()
    };
    assert_eq!(patched(Part::Whole, json!({ "metadata": { "annotations": { "a": "b" } } })), 1);
    assert_eq!(patched(Part::Whole, json!({ "spec": { "replicas": 3 } })), 2);
    assert_eq!(patched(Part::Status, json!({ "status": { "replicas": 3 } })), 2);
}

#[test]
fn status_and_spec_are_written_apart() {
    let (mut store, target) = with_set();
    let both = json!({ "spec": { "replicas": 3 }, "status": { "replicas": 7 } });
    let whole = store.patch(&target, Part::Whole, &merge(both.clone()), &by("x")).unwrap();
    assert_eq!((&whole["spec"]["replicas"], &whole["status"]["replicas"]), (&json!(3), &json!(0)));
    let both = json!({ "spec": { "replicas": 5 }, "status": { "replicas": 7 } });
    let status = store.patch(&target, Part::Status, &merge(both), &by("x")).unwrap();
    assert_eq!((&status["spec"]["replicas"], &status["status"]["replicas"]), (&json!(3), &json!(7)));
}

#[test]
fn a_write_that_changes_nothing_makes_no_version() {
    let (mut store, target) = with_set();
    let before = store.version();
    store.patch(&target, Part::Whole, &merge(json!({ "spec": { "replicas": 1 } })), &by("other")).unwrap();
    assert_eq!(store.version(), before);
}

#[test]
fn a_stale_version_in_a_patch_is_a_conflict() {
    let (mut store, target) = with_set();
    let patch = |version: &str| {
        merge(json!({ "metadata": { "resourceVersion": version }, "spec": { "replicas": 2 } }))
    };
    let refusal = store.patch(&target, Part::Whole, &patch("1"), &by("x")).unwrap_err();
    let message = "Operation cannot be fulfilled on statefulsets.apps \"db\": the object has been modified; please apply your changes to the latest version and try again";
    assert_eq!((refusal.code, refusal.message.as_str()), (409, message));
    let version = store.version().to_string();
    assert!(store.patch(&target, Part::Whole, &patch(&version), &by("x")).is_ok());
}

#[test]
fn another_uid_in_a_patch_is_invalid() {
    let mut store = store();
    store.create(POD, "default", pod("db-0", "n"), &by("x")).unwrap();
    let patch = merge(json!({ "metadata": { "uid": "another", "labels": { "a": "b" } } }));
    let refusal = store.patch(&in_default(POD, "db-0"), Part::Whole, &patch, &by("x")).unwrap_err();
    let message = "Pod \"db-0\" is invalid: metadata.uid: Invalid value: \"another\": field is immutable";
    assert_eq!((refusal.code, refusal.message.as_str()), (422, message));
}

#[test]
fn stateful_sets_forbid_most_changes() {
    let (mut store, target) = with_set();
    let patch = merge(json!({ "spec": { "serviceName": "other" } }));
    let refusal = store.patch(&target, Part::Whole, &patch, &by("x")).unwrap_err();
    let message = "StatefulSet.apps \"db\" is invalid: spec: Forbidden: updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden";
    assert_eq!((refusal.code, refusal.message.as_str()), (422, message));
    let patch = merge(json!({ "spec": { "template": { "metadata": { "labels": { "app": "x" } } } } }));
    assert_eq!(store.patch(&target, Part::Whole, &patch, &by("x")).unwrap_err().code, 422);
}

#[test]
fn nulling_the_rolling_update_leaves_none_and_a_lost_replica_count_is_one() {
    let (mut store, target) = with_set();
    let patch = merge(json!({ "spec": { "replicas": null, "updateStrategy": { "rollingUpdate": null } } }));
    let patched = store.patch(&target, Part::Whole, &patch, &by("x")).unwrap();
    assert_eq!(patched["spec"]["updateStrategy"], json!({ "type": "RollingUpdate" }));
    assert_eq!(patched["spec"]["replicas"], 1);
}

#[test]
fn a_pod_stays_until_its_grace_ends() {
    let mut store = store();
    store.create(POD, "default", pod("db-0", "n"), &by("x")).unwrap();
    let deleted = store.delete(&in_default(POD, "db-0"), &DeleteOptions::default(), &by("x")).unwrap();
    assert!(!deleted.gone);
    assert_eq!(deleted.object["metadata"]["deletionTimestamp"], "1970-01-01T00:00:40Z");
    assert_eq!(store.end_graces(at(39)), Some(at(40)));
    assert!(store.get(&in_default(POD, "db-0")).is_ok());
    assert_eq!(store.end_graces(at(40)), None);
    assert_eq!(store.get(&in_default(POD, "db-0")).unwrap_err().code, 404);
}

#[test]
fn a_pod_that_is_said_to_be_gone_or_never_ran_goes_at_once() {
    let mut store = store();
    store.create(POD, "default", pod("db-0", "n"), &by("x")).unwrap();
    store.create(POD, "default", pod("db-1", ""), &by("x")).unwrap();
    store.delete(&in_default(POD, "db-0"), &DeleteOptions::default(), &by("x")).unwrap();
    let gone = DeleteOptions { grace_seconds: Some(0), ..DeleteOptions::default() };
    assert!(store.delete(&in_default(POD, "db-0"), &gone, &by("kubelet")).unwrap().gone);
    assert!(store.delete(&in_default(POD, "db-1"), &DeleteOptions::default(), &by("x")).unwrap().gone);
}

#[test]
fn a_delete_with_another_uid_or_version_is_a_conflict() {
    let mut store = store();
    store.create(POD, "default", pod("db-0", "n"), &by("x")).unwrap();
    let mut wrong = |options: DeleteOptions| store.delete(&in_default(POD, "db-0"), &options, &by("x"));
    let uid = wrong(DeleteOptions { uid: Some("another".into()), ..DeleteOptions::default() }).unwrap_err();
    assert_eq!((uid.code, uid.reason), (409, "Conflict"));
    assert!(
        uid.message.starts_with(
            "Operation cannot be fulfilled on Pod \"db-0\": the UID in the precondition (another)"
        )
    );
    let version = wrong(DeleteOptions { version: Some("1".into()), ..DeleteOptions::default() }).unwrap_err();
    assert_eq!(version.code, 409);
}

#[test]
fn finalizers_hold_an_object_until_the_last_is_gone() {
    let mut store = store();
    store.create(CLAIM, "default", json!({ "metadata": { "name": "data-db-0" } }), &by("x")).unwrap();
    let target = in_default(CLAIM, "data-db-0");
    assert!(!store.delete(&target, &DeleteOptions::default(), &by("x")).unwrap().gone);
    assert_eq!(store.get(&target).unwrap()["metadata"]["deletionGracePeriodSeconds"], 0);
    let before = store.version();
    store
        .patch(&target, Part::Whole, &merge(json!({ "metadata": { "finalizers": null } })), &by("claims"))
        .unwrap();
    assert_eq!(store.get(&target).unwrap_err().code, 404);
    let told = store.events_after(before, &Query::all(CLAIM)).unwrap();
    assert_eq!(
        told.iter().map(|event| event.change).collect::<Vec<_>>(),
        [Change::Modified, Change::Deleted]
    );
}

#[test]
fn a_deletion_that_orphans_waits_for_the_garbage_collector() {
    let (mut store, target) = with_set();
    let uid = store.get(&target).unwrap()["metadata"]["uid"].clone();
    let mut owned = pod("db-0", "n");
    owned["metadata"]["ownerReferences"] = json!([{ "uid": uid, "kind": "StatefulSet", "name": "db" }]);
    store.create(POD, "default", owned, &by("x")).unwrap();
    let orphan = DeleteOptions { propagation: Propagation::Orphan, ..DeleteOptions::default() };
    assert!(!store.delete(&target, &orphan, &by("x")).unwrap().gone);
    assert_eq!(store.get(&target).unwrap()["metadata"]["finalizers"], json!(["orphan"]));
    let owned = store.owned_by(uid.as_str().unwrap());
    assert_eq!(owned.iter().map(|target| target.name.as_str()).collect::<Vec<_>>(), ["db-0"]);
}

#[test]
fn a_namespace_that_ends_takes_nothing_new() {
    let mut store = store();
    store.create(NAMESPACE, "", json!({ "metadata": { "name": "shop" } }), &by("x")).unwrap();
    store.create(CONFIG_MAP, "shop", json!({ "metadata": { "name": "a" } }), &by("x")).unwrap();
    assert!(
        !store.delete(&Target::new(NAMESPACE, "", "shop"), &DeleteOptions::default(), &by("x")).unwrap().gone
    );
    let refusal =
        store.create(CONFIG_MAP, "shop", json!({ "metadata": { "name": "b" } }), &by("x")).unwrap_err();
    assert_eq!(refusal.code, 403);
    assert!(refusal.message.contains("because it is being terminated"), "{refusal}");
    store.delete(&Target::new(CONFIG_MAP, "shop", "a"), &DeleteOptions::default(), &by("x")).unwrap();
    assert_eq!(store.get(&Target::new(NAMESPACE, "", "shop")).unwrap_err().code, 404);
}

#[test]
fn lists_come_in_pages_of_one_moment() {
    let mut store = store();
    for name in ["a", "b", "c"] {
        store.create(CONFIG_MAP, "default", json!({ "metadata": { "name": name } }), &by("x")).unwrap();
    }
    let query = Query::namespaced(CONFIG_MAP, "default");
    let names = |list: &List| {
        list.items.iter().map(|item| value::text(item, &["metadata", "name"]).to_owned()).collect::<Vec<_>>()
    };
    let first = store.list(&query, &Page { limit: Some(2), ..Page::default() }).unwrap();
    assert_eq!((names(&first), first.remaining), (vec!["a".into(), "b".into()], 1));
    store.create(CONFIG_MAP, "default", json!({ "metadata": { "name": "d" } }), &by("x")).unwrap();
    let rest = Page { limit: Some(2), token: first.next.clone(), ..Page::default() };
    let second = store.list(&query, &rest).unwrap();
    assert_eq!(
        (names(&second), second.version, second.next.clone()),
        (vec!["c".into()], first.version, None)
    );
    store.compact(store.version());
    let refusal = store.list(&query, &rest).unwrap_err();
    assert_eq!((refusal.code, refusal.reason), (410, "Expired"));
}

#[test]
fn a_watch_tells_what_enters_and_leaves_a_selection() {
    let mut store = store();
    let before = store.version();
    store.create(POD, "default", pod("db-0", "n"), &by("x")).unwrap();
    let target = in_default(POD, "db-0");
    for labels in [json!({ "app": "web" }), json!({ "app": "db" }), json!({ "a": "b" })] {
        store
            .patch(&target, Part::Whole, &merge(json!({ "metadata": { "labels": labels } })), &by("x"))
            .unwrap();
    }
    let query = Query { labels: selector::Selector::labels("app=db").unwrap(), ..Query::all(POD) };
    let told: Vec<_> = store.events_after(before, &query).unwrap().iter().map(|event| event.change).collect();
    assert_eq!(told, [Change::Added, Change::Deleted, Change::Added, Change::Modified]);
}

#[test]
fn a_watch_from_before_the_compaction_is_expired() {
    let (mut store, _) = with_set();
    store.compact(store.version());
    let refusal = store.events_after(1, &Query::all(STATEFUL_SET)).unwrap_err();
    assert_eq!((refusal.code, refusal.reason), (410, "Expired"));
}

#[test]
fn a_list_can_show_an_earlier_moment() {
    let (mut store, target) = with_set();
    let then = store.version();
    store.patch(&target, Part::Whole, &merge(json!({ "spec": { "replicas": 3 } })), &by("x")).unwrap();
    store.delete(&target, &DeleteOptions::default(), &by("x")).unwrap();
    let shown = |version| {
        let page = Page { version: Some(version), ..Page::default() };
        let list = store.list(&Query::all(STATEFUL_SET), &page).unwrap();
        list.items.iter().map(|set| set["spec"]["replicas"].clone()).collect::<Vec<_>>()
    };
    assert_eq!((shown(then), shown(then + 1), shown(then + 2)), (vec![json!(1)], vec![json!(3)], vec![]));
}

#[test]
fn the_scale_of_a_stateful_set_leaves_zero_out() {
    let (mut store, target) = with_set();
    let scale = store.get_part(&target, Part::Scale).unwrap();
    assert_eq!((&scale["spec"]["replicas"], &scale["status"]["selector"]), (&json!(1), &json!("app=db")));
    let zero = merge(json!({ "spec": { "replicas": 0 } }));
    let scaled = store.patch(&target, Part::Scale, &zero, &by("hpa")).unwrap();
    assert_eq!((&scaled["kind"], &scaled["spec"]), (&json!("Scale"), &json!({})));
    assert_eq!(store.get(&target).unwrap()["spec"]["replicas"], 0);
    let old = json!({ "metadata": { "name": "db", "resourceVersion": "1" }, "spec": { "replicas": 2 } });
    assert_eq!(store.replace(&target, Part::Scale, old, &by("hpa")).unwrap_err().code, 409);
}

#[test]
fn a_dry_run_answers_as_if_and_keeps_nothing() {
    let (mut store, target) = with_set();
    let before = store.version();
    let trial = Call { dry_run: true, ..by("x") };
    let patched =
        store.patch(&target, Part::Whole, &merge(json!({ "spec": { "replicas": 3 } })), &trial).unwrap();
    assert_eq!(patched["spec"]["replicas"], 3);
    store.create(STATEFUL_SET, "default", set("web"), &trial).unwrap();
    store.delete(&target, &DeleteOptions::default(), &trial).unwrap();
    assert_eq!(store.version(), before);
    assert_eq!(store.get(&target).unwrap()["spec"]["replicas"], 1);
}

#[test]
fn events_are_the_same_objects_in_both_groups() {
    let mut store = store();
    let event = json!({ "metadata": { "generateName": "db-" }, "note": "hello", "reason": "Told",
        "regarding": { "kind": "StatefulSet", "name": "db" }, "reportingController": "siskin" });
    let made = store.create(NEW_EVENT, "default", event, &by("x")).unwrap();
    assert_eq!((&made["note"], &made["apiVersion"]), (&json!("hello"), &json!("events.k8s.io/v1")));
    let query = Query {
        fields: selector::Selector::fields("involvedObject.name=db", EVENT).unwrap(),
        ..Query::all(EVENT)
    };
    let old = store.list(&query, &Page::default()).unwrap();
    assert_eq!((&old.items[0]["message"], &old.items[0]["apiVersion"]), (&json!("hello"), &json!("v1")));
}

#[test]
fn a_lease_is_never_replaced_unread() {
    let mut store = store();
    let lease = json!({ "metadata": { "name": "siskin" }, "spec": { "holderIdentity": "a" } });
    store.create(LEASE, "default", lease.clone(), &by("x")).unwrap();
    let refusal = store.replace(&in_default(LEASE, "siskin"), Part::Whole, lease, &by("x")).unwrap_err();
    assert_eq!(refusal.code, 422);
}

#[test]
fn a_service_is_given_an_address() {
    let mut store = store();
    let ports = json!([{ "port": 80 }]);
    let made = |store: &mut Store, name: &str, spec: Value| {
        store
            .create(SERVICE, "default", json!({ "metadata": { "name": name }, "spec": spec }), &by("x"))
            .unwrap()
    };
    let one = made(&mut store, "one", json!({ "ports": ports }));
    let two = made(&mut store, "two", json!({ "ports": ports }));
    assert!(one["spec"]["clusterIP"].as_str().unwrap().starts_with("10.96."));
    assert_ne!(one["spec"]["clusterIP"], two["spec"]["clusterIP"]);
    assert_eq!(one["spec"]["ports"][0], json!({ "port": 80, "protocol": "TCP", "targetPort": 80 }));
    let headless = made(&mut store, "none", json!({ "clusterIP": "None" }));
    assert_eq!(headless["spec"]["clusterIPs"], json!(["None"]));
}

#[test]
fn server_side_apply_makes_and_changes() {
    let mut store = store();
    let target = in_default(STATEFUL_SET, "db");
    let apply = |config: Value| Apply { config, force: false };
    let (made, is_new) = store.apply(&target, Part::Whole, &apply(set("db")), &by("flux")).unwrap();
    assert!(is_new);
    assert_eq!(made["metadata"]["managedFields"][0]["operation"], "Apply");
    let version = store.version();
    let (_, is_new) = store.apply(&target, Part::Whole, &apply(set("db")), &by("flux")).unwrap();
    assert_eq!((is_new, store.version()), (false, version));
    let mut stale = set("db");
    stale["metadata"]["resourceVersion"] = json!("1");
    stale["spec"]["replicas"] = json!(2);
    assert_eq!(store.apply(&target, Part::Whole, &apply(stale), &by("flux")).unwrap_err().code, 409);
}

#[test]
fn a_sole_owner_that_drops_replicas_gets_the_default() {
    let mut store = store();
    let target = in_default(STATEFUL_SET, "db");
    let mut config = set("db");
    config["spec"]["replicas"] = json!(4);
    store.apply(&target, Part::Whole, &Apply { config, force: false }, &by("flux")).unwrap();
    let (dropped, _) =
        store.apply(&target, Part::Whole, &Apply { config: set("db"), force: false }, &by("flux")).unwrap();
    assert_eq!(dropped["spec"]["replicas"], 1);
}
