//! Reading and writing inside JSON objects by path.

use serde_json::{Map, Value};

/// The map at `path`; what is missing on the way, or is no object, becomes an empty one.
pub fn map<'a>(mut value: &'a mut Value, path: &[&str]) -> &'a mut Map<String, Value> {
    for field in path {
        value = object(value).entry(*field).or_insert(Value::Null);
    }
    object(value)
}

/// The map that a value is; what is no object becomes an empty one.
pub fn object(value: &mut Value) -> &mut Map<String, Value> {
    if !value.is_object() {
        *value = Value::Object(Map::new());
    }
    match value {
        Value::Object(map) => map,
        // Made an object above.
        _ => unreachable!(),
    }
}

/// Writes one field.
pub fn set(value: &mut Value, path: &[&str], field: &str, new: impl Into<Value>) {
    map(value, path).insert(field.to_owned(), new.into());
}

/// Writes one field, or takes it away if there is nothing to write.
pub fn put(value: &mut Value, path: &[&str], field: &str, new: Option<Value>) {
    match new {
        Some(new) => set(value, path, field, new),
        None => remove(value, path, field),
    }
}

/// Writes one field if it is absent or null.
pub fn default(value: &mut Value, path: &[&str], field: &str, new: impl Into<Value>) {
    let slot = map(value, path).entry(field).or_insert(Value::Null);
    if slot.is_null() {
        *slot = new.into();
    }
}

/// Takes one field away; what is missing on the way stays missing.
pub fn remove(mut value: &mut Value, path: &[&str], field: &str) {
    for step in path {
        match value.get_mut(step) {
            Some(next) => value = next,
            None => return,
        }
    }
    if let Some(map) = value.as_object_mut() {
        map.remove(field);
    }
}

/// The text at `path`, or nothing.
pub fn text<'a>(value: &'a Value, path: &[&str]) -> &'a str {
    at(value, path).and_then(Value::as_str).unwrap_or_default()
}

/// What is at `path`.
pub fn at<'a>(value: &'a Value, path: &[&str]) -> Option<&'a Value> {
    path.iter().try_fold(value, |value, field| value.get(field))
}

/// What is at `path`, or null.
pub fn of<'a>(value: &'a Value, path: &[&str]) -> &'a Value {
    at(value, path).unwrap_or(&Value::Null)
}

/// The items of the list at `path`.
pub fn items<'a>(value: &'a Value, path: &[&str]) -> &'a [Value] {
    at(value, path).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// Takes nulls out of objects, as the API server stores none.
pub fn without_nulls(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.retain(|_, value| !value.is_null());
            map.values_mut().for_each(without_nulls);
        }
        Value::Array(items) => items.iter_mut().for_each(without_nulls),
        _ => {}
    }
}
