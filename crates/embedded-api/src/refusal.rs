//! What the API server answers instead of an object: a `Status`, in Kubernetes' words.

use serde_json::{Map, Value, json};

use crate::kinds::Kind;

/// A failure as Kubernetes tells it.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{message}")]
pub struct Refusal {
    /// The HTTP status.
    pub code: u16,
    /// `metav1.StatusReason`.
    pub reason: &'static str,
    /// For people.
    pub message: String,
    /// `metav1.StatusDetails`; empty for none.
    pub details: Map<String, Value>,
}

/// One thing that is wrong with an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cause {
    /// `FieldValueInvalid` and so on.
    pub reason: &'static str,
    /// Where, as `spec.replicas`.
    pub field: String,
    /// What, without the field.
    pub message: String,
}

impl Cause {
    /// The value isn't one that the field can have.
    pub fn invalid(field: impl Into<String>, value: &Value, why: &str) -> Self {
        Self {
            reason: "FieldValueInvalid",
            field: field.into(),
            message: format!("Invalid value: {value}: {why}"),
        }
    }

    /// The field has to be there.
    pub fn required(field: impl Into<String>, why: &str) -> Self {
        let message =
            if why.is_empty() { "Required value".to_owned() } else { format!("Required value: {why}") };
        Self { reason: "FieldValueRequired", field: field.into(), message }
    }

    /// The change isn't allowed.
    pub fn forbidden(field: impl Into<String>, why: &str) -> Self {
        Self { reason: "FieldValueForbidden", field: field.into(), message: format!("Forbidden: {why}") }
    }

    /// The value isn't one of a few.
    pub fn unsupported(field: impl Into<String>, value: &Value, supported: &[&str]) -> Self {
        let supported: Vec<_> = supported.iter().map(|value| format!("{value:?}")).collect();
        let message = format!("Unsupported value: {value}: supported values: {}", supported.join(", "));
        Self { reason: "FieldValueNotSupported", field: field.into(), message }
    }
}

impl Refusal {
    fn new(code: u16, reason: &'static str, message: String) -> Self {
        Self { code, reason, message, details: Map::new() }
    }

    fn about(mut self, group: &str, kind: &str, name: &str) -> Self {
        let told = [("group", group), ("kind", kind), ("name", name)];
        let told = told.into_iter().filter(|(_, value)| !value.is_empty());
        self.details.extend(told.map(|(field, value)| (field.to_owned(), value.into())));
        self
    }

    /// 404: there is no such object.
    pub fn not_found(kind: &Kind, name: &str) -> Self {
        Self::new(404, "NotFound", format!("{} \"{name}\" not found", kind.resource)).about(
            kind.group,
            kind.plural,
            name,
        )
    }

    /// 404: there is no such path.
    pub fn no_resource() -> Self {
        Self::new(404, "NotFound", "the server could not find the requested resource".into())
    }

    /// 405: the path is there, the verb isn't.
    pub fn no_method() -> Self {
        let message = "the server does not allow this method on the requested resource";
        Self::new(405, "MethodNotAllowed", message.into())
    }

    /// 409: the name is taken.
    pub fn already_exists(kind: &Kind, name: &str) -> Self {
        Self::new(409, "AlreadyExists", format!("{} \"{name}\" already exists", kind.resource)).about(
            kind.group,
            kind.plural,
            name,
        )
    }

    /// 409: a precondition doesn't hold.
    pub fn conflict(kind: &Kind, name: &str, why: &str) -> Self {
        let message = format!("Operation cannot be fulfilled on {} \"{name}\": {why}", kind.resource);
        Self::new(409, "Conflict", message).about(kind.group, kind.plural, name)
    }

    /// 409: the object isn't the version that was read.
    pub fn modified(kind: &Kind, name: &str) -> Self {
        let why =
            "the object has been modified; please apply your changes to the latest version and try again";
        Self::conflict(kind, name, why)
    }

    /// 409: a precondition of a deletion doesn't hold; told of the kind, not of the resource.
    pub fn stale_delete(kind: &Kind, name: &str, why: &str) -> Self {
        let message = format!("Operation cannot be fulfilled on {} \"{name}\": {why}", kind.qualified_kind());
        Self::new(409, "Conflict", message).about(kind.group, kind.kind, name)
    }

    /// 409: fields are managed by others; `conflicts` are manager and path.
    pub fn apply_conflict(conflicts: &[(String, String)]) -> Self {
        let causes = conflicts.iter().map(|(manager, path)| {
            json!({ "reason": "FieldManagerConflict", "message": format!("conflict with {manager}"), "field": path })
        });
        let causes: Vec<_> = causes.collect();
        let message = match conflicts {
            [(manager, path)] => format!("Apply failed with 1 conflict: conflict with {manager}: {path}"),
            several => {
                let mut managers: Vec<_> = several.iter().map(|(manager, _)| manager).collect();
                managers.sort();
                managers.dedup();
                let told = managers.into_iter().map(|manager| {
                    let paths =
                        several.iter().filter(|(of, _)| of == manager).map(|(_, path)| format!("\n- {path}"));
                    format!("conflicts with {manager}:{}", paths.collect::<String>())
                });
                let told: Vec<_> = told.collect();
                format!("Apply failed with {} conflicts: {}", several.len(), told.join("\n"))
            }
        };
        let mut refusal = Self::new(409, "Conflict", message);
        refusal.details.insert("causes".into(), causes.into());
        refusal
    }

    /// 422: the object can't be so.
    pub fn invalid(kind: &Kind, name: &str, causes: &[Cause]) -> Self {
        Self::invalid_of(kind.group, kind.kind, name, causes)
    }

    /// 422 about something that is no kind of the table, such as `PatchOptions`.
    pub fn invalid_of(group: &str, kind: &str, name: &str, causes: &[Cause]) -> Self {
        let told: Vec<_> = causes.iter().map(|cause| format!("{}: {}", cause.field, cause.message)).collect();
        let told = match told.as_slice() {
            [one] => one.clone(),
            several => format!("[{}]", several.join(", ")),
        };
        let qualified = if group.is_empty() { kind.to_owned() } else { format!("{kind}.{group}") };
        let mut refusal = Self::new(422, "Invalid", format!("{qualified} \"{name}\" is invalid: {told}"))
            .about(group, kind, name);
        let causes = causes.iter().map(|Cause { reason, field, message }| {
            json!({ "reason": reason, "message": message, "field": field })
        });
        refusal.details.insert("causes".into(), causes.collect());
        refusal
    }

    /// 422: a JSON patch whose test or path doesn't hold.
    pub fn unprocessable() -> Self {
        let message = "the server rejected our request due to an error in our request";
        Self::new(422, "Invalid", message.into())
    }

    /// 400: the request can't be understood.
    pub fn bad_request(why: impl Into<String>) -> Self {
        Self::new(400, "BadRequest", why.into())
    }

    /// 403.
    pub fn forbidden(kind: &Kind, name: &str, why: &str) -> Self {
        Self::new(403, "Forbidden", format!("{} \"{name}\" is forbidden: {why}", kind.resource)).about(
            kind.group,
            kind.plural,
            name,
        )
    }

    /// 406: nothing that the client accepts can be answered.
    pub fn not_acceptable() -> Self {
        let message = "only the following media types are accepted: application/json";
        Self::new(406, "NotAcceptable", message.into())
    }

    /// 410: the version or page asked for is no longer kept.
    pub fn expired(why: impl Into<String>) -> Self {
        Self::new(410, "Expired", why.into())
    }

    /// 415: the body is of a kind that isn't read.
    pub fn unsupported_media_type(accepted: &[&str]) -> Self {
        let message = format!(
            "the body of the request was in an unknown format - accepted media types include: {}",
            accepted.join(", ")
        );
        Self::new(415, "UnsupportedMediaType", message)
    }

    /// What an overloaded, late or broken API server answers with this code; others than Kubernetes gives are 500.
    pub fn of_code(code: u16) -> Self {
        let (code, reason, message) = match code {
            409 => (409, "Conflict", "the server reported a conflict"),
            410 => (410, "Expired", "The resourceVersion for the provided watch is too old."),
            429 => {
                let message = "the server has received too many requests and has asked us to try again later";
                let mut refusal = Self::new(429, "TooManyRequests", message.into());
                refusal.details.insert("retryAfterSeconds".into(), 1.into());
                return refusal;
            }
            403 => (403, "Forbidden", "forbidden"),
            404 => (404, "NotFound", "the server could not find the requested resource"),
            503 => (503, "ServiceUnavailable", "the server is currently unable to handle the request"),
            504 => {
                let message = "the server was unable to return a response in the time allotted, but may still be processing the request";
                (504, "Timeout", message)
            }
            _ => (500, "InternalError", "Internal error occurred: etcdserver: request timed out"),
        };
        Self::new(code, reason, message.into())
    }

    /// The `Status` object that is sent.
    pub fn status(&self) -> Value {
        let mut status = json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": self.message, "reason": self.reason, "code": self.code,
        });
        if !self.details.is_empty() {
            crate::value::set(&mut status, &[], "details", self.details.clone());
        }
        status
    }
}
