//! The cluster that runs: an API server, and the controllers behind it on tokio's clock.

use std::{
    net::Ipv4Addr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use siskin_embedded::{Millis, chance::Chance, cluster::Reading, model::traffic::Clients, object::Uid};
use siskin_embedded_api::{
    kinds::NODE,
    refusal::Refusal,
    serve::{ApiServer, LogsOf},
    store::{Call, Part, Patch, Store, Target},
};
use tokio::{
    sync::Notify,
    time::{Instant, sleep},
};

use crate::{
    controllers::{self, LAG},
    listeners::Listeners,
    memory::Memory,
    translate::{millis, pod_status::NODE_IP, written},
};

/// A cluster in this process; cheap to clone, and each clone is the same one.
///
/// Its clock is tokio's, so that it stands still where tokio's does. Nothing happens unless [`Cluster::run`] runs.
#[derive(Clone)]
pub struct Cluster {
    server: ApiServer,
    world: Arc<World>,
}

struct World {
    clock: Clock,
    state: Mutex<State>,
    changed: Notify,
}

struct State {
    memory: Memory,
    chance: Chance,
}

#[derive(Clone, Copy)]
struct Clock {
    start: Timestamp,
    began: Instant,
}

impl Clock {
    fn now(self) -> Timestamp {
        let passed = SignedDuration::try_from(self.began.elapsed()).unwrap_or(SignedDuration::MAX);
        self.start.saturating_add(passed).unwrap_or(Timestamp::MAX)
    }
}

impl World {
    fn with<T>(&self, act: impl FnOnce(&mut State, Millis) -> T) -> T {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        act(&mut state, millis(self.clock.now()))
    }

    fn log(&self, of: &LogsOf<'_>) -> Result<String, Refusal> {
        let log = self.with(|state, now| state.memory.log(of.namespace, of.pod, of.previous, now));
        log.ok_or_else(|| {
            let which = if of.previous { "previous terminated container" } else { "container" };
            Refusal::bad_request(format!("{which} \"{}\" in pod \"{}\" not found", of.container, of.pod))
        })
    }
}

impl Cluster {
    /// A cluster with one node and nothing on it, whose clock says `start` now. Pods get addresses after `network`:
    /// give each cluster of a machine its own part of 127.0.0.0/8.
    pub fn new(seed: u64, start: Timestamp, network: Ipv4Addr) -> Self {
        let clock = Clock { start, began: Instant::now() };
        let mut store = Store::new(seed, start);
        add_node(&mut store, start);
        let state = State { memory: Memory::new(network), chance: Chance::new(seed) };
        let world = Arc::new(World { clock, state: Mutex::new(state), changed: Notify::new() });
        let logs = world.clone();
        let server = ApiServer::new(store, move || clock.now(), move |of| logs.log(of));
        Self { server, world }
    }

    /// Its API server.
    pub fn server(&self) -> &ApiServer {
        &self.server
    }

    /// Looks at what isn't in the API server, as it is now.
    pub fn look<T>(&self, look: impl FnOnce(&Memory, Millis) -> T) -> T {
        self.world.with(|state, now| look(&state.memory, now))
    }

    /// Changes what isn't in the API server: how images behave, clients, what is wrong.
    pub fn change<T>(&self, change: impl FnOnce(&mut Memory) -> T) -> T {
        let result = self.world.with(|State { memory, chance }, now| {
            memory.send_traffic(now, chance);
            change(memory)
        });
        self.world.changed.notify_one();
        result
    }

    /// Sends requests through a Service from now on.
    pub fn open_traffic(&self, namespace: &str, clients: Clients) {
        self.world.with(|state, now| state.memory.open_traffic(namespace, clients, now));
        self.world.changed.notify_one();
    }

    /// Runs the controllers and lets the pods' processes answer, for ever; ends with its task.
    pub async fn run(self) {
        let mut changes = self.server.changes();
        let mut listeners = Listeners::default();
        loop {
            let wake = self.pass();
            let listening = self.world.with(|state, now| state.memory.listening(now));
            for problem in listeners.follow(listening, &self).await {
                self.change(|memory| memory.complain(problem));
            }
            let due = async {
                match wake {
                    Some(wait) => sleep(wait).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                () = changes.changed() => {}
                () = self.world.changed.notified() => {}
                () = due => {}
            }
            let lag = self.world.with(|state, _| state.chance.between(LAG.0, LAG.1));
            sleep(Duration::from_millis(lag)).await;
        }
    }

    /// One pass. Gives how long to wait for the next.
    fn pass(&self) -> Option<Duration> {
        let now = self.world.clock.now();
        let wake = self.world.with(|State { memory, chance }, _| {
            self.server.store(|store| controllers::run(store, memory, now, chance))
        });
        wake.map(|wake| Duration::try_from(wake.duration_since(now)).unwrap_or_default())
    }

    /// What a probe of a pod finds; `None`: nothing answers there.
    pub fn ask(&self, pod: Uid) -> Option<Reading> {
        self.world.with(|State { memory, chance }, now| memory.ask(pod, now, chance))
    }

    /// The pod whose process listens there.
    pub(crate) fn listening_at(&self, ip: Ipv4Addr, port: u16) -> Option<Uid> {
        self.world.with(|State { memory, .. }, now| memory.listening_at(ip, port, now))
    }

    /// One request to a pod, and whether it was answered well.
    pub(crate) fn visit(&self, pod: Uid) -> Option<bool> {
        self.world.with(|State { memory, chance }, now| memory.visit(pod, now, chance))
    }
}

fn add_node(store: &mut Store, now: Timestamp) {
    let call = Call::new("kubelet", now);
    let name = controllers::NODE;
    let node = json!({ "metadata": { "name": name, "labels": { "kubernetes.io/hostname": name } } });
    let since = written(millis(now));
    let status = json!({ "status": {
        "conditions": [{ "type": "Ready", "status": "True", "reason": "KubeletReady", "message": "kubelet is posting ready status",
            "lastHeartbeatTime": since, "lastTransitionTime": since }],
        "addresses": [{ "type": "InternalIP", "address": NODE_IP }, { "type": "Hostname", "address": name }],
        "nodeInfo": { "kubeletVersion": "v1.35.4+embedded" },
    } });
    // Nothing is there yet that could refuse them.
    let _ = store.create(NODE, "", node, &call);
    let _ = store.patch(&Target::new(NODE, "", name), Part::Status, &Patch::Merge(status), &call);
}
