//! What a worker knows of its workload's list of released revisions: what the watch says, or what was written since.

use std::time::Duration;

use siskin_core::{facts::Guard, time::Instant};
use tokio::sync::watch;

use crate::{
    cluster::{Cluster, Error, Resource},
    watch::{
        guards::{GuardList, Guards, Sighting},
        statefulsets::Key,
    },
};

/// The lists are there a moment after the start, or the right to list them is missing.
const WORTH_TELLING: Duration = Duration::from_secs(10);

/// The newest that is known of one list.
pub struct GuardView {
    seen: watch::Receiver<Option<Sighting>>,
    known: Option<Known>,
    /// A write failed: the list must be read before the next step.
    unsure: bool,
    since: Instant,
}

struct Known {
    /// No news is as old as this, or older.
    version: u128,
    guard: Guard,
}

impl GuardView {
    /// As it is known `now`, perhaps not at all yet.
    pub fn new(guards: &Guards, key: &Key, now: Instant) -> Self {
        let mut view = Self { seen: guards.of(key), known: None, unsure: false, since: now };
        view.look();
        view
    }

    /// Returns when there is news of the list.
    pub async fn changed(&mut self) {
        if self.seen.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
        self.look();
    }

    /// Takes over what was seen last. To be called once for each sighting: one without a version would take the place
    /// of what was written since.
    fn look(&mut self) {
        let Some(Sighting { version, guard }) = self.seen.borrow_and_update().clone() else { return };
        let version = version.as_deref().map(number);
        if let (Some(known), Some(version)) = (&self.known, version)
            && version <= known.version
        {
            return;
        }
        self.known = Some(Known { version: version.unwrap_or_else(|| self.version()), guard });
    }

    /// The list as it is; `None`: the lists were not listed yet.
    pub fn fact(&self) -> Option<Guard> {
        self.known.as_ref().map(|known| known.guard.clone())
    }

    /// Nothing is known for so long that people should know.
    pub fn missing(&self, now: Instant) -> bool {
        self.known.is_none() && now.since(self.since) >= WORTH_TELLING
    }

    /// We wrote it.
    pub fn wrote(&mut self, list: GuardList) {
        self.known = Some(Known { version: number(&list.resource_version), guard: list.guard });
    }

    /// We deleted it, or it isn't there.
    pub fn gone(&mut self) {
        self.known = Some(Known { version: self.version(), guard: Guard::default() });
    }

    /// A write of it failed.
    pub fn failed(&mut self) {
        self.unsure = true;
    }

    /// Reads it if a write of it failed, as what became of that is known only then.
    pub async fn read_again(&mut self, cluster: &Cluster, key: &Key) -> Result<(), Error> {
        if !self.unsure {
            return Ok(());
        }
        let name = GuardList::name(&key.name);
        match cluster.get::<GuardList>(Resource::ConfigMaps, &key.namespace, &name).await {
            Ok(list) if list.ours => self.wrote(list),
            Ok(_) => self.gone(),
            Err(error) if error.is_not_found() => self.gone(),
            Err(error) => return Err(error),
        }
        self.unsure = false;
        Ok(())
    }

    fn version(&self) -> u128 {
        self.known.as_ref().map_or(0, |known| known.version)
    }
}

/// resourceVersions are numbers that grow (KEP-5504).
fn number(version: &str) -> u128 {
    version.parse().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::watch::Change;

    fn key() -> Key {
        Key { namespace: "payments".into(), name: "db".into() }
    }

    fn list(version: u32, allowed: &str) -> GuardList {
        serde_json::from_value(json!({
            "metadata": {
                "name": "siskin-guard-db", "namespace": "payments", "resourceVersion": version.to_string(),
                "labels": { "siskin.dev/guard": "true" },
            },
            "data": { "workload": "db", "allowed": allowed },
        }))
        .unwrap()
    }

    fn allowed(view: &GuardView) -> Vec<String> {
        view.fact().unwrap().allowed.into_iter().map(|revision| revision.0).collect()
    }

    #[tokio::test]
    async fn nothing_is_known_until_the_lists_are_listed() {
        let guards = Guards::default();
        let mut view = GuardView::new(&guards, &key(), Instant::default());
        assert_eq!(view.fact(), None);
        let start = view.since;
        assert!(
            !view.missing(start + Duration::from_secs(9)) && view.missing(start + Duration::from_secs(10))
        );
        guards.see(None, Change::All(Vec::new()));
        view.changed().await;
        assert_eq!(view.fact(), Some(Guard::default()));
        assert!(!view.missing(start + Duration::from_secs(10)));
    }

    #[tokio::test]
    async fn an_old_sighting_does_not_undo_a_write_of_ours() {
        let guards = Guards::default();
        guards.see(None, Change::All(vec![list(5, "db-1")]));
        let mut view = GuardView::new(&guards, &key(), Instant::default());
        assert_eq!(allowed(&view), ["db-1"]);
        view.wrote(list(9, "db-1,db-2"));
        guards.see(None, Change::Put(list(7, "db-1")));
        view.changed().await;
        assert_eq!(allowed(&view), ["db-1", "db-2"]);
        guards.see(None, Change::Put(list(11, "db-3")));
        view.changed().await;
        assert_eq!(allowed(&view), ["db-3"]);
    }

    #[tokio::test]
    async fn an_old_sighting_does_not_bring_a_deleted_list_back() {
        let guards = Guards::default();
        guards.see(None, Change::All(vec![list(5, "db-1")]));
        let mut view = GuardView::new(&guards, &key(), Instant::default());
        view.gone();
        guards.see(None, Change::Put(list(5, "db-1")));
        view.changed().await;
        assert_eq!(view.fact(), Some(Guard::default()));
        guards.see(None, Change::Put(list(8, "db-2")));
        view.changed().await;
        assert_eq!(allowed(&view), ["db-2"]);
    }
}
