//! ConfigMaps and Secrets: their versions, never their content.
//!
//! Of each object only a hash of its name, a number and a time are kept: 24 bytes, whoever refers to it. So a workload
//! that comes to refer to another object finds it without a request, and nothing can be missed in between.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    hash::{BuildHasher, RandomState},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use serde::Deserialize;
use siskin_core::{
    references::{Kind, Reference, Version, Versions},
    time::Wall,
};
use tokio::sync::watch;

use super::{Change, Watched};
use crate::{clock, cluster::Resource};

/// The metadata of a ConfigMap or Secret.
#[derive(Clone, Debug, Deserialize)]
pub struct Configuring {
    metadata: Meta,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Meta {
    name: String,
    namespace: String,
    resource_version: String,
    creation_timestamp: Option<String>,
    managed_fields: Vec<Written>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Written {
    time: Option<String>,
}

impl Watched for Configuring {
    const METADATA_ONLY: bool = true;

    fn resource_version(&self) -> &str {
        &self.metadata.resource_version
    }
}

impl Configuring {
    fn version(&self) -> Version {
        let Meta { resource_version, creation_timestamp, managed_fields, .. } = &self.metadata;
        let times = managed_fields.iter().map(|entry| &entry.time).chain([creation_timestamp]);
        let written = times.flatten().filter_map(|time| clock::parse(time)).max();
        // resourceVersions are numbers (KEP-5504).
        Version { number: resource_version.parse().unwrap_or_default(), written: written.unwrap_or(Wall(0)) }
    }
}

/// The resource of a kind.
pub fn resource(kind: Kind) -> Resource {
    match kind {
        Kind::ConfigMap => Resource::ConfigMaps,
        Kind::Secret => Resource::Secrets,
    }
}

/// What is known of all of them; cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Board(Arc<Mutex<Known>>);

/// A hash of a kind, a namespace and a name.
type Object = u64;

#[derive(Debug, Default)]
struct Known {
    hasher: RandomState,
    /// By what one watch covers, once it was listed.
    scopes: BTreeMap<(Kind, Option<String>), HashMap<Object, Version>>,
    /// Who wants to know of which changes.
    readers: BTreeMap<u64, (BTreeSet<Object>, watch::Sender<()>)>,
    next: u64,
}

/// One workload's view. Dropping it ends the telling.
#[derive(Debug)]
pub struct View {
    board: Board,
    id: u64,
    changes: watch::Receiver<()>,
}

impl Board {
    /// Takes a change of the objects of a kind in one namespace, or in all.
    pub fn see(&self, kind: Kind, namespace: Option<&str>, change: Change<Configuring>) {
        let mut known = self.known();
        let scope = (kind, namespace.map(str::to_owned));
        let changed: Option<Object> = match change {
            Change::All(all) => {
                let versions = all.iter().map(|it| (known.object(kind, it), it.version())).collect();
                known.scopes.insert(scope, versions);
                None
            }
            Change::Put(one) => {
                let object = known.object(kind, &one);
                known.scopes.entry(scope).or_default().insert(object, one.version());
                Some(object)
            }
            Change::Gone(one) => {
                let object = known.object(kind, &one);
                known.scopes.entry(scope).or_default().remove(&object);
                Some(object)
            }
        };
        for (wanted, tell) in known.readers.values() {
            if changed.is_none_or(|object| wanted.contains(&object)) {
                tell.send_replace(());
            }
        }
    }

    /// A view that is told of nothing yet.
    pub fn view(&self) -> View {
        let mut known = self.known();
        let id = known.next;
        known.next += 1;
        let (tell, changes) = watch::channel(());
        known.readers.insert(id, (BTreeSet::new(), tell));
        View { board: self.clone(), id, changes }
    }

    /// No value is left half-changed under this lock.
    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    fn object(&self, kind: Kind, one: &Configuring) -> Object {
        self.named(kind, &one.metadata.namespace, &one.metadata.name)
    }

    fn named(&self, kind: Kind, namespace: &str, name: &str) -> Object {
        self.hasher.hash_one((kind == Kind::Secret, namespace, name))
    }

    /// All of a kind in the scope that covers a namespace; `None`: not listed.
    fn scope(&self, kind: Kind, namespace: &str) -> Option<&HashMap<Object, Version>> {
        let of = |scope: Option<&str>| self.scopes.get(&(kind, scope.map(str::to_owned)));
        of(None).or_else(|| of(Some(namespace)))
    }
}

impl View {
    /// The versions of these objects now, whose changes are told from now on; `None`: they aren't watched, or not
    /// listed yet.
    pub fn look(&mut self, namespace: &str, references: BTreeSet<Reference>) -> Option<Versions> {
        self.changes.mark_unchanged();
        let mut known = self.board.known();
        let wanted = references.iter().map(|it| known.named(it.kind, namespace, &it.name)).collect();
        if let Some((told, _)) = known.readers.get_mut(&self.id) {
            *told = wanted;
        }
        let (config_maps, secrets) =
            (known.scope(Kind::ConfigMap, namespace)?, known.scope(Kind::Secret, namespace)?);
        let version = |reference: Reference| {
            let all = match reference.kind {
                Kind::ConfigMap => config_maps,
                Kind::Secret => secrets,
            };
            let version = all.get(&known.named(reference.kind, namespace, &reference.name)).copied();
            (reference, version)
        };
        Some(references.into_iter().map(version).collect())
    }

    /// Returns when one of the objects last looked at has changed.
    pub async fn changed(&mut self) {
        if self.changes.changed().await.is_err() {
            // The board holds the other end as long as this lives.
            std::future::pending::<()>().await;
        }
    }
}

impl Drop for View {
    fn drop(&mut self) {
        self.board.known().readers.remove(&self.id);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn object(namespace: &str, name: &str, version: &str) -> Configuring {
        serde_json::from_value(json!({ "metadata": {
            "namespace": namespace, "name": name, "uid": "u", "resourceVersion": version,
            "creationTimestamp": "2026-01-01T10:00:00Z",
            "managedFields": [{ "manager": "kubectl", "time": "2026-01-01T10:00:07Z" }, { "manager": "x" }],
        } }))
        .unwrap()
    }

    fn reference(kind: Kind, name: &str) -> Reference {
        Reference { kind, name: name.into() }
    }

    fn config(name: &str) -> BTreeSet<Reference> {
        [reference(Kind::ConfigMap, name)].into()
    }

    fn numbers(versions: Option<Versions>) -> Vec<Option<u64>> {
        versions.unwrap().into_values().map(|version| version.map(|version| version.number)).collect()
    }

    #[test]
    fn nothing_is_known_until_both_kinds_were_listed() {
        let board = Board::default();
        let mut view = board.view();
        assert_eq!(view.look("a", config("x")), None);
        board.see(Kind::ConfigMap, None, Change::All(vec![object("a", "x", "7")]));
        assert_eq!(view.look("a", config("x")), None);
        board.see(Kind::Secret, None, Change::All(vec![object("a", "x", "8")]));
        let versions = view.look("a", config("x")).unwrap();
        let version = versions.get(&reference(Kind::ConfigMap, "x")).copied().flatten().unwrap();
        assert_eq!((version.number, version.written), (7, clock::parse("2026-01-01T10:00:07Z").unwrap()));
        assert_eq!(
            numbers(view.look("a", [reference(Kind::Secret, "x"), reference(Kind::Secret, "y")].into())),
            [Some(8), None]
        );
        assert_eq!(numbers(view.look("b", config("x"))), [None], "another namespace");
    }

    #[test]
    fn watches_of_single_namespaces_stand_beside_each_other() {
        let board = Board::default();
        for namespace in ["a", "b"] {
            for kind in [Kind::ConfigMap, Kind::Secret] {
                board.see(kind, Some(namespace), Change::All(vec![object(namespace, "x", "1")]));
            }
        }
        board.see(Kind::ConfigMap, Some("a"), Change::All(vec![]));
        let mut view = board.view();
        assert_eq!(numbers(view.look("a", config("x"))), [None]);
        assert_eq!(numbers(view.look("b", config("x"))), [Some(1)]);
        assert_eq!(view.look("c", config("x")), None);
    }

    #[tokio::test]
    async fn only_what_was_looked_at_wakes() {
        let board = Board::default();
        for kind in [Kind::ConfigMap, Kind::Secret] {
            board.see(kind, None, Change::All(Vec::new()));
        }
        let mut view = board.view();
        view.look("a", config("x"));
        for (kind, namespace, name) in
            [(Kind::Secret, "a", "x"), (Kind::ConfigMap, "b", "x"), (Kind::ConfigMap, "a", "y")]
        {
            board.see(kind, None, Change::Put(object(namespace, name, "2")));
        }
        assert!(!view.changes.has_changed().unwrap());
        board.see(Kind::ConfigMap, None, Change::Put(object("a", "x", "3")));
        view.changed().await;
        assert_eq!(numbers(view.look("a", config("x"))), [Some(3)]);
        board.see(Kind::ConfigMap, None, Change::Gone(object("a", "x", "4")));
        view.changed().await;
        assert_eq!(numbers(view.look("a", config("x"))), [None]);
        board.see(Kind::Secret, None, Change::All(Vec::new()));
        view.changed().await;
        drop(view);
        assert!(board.known().readers.is_empty());
    }
}
