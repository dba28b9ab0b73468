//! The typed host: objects in memory, the models run on events in virtual time.
//!
//! One namespace. Controllers see every write a few milliseconds after it was made; how many, the seed decides.
//! Everything that happens follows from the seed and the operations: the same give the same [`Cluster::trace`].

mod controllers;
mod copy;
mod nodes;
mod operations;
mod queue;
mod request;
mod snapshot;
mod store;
mod trace;
mod traffic;
mod writes;

#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

pub use copy::Copied;
pub use nodes::{Reading, Served};
pub use operations::Cascade;
pub use request::{Admission, AdmitAll, Precondition, Refused};
pub use snapshot::Snapshot;
pub use store::{Object, Store};
pub use trace::{Actor, Verb, Write};

use self::{nodes::Nodes, queue::Queue, queue::Task};
use crate::{
    Millis,
    chance::Chance,
    model::application::Behaviour,
    object::{Claim, ControllerRevision, EndpointSlice, Name, Pod, Service, StatefulSet, Uid},
};

/// A cluster.
#[derive(Clone)]
pub struct Cluster {
    now: Millis,
    /// The number of the last write.
    version: u64,
    chance: Chance,
    uids: Chance,
    queue: Queue,
    sets: Store<StatefulSet>,
    pods: Store<Pod>,
    claims: Store<Claim>,
    revisions: Store<ControllerRevision>,
    services: Store<Service>,
    slices: Store<EndpointSlice>,
    nodes: Nodes,
    /// Failed passes in a row, by StatefulSet.
    failures: BTreeMap<Name, u32>,
    refusals: BTreeMap<Name, Vec<Refusal>>,
    /// Who wrote `spec.replicas` last, by StatefulSet.
    scaled_by: BTreeMap<Name, Actor>,
    trace: Vec<Write>,
    admission: Arc<dyn Admission>,
    faults: Faults,
}

/// An Event `FailedCreate`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// When it happened last.
    pub at: Millis,
    /// What was refused, and why.
    pub message: String,
}

/// What is wrong with a cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Faults {
    /// How long a volume takes to be made; `None`: there is none to be had.
    pub provisioning: Option<Millis>,
    /// Why no node takes a new pod.
    pub unschedulable: Option<Name>,
    /// A quota of pods; one more is refused.
    pub pod_quota: Option<usize>,
    /// Pods whose node is silent: nothing happens to them any more, and nothing answers there. They stay Ready, which
    /// Kubernetes takes from them after 40 s.
    pub silent: BTreeSet<Uid>,
    /// The StatefulSet controller doesn't run.
    pub controller_stopped: bool,
}

impl Default for Faults {
    /// Nothing; volumes take 50 ms.
    fn default() -> Self {
        Self {
            provisioning: Some(50),
            unschedulable: None,
            pod_quota: None,
            silent: BTreeSet::new(),
            controller_stopped: false,
        }
    }
}

impl Cluster {
    /// An empty cluster.
    pub fn new(seed: u64) -> Self {
        let mut chance = Chance::new(seed);
        Self {
            now: 0,
            version: 0,
            uids: chance.split(),
            nodes: Nodes::new(chance.split()),
            chance,
            queue: Queue::default(),
            sets: Store::default(),
            pods: Store::default(),
            claims: Store::default(),
            revisions: Store::default(),
            services: Store::default(),
            slices: Store::default(),
            failures: BTreeMap::new(),
            refusals: BTreeMap::new(),
            scaled_by: BTreeMap::new(),
            trace: Vec::new(),
            admission: Arc::new(AdmitAll),
            faults: Faults::default(),
        }
    }

    /// Puts admission policies in force.
    pub fn admit_by(&mut self, admission: impl Admission + 'static) {
        self.admission = Arc::new(admission);
    }

    /// Says how an image behaves; without a word, like the default one. Running processes change at once.
    pub fn behave(&mut self, image: &str, behaviour: Behaviour) {
        self.send_traffic();
        self.nodes.behave(image, behaviour);
        let pods: Vec<Name> = self.pods.iter().map(|pod| pod.metadata.name.clone()).collect();
        for pod in pods {
            self.queue.ask(Task::Kubelet(pod), self.now);
        }
    }

    /// What is wrong with the cluster.
    pub fn faults(&self) -> &Faults {
        &self.faults
    }

    /// Changes what is wrong with the cluster. A quota is noticed when the controller tries again, everything else
    /// at once.
    pub fn change_faults(&mut self, change: impl FnOnce(&mut Faults)) {
        let stopped = self.faults.controller_stopped;
        self.send_traffic();
        change(&mut self.faults);
        let pods = self.pods.iter().map(|pod| Task::Kubelet(pod.metadata.name.clone()));
        let sets = self.sets.iter().map(|set| Task::StatefulSet(set.metadata.name.clone()));
        let restarted = stopped && !self.faults.controller_stopped;
        let tasks: Vec<Task> = pods.chain(sets.filter(|_| restarted)).chain([Task::Claims]).collect();
        for task in tasks {
            self.queue.ask(task, self.now);
        }
    }

    /// The time, in milliseconds since the cluster began.
    pub fn now(&self) -> Millis {
        self.now
    }

    /// The number of the last write.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// All writes so far.
    pub fn trace(&self) -> &[Write] {
        &self.trace
    }

    /// Why the controller could not make pods of a StatefulSet: its Events `FailedCreate`, one for each message.
    pub fn refusals(&self, set: &str) -> &[Refusal] {
        self.refusals.get(set).map_or(&[], Vec::as_slice)
    }

    /// Who last changed `spec.replicas` of a StatefulSet, as managedFields tell it.
    pub fn scaled_by(&self, set: &str) -> Option<&Actor> {
        self.scaled_by.get(set)
    }

    /// When something happens next by itself.
    pub fn next(&self) -> Option<Millis> {
        self.queue.next()
    }

    /// Lets the next thing happen. False: nothing ever will, by itself.
    pub fn step(&mut self) -> bool {
        let Some((at, task)) = self.queue.take() else { return false };
        self.now = self.now.max(at);
        match task {
            Task::StatefulSet(name) => self.sync_statefulset(&name),
            Task::Kubelet(name) => self.sync_kubelet(&name),
            Task::Claims => self.sync_claims(),
            Task::Endpoints(name) => self.sync_endpoints(&name),
            Task::Garbage => self.sync_garbage(),
            Task::Route(name) => self.route(&name),
            Task::Traffic => self.tick_traffic(),
        }
        true
    }

    /// Lets everything happen up to and including this moment; then it is this moment.
    pub fn run_until(&mut self, moment: Millis) {
        while self.queue.next().is_some_and(|next| next <= moment) {
            self.step();
        }
        self.now = self.now.max(moment);
    }

    /// Lets this much time pass.
    pub fn run_for(&mut self, time: Millis) {
        self.run_until(self.now + time);
    }

    /// Runs until the condition holds. False: it didn't within this time.
    pub fn run_while(&mut self, within: Millis, mut unmet: impl FnMut(&Self) -> bool) -> bool {
        let end = self.now + within;
        while unmet(self) {
            if self.queue.next().is_none_or(|next| next > end) {
                self.now = end;
                return false;
            }
            self.step();
        }
        true
    }
}
