//! The lists of released revisions: one `ConfigMap` per workload, by which the pod guard of `deploy/admission` goes.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, PoisonError},
};

use serde::Deserialize;
use serde_json::{Value, json};
use siskin_core::facts::{Guard, Revision, Workload};
use tokio::sync::watch;

use super::{Change, Watched, meta::Meta, statefulsets::Key};

/// The label of every list.
pub const LABEL: &str = "siskin.dev/guard";
/// The labels of every list, as a selector.
pub const SELECTOR: &str = "siskin.dev/guard=true";
const NAME: &str = "siskin-guard-";

/// A list, as it was read.
#[derive(Clone, Debug, Deserialize)]
#[serde(from = "Raw")]
pub struct GuardList {
    /// The workload that its name names.
    pub key: Key,
    /// `metadata.resourceVersion`.
    pub resource_version: String,
    /// Whether Siskin made it: by its label, or by what it says it is for.
    pub ours: bool,
    /// What the engine reads.
    pub guard: Guard,
}

impl GuardList {
    /// The name of a workload's list.
    pub fn name(workload: &str) -> String {
        format!("{NAME}{workload}")
    }

    /// The object that lists `allowed`; with a resourceVersion it is a merge patch.
    ///
    /// It goes with the workload, but stays when the workload is deleted without its pods: the garbage collector takes
    /// the owner out then.
    pub fn body(workload: &Workload, resource_version: Option<&str>, allowed: &BTreeSet<Revision>) -> Value {
        let allowed: Vec<_> = allowed.iter().map(|revision| revision.0.as_str()).collect();
        let metadata = json!({
            "name": Self::name(&workload.name),
            "resourceVersion": resource_version,
            "labels": { LABEL: "true" },
            "ownerReferences": [
                { "apiVersion": "apps/v1", "kind": "StatefulSet", "name": workload.name, "uid": workload.uid }
            ],
        });
        json!({
            "apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata,
            "data": { "workload": workload.name, "allowed": allowed.join(",") },
        })
    }
}

impl Watched for GuardList {
    fn resource_version(&self) -> &str {
        &self.resource_version
    }
}

#[derive(Deserialize)]
struct Raw {
    metadata: Meta,
    #[serde(default)]
    data: BTreeMap<String, String>,
}

impl From<Raw> for GuardList {
    fn from(Raw { metadata, data }: Raw) -> Self {
        let name = metadata.name.strip_prefix(NAME).unwrap_or_default().to_owned();
        let labelled = metadata.labels.get(LABEL).is_some_and(|value| value == "true");
        let for_it = !name.is_empty() && data.get("workload") == Some(&name);
        let listed = data.get("allowed").map_or("", String::as_str).split(',');
        let allowed = listed.filter(|revision| !revision.is_empty()).map(Revision::from);
        Self {
            guard: Guard {
                resource_version: Some(metadata.resource_version.clone()),
                allowed: if labelled && for_it { allowed.collect() } else { BTreeSet::new() },
            },
            key: Key { namespace: metadata.namespace, name },
            resource_version: metadata.resource_version,
            ours: labelled || for_it,
        }
    }
}

/// What was seen of one workload's list last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sighting {
    /// When: the resourceVersion of the list, or of its deletion; `None`: it was not among all that there are.
    pub version: Option<String>,
    /// What.
    pub guard: Guard,
}

/// All lists that there are, as they are watched; cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Guards(Arc<Mutex<Seen>>);

#[derive(Debug, Default)]
struct Seen {
    /// The namespaces whose lists are known; `None`: all.
    listed: BTreeSet<Option<String>>,
    /// `None` until the namespace is listed.
    lists: BTreeMap<Key, watch::Sender<Option<Sighting>>>,
}

impl Guards {
    /// Follows the list of one workload.
    pub fn of(&self, key: &Key) -> watch::Receiver<Option<Sighting>> {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let listed = seen.listed.contains(&None) || seen.listed.contains(&Some(key.namespace.clone()));
        seen.lists.entry(key.clone()).or_insert_with(|| watch::Sender::new(listed.then(absent))).subscribe()
    }

    /// Takes a change of the lists in one namespace, or in all.
    pub fn see(&self, namespace: Option<&String>, change: Change<GuardList>) {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match change {
            Change::All(all) => {
                seen.listed.insert(namespace.cloned());
                let there: BTreeSet<Key> = all.iter().map(|list| list.key.clone()).collect();
                for (key, list) in &seen.lists {
                    if namespace.is_none_or(|namespace| *namespace == key.namespace) && !there.contains(key) {
                        list.send_replace(Some(absent()));
                    }
                }
                for list in all {
                    seen.put(list);
                }
            }
            Change::Put(list) => seen.put(list),
            Change::Gone(list) => {
                let gone = Sighting { version: Some(list.resource_version), guard: Guard::default() };
                seen.tell(list.key, gone);
            }
        }
        seen.lists.retain(|_, list| {
            list.receiver_count() > 0
                || list.borrow().as_ref().is_some_and(|sighting| sighting.guard.resource_version.is_some())
        });
    }
}

impl Seen {
    fn put(&mut self, list: GuardList) {
        self.tell(list.key, Sighting { version: Some(list.resource_version), guard: list.guard });
    }

    fn tell(&mut self, key: Key, sighting: Sighting) {
        self.lists.entry(key).or_insert_with(|| watch::Sender::new(None)).send_replace(Some(sighting));
    }
}

fn absent() -> Sighting {
    Sighting { version: None, guard: Guard::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(name: &str, version: &str, labelled: bool, data: &Value) -> GuardList {
        let labels = if labelled { json!({ LABEL: "true" }) } else { json!({}) };
        let metadata =
            json!({ "name": name, "namespace": "payments", "resourceVersion": version, "labels": labels });
        serde_json::from_value(json!({ "metadata": metadata, "data": data })).unwrap()
    }

    fn key(name: &str) -> Key {
        Key { namespace: "payments".into(), name: name.into() }
    }

    fn revisions(names: &[&str]) -> BTreeSet<Revision> {
        names.iter().map(|name| Revision::from(*name)).collect()
    }

    #[test]
    fn what_is_written_is_read_again() {
        let workload = Workload { name: "db".into(), uid: "u-1".into(), ..Workload::default() };
        let allowed = revisions(&["db-1", "db-2"]);
        let body = GuardList::body(&workload, Some("7"), &allowed);
        let read: GuardList = serde_json::from_value(body.clone()).unwrap();
        assert_eq!(read.guard, Guard { resource_version: Some("7".into()), allowed });
        assert!(read.ours);
        assert_eq!(read.key.name, "db");
        assert_eq!(body["metadata"]["ownerReferences"][0]["uid"], "u-1");
        assert_eq!(body["data"]["allowed"], "db-1,db-2");
    }

    #[test]
    fn a_list_that_does_not_bind_the_workload_allows_nothing_but_is_ours() {
        let data = json!({ "workload": "db", "allowed": "db-1" });
        let unlabelled = list("siskin-guard-db", "7", false, &data);
        assert!(unlabelled.ours && unlabelled.guard.allowed.is_empty());
        let astray = list("siskin-guard-db", "7", true, &json!({ "workload": "other", "allowed": "db-1" }));
        assert!(astray.ours && astray.guard.allowed.is_empty());
    }

    #[test]
    fn somebody_else_s_config_map_of_that_name_is_not_ours() {
        assert!(!list("siskin-guard-db", "7", false, &json!({ "colour": "green" })).ours);
    }

    #[test]
    fn nothing_is_known_before_the_namespace_was_listed() {
        let guards = Guards::default();
        let db = guards.of(&key("db"));
        assert_eq!(*db.borrow(), None);
        guards.see(Some(&"shop".to_owned()), Change::All(Vec::new()));
        assert_eq!(*db.borrow(), None, "another namespace");
        guards.see(Some(&"payments".to_owned()), Change::All(Vec::new()));
        assert_eq!(*db.borrow(), Some(absent()));
        assert_eq!(*guards.of(&key("late")).borrow(), Some(absent()));
    }

    #[test]
    fn a_workload_hears_of_its_own_list_only() {
        let guards = Guards::default();
        let (mut db, mut web) = (guards.of(&key("db")), guards.of(&key("web")));
        guards.see(None, Change::All(Vec::new()));
        db.mark_unchanged();
        web.mark_unchanged();
        let data = json!({ "workload": "db", "allowed": "db-1" });
        guards.see(None, Change::Put(list("siskin-guard-db", "8", true, &data)));
        let sighting = db.borrow_and_update().clone().unwrap();
        assert_eq!((sighting.version.as_deref(), sighting.guard.allowed), (Some("8"), revisions(&["db-1"])));
        guards.see(None, Change::Gone(list("siskin-guard-db", "9", true, &data)));
        let sighting = db.borrow_and_update().clone().unwrap();
        assert_eq!((sighting.version.as_deref(), sighting.guard), (Some("9"), Guard::default()));
        assert!(!web.has_changed().unwrap());
    }

    #[test]
    fn a_list_that_is_gone_from_a_new_listing_is_gone() {
        let guards = Guards::default();
        let data = json!({ "workload": "db", "allowed": "db-1" });
        guards.see(None, Change::All(vec![list("siskin-guard-db", "8", true, &data)]));
        let db = guards.of(&key("db"));
        assert!(db.borrow().as_ref().unwrap().guard.resource_version.is_some(), "it is kept unasked");
        guards.see(None, Change::All(Vec::new()));
        assert_eq!(*db.borrow(), Some(absent()));
    }
}
