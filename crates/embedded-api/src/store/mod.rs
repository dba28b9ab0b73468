//! The objects, and what the API does with them: pure, with the time as an argument.

pub mod admission;
#[cfg(test)]
mod any_body;
mod create;
mod defaults;
mod delete;
mod event_forms;
pub mod faults;
mod history;
mod list;
mod names;
mod ownership;
mod patch;
mod scale;
pub mod selector;
mod shape;
#[cfg(test)]
mod tests;

mod update;
mod validation;

use std::{collections::BTreeMap, sync::Arc};

use jiff::Timestamp;
use serde_json::Value;

use self::{
    admission::{Admission, AdmitAll, Review},
    faults::Faults,
    history::History,
    names::Names,
};
pub use self::{
    delete::{DeleteOptions, Deleted, Propagation},
    history::{Change, Event},
    list::{List, Page, Query},
    patch::{Apply, Patch},
    update::Part,
};
use crate::{
    kinds::{self, Kind},
    refusal::Refusal,
    value,
};

/// Where an object is.
#[derive(Clone, Debug)]
pub struct Target {
    /// Its kind.
    pub kind: &'static Kind,
    /// Its namespace; empty for kinds without.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

impl Target {
    /// The object of this kind, namespace and name.
    pub fn new(kind: &'static Kind, namespace: &str, name: &str) -> Self {
        let namespace = if kind.namespaced { namespace } else { "" };
        Self { kind, namespace: namespace.to_owned(), name: name.to_owned() }
    }

    fn key(&self) -> Key {
        Key {
            resource: self.kind.stored().resource,
            namespace: self.namespace.clone(),
            name: self.name.clone(),
        }
    }
}

/// Who writes, when, and whether only to try.
#[derive(Clone, Debug)]
pub struct Call {
    /// The time.
    pub now: Timestamp,
    /// The manager of the fields that are written.
    pub manager: String,
    /// The answer is as if, and nothing is kept.
    pub dry_run: bool,
}

impl Call {
    /// A write by this manager.
    pub fn new(manager: &str, now: Timestamp) -> Self {
        Self { now, manager: manager.to_owned(), dry_run: false }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    resource: &'static str,
    namespace: String,
    name: String,
}

/// All objects of a cluster and the history of their changes.
#[derive(Debug)]
pub struct Store {
    objects: BTreeMap<Key, Arc<Value>>,
    version: u64,
    history: History,
    names: Names,
    admission: Arc<dyn Admission>,
    /// What goes wrong on purpose.
    pub faults: Faults,
}

impl Store {
    /// A store with the namespaces of every cluster. `seed` decides on UIDs and generated names: the same calls on a
    /// store of the same seed give the same objects.
    pub fn new(seed: u64, now: Timestamp) -> Self {
        let mut store = Self {
            objects: BTreeMap::new(),
            version: 0,
            history: History::default(),
            names: Names::new(seed),
            admission: Arc::new(AdmitAll),
            faults: Faults::default(),
        };
        for name in ["default", "kube-node-lease", "kube-public", "kube-system"] {
            let namespace = serde_json::json!({ "metadata": { "name": name } });
            // Nothing is there yet that could refuse it.
            let _ = store.create(kinds::NAMESPACE, "", namespace, &Call::new("kube-apiserver", now));
        }
        store
    }

    /// Puts admission policies in force, instead of those before.
    pub fn admit_by(&mut self, admission: impl Admission + 'static) {
        self.admission = Arc::new(admission);
    }

    /// Lets admission change or refuse what is written.
    fn admit(&self, review: &Review<'_>, new: &mut Value) -> Result<(), Refusal> {
        let Target { kind, name, .. } = review.target;
        self.admission.admit(self, review, new).map_err(|why| Refusal::forbidden(kind, name, &why))
    }

    /// The version of the last change.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// One object as it is now.
    pub fn get(&self, target: &Target) -> Result<Arc<Value>, Refusal> {
        let object = self.objects.get(&target.key());
        let object = object.ok_or_else(|| Refusal::not_found(target.kind, &target.name))?;
        Ok(event_forms::shown(target.kind, object))
    }

    /// The objects that have an owner of this UID, by namespace and name.
    pub fn owned_by(&self, uid: &str) -> Vec<Target> {
        let owned = self.objects.iter().filter(|(_, object)| {
            value::items(object, &["metadata", "ownerReferences"]).iter().any(|owner| owner["uid"] == uid)
        });
        let target = |key: &Key| {
            let kind = kinds::all().find(|kind| kind.resource == key.resource)?;
            Some(Target::new(kind, &key.namespace, &key.name))
        };
        owned.filter_map(|(key, _)| target(key)).collect()
    }

    /// Keeps a new version of an object, or a new object, and gives it with its version.
    fn keep(&mut self, key: Key, mut object: Value) -> Arc<Value> {
        self.version += 1;
        value::set(&mut object, &["metadata"], "resourceVersion", self.version.to_string());
        let object = Arc::new(object);
        let before = self.objects.insert(key.clone(), object.clone());
        self.history.changed(self.version, key, before, object.clone());
        object
    }

    /// Lets an object go and gives its last version.
    fn drop_object(&mut self, key: Key) -> Option<Arc<Value>> {
        let before = self.objects.remove(&key)?;
        self.version += 1;
        let mut last = Value::clone(&before);
        value::set(&mut last, &["metadata"], "resourceVersion", self.version.to_string());
        let last = Arc::new(last);
        let namespace = Target::new(kinds::NAMESPACE, "", &key.namespace).key();
        self.history.gone(self.version, key, before, last.clone());
        // A namespace that is to end does so with its last object.
        let ends = |space: &Arc<Value>| value::text(space, &["status", "phase"]) == "Terminating";
        if self.objects.get(&namespace).is_some_and(ends)
            && !self.objects.keys().any(|key| key.namespace == namespace.name)
        {
            self.drop_object(namespace);
        }
        Some(last)
    }

    /// Forgets changes up to this version: whoever watches from before is told 410.
    pub fn compact(&mut self, version: u64) {
        self.history.compact(version.min(self.version));
    }
}

/// A time as the API writes it.
fn written(time: Timestamp) -> String {
    format!("{time:.0}")
}
