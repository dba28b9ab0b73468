//! Which fields an object has, and how two objects differ.

use std::collections::BTreeMap;

use serde_json::Value;

use super::fields::FieldSet;
use crate::store::shape;

/// How an object became another.
#[derive(Debug, Default)]
pub struct Changes {
    /// Fields that are new or have another value.
    pub written: FieldSet,
    /// Fields that are gone.
    pub removed: FieldSet,
}

/// A value as its parts, by their names in `fieldsV1`; `None` for one that changes as a whole. An item of a
/// keyed list has the path of the list.
pub fn parts<'a>(value: &'a Value, path: &[&str]) -> Option<BTreeMap<String, (&'a str, &'a Value)>> {
    match value {
        Value::Object(fields) if !fields.is_empty() && !shape::is_atomic(path) => {
            Some(fields.iter().map(|(name, value)| (format!("f:{name}"), (name.as_str(), value))).collect())
        }
        Value::Array(items) if !items.is_empty() => {
            let shape = shape::list(path);
            items.iter().map(|item| Some((shape::item_name(shape, item)?, ("", item)))).collect()
        }
        _ => None,
    }
}

/// The fields that an applied configuration names.
pub fn named(config: &Value) -> FieldSet {
    let mut set = FieldSet::default();
    name(config, &mut Vec::new(), &mut Vec::new(), &mut set);
    set
}

fn name<'a>(value: &'a Value, path: &mut Vec<&'a str>, at: &mut Vec<String>, set: &mut FieldSet) {
    let Some(parts) = parts(value, path) else {
        // An empty configuration names nothing.
        if !at.is_empty() {
            set.insert(at);
        }
        return;
    };
    for (part, (field, value)) in parts {
        let is_item = !part.starts_with("f:");
        at.push(part);
        if is_item {
            set.insert(at);
        }
        if !part_is_value(at) {
            descend(field, path, |path| name(value, path, at, set));
        }
        at.pop();
    }
}

/// How `old` became `new`.
pub fn changes(old: &Value, new: &Value) -> Changes {
    let mut changes = Changes::default();
    compare(Some(old), Some(new), &mut Vec::new(), &mut Vec::new(), &mut changes);
    changes
}

fn compare<'a>(
    old: Option<&'a Value>,
    new: Option<&'a Value>,
    path: &mut Vec<&'a str>,
    at: &mut Vec<String>,
    changes: &mut Changes,
) {
    let old = old.filter(|value| !value.is_null());
    let new = new.filter(|value| !value.is_null());
    if old == new {
        return;
    }
    let (old_parts, new_parts) =
        (old.and_then(|value| parts(value, path)), new.and_then(|value| parts(value, path)));
    let is_whole =
        |value: Option<&Value>, parts: &Option<_>| value.is_some() && parts.is_none() && !is_hollow(value);
    if is_whole(old, &old_parts) || is_whole(new, &new_parts) || (old_parts.is_none() && new_parts.is_none())
    {
        let set = if new.is_some() { &mut changes.written } else { &mut changes.removed };
        set.insert(at);
    }
    let is_item = at.last().is_some_and(|part| part.starts_with("k:"));
    let owned_itself = !at.is_empty() && (is_item || !shape::is_always_there(path));
    match (old, new) {
        (None, Some(_)) if owned_itself && new_parts.is_some() => changes.written.insert(at),
        (Some(_), None) if owned_itself && old_parts.is_some() => changes.removed.insert(at),
        _ => {}
    }
    let (old_parts, new_parts) = (old_parts.unwrap_or_default(), new_parts.unwrap_or_default());
    let mut names: Vec<_> = old_parts.keys().chain(new_parts.keys()).collect();
    names.sort();
    names.dedup();
    for part in names {
        let (old, new) = (old_parts.get(part), new_parts.get(part));
        let field = new.or(old).map_or("", |(field, _)| *field);
        at.push(part.clone());
        if part_is_value(at) {
            let set = if new.is_some() { &mut changes.written } else { &mut changes.removed };
            if old.is_some() != new.is_some() {
                set.insert(at);
            }
        } else {
            let (old, new) = (old.map(|(_, value)| *value), new.map(|(_, value)| *value));
            descend(field, path, |path| compare(old, new, path, at, changes));
        }
        at.pop();
    }
}

/// An empty object or list: nothing of it is lost when it fills.
fn is_hollow(value: Option<&Value>) -> bool {
    match value {
        Some(Value::Object(fields)) => fields.is_empty(),
        Some(Value::Array(items)) => items.is_empty(),
        _ => false,
    }
}

fn part_is_value(at: &[String]) -> bool {
    at.last().is_some_and(|part| part.starts_with("v:"))
}

fn descend<'a>(field: &'a str, path: &mut Vec<&'a str>, mut go: impl FnMut(&mut Vec<&'a str>)) {
    if field.is_empty() {
        go(path);
    } else {
        path.push(field);
        go(path);
        path.pop();
    }
}
