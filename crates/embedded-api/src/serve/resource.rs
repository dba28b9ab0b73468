//! Requests about objects.

use axum::body::{Body, Bytes};
use http::{HeaderMap, Response, header};
use serde_json::Value;

use super::{ApiServer, USER, answer, answer::Form, params::Params, route::Place, table};
use crate::{
    kinds::Verb,
    refusal::{Cause, Refusal},
    store::{Apply, Call, DeleteOptions, Page, Part, Patch, Propagation, Store, Target},
    value,
};

/// A request about objects.
pub struct Request<'a> {
    /// Which.
    pub place: &'a Place,
    /// What to do.
    pub verb: Verb,
    /// How.
    pub params: &'a Params,
    /// Its headers.
    pub headers: &'a HeaderMap,
    /// A read shows the state of so many changes ago.
    pub behind: u64,
}

impl Request<'_> {
    fn target(&self) -> Target {
        let namespace = self.place.namespace.as_deref().unwrap_or_default();
        Target::new(self.place.kind, namespace, self.place.name.as_deref().unwrap_or_default())
    }

    fn part(&self) -> Part {
        match self.place.subresource.as_deref() {
            Some("status") => Part::Status,
            Some("scale") => Part::Scale,
            _ => Part::Whole,
        }
    }

    fn media_type(&self) -> &str {
        let content = self.headers.get(header::CONTENT_TYPE).and_then(|content| content.to_str().ok());
        content.and_then(|content| content.split(';').next()).unwrap_or_default().trim()
    }

    /// Who writes: the manager that is named, or the first word of the program's own name.
    fn call(&self, server: &ApiServer) -> Result<Call, Refusal> {
        let agent = self.headers.get(header::USER_AGENT).and_then(|agent| agent.to_str().ok());
        let agent = agent.and_then(|agent| agent.split('/').next()).filter(|agent| !agent.is_empty());
        let manager = self.params.text("fieldManager").or(agent).unwrap_or("unknown");
        Ok(Call { dry_run: self.params.dry_run()?, ..Call::new(manager, server.now()) })
    }

    /// The body as JSON, of a media type that is read.
    fn json(&self, body: &Bytes) -> Result<Value, Refusal> {
        if !matches!(self.media_type(), "" | "application/json") {
            return Err(Refusal::unsupported_media_type(&["application/json"]));
        }
        parsed(body)
    }
}

fn parsed(body: &Bytes) -> Result<Value, Refusal> {
    serde_json::from_slice(body)
        .map_err(|error| Refusal::bad_request(format!("the body is no JSON: {error}")))
}

impl ApiServer {
    /// Answers a request about objects.
    pub(super) fn resource(&self, request: &Request<'_>, body: &Bytes) -> Result<Response<Body>, Refusal> {
        let form = answer::wanted(request.headers)?;
        match request.verb {
            Verb::Get if request.place.subresource.as_deref() == Some("log") => {
                self.log(request.place, request.params)
            }
            Verb::Get => self.get(request, form),
            Verb::List => self.list(request, form),
            Verb::Watch => self.watch(request, form),
            Verb::Create => self.create(request, body, form),
            Verb::Update => {
                let call = request.call(self)?;
                let body = request.json(body)?;
                let object =
                    self.store(|store| store.replace(&request.target(), request.part(), body, &call))?;
                Ok(self.shown(200, request, &object, form))
            }
            Verb::Patch => self.patch(request, body, form),
            Verb::Delete => self.delete(request, body),
            Verb::DeleteCollection => self.delete_all(request, body),
        }
    }

    fn shown(&self, code: u16, request: &Request<'_>, object: &Value, form: Form) -> Response<Body> {
        // A part of an object has no columns.
        let form = if request.part() == Part::Scale { Form::Whole } else { form };
        answer::json(code, &table::object(request.place.kind, object, form, request.params, self.now()))
    }

    fn get(&self, request: &Request<'_>, form: Form) -> Result<Response<Body>, Refusal> {
        let target = request.target();
        let object = self.read(|store| match request.behind {
            0 => store.get_part(&target, request.part()),
            behind => {
                let page = Page { version: Some(earlier(store, behind)), ..Page::default() };
                let query = request.params.query(target.kind, request.place.namespace.as_deref())?;
                let mut then = store.list(&query, &page)?.items.into_iter();
                let found = then.find(|object| value::text(object, &["metadata", "name"]) == target.name);
                found.ok_or_else(|| Refusal::not_found(target.kind, &target.name))
            }
        })?;
        Ok(self.shown(200, request, &object, form))
    }

    fn list(&self, request: &Request<'_>, form: Form) -> Result<Response<Body>, Refusal> {
        let query = request.params.query(request.place.kind, request.place.namespace.as_deref())?;
        let mut page = request.params.page()?;
        let list = self.read(|store| {
            if request.behind > 0 {
                page.version = Some(earlier(store, request.behind));
            }
            store.list(&query, &page)
        })?;
        Ok(answer::json(200, &table::list(query.kind, &list, form, request.params, self.now())))
    }

    fn create(&self, request: &Request<'_>, body: &Bytes, form: Form) -> Result<Response<Body>, Refusal> {
        let (call, body, kind) = (request.call(self)?, request.json(body)?, request.place.kind);
        if kind.is_question() {
            return Ok(answer::json(201, &Store::answer(kind, body, USER)?));
        }
        let namespace = request.place.namespace.as_deref().unwrap_or_default();
        let object = self.store(|store| store.create(kind, namespace, body, &call))?;
        Ok(self.shown(201, request, &object, form))
    }

    fn patch(&self, request: &Request<'_>, body: &Bytes, form: Form) -> Result<Response<Body>, Refusal> {
        let call = request.call(self)?;
        let (target, part) = (request.target(), request.part());
        let media_type = request.media_type();
        if media_type == "application/apply-patch+yaml" {
            if request.params.text("fieldManager").is_none() {
                return Err(option("fieldManager", Cause::required, "is required for apply patch"));
            }
            // JSON is YAML, and what clients send.
            let apply = Apply { config: parsed(body)?, force: request.params.is("force") };
            let (object, is_new) = self.store(|store| store.apply(&target, part, &apply, &call))?;
            return Ok(self.shown(if is_new { 201 } else { 200 }, request, &object, form));
        }
        if request.params.text("force").is_some() {
            return Err(option("force", Cause::forbidden, "may not be specified for non-apply patch"));
        }
        let patch = match media_type {
            "application/json-patch+json" => {
                let patch = serde_json::from_slice(body);
                Patch::Json(
                    patch.map_err(|error| Refusal::bad_request(format!("error decoding patch: {error}")))?,
                )
            }
            "application/merge-patch+json" => Patch::Merge(parsed(body)?),
            "application/strategic-merge-patch+json" => Patch::Strategic(parsed(body)?),
            _ => return Err(Refusal::unsupported_media_type(&Patch::MEDIA_TYPES)),
        };
        let object = self.store(|store| store.patch(&target, part, &patch, &call))?;
        Ok(self.shown(200, request, &object, form))
    }

    fn delete(&self, request: &Request<'_>, body: &Bytes) -> Result<Response<Body>, Refusal> {
        let (options, call) = self.deletion(request, body)?;
        let target = request.target();
        let deleted = self.store(|store| store.delete(&target, &options, &call))?;
        // Some kinds answer with what was deleted, the others that it is done.
        let tells =
            matches!(target.kind.plural, "pods" | "services" | "persistentvolumeclaims" | "serviceaccounts");
        if !deleted.gone || tells {
            return Ok(answer::json(200, &deleted.object));
        }
        let details = serde_json::json!({
            "name": target.name, "group": target.kind.group, "kind": target.kind.plural,
            "uid": value::of(&deleted.object, &["metadata", "uid"]),
        });
        let status = serde_json::json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details,
        });
        Ok(answer::json(200, &status))
    }

    fn delete_all(&self, request: &Request<'_>, body: &Bytes) -> Result<Response<Body>, Refusal> {
        let (options, call) = self.deletion(request, body)?;
        let query = request.params.query(request.place.kind, request.place.namespace.as_deref())?;
        let list = self.store(|store| {
            let list = store.list(&query, &Page::default())?;
            store.delete_all(&query, &options, &call)?;
            Ok(list)
        })?;
        Ok(answer::json(200, &table::list(query.kind, &list, Form::Whole, request.params, self.now())))
    }

    /// How to delete: the body says it, or the parameters.
    fn deletion(&self, request: &Request<'_>, body: &Bytes) -> Result<(DeleteOptions, Call), Refusal> {
        let said = if body.is_empty() { Value::Null } else { request.json(body)? };
        let mut call = request.call(self)?;
        call.dry_run |= !value::items(&said, &["dryRun"]).is_empty();
        let text = |path: &[&str]| Some(value::text(&said, path).to_owned()).filter(|text| !text.is_empty());
        let grace = request.params.number("gracePeriodSeconds")?.and_then(|grace| i64::try_from(grace).ok());
        let propagation = text(&["propagationPolicy"]);
        let propagation = propagation.as_deref().or(request.params.text("propagationPolicy"));
        let orphans =
            *value::of(&said, &["orphanDependents"]) == true || request.params.is("orphanDependents");
        let options = DeleteOptions {
            uid: text(&["preconditions", "uid"]),
            version: text(&["preconditions", "resourceVersion"]),
            grace_seconds: value::of(&said, &["gracePeriodSeconds"]).as_i64().or(grace),
            propagation: match propagation {
                Some("Orphan") => Propagation::Orphan,
                Some("Foreground") => Propagation::Foreground,
                None if orphans => Propagation::Orphan,
                None | Some("Background") => Propagation::Background,
                Some(other) => {
                    let supported = ["Foreground", "Background", "Orphan"];
                    let cause = Cause::unsupported("propagationPolicy", &other.into(), &supported);
                    return Err(Refusal::invalid_of("meta.k8s.io", "DeleteOptions", "", &[cause]));
                }
            },
        };
        Ok((options, call))
    }
}

fn earlier(store: &Store, behind: u64) -> u64 {
    store.version().saturating_sub(behind).max(1)
}

fn option(field: &str, cause: impl Fn(String, &str) -> Cause, why: &str) -> Refusal {
    Refusal::invalid_of("meta.k8s.io", "PatchOptions", "", &[cause(field.to_owned(), why)])
}
