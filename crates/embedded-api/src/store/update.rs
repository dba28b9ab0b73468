//! Changing objects: one way for replacing, patching and applying, of the whole, its status or its scale.

use std::sync::Arc;

use serde_json::Value;

use super::{
    Apply, Call, Patch, Store, Target,
    admission::Review,
    create::{shown_part, typed},
    defaults, event_forms,
    ownership::{self, Written},
    scale, validation,
};
use crate::{
    kinds::Kind,
    refusal::{Cause, Refusal},
    value,
};

/// What of an object is read or written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Everything but the status.
    Whole,
    /// The status.
    Status,
    /// The replicas, as `autoscaling/v1` Scale.
    Scale,
}

impl Part {
    fn subresource(self) -> Option<&'static str> {
        match self {
            Self::Whole => None,
            Self::Status => Some("status"),
            Self::Scale => Some("scale"),
        }
    }
}

/// What the API server alone writes: kept as it is, whatever a body says.
const KEPT: [&str; 5] =
    ["creationTimestamp", "generation", "deletionTimestamp", "deletionGracePeriodSeconds", "selfLink"];

impl Store {
    /// Reads a part of an object.
    pub fn get_part(&self, target: &Target, part: Part) -> Result<Arc<Value>, Refusal> {
        Ok(shown_part(part, &self.get(target)?))
    }

    /// Replaces a part of an object. A `resourceVersion` or `uid` in the body is a precondition.
    pub fn replace(
        &mut self,
        target: &Target,
        part: Part,
        body: Value,
        call: &Call,
    ) -> Result<Arc<Value>, Refusal> {
        let live = self.live(target)?;
        let uid = value::text(&body, &["metadata", "uid"]);
        let live_uid = value::text(&live, &["metadata", "uid"]);
        if !uid.is_empty() && uid != live_uid {
            let why =
                format!("Precondition failed: UID in precondition: {uid}, UID in object meta: {live_uid}");
            return Err(Refusal::conflict(target.kind, &target.name, &why));
        }
        let new = match part {
            Part::Scale => scale::put(&live, &body),
            Part::Whole | Part::Status => typed(target.kind, body)?,
        };
        self.change(target, part, &live, new, Written::update(&call.manager, part.subresource()), call)
    }

    /// Changes a part of an object by a patch. A `resourceVersion` in the patch is a precondition.
    pub fn patch(
        &mut self,
        target: &Target,
        part: Part,
        patch: &Patch,
        call: &Call,
    ) -> Result<Arc<Value>, Refusal> {
        let live = self.live(target)?;
        let shown = match part {
            Part::Scale => scale::of(&live),
            Part::Whole | Part::Status => Value::clone(&event_forms::shown(target.kind, &live)),
        };
        let patched = patch.applied(&shown)?;
        let new = match part {
            Part::Scale => scale::put(&live, &patched),
            Part::Whole | Part::Status => {
                let mut new = typed(target.kind, patched)?;
                // An empty version is none, so that it can't be a precondition by accident.
                if value::text(&new, &["metadata", "resourceVersion"]).is_empty() {
                    value::remove(&mut new, &["metadata"], "resourceVersion");
                }
                new
            }
        };
        self.change(target, part, &live, new, Written::update(&call.manager, part.subresource()), call)
    }

    /// Server-side apply: makes the object, or changes the fields that the body names and takes away those that this
    /// manager applied before and no longer names. Also gives whether the object was made.
    pub fn apply(
        &mut self,
        target: &Target,
        part: Part,
        apply: &Apply,
        call: &Call,
    ) -> Result<(Arc<Value>, bool), Refusal> {
        if part == Part::Scale {
            return Err(Refusal::unsupported_media_type(&Patch::MEDIA_TYPES));
        }
        let mut config = typed(target.kind, apply.config.clone())?;
        if value::at(&config, &["metadata", "managedFields"]).is_some() {
            return Err(Refusal::bad_request("metadata.managedFields must be nil"));
        }
        named(target, &mut config)?;
        let written = Written::apply(&call.manager, part.subresource());
        if !self.objects.contains_key(&target.key()) {
            if part != Part::Whole {
                return Err(Refusal::not_found(target.kind, &target.name));
            }
            let version = value::text(&config, &["metadata", "resourceVersion"]).to_owned();
            if !matches!(version.as_str(), "" | "0") {
                return Err(Refusal::modified(target.kind, &target.name));
            }
            value::remove(&mut config, &["metadata"], "resourceVersion");
            let nothing = Value::Object(serde_json::Map::new());
            let config =
                ownership::applied(&nothing, config, written, &target.kind.api_version(), call.now, false)?;
            let object = self.prepared(target.kind, &target.namespace, config)?;
            return Ok((self.create_prepared(target.kind, object, call, written)?, true));
        }
        let live = self.live(target)?;
        let merged =
            ownership::applied(&live, config, written, &target.kind.api_version(), call.now, apply.force)?;
        Ok((self.change(target, part, &live, merged, written, call)?, false))
    }

    fn live(&self, target: &Target) -> Result<Arc<Value>, Refusal> {
        let object = self.objects.get(&target.key());
        object.cloned().ok_or_else(|| Refusal::not_found(target.kind, &target.name))
    }

    fn change(
        &mut self,
        target: &Target,
        part: Part,
        live: &Arc<Value>,
        mut new: Value,
        written: Written<'_>,
        call: &Call,
    ) -> Result<Arc<Value>, Refusal> {
        let Target { kind, name, .. } = target;
        named(target, &mut new)?;
        precondition(kind, name, live, &new)?;
        value::without_nulls(&mut new);
        isolate(kind, part, live, &mut new);
        defaults::of_changed(kind, &mut new);
        self.admit(&Review { target, part, manager: &call.manager, old: Some(live) }, &mut new)?;
        ownership::written(Some(live), &mut new, written, &kind.api_version(), call.now);
        let mut causes = identity_causes(live, &new);
        causes.extend(validation::of_changed(kind, part, live, &new));
        if !causes.is_empty() {
            return Err(Refusal::invalid(kind, name, &causes));
        }
        let show = |object: &Arc<Value>| match part {
            Part::Scale => shown_part(part, object),
            Part::Whole | Part::Status => event_forms::shown(kind, object),
        };
        if new == **live {
            return Ok(show(live));
        }
        if kind.has_generation && new.get("spec") != live.get("spec") {
            let generation = value::of(live, &["metadata", "generation"]).as_u64().unwrap_or(0) + 1;
            value::set(&mut new, &["metadata"], "generation", generation);
        }
        if call.dry_run {
            return Ok(show(&Arc::new(new)));
        }
        let kept = self.keep(target.key(), new);
        // The last finalizer of an object that is to be deleted is gone.
        if is_let_go(live) && value::items(&kept, &["metadata", "finalizers"]).is_empty() {
            self.drop_object(target.key());
        }
        Ok(show(&kept))
    }
}

/// Whether nothing but finalizers holds the object: it is deleted and has no grace left.
fn is_let_go(object: &Value) -> bool {
    let metadata = &object["metadata"];
    metadata["deletionTimestamp"].is_string()
        && metadata["deletionGracePeriodSeconds"].as_i64().unwrap_or(0) == 0
}

/// The body is about the object of the request: what it doesn't say is filled in, what it says has to be right.
fn named(target: &Target, object: &mut Value) -> Result<(), Refusal> {
    let name = value::text(object, &["metadata", "name"]);
    if !name.is_empty() && name != target.name {
        return Err(Refusal::bad_request(format!(
            "the name of the object ({name}) does not match the name on the URL ({})",
            target.name
        )));
    }
    let namespace = value::text(object, &["metadata", "namespace"]);
    if !namespace.is_empty() && namespace != target.namespace {
        let why = "the namespace of the provided object does not match the namespace sent on the request";
        return Err(Refusal::bad_request(why));
    }
    value::set(object, &["metadata"], "name", target.name.as_str());
    if target.kind.namespaced {
        value::set(object, &["metadata"], "namespace", target.namespace.as_str());
    }
    Ok(())
}

fn precondition(kind: &Kind, name: &str, live: &Value, new: &Value) -> Result<(), Refusal> {
    let wanted = value::text(new, &["metadata", "resourceVersion"]);
    if wanted.is_empty() {
        // A Lease is how processes agree on who leads: it is never replaced unread.
        if kind.plural == "leases" {
            let causes =
                [Cause::invalid("metadata.resourceVersion", &0.into(), "must be specified for an update")];
            return Err(Refusal::invalid(kind, name, &causes));
        }
        return Ok(());
    }
    if wanted == value::text(live, &["metadata", "resourceVersion"]) {
        return Ok(());
    }
    Err(Refusal::modified(kind, name))
}

/// What this write may not touch stays as it is: the status in writes of the whole, the spec in writes of the status,
/// and always what only the API server writes.
fn isolate(kind: &Kind, part: Part, live: &Value, new: &mut Value) {
    let mut keep = |path: &[&str], field: &str| {
        let live = value::at(live, path).and_then(|parent| parent.get(field)).cloned();
        value::put(new, path, field, live);
    };
    for field in KEPT {
        keep(&["metadata"], field);
    }
    keep(&["metadata"], "resourceVersion");
    match part {
        Part::Whole | Part::Scale if kind.has("status") => keep(&[], "status"),
        Part::Whole | Part::Scale => {}
        Part::Status => keep(&[], "spec"),
    }
    value::default(new, &["metadata"], "uid", value::of(live, &["metadata", "uid"]).clone());
    if value::at(new, &["metadata", "managedFields"]).is_none() {
        let managed = value::items(live, &["metadata", "managedFields"]).to_vec();
        value::set(new, &["metadata"], "managedFields", managed);
    }
}

/// An object is the same one for its whole life.
fn identity_causes(live: &Value, new: &Value) -> Vec<Cause> {
    let uid = value::of(new, &["metadata", "uid"]);
    if *uid == *value::of(live, &["metadata", "uid"]) {
        return Vec::new();
    }
    vec![Cause::invalid("metadata.uid", uid, "field is immutable")]
}
