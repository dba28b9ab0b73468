//! One worker per workload: facts in, decision out, writes carried out, told.

mod backoff;
mod driver;
mod guard;
mod judge;
mod members;
mod observation;
mod telling;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};

use siskin_core::facts::Rules;
use tokio::{
    sync::{mpsc, watch},
    task::{Id, JoinError, JoinSet},
};
use tracing::Instrument;

pub use self::members::Members;
use crate::{
    act::Act,
    cluster::Cluster,
    policies::Policies,
    probe::Sources,
    report::{
        events::Events,
        messages::Messenger,
        metrics::{Metrics, PANICS},
    },
    server::health::Health,
    watch::{
        Change,
        guards::Guards,
        statefulsets::{Key, Managed, StatefulSet},
    },
};

/// A worker that ended by a defect begins again after this time.
const AFTER_PANIC: Duration = Duration::from_secs(10);

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
    /// Becomes true when the process ends.
    pub stop: watch::Receiver<bool>,
}

/// A change of `StatefulSets` in one namespace, or in all.
pub struct Seen {
    /// The namespace that the change covers.
    pub namespace: Option<String>,
    /// The change.
    pub change: Change<StatefulSet>,
}

/// Where a worker gets its workload from. Without it the worker ends.
struct Seat {
    /// The worker: an older one of the same workload may still be ending.
    worker: Id,
    inbox: watch::Sender<Arc<Managed>>,
}

/// The workers of all workloads.
pub struct Fleet {
    context: Arc<Context>,
    seats: BTreeMap<Key, Seat>,
    workers: JoinSet<()>,
    names: HashMap<Id, Key>,
}

impl Fleet {
    /// No workers yet.
    pub fn new(context: Context) -> Self {
        Self {
            context: Arc::new(context),
            seats: BTreeMap::new(),
            workers: JoinSet::new(),
            names: HashMap::new(),
        }
    }

    /// Hands changes to workers until the process is to end; then waits until each has ended the write under way.
    pub async fn run(mut self, mut changes: mpsc::UnboundedReceiver<Seen>) {
        let mut stop = self.context.stop.clone();
        loop {
            tokio::select! {
                biased;
                _ = stop.wait_for(|stop| *stop) => break,
                Some(ended) = self.workers.join_next_with_id() => self.ended(ended),
                Some(seen) = changes.recv() => self.see(seen),
                else => break,
            }
        }
        self.seats.clear();
        while self.workers.join_next().await.is_some() {}
    }

    fn see(&mut self, Seen { namespace, change }: Seen) {
        match change {
            Change::All(all) => {
                let there: std::collections::BTreeSet<&Key> = all.iter().map(|set| &set.key).collect();
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
            Change::Put(set) => self.put(set),
            Change::Gone(set) => self.leave(&set.key),
        }
    }

    fn put(&mut self, StatefulSet { key, managed, .. }: StatefulSet) {
        match (managed, self.seats.get(&key)) {
            (None, _) => self.leave(&key),
            (Some(managed), Some(seat)) => drop(seat.inbox.send_replace(managed)),
            (Some(managed), None) => self.seat(key, managed, Duration::ZERO),
        }
    }

    fn leave(&mut self, key: &Key) {
        self.seats.remove(key);
        self.context.members.left(key);
    }

    fn seat(&mut self, key: Key, managed: Arc<Managed>, delay: Duration) {
        let (tell, inbox) = watch::channel(managed);
        let span = tracing::info_span!("workload", namespace = key.namespace, name = key.name);
        let (context, of) = (self.context.clone(), key.clone());
        let worker = async move {
            tokio::time::sleep(delay).await;
            driver::Driver::new(context, of, inbox).run().await;
        };
        let worker = self.workers.spawn(worker.instrument(span)).id();
        self.names.insert(worker, key.clone());
        self.seats.insert(key, Seat { worker, inbox: tell });
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
        if let Some(seat) = self.seats.get(&key).filter(|seat| seat.worker == id) {
            let managed = seat.inbox.borrow().clone();
            self.seat(key, managed, AFTER_PANIC);
        }
    }
}
