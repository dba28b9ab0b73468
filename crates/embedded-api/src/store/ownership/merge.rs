//! What an applied configuration makes of an object, and what becomes of fields that it no longer names.

use serde_json::Value;

use super::fields::FieldSet;
use crate::store::shape::{self, ListShape};

/// Puts the configuration's fields into the object.
pub fn merge<'a>(live: &mut Value, config: &'a Value, path: &mut Vec<&'a str>) {
    match (live, config) {
        (Value::Object(live), Value::Object(config)) if !shape::is_atomic(path) => {
            for (field, value) in config {
                path.push(field);
                merge(live.entry(field).or_insert(Value::Null), value, path);
                path.pop();
            }
        }
        (Value::Array(live), Value::Array(config)) if shape::list(path) != ListShape::Atomic => {
            merge_lists(live, config, path);
        }
        (live, config) => *live = config.clone(),
    }
}

/// The configuration's items in its order, then the others.
fn merge_lists<'a>(live: &mut Vec<Value>, config: &'a [Value], path: &mut Vec<&'a str>) {
    let shape = shape::list(path);
    let mut others = std::mem::take(live);
    for item in config {
        let name = shape::item_name(shape, item);
        let known = others.iter().position(|other| shape::item_name(shape, other) == name);
        let mut merged = known.map_or(Value::Null, |known| others.remove(known));
        merge(&mut merged, item, path);
        live.push(merged);
    }
    live.append(&mut others);
}

/// Takes away the fields `gone`, where nobody manages them or anything below them (`kept`).
pub fn prune<'a>(object: &mut Value, gone: &'a FieldSet, kept: &FieldSet, path: &mut Vec<&'a str>) {
    let nobody = FieldSet::default();
    for (part, gone) in gone.children() {
        let kept = kept.below(part).unwrap_or(&nobody);
        let field = part.strip_prefix("f:");
        path.extend(field);
        let empties = match part_mut(object, part, path, field.is_some()) {
            None => false,
            Some(_) if gone.itself && kept.is_empty() => true,
            Some(value) => {
                prune(value, gone, kept, path);
                kept.is_empty() && is_empty(value)
            }
        };
        if field.is_some() {
            path.pop();
        }
        if empties {
            take_out(object, part, path);
        }
    }
}

fn part_mut<'v>(object: &'v mut Value, part: &str, path: &[&str], is_field: bool) -> Option<&'v mut Value> {
    match object {
        Value::Object(fields) if is_field => fields.get_mut(part.strip_prefix("f:")?),
        Value::Array(items) => {
            let shape = shape::list(path);
            items.iter_mut().find(|item| shape::item_name(shape, item).as_deref() == Some(part))
        }
        _ => None,
    }
}

fn take_out(object: &mut Value, part: &str, path: &[&str]) {
    match object {
        Value::Object(fields) => {
            if let Some(field) = part.strip_prefix("f:") {
                fields.remove(field);
            }
        }
        Value::Array(items) => {
            let shape = shape::list(path);
            items.retain(|item| shape::item_name(shape, item).as_deref() != Some(part));
        }
        _ => {}
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Object(fields) => fields.is_empty(),
        Value::Array(items) => items.is_empty(),
        _ => false,
    }
}
