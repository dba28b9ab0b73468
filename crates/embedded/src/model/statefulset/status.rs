//! Counting pods, completing updates, and when to look again.

use super::{Action, history::History};
use crate::{
    Millis,
    object::{Pod, StatefulSet, StatefulSetStatus, UpdateStrategy},
};

/// Counts the pods. Terminating pods are counted but as current and updated.
pub fn count(set: &StatefulSet, pods: &[&Pod], history: &History<'_>, now: Millis) -> StatefulSetStatus {
    let mut status = StatefulSetStatus {
        observed_generation: set.metadata.generation,
        current_revision: history.current.name.clone(),
        update_revision: history.update.name.clone(),
        collision_count: history.collisions,
        ..StatefulSetStatus::default()
    };
    for pod in pods {
        status.replicas += 1;
        status.ready_replicas += i64::from(pod.ready());
        status.available_replicas += i64::from(pod.ready() && pod.available(set.spec.min_ready_seconds, now));
        if !pod.metadata.terminating() {
            status.current_replicas += i64::from(pod.revision() == &*history.current.name);
            status.updated_replicas += i64::from(pod.revision() == &*history.update.name);
        }
    }
    status
}

/// Completes the update if it is complete, and writes the status if it tells anything new.
pub fn report(
    set: &StatefulSet,
    pods: &[&Pod],
    mut status: StatefulSetStatus,
    now: Millis,
    actions: &mut Vec<Action>,
) {
    complete(set, &mut status);
    let unavailable = status.ready_replicas != status.available_replicas;
    if tells_news(&set.status, &status) {
        actions.push(Action::UpdateStatus(status));
    }
    if unavailable {
        let needed = u64::from(set.spec.min_ready_seconds) * 1000;
        let since = pods.iter().filter_map(|pod| pod.status.ready_since);
        let next = since.map(|since| since + needed).filter(|&at| at > now).min();
        actions.push(Action::SyncAgainAt(next.unwrap_or(now + needed)));
    }
}

/// The current revision becomes the wanted one when as many pods are updated, are ready and exist as are wanted.
/// Neither the partition nor `minReadySeconds` is looked at (kubernetes#136831), nor whether it is the updated pods
/// that are ready; and zero pods are complete.
fn complete(set: &StatefulSet, status: &mut StatefulSetStatus) {
    let wanted = i64::from(set.spec.replicas);
    let rolling = matches!(set.spec.update_strategy, UpdateStrategy::RollingUpdate { .. });
    if rolling
        && status.updated_replicas == wanted
        && status.ready_replicas == wanted
        && status.replicas == wanted
    {
        status.current_replicas = status.updated_replicas;
        status.current_revision = status.update_revision.clone();
    }
}

/// Not every difference is worth a write: a new collision count alone isn't, nor an older generation.
fn tells_news(old: &StatefulSetStatus, new: &StatefulSetStatus) -> bool {
    let rest = StatefulSetStatus {
        observed_generation: old.observed_generation,
        collision_count: old.collision_count,
        ..new.clone()
    };
    new.observed_generation > old.observed_generation || rest != *old
}
