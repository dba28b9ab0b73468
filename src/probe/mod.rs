//! Probe plans -> samples: every probe of every pod on its own interval, all in parallel.

mod ask;
#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, sync::Arc};

use siskin_core::{
    checks::{PlannedProbe, ProbePlan, Reading, Role, Sample, Target},
    facts::Uid,
};
use tokio::{
    sync::{mpsc, watch},
    task::AbortHandle,
    time::{MissedTickBehavior, interval},
};

use crate::{
    clock,
    report::metrics::{Metrics, SAMPLES_DROPPED},
};

/// Runs one workload's plan. Dropping it ends all probes.
pub struct Prober {
    running: BTreeMap<(String, Uid), Running>,
    samples: mpsc::Sender<Sample>,
    metrics: Metrics,
}

/// The loop of one probe on one pod.
struct Running {
    probe: Arc<PlannedProbe>,
    /// The pod as it is now; the loop keeps its rhythm when the pod changes.
    target: watch::Sender<Target>,
    task: AbortHandle,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Prober {
    /// Samples go to `samples`; what doesn't fit is dropped and counted.
    pub fn new(samples: mpsc::Sender<Sample>, metrics: Metrics) -> Self {
        Self { running: BTreeMap::new(), samples, metrics }
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

    fn start(&self, probe: PlannedProbe, target: Target) -> Running {
        let probe = Arc::new(probe);
        let (target, seen) = watch::channel(target);
        let task = tokio::spawn(run(probe.clone(), seen, self.samples.clone(), self.metrics.clone()));
        Running { probe, target, task: task.abort_handle() }
    }
}

/// Asks for ever. A slow answer delays the next question, so that a pod is never asked twice at once.
async fn run(
    probe: Arc<PlannedProbe>,
    target: watch::Receiver<Target>,
    samples: mpsc::Sender<Sample>,
    metrics: Metrics,
) {
    let client = ask::client(&probe);
    let mut ticks = interval(probe.every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let target = target.borrow().clone();
        let reading = match &client {
            Ok(client) => ask::ask(client, &probe, &target).await,
            Err(reason) => Some(Reading::Unusable(reason.clone())),
        };
        if let Some(reading) = reading {
            let Target { pod, restarts, .. } = target;
            let sample = Sample { check: probe.check.clone(), pod, restarts, at: clock::mono(), reading };
            if samples.try_send(sample).is_err() {
                metrics.count(&SAMPLES_DROPPED, &[]);
            }
        }
    }
}
