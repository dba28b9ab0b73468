//! Probe plans -> samples: every probe of every pod and every query on its own interval, all in parallel.

mod ask;
mod source;
#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use siskin_core::{
    checks::{Origin, PlannedProbe, PlannedQuery, ProbePlan, Reading, Role, Sample, Target},
    configuration::Source,
    facts::Uid,
};
use tokio::{
    sync::{mpsc, watch},
    task::AbortHandle,
    time::{Interval, MissedTickBehavior, interval},
};

use crate::{
    clock::Clock,
    reach::Reach,
    report::metrics::{Metrics, SAMPLES_DROPPED},
};

/// The sources of the configuration.
pub type Sources = Arc<[Source]>;

/// Runs one workload's plan. Dropping it ends all probes.
pub struct Prober {
    running: BTreeMap<(String, Uid), Running>,
    asking: BTreeMap<String, Asking>,
    asker: Asker,
}

/// How is asked, and where samples go.
#[derive(Clone)]
pub struct Asker {
    /// How pods and sources are reached.
    pub reach: Reach,
    /// The sources.
    pub sources: Sources,
    /// What samples are dated by.
    pub clock: Clock,
    /// Where samples go; what doesn't fit is dropped and counted.
    pub samples: mpsc::Sender<Sample>,
    /// Where is counted.
    pub metrics: Metrics,
}

impl Asker {
    fn give(&self, check: String, origin: Origin, reading: Reading) {
        let sample = Sample { check, origin, at: self.clock.mono(), reading };
        if self.samples.try_send(sample).is_err() {
            self.metrics.count(&SAMPLES_DROPPED, &[]);
        }
    }
}

/// The loop of one probe on one pod.
struct Running {
    probe: Arc<PlannedProbe>,
    /// The pod as it is now; the loop keeps its rhythm when the pod changes.
    target: watch::Sender<Target>,
    task: AbortHandle,
}

/// The loop of one query.
struct Asking {
    /// What is asked now; the loop keeps its rhythm when the pods change.
    query: watch::Sender<PlannedQuery>,
    task: AbortHandle,
}

impl Drop for Asking {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Prober {
    /// Nothing is asked yet.
    pub fn new(asker: Asker) -> Self {
        Self { running: BTreeMap::new(), asking: BTreeMap::new(), asker }
    }

    /// Follows a plan: what is new begins at once, what is gone ends, the rest goes on in its rhythm.
    pub fn follow(&mut self, plan: &ProbePlan) {
        let wanted: BTreeMap<(String, Uid), (&PlannedProbe, &Target)> = (plan.probes.iter())
            .flat_map(|probe| plan.targets.iter().map(move |target| (probe, target)))
            .filter(|(probe, target)| target.role == Role::Canary || probe.stable_too)
            .map(|(probe, target)| ((probe.check.clone(), target.pod.clone()), (probe, target)))
            .collect();
        self.running
            .retain(|pair, running| wanted.get(pair).is_some_and(|(probe, _)| **probe == *running.probe));
        for (pair, (probe, target)) in wanted {
            if let Some(running) = self.running.get(&pair) {
                running.target.send_replace(target.clone());
            } else {
                let running = self.start(probe.clone(), target.clone());
                self.running.insert(pair, running);
            }
        }
    }

    /// Follows queries in the same way; there is at most one per check.
    pub fn ask(&mut self, queries: Vec<PlannedQuery>) {
        let mut before = std::mem::take(&mut self.asking);
        for query in queries {
            let check = query.check.clone();
            let same = |asking: &Asking| asking.query.borrow().every == query.every;
            let asking = match before.remove(&check).filter(same) {
                Some(asking) => {
                    asking.query.send_replace(query);
                    asking
                }
                None => self.begin(query),
            };
            self.asking.insert(check, asking);
        }
    }

    fn begin(&self, query: PlannedQuery) -> Asking {
        let (query, seen) = watch::channel(query);
        let task = tokio::spawn(inquire(seen, self.asker.clone()));
        Asking { query, task: task.abort_handle() }
    }

    fn start(&self, probe: PlannedProbe, target: Target) -> Running {
        let probe = Arc::new(probe);
        let (target, seen) = watch::channel(target);
        let task = tokio::spawn(run(probe.clone(), seen, self.asker.clone()));
        Running { probe, target, task: task.abort_handle() }
    }
}

/// Asks for ever. A slow answer delays the next question, so that a pod is never asked twice at once.
async fn run(probe: Arc<PlannedProbe>, target: watch::Receiver<Target>, asker: Asker) {
    let client = ask::client(&asker.reach, &probe);
    let mut ticks = rhythm(probe.every);
    loop {
        ticks.tick().await;
        let target = target.borrow().clone();
        let reading = match &client {
            Ok(client) => ask::ask(client, &probe, &target).await,
            Err(reason) => Some(Reading::Unusable(reason.clone())),
        };
        if let Some(reading) = reading {
            let Target { pod, restarts, .. } = target;
            let origin = Origin::Pod { pod, restarts };
            asker.give(probe.check.clone(), origin, reading);
        }
    }
}

/// Asks a source for ever, in the same way.
async fn inquire(query: watch::Receiver<PlannedQuery>, asker: Asker) {
    let every = query.borrow().every;
    let mut ticks = rhythm(every);
    loop {
        ticks.tick().await;
        let query = query.borrow().clone();
        let reading = source::ask(&asker.reach, &asker.sources, &query).await;
        let PlannedQuery { check, about, .. } = query;
        asker.give(check, Origin::Source { about }, reading);
    }
}

fn rhythm(every: Duration) -> Interval {
    let mut ticks = interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}
