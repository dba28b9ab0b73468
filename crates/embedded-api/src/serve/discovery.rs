//! What is served, told to clients: versions, groups, resources.

use axum::body::Body;
use http::{HeaderMap, Response, header};
use serde_json::{Value, json};

use super::answer;
use crate::{
    kinds::{self, Kind, Verb},
    refusal::Refusal,
};

/// The release whose behaviour is modelled.
const RELEASE: &str = "v1.35.4";
const AGGREGATED: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";

/// `/version`.
pub fn version() -> Value {
    json!({ "major": "1", "minor": "35", "gitVersion": format!("{RELEASE}+embedded"), "platform": "embedded" })
}

/// `/api`.
pub fn core(headers: &HeaderMap) -> Response<Body> {
    if wants_aggregated(headers) {
        return aggregated(&[""]);
    }
    answer::json(200, &json!({ "kind": "APIVersions", "versions": ["v1"] }))
}

/// `/apis`.
pub fn groups(headers: &HeaderMap) -> Response<Body> {
    let groups = named();
    if wants_aggregated(headers) {
        return aggregated(&groups);
    }
    let groups: Vec<_> = groups.into_iter().map(about).collect();
    answer::json(200, &json!({ "kind": "APIGroupList", "apiVersion": "v1", "groups": groups }))
}

/// `/apis/GROUP`.
pub fn group(group: &str) -> Result<Response<Body>, Refusal> {
    let group = named().into_iter().find(|named| *named == group).ok_or_else(Refusal::no_resource)?;
    let mut answer = about(group);
    crate::value::set(&mut answer, &[], "kind", "APIGroup");
    crate::value::set(&mut answer, &[], "apiVersion", "v1");
    Ok(answer::json(200, &answer))
}

/// `/api/v1`, `/apis/GROUP/VERSION`.
pub fn resources(group: &str, version: &str) -> Result<Response<Body>, Refusal> {
    let kinds: Vec<_> = kinds::all().filter(|kind| kind.group == group && kind.version == version).collect();
    let group_version = kinds.first().ok_or_else(Refusal::no_resource)?.api_version();
    let mut resources = Vec::new();
    for kind in kinds {
        resources.push(json!({
            "name": kind.plural, "singularName": kind.kind.to_lowercase(), "namespaced": kind.namespaced,
            "kind": kind.kind, "verbs": verbs(kind.verbs), "shortNames": kind.short_names,
            "categories": categories(kind),
        }));
        resources.extend(kind.subresources.iter().map(|part| {
            let (group, version, kind_name) = shown_kind(kind, part);
            json!({
                "name": format!("{}/{part}", kind.plural), "singularName": "", "namespaced": kind.namespaced,
                "group": group, "version": version, "kind": kind_name, "verbs": part_verbs(part),
            })
        }));
    }
    let list = json!({
        "kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group_version, "resources": resources,
    });
    Ok(answer::json(200, &list))
}

/// The groups but the core, each once.
fn named() -> Vec<&'static str> {
    let mut groups: Vec<_> = kinds::all().map(|kind| kind.group).filter(|group| !group.is_empty()).collect();
    groups.sort_unstable();
    groups.dedup();
    groups
}

fn version_of(group: &str) -> &'static str {
    kinds::all().find(|kind| kind.group == group).map_or("v1", |kind| kind.version)
}

fn about(group: &str) -> Value {
    let version = version_of(group);
    let version = json!({ "groupVersion": format!("{group}/{version}"), "version": version });
    json!({ "name": group, "versions": [version], "preferredVersion": version })
}

fn verbs(verbs: &[Verb]) -> Vec<&'static str> {
    verbs.iter().map(|verb| verb.as_str()).collect()
}

fn part_verbs(part: &str) -> Vec<&'static str> {
    if part == "log" { vec!["get"] } else { vec!["get", "patch", "update"] }
}

fn categories(kind: &Kind) -> Vec<&'static str> {
    kind.in_all.then_some("all").into_iter().collect()
}

/// Group, version and kind of what a part of an object is shown as.
fn shown_kind(kind: &Kind, part: &str) -> (&'static str, &'static str, &'static str) {
    if part == "scale" { ("autoscaling", "v1", "Scale") } else { (kind.group, kind.version, kind.kind) }
}

fn wants_aggregated(headers: &HeaderMap) -> bool {
    let accept = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
    accept.split(',').any(|wanted| {
        let parts: Vec<_> = wanted.split(';').map(str::trim).collect();
        ["application/json", "g=apidiscovery.k8s.io", "v=v2", "as=APIGroupDiscoveryList"]
            .iter()
            .all(|part| parts.contains(part))
    })
}

/// Everything about some groups in one answer.
fn aggregated(groups: &[&str]) -> Response<Body> {
    let items = groups.iter().map(|group| {
        let of_group = kinds::all().filter(|kind| kind.group == *group);
        let resources: Vec<_> = of_group.map(aggregated_resource).collect();
        let version = json!({ "version": version_of(group), "resources": resources, "freshness": "Current" });
        json!({ "metadata": { "name": group }, "versions": [version] })
    });
    let items: Vec<_> = items.collect();
    let list = json!({
        "kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "metadata": {}, "items": items,
    });
    answer::typed(200, AGGREGATED, list.to_string().into())
}

fn aggregated_resource(kind: &'static Kind) -> Value {
    let response = |(group, version, kind): (&str, &str, &str)| json!({ "group": group, "version": version, "kind": kind });
    let parts = kind.subresources.iter().map(|part| {
        json!({ "subresource": part, "responseKind": response(shown_kind(kind, part)), "verbs": part_verbs(part) })
    });
    let parts: Vec<_> = parts.collect();
    json!({
        "resource": kind.plural, "singularResource": kind.kind.to_lowercase(),
        "scope": if kind.namespaced { "Namespaced" } else { "Cluster" },
        "responseKind": response((kind.group, kind.version, kind.kind)), "verbs": verbs(kind.verbs),
        "shortNames": kind.short_names, "categories": categories(kind), "subresources": parts,
    })
}
