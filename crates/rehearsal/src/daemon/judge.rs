//! The checks of the open rollout, and the probes that feed them.

use std::collections::BTreeMap;

use siskin_core::{
    checks::{Checks, Origin, Outcome, PlannedProbe, ProbePlan, Reading, Role, Sample, Target, Verdicts},
    engine,
    exposition::{Encoding, Format, Scraper},
    facts::Detail,
    policy::{Policy, Probe},
    state::State,
    time::Instant,
};
use siskin_embedded::{Millis, cluster::Cluster, model::application::Health};

use super::mono;
use crate::{project, wire::Wire};

/// The checks, what they said last, and when each asks again.
#[derive(Debug, Default)]
pub struct Judge {
    open: Option<Open>,
    said: Vec<Outcome>,
    plan: ProbePlan,
    due: BTreeMap<String, Millis>,
}

#[derive(Debug)]
struct Open {
    rollout: String,
    policy: Policy,
    checks: Checks,
}

impl Judge {
    /// Shows the checks the pods as they are and asks them; `state` gets what a restart must know of them.
    pub fn hear(&mut self, state: &mut State, detail: Option<&Detail>, now: Instant) -> Verdicts {
        self.follow_rollout(state);
        let verdicts = match &mut self.open {
            Some(open) => {
                if let Some(detail) = detail {
                    let (canary, stable) = engine::sides(state, detail);
                    open.checks.observe(&canary, &stable, now);
                }
                state.memory.checkpoint = open.checks.checkpoint(now);
                open.checks.verdicts(now)
            }
            None => Verdicts::default(),
        };
        self.said = outcomes(&verdicts);
        verdicts
    }

    /// Whether a check says something else than when it was last heard.
    pub fn has_news(&self, now: Instant) -> bool {
        self.open.as_ref().is_some_and(|open| outcomes(&open.checks.verdicts(now)) != self.said)
    }

    /// Probes by this plan from now on.
    pub fn follow(&mut self, plan: ProbePlan, now: Millis) {
        if plan == self.plan {
            return;
        }
        let due =
            |probe: &PlannedProbe| (probe.check.clone(), self.due.get(&probe.check).copied().unwrap_or(now));
        self.due = plan.probes.iter().filter(|_| !plan.targets.is_empty()).map(due).collect();
        self.plan = plan;
    }

    /// When the next probe is due.
    pub fn due(&self) -> Option<Millis> {
        self.due.values().min().copied()
    }

    /// Asks the pods whose turn it is. True: somebody was asked.
    pub fn probe(&mut self, cluster: &mut Cluster, wire: &mut impl Wire) -> bool {
        let now = cluster.now();
        if self.due().is_none_or(|due| due > now) {
            return false;
        }
        for probe in &self.plan.probes {
            let Some(due) = self.due.get_mut(&probe.check).filter(|due| **due <= now) else { continue };
            *due = now + u64::try_from(probe.every.as_millis()).unwrap_or(u64::MAX);
            let asked = self.plan.targets.iter().filter(|it| probe.stable_too || it.role == Role::Canary);
            for target in asked {
                let reading = ask(cluster, probe, target);
                let reading = wire.answer(cluster, &probe.check, &target.name, reading);
                if let Some(open) = &mut self.open {
                    let origin = Origin::Pod { pod: target.pod.clone(), restarts: target.restarts };
                    open.checks.sample(Sample { check: probe.check.clone(), origin, at: mono(now), reading });
                }
            }
        }
        true
    }

    /// Another rollout, or another copy of its policy, is judged by other checks.
    fn follow_rollout(&mut self, state: &mut State) {
        let rollout = state.judged().map(|(rollout, _)| rollout);
        let same = match (&self.open, rollout) {
            (Some(open), Some(rollout)) => {
                open.rollout == rollout.id && open.policy == rollout.resolved_policy
            }
            (None, None) => true,
            _ => false,
        };
        if same {
            return;
        }
        self.open = rollout.map(|rollout| Open {
            rollout: rollout.id.clone(),
            policy: rollout.resolved_policy.clone(),
            checks: Checks::resume(&rollout.resolved_policy, &rollout.checks),
        });
        state.memory.checkpoint.clear();
    }
}

/// Asks one pod, at the address that it had.
fn ask(cluster: &mut Cluster, probe: &PlannedProbe, target: &Target) -> Reading {
    let same =
        cluster.pods().get(&target.name).is_some_and(|pod| project::uid(pod.metadata.uid) == target.pod);
    let answer = if same { cluster.ask(&target.name) } else { None };
    match (&probe.probe, answer) {
        (Probe::Http(_), None) => Reading::Unhealthy("connection refused".to_owned()),
        (Probe::Scrape(_), None) => Reading::Unusable("connection refused".to_owned()),
        (Probe::Http(_), Some(reading)) => match reading.health() {
            Health::Ok => Reading::Healthy,
            Health::Fail => Reading::Unhealthy("answered with status 503".to_owned()),
            Health::Slow => Reading::Unhealthy("no answer in time".to_owned()),
        },
        (Probe::Scrape(scrape), Some(reading)) => {
            let mut scraper = Scraper::new(&scrape.measure, Format::Text, Encoding::Identity);
            let read = scraper.feed(reading.metrics().as_bytes()).and_then(|()| scraper.finish());
            read.map_or_else(|problem| Reading::Unusable(problem.to_string()), Reading::Counts)
        }
    }
}

fn outcomes(verdicts: &Verdicts) -> Vec<Outcome> {
    verdicts.0.iter().map(|verdict| verdict.outcome).collect()
}
