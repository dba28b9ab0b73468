//! Cluster -> facts: lists and watches, objects projected to what the core reads as soon as they arrive.

pub mod autoscalers;
pub mod claims;
pub mod configuration;
pub mod guards;
pub mod meta;
pub mod pods;
pub mod refusals;
pub mod revisions;
pub mod statefulsets;
#[cfg(test)]
mod tests;

use std::time::Duration;

use futures::StreamExt;
use kube::api::WatchEvent;
use serde::de::DeserializeOwned;

use crate::{
    cluster::{Cluster, Error, Listed, Scope},
    server::health::Age,
};

/// The API server ends each watch after this time. A connection whose other end is gone is found out at the
/// latest then, so this bounds how long the view may be frozen.
const WATCH_SECONDS: u32 = 60;
/// Without anything for this long (bookmarks come once a minute) the connection counts as dead.
pub const SILENCE: Duration = Duration::from_secs(WATCH_SECONDS as u64 + 10);
/// A watch that ends sooner is no good one; the next is opened after a pause.
const GOOD_WATCH: Duration = Duration::from_secs(5);
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// An object that can be watched.
pub trait Watched: Clone + DeserializeOwned + Send + 'static {
    /// Nothing but `metadata` is asked for.
    const METADATA_ONLY: bool = false;

    /// `metadata.resourceVersion`.
    fn resource_version(&self) -> &str;
}

/// What happened to a scope's objects.
#[derive(Debug)]
pub enum Change<T> {
    /// These are all there are.
    All(Vec<T>),
    /// Made or changed.
    Put(T),
    /// Deleted; its last version.
    Gone(T),
}

/// Where a [`follow`] stands.
enum State {
    /// Everything has to be read: at the start, and after the watch fell too far behind (410).
    Listing,
    /// All changes after this resourceVersion are to come.
    Watching(String),
}

/// Why a step of [`follow`] wants a pause.
enum Pause {
    No,
    Short,
    After(Error),
}

/// Lists and watches a scope for ever. `age` is renewed whenever the API server has shown that the view is
/// current: by a list, an opened watch, an event or a bookmark.
pub async fn follow<T: Watched>(cluster: Cluster, scope: Scope, age: Age, mut seen: impl FnMut(Change<T>)) {
    let mut state = State::Listing;
    let mut pause = FIRST_PAUSE;
    loop {
        let wanted = match &mut state {
            State::Listing => match list::<T>(&cluster, &scope).await {
                Ok(listed) => {
                    age.renew();
                    seen(Change::All(listed.items));
                    state = State::Watching(listed.resource_version);
                    Pause::No
                }
                Err(error) => Pause::After(error),
            },
            State::Watching(from) => {
                let began = cluster.clock().mono();
                match watch(&cluster, &scope, from, &age, &mut seen).await {
                    Ok(()) if cluster.clock().mono().since(began) < GOOD_WATCH => Pause::Short,
                    Ok(()) => Pause::No,
                    Err(error) => {
                        if error.is_expired() {
                            state = State::Listing;
                        }
                        Pause::After(error)
                    }
                }
            }
        };
        match wanted {
            Pause::No => {
                pause = FIRST_PAUSE;
                continue;
            }
            Pause::Short => {}
            Pause::After(error) if error.is_expired() => tracing::debug!(%error, "the watch starts over"),
            Pause::After(error) => tracing::warn!(%error, "the watch is interrupted"),
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

async fn list<T: Watched>(cluster: &Cluster, scope: &Scope) -> Result<Listed<T>, Error> {
    if T::METADATA_ONLY { cluster.list_metadata(scope).await } else { cluster.list(scope).await }
}

/// One watch until it ends; `from` moves along with what was seen.
async fn watch<T: Watched>(
    cluster: &Cluster,
    scope: &Scope,
    from: &mut String,
    age: &Age,
    seen: &mut impl FnMut(Change<T>),
) -> Result<(), Error> {
    let mut events = cluster.watch::<T>(scope, from, WATCH_SECONDS, T::METADATA_ONLY).await?;
    age.renew();
    while let Ok(Some(event)) = tokio::time::timeout(SILENCE, events.next()).await {
        let event = event?;
        let (change, version) = match event {
            WatchEvent::Added(object) | WatchEvent::Modified(object) => {
                let version = object.resource_version().to_owned();
                (Some(Change::Put(object)), version)
            }
            WatchEvent::Deleted(object) => {
                let version = object.resource_version().to_owned();
                (Some(Change::Gone(object)), version)
            }
            WatchEvent::Bookmark(bookmark) => (None, bookmark.metadata.resource_version),
            WatchEvent::Error(status) => return Err(Cluster::watch_error(scope, *status)),
        };
        *from = version;
        age.renew();
        if let Some(change) = change {
            seen(change);
        }
    }
    Ok(())
}
