//! The objects of a store as the models look at them.

use std::{collections::BTreeMap, sync::Arc};

use serde_json::Value;
use siskin_embedded::object::{Claim, ControllerRevision, Pod, Service, StatefulSet};
use siskin_embedded_api::{
    kinds::{self, Kind},
    store::{Page, Query, Store},
};

use crate::translate::{self, Untranslatable, text};

/// A store at one moment, by namespace.
#[derive(Debug, Default)]
pub struct Seen {
    pub spaces: BTreeMap<String, Space>,
    /// What the models can't look at.
    pub left_alone: Vec<Untranslatable>,
}

/// The objects of a namespace, by name.
#[derive(Debug, Default)]
pub struct Space {
    pub sets: Vec<Object<StatefulSet>>,
    pub pods: Vec<Object<Pod>>,
    pub claims: Vec<Object<Claim>>,
    pub revisions: Vec<Object<ControllerRevision>>,
    pub services: Vec<Object<Service>>,
}

/// An object as the models look at it, and as the API shows it.
#[derive(Debug)]
pub struct Object<T> {
    pub typed: Arc<T>,
    pub json: Arc<Value>,
}

impl Seen {
    /// What a store holds now; objects that are as they were `before` are not read again.
    pub fn of(store: &Store, before: &Self) -> Self {
        let mut seen = Self::default();
        seen.take(
            store,
            before,
            kinds::STATEFUL_SET,
            translate::statefulset::read,
            |s| &s.sets,
            |s| &mut s.sets,
        );
        seen.take(store, before, kinds::POD, translate::pod::read, |s| &s.pods, |s| &mut s.pods);
        seen.take(store, before, kinds::CLAIM, translate::claim::read, |s| &s.claims, |s| &mut s.claims);
        seen.take(
            store,
            before,
            kinds::CONTROLLER_REVISION,
            translate::revision::read,
            |s| &s.revisions,
            |s| &mut s.revisions,
        );
        seen.take(
            store,
            before,
            kinds::SERVICE,
            translate::service::read,
            |s| &s.services,
            |s| &mut s.services,
        );
        seen
    }

    fn take<T>(
        &mut self,
        store: &Store,
        before: &Self,
        kind: &'static Kind,
        read: impl Fn(&Value) -> Result<T, Untranslatable>,
        look: fn(&Space) -> &Vec<Object<T>>,
        place: fn(&mut Space) -> &mut Vec<Object<T>>,
    ) {
        for json in all(store, &Query::all(kind)) {
            let namespace = text(&json, "/metadata/namespace");
            let old = before.spaces.get(namespace).and_then(|space| named(look(space), &json));
            let typed = match old {
                Some(old) => Ok(old.typed.clone()),
                None => read(&json).map(Arc::new),
            };
            match typed {
                Ok(typed) => {
                    let space = self.spaces.entry(namespace.to_owned()).or_default();
                    place(space).push(Object { typed, json });
                }
                Err(problem) => self.left_alone.push(problem),
            }
        }
    }
}

/// The very same version of an object.
fn named<'a, T>(objects: &'a [Object<T>], json: &Arc<Value>) -> Option<&'a Object<T>> {
    let name = text(json, "/metadata/name");
    let place = objects.binary_search_by(|object| text(&object.json, "/metadata/name").cmp(name)).ok()?;
    objects.get(place).filter(|object| Arc::ptr_eq(&object.json, json))
}

/// The objects of a selection, now.
pub fn all(store: &Store, query: &Query) -> Vec<Arc<Value>> {
    // A list of now, in one page, is never refused.
    store.list(query, &Page::default()).map(|list| list.items).unwrap_or_default()
}

/// The typed objects alone.
pub fn typed<T>(objects: &[Object<T>]) -> Vec<&T> {
    objects.iter().map(|object| &*object.typed).collect()
}

/// The versions of objects, by which a controller knows whether there is anything new.
pub fn versions<'a>(objects: impl IntoIterator<Item = &'a Arc<Value>>) -> Vec<String> {
    objects.into_iter().map(|object| text(object, "/metadata/resourceVersion").to_owned()).collect()
}
