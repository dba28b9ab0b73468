//! Strategic merge patches: lists merge by keys, and directives say more than values can.

use serde_json::{Map, Value};

use crate::{refusal::Refusal, store::shape, value};

type Object = Map<String, Value>;

const PATCH: &str = "$patch";
const RETAIN: &str = "$retainKeys";
const ORDER: &str = "$setElementOrder/";
const DELETE: &str = "$deleteFromPrimitiveList/";

/// The object with the patch merged into it.
pub fn merged(object: Value, patch: &Object) -> Result<Value, Refusal> {
    let mut object = match object {
        Value::Object(object) => object,
        _ => Object::new(),
    };
    merge_objects(&mut object, patch, &mut Vec::new())?;
    Ok(Value::Object(object))
}

fn merge_objects<'a>(object: &mut Object, patch: &'a Object, at: &mut Vec<&'a str>) -> Result<(), Refusal> {
    match patch.get(PATCH).map(|directive| directive.as_str().unwrap_or_default()) {
        Some("replace") => {
            *object = without_directives(patch);
            return Ok(());
        }
        Some("delete") => {
            object.clear();
            return Ok(());
        }
        None | Some("merge") => {}
        Some(other) => return Err(unknown(other)),
    }
    if let Some(kept) = patch.get(RETAIN).and_then(Value::as_array) {
        object.retain(|field, _| kept.iter().any(|kept| kept == field));
    }
    for (field, value) in patch {
        if let Some(list) = field.strip_prefix(DELETE) {
            let unwanted = value.as_array().map_or(&[][..], Vec::as_slice);
            if let Some(Value::Array(items)) = object.get_mut(list) {
                items.retain(|item| !unwanted.contains(item));
            }
            continue;
        }
        if field.starts_with('$') {
            continue;
        }
        at.push(field);
        merge_field(object, field, value, at)?;
        at.pop();
    }
    for (field, order) in patch {
        if let (Some(list), Some(order)) = (field.strip_prefix(ORDER), order.as_array()) {
            at.push(list);
            if let Some(Value::Array(items)) = object.get_mut(list) {
                sort(items, order, shape::merge_key(at));
            }
            at.pop();
        }
    }
    Ok(())
}

fn merge_field<'a>(
    object: &mut Object,
    field: &str,
    patch: &'a Value,
    at: &mut Vec<&'a str>,
) -> Result<(), Refusal> {
    match patch {
        Value::Null => {
            object.remove(field);
        }
        Value::Object(patch) => {
            let slot = object.entry(field).or_insert(Value::Null);
            merge_objects(value::object(slot), patch, at)?;
        }
        Value::Array(patch) => {
            let slot = object.entry(field).or_insert_with(|| Value::Array(Vec::new()));
            match (slot.as_array_mut(), shape::merge_key(at)) {
                (Some(items), Some(key)) => merge_lists(items, patch, key, at)?,
                (Some(items), None) if shape::list(at) == shape::ListShape::Set => {
                    let new: Vec<_> = patch.iter().filter(|value| !items.contains(value)).cloned().collect();
                    items.extend(new);
                }
                _ => *slot = Value::Array(patch.clone()),
            }
        }
        other => {
            object.insert(field.to_owned(), other.clone());
        }
    }
    Ok(())
}

fn merge_lists<'a>(
    items: &mut Vec<Value>,
    patch: &'a [Value],
    key: &str,
    at: &mut Vec<&'a str>,
) -> Result<(), Refusal> {
    let directive = |item: &Value| item[PATCH].as_str().map(str::to_owned);
    if patch.iter().any(|item| directive(item).as_deref() == Some("replace")) {
        *items = patch.iter().filter(|item| directive(item).is_none()).cloned().collect();
        return Ok(());
    }
    for item in patch {
        let Some(fields) = item.as_object() else {
            return Err(Refusal::bad_request(format!("{} is a list of objects", at.join("."))));
        };
        if item[key].is_null() {
            return Err(Refusal::bad_request(format!(
                "map: {item} does not contain declared merge key: {key}"
            )));
        }
        if directive(item).as_deref() == Some("delete") {
            items.retain(|other| other[key] != item[key]);
            continue;
        }
        if let Some(other) = items.iter_mut().find(|other| other[key] == item[key]) {
            merge_objects(value::object(other), fields, at)?;
        } else {
            let mut new = Object::new();
            merge_objects(&mut new, fields, at)?;
            items.push(Value::Object(new));
        }
    }
    Ok(())
}

/// Items in the order that the patch wants; those that it doesn't know come last.
fn sort(items: &mut [Value], order: &[Value], key: Option<&str>) {
    let same = |item: &Value, wanted: &Value| match key {
        Some(key) => item[key] == wanted[key],
        None => item == wanted,
    };
    items.sort_by_key(|item| order.iter().position(|wanted| same(item, wanted)).unwrap_or(order.len()));
}

fn without_directives(object: &Object) -> Object {
    object
        .iter()
        .filter(|(field, _)| *field != PATCH)
        .map(|(field, value)| (field.clone(), value.clone()))
        .collect()
}

fn unknown(directive: &str) -> Refusal {
    Refusal::bad_request(format!("unknown patch type found: {directive}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn set(containers: &Value) -> Value {
        json!({ "spec": { "template": { "spec": { "containers": containers } } } })
    }

    fn patched(object: Value, patch: &Value) -> Value {
        merged(object, patch.as_object().unwrap()).unwrap()
    }

    #[test]
    fn containers_merge_by_name() {
        let live = set(&json!([{ "name": "a", "image": "a:1" }, { "name": "b", "image": "b:1" }]));
        let patch = set(&json!([{ "name": "b", "image": "b:2" }, { "name": "c", "image": "c:1" }]));
        let wanted = json!([{ "name": "a", "image": "a:1" }, { "name": "b", "image": "b:2" }, { "name": "c", "image": "c:1" }]);
        assert_eq!(patched(live, &patch), set(&wanted));
    }

    #[test]
    fn an_item_is_deleted_by_its_key() {
        let live = set(&json!([{ "name": "a" }, { "name": "b" }]));
        let patch = set(&json!([{ "name": "a", "$patch": "delete" }]));
        assert_eq!(patched(live, &patch), set(&json!([{ "name": "b" }])));
    }

    #[test]
    fn an_undo_replaces_the_whole_template() {
        let live = set(&json!([{ "name": "a", "image": "a:2", "args": ["x"] }]));
        let patch = json!({ "spec": { "template": { "spec": { "containers": [{ "name": "a" }] }, "$patch": "replace" } } });
        assert_eq!(patched(live, &patch), set(&json!([{ "name": "a" }])));
    }

    #[test]
    fn primitive_lists_are_replaced_and_finalizers_add_up() {
        let live = json!({ "metadata": { "finalizers": ["a"] }, "spec": { "accessModes": ["x"] } });
        let patch = json!({ "metadata": { "finalizers": ["b"], "$deleteFromPrimitiveList/finalizers": ["a"] },
            "spec": { "accessModes": ["y"] } });
        let wanted = json!({ "metadata": { "finalizers": ["b"] }, "spec": { "accessModes": ["y"] } });
        assert_eq!(patched(live, &patch), wanted);
    }

    #[test]
    fn the_order_of_a_list_can_be_said() {
        let live = set(&json!([{ "name": "a" }, { "name": "b" }]));
        let patch = json!({ "spec": { "template": { "spec": {
            "$setElementOrder/containers": [{ "name": "c" }, { "name": "a" }],
            "containers": [{ "name": "c" }],
        } } } });
        assert_eq!(patched(live, &patch), set(&json!([{ "name": "c" }, { "name": "a" }, { "name": "b" }])));
    }
}
