//! The election: carries out what [`Candidate`] decides, and tells who leads.

use std::time::Duration;

use siskin_core::{
    lease::{Candidate, Claim, Lease, Next, Timing},
    time::Instant,
};
use tokio::{
    sync::{mpsc, oneshot, watch},
    task::{JoinError, JoinSet},
};
use tracing::Instrument;

use super::{
    Leadership,
    object::{self, Held},
};
use crate::{
    clock::Clock,
    cluster::{Cluster, Error, Resource, Scope},
    report::metrics::{LEADER, Metrics},
    server::health::Health,
    watch::{Change, follow},
};

/// How long giving the Lease back may hold up the end of the process; without it others wait for the Lease's duration.
const RELEASE_WITHIN: Duration = Duration::from_secs(1);

/// The election that this process stands in.
///
/// Dropping it ends it without a word, as the end of the process does.
pub struct Election {
    task: JoinSet<()>,
    end: oneshot::Sender<()>,
}

/// What this process is called in the Lease: a pod is one process at a time, so one that was started again in its pod
/// goes on where it was. Elsewhere each process is another.
pub fn identity(clock: &Clock) -> String {
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    match (variable("POD_NAME"), variable("POD_UID")) {
        (Some(name), Some(uid)) => format!("{name}_{uid}"),
        (name, _) => {
            let name = name.or_else(|| variable("HOSTNAME")).unwrap_or_else(|| "siskin".to_owned());
            format!("{name}_{}_{}", std::process::id(), clock.timestamp().as_microsecond())
        }
    }
}

impl Election {
    /// Stands for election under the name `me`, by the Lease `namespace`/`name`.
    pub fn start(
        cluster: &Cluster,
        health: &Health,
        metrics: &Metrics,
        (namespace, name): (String, String),
        me: String,
        timing: Timing,
    ) -> (Self, Leadership) {
        let (told, tells) = mpsc::unbounded_channel();
        let scope = Scope {
            resource: Resource::Leases,
            namespace: Some(namespace.clone()),
            selector: None,
            name: Some(name.clone()),
        };
        // Without the Lease this process is of no use, as without its other watches.
        let age = health.watch(format!("lease {namespace}/{name}"), true);
        let mut watching = JoinSet::new();
        let watch =
            follow::<Held>(cluster.clone(), scope, age, move |change| drop(told.send(newest(change))));
        watching.spawn(watch.instrument(tracing::info_span!("lease")));
        let (until, leads_until) = watch::channel(Instant::default());
        let (end, ends) = oneshot::channel();
        let elector = Elector {
            cluster: cluster.clone(),
            metrics: metrics.clone(),
            candidate: Candidate::new(me, timing),
            namespace,
            name,
            timing,
            until,
            leads: false,
        };
        elector.metrics.set(&LEADER, &[], 0.0);
        let standing = async move {
            elector.run(tells, ends).await;
            drop(watching);
        };
        let mut task = JoinSet::new();
        task.spawn(standing.instrument(tracing::info_span!("election")));
        let grace = timing.lease_duration.saturating_sub(timing.renew_deadline);
        let clock = cluster.clock().machine().clone();
        (Self { task, end }, Leadership::Elected { until: leads_until, grace, clock })
    }

    /// Waits for its end, which only a defect brings.
    pub async fn ended(&mut self) -> Result<(), JoinError> {
        self.task.join_next().await.unwrap_or(Ok(()))
    }

    /// Gives the Lease back, once nothing else of this process is under way, so that another can lead at once.
    pub async fn release(mut self) {
        let _ = self.end.send(());
        if tokio::time::timeout(RELEASE_WITHIN, self.task.join_next()).await.is_err() {
            tracing::warn!("the Lease could not be given back in time; others wait until it is over");
        }
    }
}

/// The one Lease that is watched.
fn newest(change: Change<Held>) -> Option<Lease> {
    match change {
        Change::All(all) => all.into_iter().next().map(|Held(lease)| lease),
        Change::Put(Held(lease)) => Some(lease),
        Change::Gone(_) => None,
    }
}

struct Elector {
    cluster: Cluster,
    metrics: Metrics,
    candidate: Candidate,
    namespace: String,
    name: String,
    timing: Timing,
    until: watch::Sender<Instant>,
    /// What was told last.
    leads: bool,
}

impl Elector {
    async fn run(
        mut self,
        mut tells: mpsc::UnboundedReceiver<Option<Lease>>,
        mut ends: oneshot::Receiver<()>,
    ) {
        loop {
            while let Ok(lease) = tells.try_recv() {
                self.candidate.told(lease, self.now());
            }
            self.tell();
            let now = self.now();
            let wait = match self.candidate.next(now) {
                Next::Read => {
                    self.read().await;
                    continue;
                }
                Next::Write(claim) => {
                    self.write(&claim).await;
                    continue;
                }
                Next::Wait(until) if self.leads => until.min(self.candidate.leads_until()).since(now),
                Next::Wait(until) => until.since(now),
            };
            tokio::select! {
                biased;
                // An end without a word is the end of the process: nothing is given back.
                end = &mut ends => {
                    if end.is_ok() {
                        self.release().await;
                    }
                    return;
                }
                Some(lease) = tells.recv() => self.candidate.told(lease, self.now()),
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    fn now(&self) -> Instant {
        self.cluster.clock().mono()
    }

    /// Tells the others here whether this process leads.
    fn tell(&mut self) {
        let until = self.candidate.leads_until();
        self.until.send_if_modified(|known| std::mem::replace(known, until) != until);
        let leads = self.candidate.leads(self.now());
        if leads == self.leads {
            return;
        }
        self.leads = leads;
        self.metrics.set(&LEADER, &[], if leads { 1.0 } else { 0.0 });
        let lease = format!("{}/{}", self.namespace, self.name);
        if leads {
            tracing::info!(lease, "this process leads");
        } else {
            let holder = self.candidate.holder().unwrap_or("nobody");
            tracing::warn!(lease, holder, "this process leads no more; it stands by");
        }
    }

    async fn read(&mut self) {
        let sent = self.now();
        match self.limited(self.cluster.get::<Held>(Resource::Leases, &self.namespace, &self.name)).await {
            Some(Ok(Held(lease))) => {
                tracing::debug!(holder = lease.holder, version = lease.version, "read");
                self.candidate.read(Some(lease), self.now());
            }
            Some(Err(error)) if error.is_not_found() => self.candidate.read(None, self.now()),
            failed => self.failed(failed.and_then(Result::err), sent),
        }
    }

    async fn write(&mut self, claim: &Claim) {
        let Self { cluster, namespace, name, .. } = &*self;
        let body =
            object::body(name, claim, self.timing.lease_duration, self.cluster.clock().machine().timestamp());
        let sent = self.now();
        let written = match &claim.over {
            Some(_) => self.limited(cluster.patch(Resource::Leases, namespace, name, &body)).await,
            None => self.limited(cluster.create(Resource::Leases, namespace, &body)).await,
        };
        match written {
            Some(Ok(Held(lease))) => self.candidate.wrote(lease, sent, self.now()),
            Some(Err(error)) if error.is_conflict() => {
                tracing::debug!(%error, "another process wrote the Lease first");
                self.candidate.contradicted();
            }
            Some(Err(error)) if error.is_not_found() => self.candidate.read(None, self.now()),
            failed => self.failed(failed.and_then(Result::err), sent),
        }
    }

    fn failed(&mut self, error: Option<Error>, sent: Instant) {
        let why = error.map_or_else(|| "no answer in time".to_owned(), |error| error.to_string());
        tracing::warn!(why, "the Lease can't be used, and nobody leads for long without it");
        self.candidate.failed(sent);
    }

    /// One call that hangs must leave time for another.
    async fn limited<T>(&self, call: impl Future<Output = Result<T, Error>>) -> Option<Result<T, Error>> {
        tokio::time::timeout(self.timing.renew_deadline / 2, call).await.ok()
    }

    async fn release(&mut self) {
        let Some(claim) = self.candidate.release() else { return };
        self.write(&claim).await;
        if self.candidate.holder().is_none() {
            tracing::info!(lease = format!("{}/{}", self.namespace, self.name), "the Lease is given back");
        }
    }
}
