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
        traffic::{Clients, Target},
    },
    object::{ClaimPhase, Name, Pod, Uid},
};

const KUBELET: &str = "kubelet";
/// How often the clients send.
const TICK: Millis = 1_000;

/// All that isn't in the API server.
#[derive(Clone, Debug)]
pub struct Nodes {
    chance: Chance,
    behaviours: BTreeMap<Name, Behaviour>,
    usual: Behaviour,
    memories: BTreeMap<Uid, Memory>,
    /// By pod: the process that counts (by its start), and what it has counted.
    processes: BTreeMap<Uid, (Millis, Counters)>,
    /// Visits on each claim's volume.
    data: BTreeMap<Uid, u64>,
    pub clients: Vec<Clients>,
    sent_until: Millis,
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
            data: BTreeMap::new(),
            clients: Vec::new(),
            sent_until: 0,
        }
    }

    pub fn behave(&mut self, image: &str, behaviour: Behaviour) {
        self.behaviours.insert(image.into(), behaviour);
    }

    pub fn forget_data(&mut self, claim: Uid) {
        self.data.remove(&claim);
    }

    fn behaviour(&self, image: &Name) -> &Behaviour {
        self.behaviours.get(image).unwrap_or(&self.usual)
    }

    /// How the process of a pod serves; `None`: nothing answers.
    fn serving(&self, pod: &Pod, now: Millis) -> Option<(Millis, Service)> {
        let process =
            self.memories.get(&pod.metadata.uid)?.process(now).filter(|process| !process.stopping)?;
        let age = now.saturating_sub(process.since);
        Some((process.since, self.behaviour(pod.template.image()).at(age)?))
    }
}

impl Cluster {
    /// Asks a pod, as a probe would; `None`: no such pod, or nothing answers there.
    pub fn ask(&self, pod: &str) -> Option<Reading> {
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

    /// Clients and what they have met.
    pub fn clients(&self) -> &[Clients] {
        &self.nodes.clients
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
        let pod = self.read::<Pod>(pod, Precondition::NONE)?;
        let memory = self.nodes.memories.remove(&pod.metadata.uid).unwrap_or_default();
        self.nodes.memories.insert(pod.metadata.uid, change(memory));
        self.queue.ask(Task::Kubelet(pod.metadata.name), self.now);
        Ok(())
    }

    pub(super) fn sync_kubelet(&mut self, name: &Name) {
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
                self.nodes.memories.remove(&uid);
                self.nodes.processes.remove(&uid);
                self.remove::<Pod>(KUBELET, name);
            }
            None => {}
        }
        if let Some(wake) = turn.wake {
            self.queue.ask(Task::Kubelet(name.clone()), wake);
        }
    }

    pub(super) fn begin_traffic(&mut self) {
        if self.nodes.clients.len() == 1 {
            self.nodes.sent_until = self.now;
        }
        self.queue.ask(Task::Traffic, self.now + TICK);
    }

    /// The requests of the last tick, as the cluster is now.
    pub(super) fn send_traffic(&mut self) {
        let length = self.now.saturating_sub(self.nodes.sent_until);
        self.nodes.sent_until = self.now;
        let mut clients = std::mem::take(&mut self.nodes.clients);
        for clients in &mut clients {
            let targets = self.targets(&clients.service);
            for load in clients.tick(length, &targets, &mut self.nodes.chance) {
                clients.failed += self.serve(load.uid, load.requests, &load.service);
            }
        }
        self.nodes.clients = clients;
        self.queue.ask(Task::Traffic, self.now + TICK);
    }

    fn targets(&self, service: &Name) -> Vec<Target> {
        let endpoints = self.slices.get(service).map_or(&[][..], |slice| &slice.endpoints);
        let ready = endpoints.iter().filter(|endpoint| endpoint.ready);
        let target = |uid: Uid, pod: Option<&Pod>| {
            let serving = pod.filter(|pod| pod.metadata.uid == uid && !self.faults.silent.contains(&uid));
            Target {
                uid,
                service: serving
                    .and_then(|pod| self.nodes.serving(pod, self.now))
                    .map(|(_, service)| service),
            }
        };
        ready.map(|endpoint| target(endpoint.uid, self.pods.get(&endpoint.pod).map(|pod| &**pod))).collect()
    }

    /// Lets a pod's process serve requests. Returns how many failed.
    fn serve(&mut self, pod: Uid, requests: u64, service: &Service) -> u64 {
        let Some(process) = self.nodes.memories.get(&pod).and_then(|memory| memory.process(self.now)) else {
            return 0;
        };
        let entry = self.nodes.processes.entry(pod).or_insert((process.since, Counters::default()));
        if entry.0 != process.since {
            *entry = (process.since, Counters::default());
        }
        let failed_before = entry.1.failed;
        entry.1.serve(requests, service, &mut self.nodes.chance);
        let failed = entry.1.failed - failed_before;
        if let Some(claim) = self.volume(pod) {
            *self.nodes.data.entry(claim).or_default() += requests - failed;
        }
        failed
    }

    fn volume(&self, pod: Uid) -> Option<Uid> {
        let pod = self.pods.iter().find(|candidate| candidate.metadata.uid == pod)?;
        Some(self.claims.get(pod.claims.first()?)?.metadata.uid)
    }

    fn visits(&self, pod: &Pod) -> u64 {
        let claim = pod.claims.first().and_then(|claim| self.claims.get(claim));
        claim.and_then(|claim| self.nodes.data.get(&claim.metadata.uid)).copied().unwrap_or(0)
    }
}
