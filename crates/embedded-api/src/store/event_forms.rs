//! Events are kept in the core group's form and served in that of `events.k8s.io` as well: same objects, other names.

use std::sync::Arc;

use serde_json::Value;

use crate::kinds::{EVENT, Kind};

/// The field's name in the core group, and in `events.k8s.io`.
const NAMES: [(&str, &str); 7] = [
    ("involvedObject", "regarding"),
    ("message", "note"),
    ("reportingComponent", "reportingController"),
    ("source", "deprecatedSource"),
    ("firstTimestamp", "deprecatedFirstTimestamp"),
    ("lastTimestamp", "deprecatedLastTimestamp"),
    ("count", "deprecatedCount"),
];

/// The object as the kind that was asked for shows it.
pub fn shown(kind: &'static Kind, object: &Arc<Value>) -> Arc<Value> {
    if kind == kind.stored() {
        return object.clone();
    }
    let mut object = Value::clone(object);
    rename(&mut object, NAMES.iter().copied());
    crate::value::set(&mut object, &[], "apiVersion", kind.api_version());
    Arc::new(object)
}

/// An object of this kind in the form in which it is kept.
pub fn kept(kind: &'static Kind, mut object: Value) -> Value {
    if kind != kind.stored() {
        rename(&mut object, NAMES.iter().map(|(old, new)| (*new, *old)));
        crate::value::set(&mut object, &[], "apiVersion", EVENT.api_version());
    }
    object
}

fn rename<'a>(object: &mut Value, names: impl Iterator<Item = (&'a str, &'a str)>) {
    let fields = crate::value::object(object);
    for (from, to) in names {
        if let Some(value) = fields.remove(from) {
            fields.insert(to.to_owned(), value);
        }
    }
}
