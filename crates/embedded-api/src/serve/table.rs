//! Objects and lists in the form that a client wants.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{answer::Form, params::Params};
use crate::{kinds::Kind, store::List, value};

/// One object in a form.
pub fn object(kind: &Kind, object: &Value, form: Form, params: &Params, now: Timestamp) -> Value {
    match form {
        Form::Whole => object.clone(),
        Form::Metadata => metadata(object),
        Form::Table => {
            let version = value::of(object, &["metadata", "resourceVersion"]);
            table(kind, std::iter::once(object), &json!({ "resourceVersion": version }), params, now)
        }
    }
}

/// A list in a form.
pub fn list(kind: &Kind, list: &List, form: Form, params: &Params, now: Timestamp) -> Value {
    let mut about = json!({ "resourceVersion": list.version.to_string() });
    if let Some(next) = &list.next {
        value::set(&mut about, &[], "continue", next.as_str());
        value::set(&mut about, &[], "remainingItemCount", list.remaining);
    }
    let items = list.items.iter().map(AsRef::as_ref);
    match form {
        Form::Whole => {
            let named = format!("{}List", kind.kind);
            let items: Vec<&Value> = items.collect();
            json!({ "kind": named, "apiVersion": kind.api_version(), "metadata": about, "items": items })
        }
        Form::Metadata => {
            // For the metadata of no objects the API server answers null.
            let items = if list.items.is_empty() { Value::Null } else { items.map(metadata).collect() };
            let version = "meta.k8s.io/v1";
            json!({ "kind": "PartialObjectMetadataList", "apiVersion": version, "metadata": about, "items": items })
        }
        Form::Table => table(kind, items, &about, params, now),
    }
}

fn metadata(object: &Value) -> Value {
    json!({ "kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": object["metadata"] })
}

fn table<'a>(
    kind: &Kind,
    objects: impl Iterator<Item = &'a Value>,
    about: &Value,
    params: &Params,
    now: Timestamp,
) -> Value {
    let name =
        json!({ "name": "Name", "type": "string", "format": "name", "description": "", "priority": 0 });
    let columns = kind.columns.iter().map(|column| {
        let priority = u8::from(column.wide);
        json!({ "name": column.name, "type": "string", "format": "", "description": "", "priority": priority })
    });
    // Events have no name at the front.
    let has_name = kind.kind != "Event";
    let columns: Vec<_> = has_name.then_some(name).into_iter().chain(columns).collect();
    let rows = objects.map(|object| {
        let name = has_name.then(|| value::of(object, &["metadata", "name"]).clone());
        let cells = kind.columns.iter().map(|column| Value::from((column.cell)(object, now)));
        let cells: Vec<_> = name.into_iter().chain(cells).collect();
        match params.text("includeObject") {
            Some("None") => json!({ "cells": cells }),
            Some("Object") => json!({ "cells": cells, "object": object }),
            _ => json!({ "cells": cells, "object": metadata(object) }),
        }
    });
    let rows: Vec<_> = rows.collect();
    json!({
        "kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": about, "columnDefinitions": columns, "rows": rows,
    })
}
