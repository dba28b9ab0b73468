//! Whatever is sent, the store answers with an object or a refusal, and keeps its promises.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::kinds::{CONFIG_MAP, STATEFUL_SET};

/// Names that mean something to the store, so that bodies reach deep into it.
const FIELDS: [&str; 20] = [
    "metadata",
    "spec",
    "status",
    "template",
    "containers",
    "name",
    "labels",
    "annotations",
    "finalizers",
    "managedFields",
    "fieldsV1",
    "resourceVersion",
    "updateStrategy",
    "rollingUpdate",
    "partition",
    "replicas",
    "ports",
    "$patch",
    "$setElementOrder/containers",
    "$retainKeys",
];

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        prop::sample::select(vec!["", "a", "db", "replace", "delete", "1"]).prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 48, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((prop::sample::select(FIELDS.to_vec()), inner), 0..6).prop_map(|fields| {
                fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
            }),
        ]
    })
}

fn world() -> (Store, Target, Call) {
    let now = Timestamp::UNIX_EPOCH;
    let (mut store, call) = (Store::new(1, now), Call::new("kubectl", now));
    let set = json!({ "metadata": { "name": "db" }, "spec": {
        "selector": { "matchLabels": { "app": "db" } },
        "template": { "metadata": { "labels": { "app": "db" } }, "spec": { "containers": [{ "name": "a", "image": "a" }] } },
    } });
    store.create(STATEFUL_SET, "default", set, &call).unwrap();
    (store, Target::new(STATEFUL_SET, "default", "db"), call)
}

fn identity(object: &Value) -> [Value; 3] {
    ["name", "uid", "creationTimestamp"].map(|field| object["metadata"][field].clone())
}

proptest! {
    #[test]
    fn no_write_breaks_the_store_or_the_object_s_identity(
        body in any_json(), kind in 0..6_usize, force in any::<bool>(), part in 0..3_usize,
    ) {
        let (mut store, target, call) = world();
        let before = store.get(&target).unwrap();
        let version = store.version();
        let part = [Part::Whole, Part::Status, Part::Scale][part];
        let result = match kind {
            0 => store.create(CONFIG_MAP, "default", body, &call).map(drop),
            1 => store.replace(&target, part, body, &call).map(drop),
            2 => store.patch(&target, part, &Patch::Merge(body), &call).map(drop),
            3 => store.patch(&target, part, &Patch::Strategic(body), &call).map(drop),
            4 => store.apply(&target, part, &Apply { config: body, force }, &call).map(drop),
            _ => store.create(STATEFUL_SET, "default", body, &call).map(drop),
        };
        let after = store.get(&target).unwrap();
        prop_assert_eq!(identity(&after), identity(&before));
        match result {
            Ok(()) => prop_assert!(store.version() <= version + 1),
            Err(refusal) => {
                prop_assert!((400..500).contains(&refusal.code), "{refusal}");
                prop_assert_eq!(store.version(), version);
            }
        }
    }

    #[test]
    fn what_was_applied_alone_goes_when_it_is_no_longer_applied(labels in prop::collection::btree_map("[a-c]", "[a-c]", 0..4)) {
        let (mut store, target, _) = world();
        let flux = Call::new("flux", Timestamp::UNIX_EPOCH);
        let before = store.get(&target).unwrap();
        let with = json!({ "metadata": { "labels": labels } });
        store.apply(&target, Part::Whole, &Apply { config: with, force: false }, &flux).unwrap();
        let without = json!({ "metadata": {} });
        let (after, _) = store.apply(&target, Part::Whole, &Apply { config: without, force: false }, &flux).unwrap();
        prop_assert_eq!(after["metadata"].get("labels"), before["metadata"].get("labels"));
        prop_assert_eq!(&after["metadata"]["managedFields"], &before["metadata"]["managedFields"]);
    }
}
