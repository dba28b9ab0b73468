//! Making, removing and replacing pods, in that order of precedence.

use super::{
    Action, NewPod, View, claims,
    history::{History, Revision},
    members::reference,
    status,
};
use crate::{
    Millis,
    object::{
        Labels, Name, POD_INDEX_LABEL, POD_NAME_LABEL, Phase, Pod, PodManagement, REVISION_LABEL,
        StatefulSet, StatefulSetStatus, Uid, UpdateStrategy,
    },
};

/// The wanted pod of an index: there, or to be made.
enum Replica<'a> {
    Live(&'a Pod),
    Missing(u32),
}

/// One pass over the pods. Returns their count.
pub fn update(
    view: &View<'_>,
    members: &[&Pod],
    history: &History<'_>,
    now: Millis,
    actions: &mut Vec<Action>,
) -> StatefulSetStatus {
    let mut status = status::count(view.set, members, history, now);
    if !view.set.metadata.terminating() {
        let mut pass = Pass { view, history, now, actions };
        // Scaling comes before updating: only when nothing is left to make or to remove is a pod replaced.
        if pass.scale(members) && pass.replace(members) {
            status.current_replicas -= 1;
        }
    }
    status
}

struct Pass<'a, 'b> {
    view: &'b View<'a>,
    history: &'b History<'a>,
    now: Millis,
    actions: &'b mut Vec<Action>,
}

/// How the pass goes on after one pod.
enum Step {
    /// To the next pod.
    Next,
    /// `OrderedReady` waits here; Parallel goes on.
    Wait,
    /// Something is wrong; try again later.
    Failed,
}

impl Pass<'_, '_> {
    /// Makes the missing pods and removes those beyond `replicas`. False: the pass ends here.
    fn scale(&mut self, members: &[&Pod]) -> bool {
        let set = self.view.set;
        let replicas = self.replicas(members);
        // Highest first.
        let condemned: Vec<&Pod> = members
            .iter()
            .rev()
            .copied()
            .filter(|pod| pod.ordinal().is_some_and(|ordinal| !set.spec.wants(ordinal)))
            .collect();
        let unavailable = |pod: &Pod| pod.metadata.terminating() || !self.available(pod);
        // Of those that are wanted, or else the lowest of the others.
        let all_up =
            replicas.iter().all(|replica| matches!(replica, Replica::Live(pod) if !unavailable(pod)));
        let first_down = condemned.iter().rev().find(|pod| unavailable(pod)).filter(|_| all_up);
        let first_down = first_down.map(|pod| pod.metadata.uid);
        self.for_each(&replicas, |pass, replica| pass.keep(replica))
            && self.for_each(&condemned, |pass, pod| pass.prepare_claims(pod))
            && self.for_each(&condemned, |pass, pod| pass.remove(pod, first_down))
    }

    fn replicas<'p>(&self, members: &[&'p Pod]) -> Vec<Replica<'p>> {
        let start = self.view.set.spec.ordinals_start;
        let mut live = members
            .iter()
            .copied()
            .filter(|pod| pod.ordinal().is_some_and(|ordinal| ordinal >= start))
            .peekable();
        let ordinals = start..start.saturating_add(self.view.set.spec.replicas);
        let replica = |ordinal| match live.next_if(|pod| pod.ordinal() == Some(ordinal)) {
            Some(pod) => Replica::Live(pod),
            None => Replica::Missing(ordinal),
        };
        ordinals.map(replica).collect()
    }

    /// `OrderedReady` ends at the first pod to wait for. Parallel works in batches of 1, 2, 4, ..., and ends after a
    /// batch in which something failed.
    fn for_each<T>(&mut self, items: &[T], mut work: impl FnMut(&mut Self, &T) -> Step) -> bool {
        let ordered = self.view.set.spec.pod_management == PodManagement::OrderedReady;
        let mut failed = false;
        let mut batch_end = 1_usize;
        for (index, item) in items.iter().enumerate() {
            if index == batch_end {
                if failed {
                    break;
                }
                batch_end += (index + 1).min(500);
            }
            match work(self, item) {
                Step::Wait if ordered => return false,
                Step::Next | Step::Wait => {}
                Step::Failed => {
                    failed = true;
                    if ordered {
                        break;
                    }
                }
            }
        }
        if failed {
            self.actions.push(Action::Retry);
        }
        !failed
    }

    /// Sees to one wanted pod. Where `OrderedReady` waits for a pod that never gets ready, nothing comes after: no
    /// pod is made, removed or replaced, and a template that was mended doesn't reach it (kubernetes#67250).
    fn keep(&mut self, replica: &Replica<'_>) -> Step {
        let pod = match replica {
            Replica::Missing(ordinal) => return self.create(*ordinal),
            Replica::Live(pod) => pod,
        };
        let Some(ordinal) = pod.ordinal() else { return Step::Next };
        if pod.ended() {
            if !pod.metadata.terminating() {
                self.delete(pod);
            }
            return Step::Wait;
        }
        if pod.status.phase == Phase::Pending {
            return self.make_claims(pod, ordinal);
        }
        let ordered = self.view.set.spec.pod_management == PodManagement::OrderedReady;
        if ordered && (pod.metadata.terminating() || !pod.ready() || !self.available(pod)) {
            return Step::Wait;
        }
        if !claims::match_pod(self.view.set, pod, ordinal) {
            // Volumes of a living pod can't change, so the real controller's write is refused again and again.
            return Step::Failed;
        }
        claims::set_owners(self.view, &pod.metadata.name, pod.metadata.uid, ordinal, self.actions);
        Step::Next
    }

    fn create(&mut self, ordinal: u32) -> Step {
        let set = self.view.set;
        let name = self.name(ordinal);
        if claims::stale(self.view, &name, ordinal) {
            return Step::Wait;
        }
        if let Err(message) = claims::create_missing(self.view, ordinal, self.actions) {
            self.actions.push(Action::Refuse { pod: name, message });
            return Step::Failed;
        }
        let revision = self.revision_of(ordinal);
        self.actions.push(Action::CreatePod(NewPod {
            labels: pod_labels(revision, &name, ordinal),
            template: revision.template.clone(),
            volumes: claims::volumes(set, ordinal),
            owner: reference(set),
            name: name.clone(),
        }));
        claims::set_owners(self.view, &name, Uid::default(), ordinal, self.actions);
        Step::Wait
    }

    /// The revision that a missing pod is made of. The partition is an index, so it is added to the first ordinal.
    /// Without `rollingUpdate` as many pods as are current, by the last status, come back as they were.
    fn revision_of(&self, ordinal: u32) -> &Revision {
        let StatefulSet { spec, status, .. } = self.view.set;
        let current_below = match spec.update_strategy {
            UpdateStrategy::RollingUpdate { partition: Some(partition) } => i64::from(partition),
            UpdateStrategy::RollingUpdate { partition: None } => status.current_replicas,
            UpdateStrategy::OnDelete => 0,
        };
        let current = i64::from(ordinal) < i64::from(spec.ordinals_start) + current_below;
        if current { &self.history.current } else { &self.history.update }
    }

    fn make_claims(&mut self, pod: &Pod, ordinal: u32) -> Step {
        if let Err(message) = claims::create_missing(self.view, ordinal, self.actions) {
            self.actions.push(Action::Refuse { pod: pod.metadata.name.clone(), message });
            return Step::Failed;
        }
        claims::set_owners(self.view, &pod.metadata.name, pod.metadata.uid, ordinal, self.actions);
        Step::Wait
    }

    fn prepare_claims(&mut self, pod: &Pod) -> Step {
        if let Some(ordinal) = pod.ordinal() {
            claims::set_owners(self.view, &pod.metadata.name, pod.metadata.uid, ordinal, self.actions);
        }
        Step::Next
    }

    /// Removes a pod beyond `replicas`. `OrderedReady` removes one that isn't available only if it is the first that
    /// isn't, and it begins with the highest: of two broken ones none is removed.
    fn remove(&mut self, pod: &Pod, first_down: Option<Uid>) -> Step {
        let ordered = self.view.set.spec.pod_management == PodManagement::OrderedReady;
        let up = pod.ready() && self.available(pod);
        if pod.metadata.terminating() || (ordered && !up && first_down != Some(pod.metadata.uid)) {
            return Step::Wait;
        }
        self.delete(pod);
        Step::Wait
    }

    /// Replaces the highest pod at or above the partition that isn't of the update revision, one in a pass, and
    /// waits for those above it. True: one was deleted.
    fn replace(&mut self, members: &[&Pod]) -> bool {
        let set = self.view.set;
        if set.spec.update_strategy == UpdateStrategy::OnDelete {
            return false;
        }
        let replicas = self.replicas(members);
        let partition = usize::try_from(set.spec.update_strategy.partition()).unwrap_or(usize::MAX);
        for replica in replicas.iter().skip(partition).rev() {
            let pod = match replica {
                Replica::Live(pod) => pod,
                Replica::Missing(ordinal) => return self.replace_new(*ordinal),
            };
            if pod.revision() != &*self.history.update.name && !pod.metadata.terminating() {
                self.delete(pod);
                return true;
            }
            if pod.metadata.terminating() || !self.available(pod) {
                return false;
            }
        }
        false
    }

    /// A pod that Parallel made in this very pass is waited for, if it is of the update revision. Without
    /// `rollingUpdate` it may not be, and is deleted again.
    fn replace_new(&mut self, ordinal: u32) -> bool {
        let outdated = self.revision_of(ordinal).name != self.history.update.name;
        if outdated {
            self.actions.push(Action::DeletePod { name: self.name(ordinal) });
        }
        outdated
    }

    fn name(&self, ordinal: u32) -> Name {
        format!("{}-{ordinal}", self.view.set.metadata.name).into()
    }

    fn available(&self, pod: &Pod) -> bool {
        pod.available(self.view.set.spec.min_ready_seconds, self.now)
    }

    fn delete(&mut self, pod: &Pod) {
        self.actions.push(Action::DeletePod { name: pod.metadata.name.clone() });
    }
}

fn pod_labels(revision: &Revision, name: &Name, ordinal: u32) -> Labels {
    let mut labels = (**revision.template.labels()).clone();
    labels.insert(REVISION_LABEL.to_owned(), revision.name.to_string());
    labels.insert(POD_NAME_LABEL.to_owned(), name.to_string());
    labels.insert(POD_INDEX_LABEL.to_owned(), ordinal.to_string());
    Labels::new(labels)
}
