//! The API's JSON as the models' objects, and what the models write as patches.
//!
//! Reading takes what a model looks at and leaves the rest. Writing is a patch of what the model decides, so that
//! nothing is lost that somebody else wrote.

pub mod claim;
mod metadata;
pub mod pod;
pub mod pod_status;
pub mod revision;
pub mod service;
pub mod statefulset;
#[cfg(test)]
mod tests;

use jiff::Timestamp;
use serde_json::Value;
use siskin_embedded::Millis;

pub use metadata::{metadata, owner_of, uid, with_owner, with_owners, without_owners};

/// An object that the models can't look at. The controllers leave it alone.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{kind} {namespace}/{name}: `{field}` has to be {expected}; the controllers leave the object alone")]
pub struct Untranslatable {
    /// Its kind.
    pub kind: String,
    /// Its namespace; empty for kinds without.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// The field that stands in the way.
    pub field: &'static str,
    /// What the models can look at.
    pub expected: &'static str,
}

impl Untranslatable {
    fn new(object: &Value, field: &'static str, expected: &'static str) -> Self {
        Self {
            kind: text(object, "/kind").to_owned(),
            namespace: text(object, "/metadata/namespace").to_owned(),
            name: text(object, "/metadata/name").to_owned(),
            field,
            expected,
        }
    }
}

/// A moment as milliseconds since the Unix epoch; one before it is the epoch.
pub fn millis(time: Timestamp) -> Millis {
    u64::try_from(time.as_millisecond()).unwrap_or(0)
}

/// A moment as the API writes it: to the second.
pub fn written(moment: Millis) -> String {
    let second = i64::try_from(moment / 1000).ok().and_then(|second| Timestamp::from_second(second).ok());
    format!("{:.0}", second.unwrap_or(Timestamp::MAX))
}

/// The text at a JSON pointer, or nothing.
pub fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// The items of the list at a JSON pointer.
pub fn items<'a>(value: &'a Value, pointer: &str) -> &'a [Value] {
    value.pointer(pointer).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// The number at a JSON pointer, or 0.
fn number(value: &Value, pointer: &str) -> i64 {
    value.pointer(pointer).and_then(Value::as_i64).unwrap_or(0)
}

/// The time at a JSON pointer.
fn moment(value: &Value, pointer: &str) -> Option<Millis> {
    value.pointer(pointer)?.as_str()?.parse::<Timestamp>().ok().map(millis)
}

/// Writes the members of objects over those of another, and everything else whole.
pub(crate) fn merge(into: &mut Value, from: Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (key, value) in from {
                merge(into.entry(key).or_insert(Value::Null), value);
            }
        }
        (into, from) => *into = from,
    }
}
