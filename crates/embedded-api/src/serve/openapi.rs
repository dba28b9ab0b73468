//! As much of the schemas as kubectl needs to apply: that fields are checked here, and not what they are. kubectl
//! knows the built-in kinds itself.

use axum::body::Body;
use http::Response;
use serde_json::{Map, Value, json};

use super::answer;
use crate::{
    kinds::{self, Kind, Verb},
    refusal::Refusal,
};

/// `/openapi/v2`: an empty document, which in the protobuf form that kubectl reads is no byte at all.
pub fn second() -> Response<Body> {
    answer::typed(200, "application/com.github.proto-openapi.spec.v2.v1.0+protobuf", Body::empty())
}

/// `/openapi/v3`: which documents there are.
pub fn index() -> Response<Body> {
    let paths = kinds::all().map(|kind| {
        let path =
            if kind.group.is_empty() { "api/v1".to_owned() } else { format!("apis/{}", kind.api_version()) };
        let address = json!({ "serverRelativeURL": format!("/openapi/v3/{path}") });
        (path, address)
    });
    answer::json(200, &json!({ "paths": paths.collect::<Map<_, _>>() }))
}

/// The document of one group and version.
pub fn of(group: &str, version: &str) -> Result<Response<Body>, Refusal> {
    let kinds: Vec<_> = kinds::all().filter(|kind| kind.group == group && kind.version == version).collect();
    if kinds.is_empty() {
        return Err(Refusal::no_resource());
    }
    let paths: Map<_, _> =
        kinds.into_iter().filter(|kind| kind.verbs.contains(&Verb::Patch)).map(patch_path).collect();
    let info = json!({ "title": "Kubernetes", "version": "unversioned" });
    Ok(answer::json(
        200,
        &json!({ "openapi": "3.0.0", "info": info, "paths": paths, "components": { "schemas": {} } }),
    ))
}

/// The path of a kind's objects, with the parameters that a patch takes.
fn patch_path(kind: &Kind) -> (String, Value) {
    let root =
        if kind.group.is_empty() { "/api/v1".to_owned() } else { format!("/apis/{}", kind.api_version()) };
    let namespace = if kind.namespaced { "/namespaces/{namespace}" } else { "" };
    let parameters = ["dryRun", "fieldManager", "fieldValidation", "force"];
    let parameters =
        parameters.map(|name| json!({ "name": name, "in": "query", "schema": { "type": "string" } }));
    let patch = json!({
        "parameters": parameters,
        "requestBody": { "content": { "application/apply-patch+yaml": { "schema": { "type": "object" } } } },
        "responses": { "200": { "description": "OK" } },
        "x-kubernetes-action": "patch",
        "x-kubernetes-group-version-kind": { "group": kind.group, "version": kind.version, "kind": kind.kind },
    });
    (format!("{root}{namespace}/{}/{{name}}", kind.plural), json!({ "patch": patch }))
}
