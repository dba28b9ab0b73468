//! Pod templates as JSON: whether two mean the same, and the patch from one to the other.

use serde_json::{Map, Value};

/// Whether two templates mean the same to Kubernetes: absent, null and empty are one thing.
///
/// Kubernetes 1.34 gave every StatefulSet a new revision hash by dropping `creationTimestamp: null`
/// (kubernetes/kubernetes#134773); a new hash alone is no release.
pub fn equal(left: &Value, right: &Value) -> bool {
    normal(left) == normal(right)
}

/// Without what says nothing: nulls and empty objects and lists below an object.
///
/// `emptyDir: {}` and the like say something by being there, so an empty object is only dropped where the
/// API's own types write one for an unset struct.
fn normal(value: &Value) -> Value {
    const UNSET: [&str; 4] = ["securityContext", "resources", "metadata", "strategy"];
    match value {
        Value::Object(map) => {
            let kept: Map<String, Value> = map
                .iter()
                .map(|(key, value)| (key.clone(), normal(value)))
                .filter(|(key, value)| match value {
                    Value::Null => false,
                    Value::Object(inner) => !(inner.is_empty() && UNSET.contains(&key.as_str())),
                    Value::Array(items) => !items.is_empty(),
                    _ => true,
                })
                .filter(|(key, _)| key != "$patch")
                .collect();
            Value::Object(kept)
        }
        Value::Array(items) => Value::Array(items.iter().map(normal).collect()),
        other => other.clone(),
    }
}

/// The JSON merge patch (RFC 7396) that turns `from` into `to`: nulls for what is gone.
pub fn difference(from: &Value, to: &Value) -> Value {
    let (Value::Object(from), Value::Object(to)) = (from, to) else { return to.clone() };
    let mut patch = Map::new();
    for (key, old) in from {
        match to.get(key) {
            None | Some(Value::Null) => {
                patch.insert(key.clone(), Value::Null);
            }
            Some(new) if new == old => {}
            Some(new) => {
                patch.insert(key.clone(), difference(old, new));
            }
        }
    }
    for (key, new) in to {
        if !from.contains_key(key) && !new.is_null() {
            patch.insert(key.clone(), without_nulls(new));
        }
    }
    Value::Object(patch)
}

/// A null inside an added object would mean removal in a merge patch.
fn without_nulls(value: &Value) -> Value {
    match value {
        Value::Object(map) => Value::Object(
            map.iter()
                .filter(|(_, value)| !value.is_null())
                .map(|(key, value)| (key.clone(), without_nulls(value)))
                .collect(),
        ),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn an_unset_timestamp_makes_no_other_template() {
        let old = json!({"metadata": {"creationTimestamp": null, "labels": {"app": "db"}}, "spec": {"securityContext": {}}});
        let new = json!({"metadata": {"labels": {"app": "db"}}, "spec": {}});
        assert!(equal(&old, &new));
    }

    #[test]
    fn an_empty_dir_is_not_the_same_as_none() {
        let with = json!({"volumes": [{"name": "a", "emptyDir": {}}]});
        let without = json!({"volumes": [{"name": "a"}]});
        assert!(!equal(&with, &without));
    }

    #[test]
    fn what_is_gone_is_nulled_and_lists_are_replaced() {
        let from = json!({"a": {"x": 1, "y": 2}, "list": [1, 2], "same": true});
        let to = json!({"a": {"x": 1}, "list": [3], "same": true, "new": {"z": 0}});
        assert_eq!(difference(&from, &to), json!({"a": {"y": null}, "list": [3], "new": {"z": 0}}));
    }

    fn apply(target: &mut Value, patch: &Value) {
        let Value::Object(patch) = patch else {
            *target = patch.clone();
            return;
        };
        if !target.is_object() {
            *target = json!({});
        }
        let map = target.as_object_mut().unwrap();
        for (key, value) in patch {
            if value.is_null() {
                map.remove(key);
            } else {
                apply(map.entry(key.clone()).or_insert(Value::Null), value);
            }
        }
    }

    fn tree() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            any::<bool>().prop_map(Value::from),
            (0..5).prop_map(Value::from),
            "[ab]{0,2}".prop_map(Value::from)
        ];
        leaf.prop_recursive(4, 24, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
                prop::collection::btree_map("[a-d]", inner, 0..4)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn the_difference_applied_gives_the_wanted_template(
            from in prop::collection::btree_map("[a-d]", tree(), 0..4),
            to in prop::collection::btree_map("[a-d]", tree(), 0..4),
        ) {
            let (from, to) = (Value::Object(from.into_iter().collect()), Value::Object(to.into_iter().collect()));
            let mut patched = from.clone();
            apply(&mut patched, &difference(&from, &to));
            prop_assert_eq!(patched, to);
        }
    }
}
