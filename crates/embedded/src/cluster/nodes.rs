//! What runs in the pods: the kubelet's memory of each, the processes with what they have counted, the data on
//! claims, and the clients.

use std::collections::BTreeMap;

use super::{Cluster, Precondition, Refused, queue::Task, trace::Verb};
use crate::{
    Millis,
    chance::Chance,
    model::{
        application::{Behaviour, Counters, Health, Service},
        kubelet::{self, Action, Memory},
        traffic::Clients,
    },
    object::{ClaimPhase, Endpoint, Name, Pod, Uid},
};

const KUBELET: &str = "kubelet";

/// All that isn't in the API server.
#[derive(Clone, Debug)]
pub struct Nodes {
    pub chance: Chance,
    behaviours: BTreeMap<Name, Behaviour>,
    usual: Behaviour,
    memories: BTreeMap<Uid, Memory>,
    /// By pod: the process that counts (by its start), and what it has counted.
    processes: BTreeMap<Uid, (Millis, Counters)>,
    /// What the pods of each image have answered.
    served: BTreeMap<Name, Served>,
    /// Visits on each claim's volume.
    data: BTreeMap<Uid, u64>,
    pub clients: Vec<Clients>,
    /// By Service: the endpoints that requests are sent to.
    pub routes: BTreeMap<Name, Vec<Endpoint>>,
    /// Requests are sent up to this moment.
    pub sent_until: Millis,
}

/// What the pods of an image have answered, those that are gone included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Served {
    /// Requests of clients.
    pub requests: u64,
    /// Of those, the ones answered with an error.
    pub failed: u64,
}

/// What a probe of a pod finds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reading {
    /// How it serves.
    pub service: Service,
    /// What it has counted since its start.
    pub counters: Counters,
    /// Visits on its first claim's volume.
    pub visits: u64,
    /// Bytes it takes.
    pub memory: u64,
}

impl Reading {
    /// What the health endpoint says.
    pub fn health(&self) -> Health {
        self.service.health
    }

    /// The metrics page.
    pub fn metrics(&self) -> String {
        self.counters.page(self.visits)
    }
}

impl Nodes {
    pub fn new(chance: Chance) -> Self {
        Self {
            chance,
            behaviours: BTreeMap::new(),
            usual: Behaviour::default(),
            memories: BTreeMap::new(),
            processes: BTreeMap::new(),
            served: BTreeMap::new(),
            data: BTreeMap::new(),
            clients: Vec::new(),
            routes: BTreeMap::new(),
            sent_until: 0,
        }
    }

    pub fn behave(&mut self, image: &str, behaviour: Behaviour) {
        self.behaviours.insert(image.into(), behaviour);
    }

    pub fn forget_pod(&mut self, pod: Uid) {
        self.memories.remove(&pod);
        self.processes.remove(&pod);
    }

    pub fn forget_data(&mut self, claim: Uid) {
        self.data.remove(&claim);
    }

    fn behaviour(&self, image: &Name) -> &Behaviour {
        self.behaviours.get(image).unwrap_or(&self.usual)
    }

    /// When the process of a pod started, and how it serves; `None`: nothing answers.
    pub fn serving(&self, pod: &Pod, at: Millis) -> Option<(Millis, Service)> {
        let process =
            self.memories.get(&pod.metadata.uid)?.process(at).filter(|process| !process.stopping)?;
        let age = at.saturating_sub(process.since);
        Some((process.since, self.behaviour(pod.template.image()).at(age)?))
    }

    /// What the process of a pod that started then has counted.
    pub fn counters(&mut self, pod: Uid, since: Millis) -> (&mut Counters, &mut Chance) {
        let (counted_since, counters) = self.processes.entry(pod).or_default();
        if *counted_since != since {
            (*counted_since, *counters) = (since, Counters::default());
        }
        (counters, &mut self.chance)
    }

    /// Adds requests to those that an image has answered.
    pub fn count(&mut self, image: &Name, requests: u64, failed: u64) {
        let served = match self.served.get_mut(image) {
            Some(served) => served,
            None => self.served.entry(image.clone()).or_default(),
        };
        served.requests += requests;
        served.failed += failed;
    }

    /// Adds visits to a claim's volume.
    pub fn visit(&mut self, claim: Uid, visits: u64) {
        *self.data.entry(claim).or_default() += visits;
    }
}

impl Cluster {
    /// Asks a pod, as a probe would; `None`: no such pod, or nothing answers there.
    pub fn ask(&mut self, pod: &str) -> Option<Reading> {
        self.send_traffic();
        let pod = self.pods.get(pod).filter(|pod| !self.faults.silent.contains(&pod.metadata.uid))?;
        let (since, service) = self.nodes.serving(pod, self.now)?;
        let counted =
            self.nodes.processes.get(&pod.metadata.uid).filter(|(counted_since, _)| *counted_since == since);
        Some(Reading {
            service,
            counters: counted.map(|(_, counters)| counters.clone()).unwrap_or_default(),
            visits: self.visits(pod),
            memory: self.nodes.behaviour(pod.template.image()).memory_at(self.now.saturating_sub(since)),
        })
    }

    /// What the pods of an image have answered up to now.
    pub fn served(&mut self, image: &str) -> Served {
        self.send_traffic();
        self.nodes.served.get(image).copied().unwrap_or_default()
    }

    /// Lets a pod's process end, as by a signal from outside.
    pub fn kill(&mut self, pod: &str) -> Result<(), Refused> {
        let now = self.now;
        self.upset(pod, |memory| memory.killed("Error", 137, now))
    }

    /// Lets the kubelet evict a pod, as for want of memory or disk: it fails, and its object stays.
    pub fn evict(&mut self, pod: &str) -> Result<(), Refused> {
        self.upset(pod, |memory| memory.failed("Evicted"))
    }

    fn upset(&mut self, pod: &str, change: impl FnOnce(Memory) -> Memory) -> Result<(), Refused> {
        self.send_traffic();
        let pod = self.read::<Pod>(pod, Precondition::NONE)?;
        let memory = self.nodes.memories.remove(&pod.metadata.uid).unwrap_or_default();
        self.nodes.memories.insert(pod.metadata.uid, change(memory));
        self.queue.ask(Task::Kubelet(pod.metadata.name), self.now);
        Ok(())
    }

    pub(super) fn sync_kubelet(&mut self, name: &Name) {
        self.send_traffic();
        let Some(pod) = self.pods.get(name).cloned() else { return };
        let uid = pod.metadata.uid;
        if self.faults.silent.contains(&uid) {
            return;
        }
        let memory = self.nodes.memories.remove(&uid).unwrap_or_default();
        let claim_bound = |claim: &Name| {
            let claim = self.claims.get(claim);
            claim.is_some_and(|claim| claim.phase == ClaimPhase::Bound && !claim.metadata.terminating())
        };
        let behaviour = self.nodes.behaviours.get(pod.template.image()).unwrap_or(&self.nodes.usual);
        let view = kubelet::View {
            pod: &pod,
            memory: &memory,
            unschedulable: self.faults.unschedulable.as_deref(),
            claims_bound: pod.claims.iter().all(claim_bound),
            behaviour,
        };
        let turn = kubelet::sync(&view, self.now, &mut self.nodes.chance);
        self.nodes.memories.insert(uid, turn.memory);
        match turn.action {
            Some(Action::Report(status)) => {
                let pod = Pod { status, ..(*pod).clone() };
                self.put(KUBELET, Verb::UpdateStatus, pod);
            }
            Some(Action::Remove) => {
                self.remove::<Pod>(KUBELET, name);
            }
            None => {}
        }
        if let Some(wake) = turn.wake {
            self.queue.ask(Task::Kubelet(name.clone()), wake);
        }
    }

    fn visits(&self, pod: &Pod) -> u64 {
        let claim = pod.claims.first().and_then(|claim| self.claims.get(claim));
        claim.and_then(|claim| self.nodes.data.get(&claim.metadata.uid)).copied().unwrap_or(0)
    }
}
