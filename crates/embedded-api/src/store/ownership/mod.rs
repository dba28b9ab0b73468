//! Who manages which fields: `metadata.managedFields`.

mod apply;
mod compare;
mod fields;
mod merge;
#[cfg(test)]
mod tests;

use jiff::Timestamp;
use serde_json::{Value, json};

pub use self::apply::applied;
use self::{compare::Changes, fields::FieldSet};
use crate::value;

/// How fields are written, and by whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Written<'a> {
    manager: &'a str,
    applied: bool,
    subresource: Option<&'static str>,
}

impl<'a> Written<'a> {
    /// By creating, replacing or patching.
    pub fn update(manager: &'a str, subresource: Option<&'static str>) -> Self {
        Self { manager, applied: false, subresource }
    }

    /// By server-side apply.
    pub fn apply(manager: &'a str, subresource: Option<&'static str>) -> Self {
        Self { manager, applied: true, subresource }
    }

    fn operation(self) -> &'static str {
        if self.applied { "Apply" } else { "Update" }
    }

    fn is(self, entry: &Entry, api_version: &str) -> bool {
        entry.manager == self.manager
            && entry.operation == self.operation()
            && entry.subresource.as_deref() == self.subresource
            && (self.applied || entry.api_version == api_version)
    }
}

/// One manager's fields.
#[derive(Clone, Debug, PartialEq)]
struct Entry {
    manager: String,
    operation: String,
    api_version: String,
    subresource: Option<String>,
    time: String,
    fields: FieldSet,
}

impl Entry {
    fn new(written: Written<'_>, api_version: &str) -> Self {
        Self {
            manager: written.manager.to_owned(),
            operation: written.operation().to_owned(),
            api_version: api_version.to_owned(),
            subresource: written.subresource.map(str::to_owned),
            time: String::new(),
            fields: FieldSet::default(),
        }
    }

    fn read(entry: &Value) -> Self {
        let text = |field| value::text(entry, &[field]).to_owned();
        Self {
            manager: text("manager"),
            operation: text("operation"),
            api_version: text("apiVersion"),
            subresource: Some(text("subresource")).filter(|subresource| !subresource.is_empty()),
            time: text("time"),
            fields: FieldSet::read(&entry["fieldsV1"]),
        }
    }

    fn write(&self) -> Value {
        let mut entry = json!({
            "manager": self.manager, "operation": self.operation, "apiVersion": self.api_version,
            "time": self.time, "fieldsType": "FieldsV1", "fieldsV1": self.fields.write(),
        });
        if let Some(subresource) = &self.subresource {
            value::set(&mut entry, &[], "subresource", subresource.as_str());
        }
        entry
    }

    /// As messages name it.
    fn told(&self) -> String {
        let mut told = format!("{:?}", self.manager);
        if let Some(subresource) = &self.subresource {
            told = format!("{told} with subresource {subresource:?}");
        }
        if self.operation == "Update" { format!("{told} using {}", self.api_version) } else { told }
    }
}

/// Notes in `new` who wrote what of it: the writer manages what it changed, and others no longer do. What was applied
/// is noted by [`applied`].
pub fn written(live: Option<&Value>, new: &mut Value, by: Written<'_>, api_version: &str, now: Timestamp) {
    if by.applied {
        return;
    }
    let mut entries = before(live.unwrap_or(&Value::Null), new, by);
    let Changes { written, removed } =
        compare::changes(&owned(live.unwrap_or(&json!({})), by), &owned(new, by));
    if written.is_empty() && removed.is_empty() {
        write(new, entries);
        return;
    }
    let touched = written.union(&removed);
    let own = entries.iter().position(|entry| by.is(entry, api_version)).map(|own| entries.remove(own));
    let mut own = own.unwrap_or_else(|| Entry::new(by, api_version));
    own.fields = own.fields.union(&written).without(&removed);
    own.time = super::written(now);
    for entry in &mut entries {
        entry.fields = entry.fields.without(&touched);
    }
    entries.push(own);
    write(new, entries);
}

/// The managers before this write: the live object's, unless the writer says others. A subresource's writer can't.
fn before(live: &Value, new: &Value, by: Written<'_>) -> Vec<Entry> {
    match entries(new) {
        _ if by.subresource.is_some() => entries(live),
        _ if is_reset(new) => Vec::new(),
        said if said.is_empty() => entries(live),
        said => said,
    }
}

/// Somebody empties `managedFields` to begin anew.
fn is_reset(new: &Value) -> bool {
    let managed = value::at(new, &["metadata", "managedFields"]).and_then(Value::as_array);
    managed.is_some_and(|managed| {
        managed.iter().all(|entry| entry.as_object().is_some_and(serde_json::Map::is_empty))
    })
}

fn entries(object: &Value) -> Vec<Entry> {
    value::items(object, &["metadata", "managedFields"]).iter().map(Entry::read).collect()
}

fn write(object: &mut Value, mut entries: Vec<Entry>) {
    entries.retain(|entry| !entry.fields.is_empty());
    entries.sort_by(|a, b| {
        (&a.operation, &a.time, &a.manager, &a.subresource).cmp(&(
            &b.operation,
            &b.time,
            &b.manager,
            &b.subresource,
        ))
    });
    let entries: Vec<_> = entries.iter().map(Entry::write).collect();
    value::set(object, &["metadata"], "managedFields", entries);
}

/// What nobody manages: what an object is, and what the API server writes.
const UNOWNED: [&str; 9] = [
    "name",
    "namespace",
    "uid",
    "resourceVersion",
    "generation",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "managedFields",
];

/// The object without what nobody manages, and without the status where that is written apart.
fn owned(object: &Value, by: Written<'_>) -> Value {
    let mut object = object.clone();
    for field in ["apiVersion", "kind"] {
        value::remove(&mut object, &[], field);
    }
    for field in UNOWNED {
        value::remove(&mut object, &["metadata"], field);
    }
    if by.subresource.is_none() {
        value::remove(&mut object, &[], "status");
    }
    if value::of(&object, &["metadata"]).as_object().is_some_and(serde_json::Map::is_empty) {
        value::remove(&mut object, &[], "metadata");
    }
    object
}
