//! What changed, in order: watches are served from it, and the objects as they were.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use serde_json::Value;

use super::{Key, Query, Store, event_forms};
use crate::refusal::Refusal;

/// How many changes are kept; a watcher that falls further behind reads everything anew, as in a real cluster.
const KEPT: usize = 4096;

/// What a watch tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It is there, or fits the selector, from now on.
    Added,
    /// It is another version.
    Modified,
    /// It is gone, or fits the selector no more.
    Deleted,
}

impl Change {
    /// As watches name it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Added => "ADDED",
            Self::Modified => "MODIFIED",
            Self::Deleted => "DELETED",
        }
    }
}

/// One change as a watch tells it.
#[derive(Clone, Debug)]
pub struct Event {
    /// What happened.
    pub change: Change,
    /// The object after it; of a deleted one, its last content with the version of the deletion.
    pub object: Arc<Value>,
    /// The version of the change.
    pub version: u64,
}

#[derive(Debug, Default)]
pub struct History {
    entries: VecDeque<Entry>,
    /// Changes up to this version are forgotten.
    forgotten: u64,
}

#[derive(Debug)]
struct Entry {
    version: u64,
    key: Key,
    before: Option<Arc<Value>>,
    after: After,
}

#[derive(Debug)]
enum After {
    Is(Arc<Value>),
    Gone(Arc<Value>),
}

impl History {
    pub fn changed(&mut self, version: u64, key: Key, before: Option<Arc<Value>>, after: Arc<Value>) {
        self.push(Entry { version, key, before, after: After::Is(after) });
    }

    pub fn gone(&mut self, version: u64, key: Key, before: Arc<Value>, last: Arc<Value>) {
        self.push(Entry { version, key, before: Some(before), after: After::Gone(last) });
    }

    fn push(&mut self, entry: Entry) {
        self.entries.push_back(entry);
        if self.entries.len() > KEPT
            && let Some(oldest) = self.entries.pop_front()
        {
            self.forgotten = oldest.version;
        }
    }

    pub fn compact(&mut self, version: u64) {
        self.entries.retain(|entry| entry.version > version);
        self.forgotten = self.forgotten.max(version);
    }

    fn after(&self, version: u64) -> Result<impl DoubleEndedIterator<Item = &Entry>, Refusal> {
        if version < self.forgotten {
            return Err(Refusal::expired(format!(
                "too old resource version: {version} ({})",
                self.forgotten
            )));
        }
        let first = self.entries.partition_point(|entry| entry.version <= version);
        Ok(self.entries.range(first..))
    }
}

impl Store {
    /// What a watch of these objects tells after a version.
    pub fn events_after(&self, version: u64, query: &Query) -> Result<Vec<Event>, Refusal> {
        let resource = query.kind.stored().resource;
        let entries = self.history.after(version)?.filter(|entry| entry.key.resource == resource);
        Ok(entries.filter_map(|entry| told(entry, query)).collect())
    }

    /// The objects of a resource as they were at a version.
    pub(super) fn objects_at(
        &self,
        resource: &'static str,
        version: u64,
    ) -> Result<BTreeMap<Key, Arc<Value>>, Refusal> {
        let mut objects: BTreeMap<_, _> =
            self.of_resource(resource).map(|(key, object)| (key.clone(), object.clone())).collect();
        for entry in self.history.after(version)?.rev().filter(|entry| entry.key.resource == resource) {
            match &entry.before {
                Some(before) => objects.insert(entry.key.clone(), before.clone()),
                None => objects.remove(&entry.key),
            };
        }
        Ok(objects)
    }
}

fn told(entry: &Entry, query: &Query) -> Option<Event> {
    let fits = |object: &Arc<Value>| {
        let shown = event_forms::shown(query.kind, object);
        query.fits(&shown).then_some(shown)
    };
    let before = entry.before.as_ref().and_then(fits);
    let (change, object) = match &entry.after {
        After::Is(after) => match (before, fits(after)) {
            (None, Some(object)) => (Change::Added, object),
            (Some(_), Some(object)) => (Change::Modified, object),
            // It left the selection: its last content that fitted, with the version of now.
            (Some(before), None) => (Change::Deleted, at_version(&before, entry.version)),
            (None, None) => return None,
        },
        After::Gone(last) => (Change::Deleted, before.map(|_| event_forms::shown(query.kind, last))?),
    };
    Some(Event { change, object, version: entry.version })
}

fn at_version(object: &Value, version: u64) -> Arc<Value> {
    let mut object = object.clone();
    crate::value::set(&mut object, &["metadata"], "resourceVersion", version.to_string());
    Arc::new(object)
}
