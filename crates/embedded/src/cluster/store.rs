//! Objects of one kind, as they are and as they were.

use std::{collections::BTreeMap, sync::Arc};

use crate::object::{
    Claim, ControllerRevision, EndpointSlice, Kind, Metadata, Name, Pod, Service, StatefulSet,
};

/// Something that has metadata.
pub trait Object: Clone {
    /// Its kind.
    const KIND: Kind;
    /// Its metadata.
    fn metadata(&self) -> &Metadata;
    /// Its metadata, to be changed.
    fn metadata_mut(&mut self) -> &mut Metadata;
}

macro_rules! objects {
    ($($object:ident $kind:ident),*) => { $(impl Object for $object {
        const KIND: Kind = Kind::$kind;
        fn metadata(&self) -> &Metadata {
            &self.metadata
        }
        fn metadata_mut(&mut self) -> &mut Metadata {
            &mut self.metadata
        }
    })* };
}

objects!(
    StatefulSet StatefulSet, ControllerRevision ControllerRevision, Pod Pod, Claim Claim, Service Service,
    EndpointSlice EndpointSlice
);

/// Objects of one kind by name. Nothing is forgotten: each name keeps what it was after each write.
#[derive(Clone, Debug)]
pub struct Store<T> {
    live: BTreeMap<Name, Arc<T>>,
    past: BTreeMap<Name, Vec<Past<T>>>,
}

/// The number of a write and what it left, if anything.
type Past<T> = (u64, Option<Arc<T>>);

impl<T> Default for Store<T> {
    fn default() -> Self {
        Self { live: BTreeMap::new(), past: BTreeMap::new() }
    }
}

impl<T: Object> Store<T> {
    /// The object of a name.
    pub fn get(&self, name: &str) -> Option<&Arc<T>> {
        self.live.get(name)
    }

    /// All of them, by name.
    pub fn iter(&self) -> impl Iterator<Item = &T> + Clone {
        self.live.values().map(|object| &**object)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.live.is_empty()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.live.len()
    }

    /// All of them as they were after write number `version`.
    pub fn at(&self, version: u64) -> impl Iterator<Item = &Arc<T>> {
        self.past.values().filter_map(move |writes| {
            let after = writes.partition_point(|(write, _)| *write <= version);
            writes.get(after.checked_sub(1)?)?.1.as_ref()
        })
    }

    pub(super) fn put(&mut self, version: u64, object: T) {
        let object = Arc::new(object);
        let name = object.metadata().name.clone();
        self.past.entry(name.clone()).or_default().push((version, Some(object.clone())));
        self.live.insert(name, object);
    }

    pub(super) fn remove(&mut self, version: u64, name: &str) {
        if let Some((name, _)) = self.live.remove_entry(name) {
            self.past.entry(name).or_default().push((version, None));
        }
    }
}
