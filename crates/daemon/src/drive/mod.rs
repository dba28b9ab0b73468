//! One worker per workload: facts in, decision out, writes carried out, told.

mod backoff;
mod driver;
mod guard;
mod members;
mod observation;
mod telling;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
    time::Duration,
};

use siskin_core::{checks::Verdicts, facts::Rules, state::State};
use tokio::{
    sync::{mpsc, watch},
    task::{Id, JoinError, JoinSet},
};
use tracing::Instrument;

pub use self::members::Members;
use crate::{
    act::Act,
    cluster::Cluster,
    lease::Leadership,
    policies::Policies,
    probe::Sources,
    reach::Reach,
    report::{
        events::Events,
        messages::Messenger,
        metrics::{Metrics, PANICS},
    },
    server::health::Health,
    watch::{
        Change,
        configuration::Board,
        guards::Guards,
        statefulsets::{Key, Managed, StatefulSet},
    },
};

/// A worker that ended by a defect begins again after this time.
const AFTER_PANIC: Duration = Duration::from_secs(10);

/// Is shown what each step of a worker knew and made of it.
pub type Witness = Arc<dyn Fn(&Key, &State, &Verdicts) + Send + Sync>;

/// What every worker shares.
pub struct Context {
    /// For reads.
    pub cluster: Cluster,
    /// For writes.
    pub act: Act,
    /// The policies in force.
    pub policies: Policies,
    /// What holds for every workload.
    pub rules: Rules,
    /// Who has a place among the rollouts that may be open at once.
    pub members: Members,
    /// Whom checks can ask beside the pods.
    pub sources: Sources,
    /// How pods, sources and receivers are reached.
    pub reach: Reach,
    /// Where Events go.
    pub events: Events,
    /// Where messages go.
    pub messenger: Messenger,
    /// Where counts go.
    pub metrics: Metrics,
    /// Where workers show that they live.
    pub health: Health,
    /// The lists of released revisions; `None`: this installation keeps none.
    pub guards: Option<Guards>,
    /// The workloads that had such a list at the start of an installation that keeps none.
    pub left_lists: BTreeSet<Key>,
    /// The versions of ConfigMaps and Secrets, if this installation watches them.
    pub board: Option<Board>,
    /// Becomes true when the process ends.
    pub stop: watch::Receiver<bool>,
    /// The class of the workloads that are looked after; `None`: those without one.
    pub class: Option<String>,
    /// Workers work only while this process leads.
    pub leadership: Leadership,
    /// Who looks on.
    pub witness: Option<Witness>,
}

/// A change of `StatefulSets` in one namespace, or in all.
pub struct Seen {
    /// The namespace that the change covers.
    pub namespace: Option<String>,
    /// The change.
    pub change: Change<StatefulSet>,
}

/// A workload as it is known, and where its worker gets it from. Without it the worker ends.
struct Seat {
    /// The worker: an older one of the same workload may still be ending. A standby has none.
    worker: Option<Id>,
    inbox: watch::Sender<Arc<Managed>>,
}

/// All workloads, and their workers while this process leads.
pub struct Fleet {
    context: Arc<Context>,
    leads: bool,
    seats: BTreeMap<Key, Seat>,
    workers: JoinSet<()>,
    names: HashMap<Id, Key>,
}

impl Fleet {
    /// No workers yet.
    pub fn new(context: Context) -> Self {
        Self {
            context: Arc::new(context),
            leads: false,
            seats: BTreeMap::new(),
            workers: JoinSet::new(),
            names: HashMap::new(),
        }
    }

    /// Hands changes to workers until the process is to end; then waits until each has ended the write under way.
    pub async fn run(mut self, mut changes: mpsc::UnboundedReceiver<Seen>) {
        let mut stop = self.context.stop.clone();
        let mut leadership = self.context.leadership.clone();
        loop {
            tokio::select! {
                biased;
                () = over(&mut stop) => break,
                leads = leadership.turned(self.leads) => if leads { self.begin() } else { self.end().await },
                Some(ended) = self.workers.join_next_with_id() => self.ended(ended),
                Some(seen) = changes.recv() => self.see(seen),
                else => break,
            }
        }
        self.seats.clear();
        while self.workers.join_next().await.is_some() {}
    }

    /// This process leads from now on: every workload gets a worker.
    fn begin(&mut self) {
        self.leads = true;
        let workloads = self.seats.iter().map(|(key, seat)| (key, seat.inbox.borrow().clone()));
        self.context.members.known(workloads);
        let keys: Vec<Key> = self.seats.keys().cloned().collect();
        for key in keys {
            self.work(&key, Duration::ZERO);
        }
    }

    /// Another process may lead: nothing is ended in good order, as there is no time for it.
    async fn end(&mut self) {
        self.leads = false;
        self.workers.shutdown().await;
        self.names.clear();
        for seat in self.seats.values_mut() {
            seat.worker = None;
        }
    }

    fn see(&mut self, Seen { namespace, change }: Seen) {
        match change {
            Change::All(mut all) => {
                for set in &mut all {
                    self.leave_to_others(set);
                }
                let there: BTreeSet<&Key> = all.iter().map(|set| &set.key).collect();
                let stays = |key: &Key| {
                    namespace.as_ref().is_some_and(|namespace| *namespace != key.namespace)
                        || there.contains(key)
                };
                self.seats.retain(|key, _| stays(key));
                self.context.members.listed(namespace.as_deref(), &all);
                for set in all {
                    self.put(set);
                }
            }
            Change::Put(mut set) => {
                self.leave_to_others(&mut set);
                self.put(set);
            }
            Change::Gone(set) => self.leave(&set.key),
        }
    }

    /// A workload of another class is as good as one that isn't opted in.
    fn leave_to_others(&self, set: &mut StatefulSet) {
        let class = self.context.class.as_deref();
        set.managed.take_if(|managed| managed.workload.class() != class);
    }

    fn put(&mut self, StatefulSet { key, managed, .. }: StatefulSet) {
        match (managed, self.seats.get(&key)) {
            (None, _) => self.leave(&key),
            (Some(managed), Some(seat)) => drop(seat.inbox.send_replace(managed)),
            (Some(managed), None) => {
                let seat = Seat { worker: None, inbox: watch::Sender::new(managed) };
                self.seats.insert(key.clone(), seat);
                self.work(&key, Duration::ZERO);
            }
        }
    }

    fn leave(&mut self, key: &Key) {
        self.seats.remove(key);
        self.context.members.left(key);
    }

    /// Gives a workload a worker that begins after `delay`, if this process leads.
    fn work(&mut self, key: &Key, delay: Duration) {
        let Some(seat) = self.seats.get_mut(key).filter(|_| self.leads) else { return };
        let span = tracing::info_span!("workload", namespace = key.namespace, name = key.name);
        let (context, of, inbox) = (self.context.clone(), key.clone(), seat.inbox.subscribe());
        let worker = async move {
            tokio::time::sleep(delay).await;
            driver::Driver::new(context, of, inbox).run().await;
        };
        let worker = self.workers.spawn(worker.instrument(span)).id();
        self.names.insert(worker, key.clone());
        seat.worker = Some(worker);
    }

    fn ended(&mut self, ended: Result<(Id, ()), JoinError>) {
        let id = match &ended {
            Ok((id, ())) => *id,
            Err(error) => error.id(),
        };
        let Some(key) = self.names.remove(&id) else { return };
        let Err(error) = ended else { return };
        tracing::error!(workload = %key, %error, "a worker ended by a defect; it begins again");
        self.context.metrics.count(&PANICS, &[]);
        if self.seats.get(&key).is_some_and(|seat| seat.worker == Some(id)) {
            self.work(&key, AFTER_PANIC);
        }
    }
}

/// Waits for the end of the process.
async fn over(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}
