//! Lists: a selection of a resource at one moment, page by page.

use std::sync::Arc;

use serde_json::Value;

use super::{Key, Store, event_forms, selector::Selector};
use crate::{kinds::Kind, refusal::Refusal, value};

/// Which objects.
#[derive(Clone, Debug)]
pub struct Query {
    /// Their kind.
    pub kind: &'static Kind,
    /// One namespace, or all.
    pub namespace: Option<String>,
    /// Their labels.
    pub labels: Selector,
    /// Their fields.
    pub fields: Selector,
}

impl Query {
    /// All objects of a kind.
    pub fn all(kind: &'static Kind) -> Self {
        Self { kind, namespace: None, labels: Selector::default(), fields: Selector::default() }
    }

    /// Those in one namespace.
    pub fn namespaced(kind: &'static Kind, namespace: &str) -> Self {
        Self { namespace: Some(namespace.to_owned()), ..Self::all(kind) }
    }

    pub(super) fn fits(&self, object: &Value) -> bool {
        let here = |namespace| value::text(object, &["metadata", "namespace"]) == namespace;
        self.namespace.as_deref().is_none_or(here)
            && self.labels.fits_labels(object)
            && self.fields.fits_fields(object)
    }
}

/// Which part of a list.
#[derive(Clone, Debug, Default)]
pub struct Page {
    /// At most so many objects.
    pub limit: Option<usize>,
    /// What the page before gave as `next`.
    pub token: Option<String>,
    /// As of this version rather than now.
    pub version: Option<u64>,
}

/// A page of a list.
#[derive(Clone, Debug)]
pub struct List {
    /// The objects, by namespace and name.
    pub items: Vec<Arc<Value>>,
    /// The moment that it shows, the same on each page.
    pub version: u64,
    /// How to ask for the next page.
    pub next: Option<String>,
    /// How many objects come after this page.
    pub remaining: usize,
}

impl Store {
    /// One page of a selection.
    pub fn list(&self, query: &Query, page: &Page) -> Result<List, Refusal> {
        let token = page.token.as_deref().map(Token::read).transpose()?;
        let version = token.as_ref().map(|token| token.version).or(page.version).unwrap_or(self.version);
        let after = |key: &Key| {
            token
                .as_ref()
                .is_none_or(|token| (&*key.namespace, &*key.name) > (&*token.namespace, &*token.name))
        };
        let resource = query.kind.stored().resource;
        let objects = if version >= self.version {
            let now = self.of_resource(resource).filter(|(key, _)| after(key));
            now.map(|(key, object)| (key.clone(), object.clone())).collect::<Vec<_>>()
        } else {
            let then = self.objects_at(resource, version).map_err(|refusal| match &token {
                Some(_) => Refusal::expired(EXPIRED_PAGE),
                None => refusal,
            })?;
            then.into_iter().filter(|(key, _)| after(key)).collect()
        };
        let objects = objects.into_iter().map(|(key, object)| (key, event_forms::shown(query.kind, &object)));
        let mut fitting: Vec<_> = objects.filter(|(_, object)| query.fits(object)).collect();
        let limit = page.limit.filter(|limit| *limit > 0).unwrap_or(fitting.len());
        let remaining = fitting.len().saturating_sub(limit);
        fitting.truncate(limit);
        let version = version.min(self.version);
        let next =
            fitting.last().filter(|_| remaining > 0).map(|(key, _)| Token::after(version, key).write());
        let items = fitting.into_iter().map(|(_, object)| object).collect();
        Ok(List { items, version, next, remaining })
    }

    /// The objects of a resource, by namespace and name.
    pub(super) fn of_resource(&self, resource: &'static str) -> impl Iterator<Item = (&Key, &Arc<Value>)> {
        let first = Key { resource, namespace: String::new(), name: String::new() };
        self.objects.range(first..).take_while(move |(key, _)| key.resource == resource)
    }
}

const EXPIRED_PAGE: &str = "The provided continue parameter is too old to display a consistent list result. You can start a new list without the continue parameter.";

/// Where a page ended, as clients hand it back.
struct Token {
    version: u64,
    namespace: String,
    name: String,
}

impl Token {
    fn after(version: u64, key: &Key) -> Self {
        Self { version, namespace: key.namespace.clone(), name: key.name.clone() }
    }

    fn write(&self) -> String {
        format!("{}/{}/{}", self.version, self.namespace, self.name)
    }

    fn read(token: &str) -> Result<Self, Refusal> {
        let mut parts = token.splitn(3, '/');
        let version = parts.next().and_then(|version| version.parse().ok());
        match (version, parts.next(), parts.next()) {
            (Some(version), Some(namespace), Some(name)) => {
                Ok(Self { version, namespace: namespace.to_owned(), name: name.to_owned() })
            }
            _ => Err(Refusal::bad_request("continue key is not valid: it is none that this server gave")),
        }
    }
}
