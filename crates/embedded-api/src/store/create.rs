//! Making objects.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{
    Call, Store, Target, admission::Review, defaults, event_forms, ownership, scale, validation, written,
};
use crate::{
    kinds::{self, Kind},
    refusal::{Cause, Refusal},
    value,
};

/// What only the API server writes.
const SERVERS_OWN: [&str; 6] =
    ["uid", "creationTimestamp", "generation", "deletionTimestamp", "deletionGracePeriodSeconds", "selfLink"];

impl Store {
    /// Makes an object in a namespace; its name is in the body, or is generated from `metadata.generateName`.
    pub fn create(
        &mut self,
        kind: &'static Kind,
        namespace: &str,
        body: Value,
        call: &Call,
    ) -> Result<Arc<Value>, Refusal> {
        let object = self.prepared(kind, namespace, body)?;
        self.create_prepared(kind, object, call, ownership::Written::update(&call.manager, None))
    }

    /// Makes an object of a body that was checked by [`Store::prepared`].
    pub(super) fn create_prepared(
        &mut self,
        kind: &'static Kind,
        mut object: Value,
        call: &Call,
        written_by: ownership::Written<'_>,
    ) -> Result<Arc<Value>, Refusal> {
        let target = Target::new(
            kind,
            value::text(&object, &["metadata", "namespace"]),
            value::text(&object, &["metadata", "name"]),
        );
        self.namespace_takes(&target)?;
        for field in SERVERS_OWN {
            value::remove(&mut object, &["metadata"], field);
        }
        // Kinds whose status is written apart begin without one.
        if kind.has("status") {
            value::remove(&mut object, &[], "status");
        }
        value::without_nulls(&mut object);
        defaults::of_new(kind, &mut object, |object| self.allocated(kind, object));
        let review = Review { target: &target, part: super::Part::Whole, manager: &call.manager, old: None };
        self.admit(&review, &mut object)?;
        ownership::written(None, &mut object, written_by, &kind.api_version(), call.now);
        let causes = validation::of_new(kind, &object);
        if !causes.is_empty() {
            return Err(Refusal::invalid(kind, &target.name, &causes));
        }
        let key = target.key();
        if self.objects.contains_key(&key) {
            return Err(Refusal::already_exists(kind, &target.name));
        }
        value::set(&mut object, &["metadata"], "uid", self.names.uid());
        value::set(&mut object, &["metadata"], "creationTimestamp", written(call.now));
        if kind.has_generation {
            value::set(&mut object, &["metadata"], "generation", 1);
        }
        if call.dry_run {
            return Ok(event_forms::shown(kind, &Arc::new(object)));
        }
        Ok(event_forms::shown(kind, &self.keep(key, object)))
    }

    /// The body as an object of this kind at this place, with a name.
    pub(super) fn prepared(
        &mut self,
        kind: &'static Kind,
        namespace: &str,
        body: Value,
    ) -> Result<Value, Refusal> {
        let mut object = typed(kind, body)?;
        if value::at(&object, &["metadata", "resourceVersion"]).is_some_and(|version| version != "") {
            return Err(Refusal::bad_request("resourceVersion should not be set on objects to be created"));
        }
        in_namespace(kind, &mut object, namespace)?;
        let base = value::text(&object, &["metadata", "generateName"]).to_owned();
        if value::text(&object, &["metadata", "name"]).is_empty() {
            if base.is_empty() {
                let causes = [Cause::required("metadata.name", "name or generateName is required")];
                return Err(Refusal::invalid(kind, "", &causes));
            }
            let name = self.names.name(&base);
            value::set(&mut object, &["metadata"], "name", name);
        }
        Ok(object)
    }

    /// An object needs a namespace that is there to stay.
    fn namespace_takes(&self, target: &Target) -> Result<(), Refusal> {
        if !target.kind.namespaced {
            return Ok(());
        }
        let namespace = self.get(&Target::new(kinds::NAMESPACE, "", &target.namespace))?;
        if value::text(&namespace, &["status", "phase"]) == "Terminating" {
            let why = format!(
                "unable to create new content in namespace {} because it is being terminated",
                target.namespace
            );
            return Err(Refusal::forbidden(target.kind, &target.name, &why));
        }
        Ok(())
    }

    /// Gives out what a cluster has to give: addresses of Services.
    fn allocated(&self, kind: &'static Kind, object: &mut Value) {
        if kind != kinds::SERVICE || value::text(object, &["spec", "type"]) == "ExternalName" {
            return;
        }
        if value::text(object, &["spec", "clusterIP"]).is_empty() {
            let number = self.version % 65_000 + 10;
            value::set(
                object,
                &["spec"],
                "clusterIP",
                format!("10.96.{}.{}", number / 250, number % 250 + 1),
            );
        }
        let address = value::text(object, &["spec", "clusterIP"]).to_owned();
        value::default(object, &["spec"], "clusterIPs", json!([address]));
    }

    /// Makes what is only asked and not kept: reviews. Everybody may do everything.
    pub fn answer(kind: &'static Kind, body: Value, user: &str) -> Result<Value, Refusal> {
        let mut object = typed(kind, body)?;
        value::default(&mut object, &[], "metadata", json!({}));
        let status = if kind == kinds::SELF_SUBJECT_REVIEW {
            json!({ "userInfo": { "username": user, "groups": ["system:masters", "system:authenticated"] } })
        } else {
            json!({ "allowed": true, "reason": "the embedded cluster has no rights to check" })
        };
        value::set(&mut object, &[], "status", status);
        Ok(object)
    }
}

/// The body as an object of this kind, in the form in which it is kept.
pub fn typed(kind: &'static Kind, mut body: Value) -> Result<Value, Refusal> {
    if !body.is_object() {
        return Err(Refusal::bad_request("the object provided is unrecognized: it is no JSON object"));
    }
    let (version, named) = (value::text(&body, &["apiVersion"]), value::text(&body, &["kind"]));
    let wanted = kind.api_version();
    if (!version.is_empty() && version != wanted) || (!named.is_empty() && named != kind.kind) {
        return Err(Refusal::bad_request(format!(
            "the API version in the data ({version}, Kind={named}) does not match the expected API version ({wanted}, Kind={})",
            kind.kind
        )));
    }
    value::set(&mut body, &[], "apiVersion", wanted);
    value::set(&mut body, &[], "kind", kind.kind);
    Ok(event_forms::kept(kind, body))
}

/// Puts the object in the namespace of the request, or refuses another.
fn in_namespace(kind: &Kind, object: &mut Value, namespace: &str) -> Result<(), Refusal> {
    if !kind.namespaced {
        value::remove(object, &["metadata"], "namespace");
        return Ok(());
    }
    let own = value::text(object, &["metadata", "namespace"]);
    if !own.is_empty() && own != namespace {
        let why = "the namespace of the provided object does not match the namespace sent on the request";
        return Err(Refusal::bad_request(why));
    }
    value::set(object, &["metadata"], "namespace", namespace);
    Ok(())
}

/// The part of an object that `scale` shows; see [`scale`].
pub(super) fn shown_part(part: super::Part, object: &Arc<Value>) -> Arc<Value> {
    match part {
        super::Part::Scale => Arc::new(scale::of(object)),
        super::Part::Whole | super::Part::Status => object.clone(),
    }
}
