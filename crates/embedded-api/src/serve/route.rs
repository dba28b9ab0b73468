//! Paths of the API.

use http::Method;

use super::params::Params;
use crate::{
    kinds::{self, Kind, Verb},
    refusal::Refusal,
};

/// What a path leads to.
#[derive(Debug)]
pub enum Route {
    /// `/version`.
    Version,
    /// `/healthz`, `/livez`, `/readyz`.
    Health,
    /// `/api`.
    Core,
    /// `/apis`.
    Groups,
    /// `/apis/GROUP`.
    Group(String),
    /// `/apis/GROUP/VERSION`, `/api/v1`.
    OfVersion(String, String),
    /// `/openapi/v2`.
    OpenApi2,
    /// `/openapi/v3`.
    OpenApi3,
    /// `/openapi/v3/apis/GROUP/VERSION`, `/openapi/v3/api/v1`.
    OpenApi3Of(String, String),
    /// Objects.
    Resource(Place),
    /// Nothing.
    Unknown,
}

/// A place in the API where objects are.
#[derive(Debug, PartialEq, Eq)]
pub struct Place {
    /// Their kind.
    pub kind: &'static Kind,
    /// One namespace, or all, or none for kinds without.
    pub namespace: Option<String>,
    /// One object, or all.
    pub name: Option<String>,
    /// A part of it.
    pub subresource: Option<String>,
}

impl Route {
    /// Where a path leads to.
    pub fn of(path: &str) -> Self {
        let steps: Vec<_> = path.split('/').filter(|step| !step.is_empty()).collect();
        match steps.as_slice() {
            ["version"] => Self::Version,
            ["healthz" | "livez" | "readyz", ..] => Self::Health,
            ["api"] => Self::Core,
            ["apis"] => Self::Groups,
            ["openapi", "v2"] => Self::OpenApi2,
            ["openapi", "v3"] => Self::OpenApi3,
            ["openapi", "v3", "api", version] => Self::OpenApi3Of(String::new(), (*version).to_owned()),
            ["openapi", "v3", "apis", group, version] => {
                Self::OpenApi3Of((*group).to_owned(), (*version).to_owned())
            }
            ["apis", group] => Self::Group((*group).to_owned()),
            ["api", version] => Self::OfVersion(String::new(), (*version).to_owned()),
            ["apis", group, version] => Self::OfVersion((*group).to_owned(), (*version).to_owned()),
            ["api", version, rest @ ..] => place("", version, rest),
            ["apis", group, version, rest @ ..] => place(group, version, rest),
            _ => Self::Unknown,
        }
    }
}

fn place(group: &str, version: &str, rest: &[&str]) -> Route {
    let (namespace, rest) = match rest {
        // What follows a namespace is a resource in it, or a part of the namespace itself.
        ["namespaces", namespace, plural, ..] if kinds::find(group, version, plural).is_some() => {
            (Some((*namespace).to_owned()), rest.get(2..).unwrap_or_default())
        }
        rest => (None, rest),
    };
    let own = |step: Option<&&str>| step.map(|step| (*step).to_owned());
    let found = rest.first().and_then(|plural| kinds::find(group, version, plural));
    let kind = match found {
        Some(kind) if rest.len() <= 3 && (namespace.is_none() || kind.namespaced) => kind,
        _ => return Route::Unknown,
    };
    let (name, subresource) = (own(rest.get(1)), own(rest.get(2)));
    // An object in a namespace is never named without it.
    let is_lost = kind.namespaced && namespace.is_none() && name.is_some();
    let has_part = subresource.as_deref().is_none_or(|part| kind.has(part));
    if is_lost || !has_part {
        return Route::Unknown;
    }
    Route::Resource(Place { kind, namespace, name, subresource })
}

impl Place {
    /// What a method means here, if it may be done.
    pub fn verb(&self, method: &Method, params: &Params) -> Result<Verb, Refusal> {
        let one = self.name.is_some();
        let verb = match method.as_str() {
            "GET" | "HEAD" if one => Verb::Get,
            "GET" | "HEAD" if params.is("watch") => Verb::Watch,
            "GET" | "HEAD" => Verb::List,
            "POST" if !one && (self.namespace.is_some() || !self.kind.namespaced) => Verb::Create,
            "PUT" if one => Verb::Update,
            "PATCH" if one => Verb::Patch,
            "DELETE" if one && self.subresource.is_none() => Verb::Delete,
            "DELETE" if !one => Verb::DeleteCollection,
            _ => return Err(Refusal::no_method()),
        };
        let log = self.subresource.as_deref() == Some("log");
        if !self.kind.verbs.contains(&verb) || (log && verb != Verb::Get) {
            return Err(Refusal::no_method());
        }
        Ok(verb)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(path: &str) -> Option<(&'static str, String, String, String)> {
        match Route::of(path) {
            Route::Resource(Place { kind, namespace, name, subresource }) => Some((
                kind.resource,
                namespace.unwrap_or_default(),
                name.unwrap_or_default(),
                subresource.unwrap_or_default(),
            )),
            _ => None,
        }
    }

    fn place(resource: &'static str, rest: [&str; 3]) -> (&'static str, String, String, String) {
        let [namespace, name, subresource] = rest.map(str::to_owned);
        (resource, namespace, name, subresource)
    }

    #[test]
    fn paths_lead_to_objects_and_their_parts() {
        assert_eq!(at("/api/v1/pods"), Some(place("pods", ["", "", ""])));
        assert_eq!(at("/api/v1/namespaces/shop/pods/db-0/log"), Some(place("pods", ["shop", "db-0", "log"])));
        let scale = place("statefulsets.apps", ["shop", "db", "scale"]);
        assert_eq!(at("/apis/apps/v1/namespaces/shop/statefulsets/db/scale"), Some(scale));
    }

    #[test]
    fn a_namespace_is_an_object_and_a_place() {
        assert_eq!(at("/api/v1/namespaces"), Some(place("namespaces", ["", "", ""])));
        assert_eq!(at("/api/v1/namespaces/shop"), Some(place("namespaces", ["", "shop", ""])));
        assert_eq!(at("/api/v1/namespaces/shop/status"), Some(place("namespaces", ["", "shop", "status"])));
        assert_eq!(at("/api/v1/namespaces/shop/configmaps"), Some(place("configmaps", ["shop", "", ""])));
    }

    #[test]
    fn what_is_not_served_leads_nowhere() {
        for path in [
            "/api/v1/gizmos",
            "/apis/apps/v1/namespaces/shop/gizmos/a",
            "/apis/apps/v9/statefulsets",
            "/api/v1/pods/db-0",
            "/api/v1/namespaces/shop/pods/db-0/exec",
            "/api/v1/namespaces/shop/pods/db-0/log/more",
            "/",
        ] {
            assert_eq!(at(path), None, "{path}");
        }
    }
}
