//! All of a cluster that isn't in its API server: what kubelets know, processes with what they have counted, data on
//! volumes, clients, and what is wrong.

use std::{collections::BTreeMap, fmt::Write as _, net::Ipv4Addr};

use siskin_embedded::{
    Millis,
    chance::Chance,
    cluster::{Faults, Reading},
    model::{
        application::{Behaviour, Counters, Service},
        kubelet,
        traffic::{Clients, Target},
    },
    object::{Endpoint, Name, Pod, Uid},
};

use crate::{events::Recorded, images, seen::Seen, translate::Untranslatable};

/// What a cluster remembers between two passes.
#[derive(Debug)]
pub struct Memory {
    /// What is wrong with the cluster.
    pub faults: Faults,
    /// The objects that the controllers left alone in the last pass, and why.
    pub left_alone: Vec<Untranslatable>,
    pub(crate) pods: BTreeMap<Uid, Running>,
    pub(crate) sets: BTreeMap<Uid, Queued>,
    pub(crate) seen: Seen,
    pub(crate) recorded: Recorded,
    /// By namespace and Service.
    pub(crate) routes: BTreeMap<(String, Name), Route>,
    /// The store's version when the garbage collector last found nothing to do.
    pub(crate) clean_at: Option<u64>,
    /// When the garbage collector looks next.
    pub(crate) garbage_due: Option<Millis>,
    behaviours: BTreeMap<Name, Behaviour>,
    /// Visits on the volume of each claim.
    data: BTreeMap<Uid, u64>,
    clients: Vec<Sending>,
    next_ip: u32,
}

/// A pod on its node.
#[derive(Debug)]
pub(crate) struct Running {
    pub namespace: String,
    pub pod: Pod,
    pub kubelet: kubelet::Memory,
    pub ip: Ipv4Addr,
    /// The ports of its containers.
    pub ports: Vec<u16>,
    /// What its process complains of.
    pub complaints: Vec<String>,
    /// The claim of its first volume.
    pub volume: Option<Uid>,
    /// The start of the process that counts, and what it has counted.
    counted: (Millis, Counters),
}

/// Clients at work.
#[derive(Debug)]
struct Sending {
    namespace: String,
    clients: Clients,
    sent_until: Millis,
}

/// What the StatefulSet controller remembers of a StatefulSet.
#[derive(Debug, Default)]
pub(crate) struct Queued {
    /// The versions of the set and the pods that it looked at last.
    pub looked_at: Vec<String>,
    /// When to look again.
    pub due: Option<Millis>,
    /// Failed passes in a row.
    pub failures: u32,
}

/// Where requests to a Service go, and where they will go once kube-proxy knows.
#[derive(Debug, Default)]
pub(crate) struct Route {
    /// The versions of the Service, the pods and the slices that the endpoints were made of.
    pub looked_at: Vec<String>,
    pub endpoints: Vec<Endpoint>,
    pub next: Option<(Millis, Vec<Endpoint>)>,
}

impl Memory {
    /// That of a cluster without pods. Their addresses begin after this one.
    pub fn new(network: Ipv4Addr) -> Self {
        Self {
            faults: Faults::default(),
            left_alone: Vec::new(),
            pods: BTreeMap::new(),
            sets: BTreeMap::new(),
            seen: Seen::default(),
            recorded: Recorded::default(),
            routes: BTreeMap::new(),
            clean_at: None,
            garbage_due: None,
            behaviours: BTreeMap::new(),
            data: BTreeMap::new(),
            clients: Vec::new(),
            next_ip: network.to_bits(),
        }
    }

    /// Says how an image behaves, instead of its tag. Running processes change at once.
    pub fn behave(&mut self, image: &str, behaviour: Behaviour) {
        self.behaviours.insert(image.into(), behaviour);
    }

    /// How an image behaves.
    pub fn behaviour(&self, image: &str) -> Behaviour {
        self.behaviours.get(image).cloned().unwrap_or_else(|| images::behaviour(image))
    }

    /// Sends requests through a Service from now on.
    pub fn open_traffic(&mut self, namespace: &str, clients: Clients, now: Millis) {
        self.clients.push(Sending { namespace: namespace.to_owned(), clients, sent_until: now });
    }

    /// Clients with the namespaces of their Services, and what they have met.
    pub fn clients(&self) -> impl Iterator<Item = (&str, &Clients)> {
        self.clients.iter().map(|sending| (&*sending.namespace, &sending.clients))
    }

    /// The log of a pod's process, or of the one before it.
    pub fn log(&self, namespace: &str, pod: &str, previous: bool, now: Millis) -> Option<String> {
        let running = self.named(namespace, pod)?;
        let written = crate::translate::written;
        if previous {
            let how = running.pod.status.container.as_ref()?.last.as_ref()?;
            return Some(format!(
                "{} visits: ended: {}, exit code {}\n",
                written(how.at),
                how.reason,
                how.exit_code
            ));
        }
        let Some(process) = running.kubelet.process(now) else { return Some(String::new()) };
        let image = running.pod.template.image();
        let mut log = format!("{} visits: starting {image}\n", written(process.since));
        let listens = process.since + self.behaviour(image).start_up;
        if listens <= now {
            // Writing to a String cannot fail.
            let _ = writeln!(log, "{} visits: listening on {}", written(listens), running.ip);
        }
        for complaint in &running.complaints {
            let _ = writeln!(log, "visits: {complaint}");
        }
        if process.stopping {
            let _ = writeln!(log, "{} visits: stopping", written(now));
        }
        Some(log)
    }

    /// Puts a line into a pod's log.
    pub(crate) fn complain(&mut self, (pod, complaint): (Uid, String)) {
        if let Some(running) = self.pods.get_mut(&pod) {
            running.complaints.push(complaint);
        }
    }

    /// What a probe of a pod finds now; `None`: nothing answers there.
    pub fn ask(&mut self, pod: Uid, now: Millis, chance: &mut Chance) -> Option<Reading> {
        self.send_traffic(now, chance);
        let counters = self.counters(pod, now)?;
        let (since, service) = self.serving(pod, now)?;
        let running = self.pods.get(&pod)?;
        let memory = self.behaviour(running.pod.template.image()).memory_at(now.saturating_sub(since));
        let visits = running.volume.and_then(|volume| self.data.get(&volume)).copied().unwrap_or(0);
        Some(Reading { service, counters, visits, memory })
    }

    /// What a pod's process has counted since its start; `None`: nothing answers there.
    pub fn counters(&self, pod: Uid, now: Millis) -> Option<Counters> {
        let (since, _) = self.serving(pod, now)?;
        let (counted_since, counters) = &self.pods.get(&pod)?.counted;
        Some(if *counted_since == since { counters.clone() } else { Counters::default() })
    }

    /// Sends one request to a pod; whether it was answered well. `None`: nothing answers there.
    pub fn visit(&mut self, pod: Uid, now: Millis, chance: &mut Chance) -> Option<bool> {
        self.send_traffic(now, chance);
        let (_, service) = self.serving(pod, now)?;
        Some(self.serve(pod, 1, &service, now, chance) == 0)
    }

    /// Sends the requests that are due, each to the cluster as it was.
    pub(crate) fn send_traffic(&mut self, now: Millis, chance: &mut Chance) {
        let mut all = std::mem::take(&mut self.clients);
        for Sending { namespace, clients, sent_until } in &mut all {
            let from = std::mem::replace(sent_until, now.max(*sent_until));
            let targets = if from < now { self.targets(namespace, &clients.service, from) } else { continue };
            for load in clients.tick(now - from, &targets, chance) {
                clients.failed += self.serve(load.uid, load.requests, &load.service, from, chance);
            }
        }
        self.clients = all;
        for route in self.routes.values_mut() {
            if let Some((_, endpoints)) = route.next.take_if(|(at, _)| *at <= now) {
                route.endpoints = endpoints;
            }
        }
    }

    /// The ready endpoints of a Service; if none is, those that serve while they terminate.
    fn targets(&self, namespace: &str, service: &Name, at: Millis) -> Vec<Target> {
        let route = self.routes.get(&(namespace.to_owned(), service.clone()));
        let endpoints = route.map_or(&[][..], |route| route.endpoints.as_slice());
        let mut chosen: Vec<&Endpoint> = endpoints.iter().filter(|endpoint| endpoint.ready).collect();
        if chosen.is_empty() {
            chosen = endpoints.iter().filter(|endpoint| endpoint.serving && endpoint.terminating).collect();
        }
        let target = |endpoint: &&Endpoint| {
            let service = self.serving(endpoint.uid, at).map(|(_, service)| service);
            Target { uid: endpoint.uid, service }
        };
        chosen.iter().map(target).collect()
    }

    /// When a pod's process started, and how it serves.
    fn serving(&self, pod: Uid, at: Millis) -> Option<(Millis, Service)> {
        let running = self.pods.get(&pod).filter(|_| !self.faults.silent.contains(&pod))?;
        let process = running.kubelet.process(at).filter(|process| !process.stopping)?;
        let age = at.saturating_sub(process.since);
        Some((process.since, self.behaviour(running.pod.template.image()).at(age)?))
    }

    /// Lets a pod's process serve requests. Returns how many failed.
    fn serve(&mut self, pod: Uid, requests: u64, service: &Service, at: Millis, chance: &mut Chance) -> u64 {
        let Some((since, _)) = self.serving(pod, at) else { return 0 };
        let Some(running) = self.pods.get_mut(&pod) else { return 0 };
        if running.counted.0 != since {
            running.counted = (since, Counters::default());
        }
        let counters = &mut running.counted.1;
        let before = counters.failed;
        counters.serve(requests, service, chance);
        let failed = counters.failed - before;
        if let Some(volume) = running.volume {
            *self.data.entry(volume).or_default() += requests - failed;
        }
        failed
    }

    /// The pods whose processes listen, with their addresses and ports.
    pub(crate) fn listening(&self, now: Millis) -> BTreeMap<Uid, (Ipv4Addr, Vec<u16>)> {
        let listening = self.pods.iter().filter(|(uid, running)| self.listens(**uid, running, now));
        listening.map(|(uid, running)| (*uid, (running.ip, running.ports.clone()))).collect()
    }

    /// The pod whose process listens there.
    pub(crate) fn listening_at(&self, ip: Ipv4Addr, port: u16, now: Millis) -> Option<Uid> {
        let mut there =
            self.pods.iter().filter(|(_, running)| running.ip == ip && running.ports.contains(&port));
        there.find(|(uid, running)| self.listens(**uid, running, now)).map(|(uid, _)| *uid)
    }

    fn listens(&self, uid: Uid, running: &Running, now: Millis) -> bool {
        let process = running.kubelet.process(now).filter(|process| !process.stopping);
        let age = process.map(|process| now.saturating_sub(process.since));
        let behaviour = || self.behaviour(running.pod.template.image());
        // A silent node's pods take connections and never answer.
        self.faults.silent.contains(&uid) || age.is_some_and(|age| behaviour().at(age).is_some())
    }

    /// Takes in a pod as it is now.
    pub(crate) fn see(&mut self, namespace: &str, pod: &Pod, ports: Vec<u16>, volume: Option<Uid>) {
        let uid = pod.metadata.uid;
        if let Some(running) = self.pods.get_mut(&uid) {
            running.pod = pod.clone();
            running.volume = volume;
            return;
        }
        let ip = self.address();
        self.pods.insert(
            uid,
            Running {
                namespace: namespace.to_owned(),
                pod: pod.clone(),
                kubelet: kubelet::Memory::default(),
                ip,
                ports,
                complaints: Vec::new(),
                volume,
                counted: (0, Counters::default()),
            },
        );
    }

    /// The next address that is no network's first or last.
    fn address(&mut self) -> Ipv4Addr {
        loop {
            self.next_ip = self.next_ip.wrapping_add(1);
            let address = Ipv4Addr::from_bits(self.next_ip);
            if !matches!(address.octets()[3], 0 | 255) {
                return address;
            }
        }
    }

    /// Forgets what is on a claim's volume.
    pub(crate) fn forget_data(&mut self, claim: Uid) {
        self.data.remove(&claim);
    }

    /// A pod by its name.
    pub fn uid_of(&self, namespace: &str, pod: &str) -> Option<Uid> {
        self.named(namespace, pod).map(|running| running.pod.metadata.uid)
    }

    fn named(&self, namespace: &str, pod: &str) -> Option<&Running> {
        self.pods
            .values()
            .find(|running| running.namespace == namespace && *running.pod.metadata.name == *pod)
    }
}
