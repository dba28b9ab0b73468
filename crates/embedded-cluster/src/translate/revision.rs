//! `ControllerRevisions`.

use serde_json::{Value, json};
use siskin_embedded::{
    model::statefulset::NewRevision,
    object::{ControllerRevision, Template},
};

use super::{Untranslatable, metadata::metadata, number, with_owner};

/// Reads a revision. Its `data` is the patch that Kubernetes writes: a StatefulSet with nothing but the template.
pub fn read(object: &Value) -> Result<ControllerRevision, Untranslatable> {
    let template = object.pointer("/data/spec/template").cloned();
    let mut template = template
        .ok_or_else(|| Untranslatable::new(object, "data", "a patch of a StatefulSet's `spec.template`"))?;
    if let Some(members) = template.as_object_mut() {
        members.remove("$patch");
    }
    Ok(ControllerRevision {
        metadata: metadata(object)?,
        number: number(object, "/revision"),
        template: Template::new(template),
    })
}

/// The object to make.
pub fn new(new: &NewRevision) -> Value {
    let mut template = new.template.json().clone();
    super::merge(&mut template, json!({ "$patch": "replace" }));
    let mut object = with_owner(&json!({}), &new.owner);
    let metadata = json!({ "name": &*new.name, "labels": *new.labels, "annotations": *new.annotations });
    super::merge(
        &mut object,
        json!({
            "metadata": metadata, "revision": new.number, "data": { "spec": { "template": template } },
        }),
    );
    object
}
