//! Answers: objects, statuses, text; and in which form a client wants an object.

use axum::body::Body;
use http::{HeaderMap, Response, header};
use serde_json::Value;

use crate::refusal::Refusal;

/// How an object or a list is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// As it is.
    Whole,
    /// Its metadata.
    Metadata,
    /// As rows of a table.
    Table,
}

/// The first form in the `Accept` header that can be given.
pub fn wanted(headers: &HeaderMap) -> Result<Form, Refusal> {
    let accept = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or("*/*");
    accept.split(',').find_map(form).ok_or_else(Refusal::not_acceptable)
}

fn form(media_type: &str) -> Option<Form> {
    let mut parts = media_type.split(';').map(str::trim);
    if !matches!(parts.next()?, "application/json" | "application/*" | "*/*" | "") {
        return None;
    }
    let parts: Vec<_> = parts.collect();
    match parts.iter().find_map(|part| part.strip_prefix("as=")) {
        None => Some(Form::Whole),
        Some(_) if !parts.contains(&"v=v1") => None,
        Some("Table") => Some(Form::Table),
        Some("PartialObjectMetadata" | "PartialObjectMetadataList") => Some(Form::Metadata),
        Some(_) => None,
    }
}

/// JSON with a status.
pub fn json(code: u16, value: &Value) -> Response<Body> {
    typed(code, "application/json", value.to_string().into())
}

/// Plain text.
pub fn text(text: impl Into<Body>) -> Response<Body> {
    typed(200, "text/plain", text.into())
}

/// A `Status`.
pub fn refused(refusal: &Refusal) -> Response<Body> {
    let mut response = json(refusal.code, &refusal.status());
    if let Some(seconds) = refusal.details.get("retryAfterSeconds").and_then(Value::as_u64) {
        response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
    }
    response
}

/// A body of this media type.
pub fn typed(code: u16, media_type: &'static str, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() =
        http::StatusCode::from_u16(code).unwrap_or(http::StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static(media_type));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(accept: &'static str) -> Result<Form, u16> {
        let headers = HeaderMap::from_iter([(header::ACCEPT, header::HeaderValue::from_static(accept))]);
        wanted(&headers).map_err(|refusal| refusal.code)
    }

    #[test]
    fn the_first_form_that_can_be_given_is_given() {
        let kubectl = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json";
        assert_eq!(of(kubectl), Ok(Form::Table));
        assert_eq!(
            of("application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"),
            Ok(Form::Metadata)
        );
        assert_eq!(of("application/vnd.kubernetes.protobuf, application/json"), Ok(Form::Whole));
        assert_eq!(of("application/vnd.kubernetes.protobuf"), Err(406));
    }
}
