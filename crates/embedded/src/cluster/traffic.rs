//! Requests from clients through Services to pods.
//!
//! What leads where is known a while after the endpoints are, as kube-proxy needs its time: until then requests go
//! to pods that may be gone already.

use super::{Cluster, queue::Task};
use crate::{
    Millis,
    model::{
        application::Service,
        traffic::{Clients, Target},
    },
    object::{Endpoint, Name, Uid},
};

/// The longest time that is sent at once.
const TICK: Millis = 1_000;

impl Cluster {
    /// Sends requests through a Service from now on.
    pub fn open_traffic(&mut self, clients: Clients) {
        self.send_traffic();
        self.nodes.clients.push(clients);
        self.queue.ask(Task::Traffic, self.now + TICK);
    }

    /// Clients and what they have met.
    pub fn clients(&self) -> &[Clients] {
        &self.nodes.clients
    }

    pub(super) fn tick_traffic(&mut self) {
        self.send_traffic();
        self.queue.ask(Task::Traffic, self.now + TICK);
    }

    /// From now on requests go where the endpoints say.
    pub(super) fn route(&mut self, service: &Name) {
        self.send_traffic();
        let endpoints = self.slices.get(service).map(|slice| slice.endpoints.clone());
        self.nodes.routes.insert(service.clone(), endpoints.unwrap_or_default());
    }

    /// Sends the requests that are due. Called before anything changes that they could meet, so that each meets the
    /// cluster as it was.
    pub(super) fn send_traffic(&mut self) {
        let from = std::mem::replace(&mut self.nodes.sent_until, self.now);
        if from == self.now || self.nodes.clients.is_empty() {
            return;
        }
        let mut all = std::mem::take(&mut self.nodes.clients);
        for clients in &mut all {
            let targets = self.targets(&clients.service, from);
            for load in clients.tick(self.now - from, &targets, &mut self.nodes.chance) {
                clients.failed += self.serve(load.uid, load.requests, &load.service, from);
            }
        }
        self.nodes.clients = all;
    }

    /// The ready endpoints of a Service; if none is, those that serve while they terminate.
    fn targets(&self, service: &Name, at: Millis) -> Vec<Target> {
        let routes = self.nodes.routes.get(service).map_or(&[][..], Vec::as_slice);
        let mut chosen: Vec<&Endpoint> = routes.iter().filter(|endpoint| endpoint.ready).collect();
        if chosen.is_empty() {
            chosen = routes.iter().filter(|endpoint| endpoint.serving && endpoint.terminating).collect();
        }
        let target = |endpoint: &Endpoint| {
            let pod = self.pods.get(&endpoint.pod).filter(|pod| pod.metadata.uid == endpoint.uid);
            let reachable = pod.filter(|_| !self.faults.silent.contains(&endpoint.uid));
            let serving = reachable.and_then(|pod| self.nodes.serving(pod, at));
            Target { uid: endpoint.uid, service: serving.map(|(_, service)| service) }
        };
        chosen.into_iter().map(target).collect()
    }

    /// Lets a pod's process serve requests. Returns how many failed.
    fn serve(&mut self, uid: Uid, requests: u64, service: &Service, at: Millis) -> u64 {
        let pod = self.pods.iter().find(|pod| pod.metadata.uid == uid);
        let Some((since, _)) = pod.and_then(|pod| self.nodes.serving(pod, at)) else { return 0 };
        let image = pod.map(|pod| pod.template.image().clone());
        let volume = pod.and_then(|pod| self.claims.get(pod.claims.first()?)).map(|claim| claim.metadata.uid);
        let (counters, chance) = self.nodes.counters(uid, since);
        let before = counters.failed;
        counters.serve(requests, service, chance);
        let failed = counters.failed - before;
        if let Some(image) = image {
            self.nodes.count(&image, requests, failed);
        }
        if let Some(claim) = volume {
            self.nodes.visit(claim, requests - failed);
        }
        failed
    }
}
