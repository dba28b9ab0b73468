//! The probes and queries that feed the checks of the open rollout.

use std::collections::BTreeMap;

use siskin_core::{
    checks::{Origin, PlannedProbe, PlannedQuery, ProbePlan, Reading, Role, Sample, Target},
    judge::Judge,
    policy::Probe,
};
use siskin_embedded::{Millis, cluster::Cluster, model::application::Health};

use super::mono;
use crate::{project, wire::Wire};

/// What is asked, and when each check asks again.
#[derive(Debug, Default)]
pub struct Prober {
    plan: ProbePlan,
    due: BTreeMap<String, Millis>,
    queries: Vec<(Millis, PlannedQuery)>,
}

impl Prober {
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

    /// Asks sources this from now on. A question that goes on keeps its turn.
    pub fn query(&mut self, queries: Vec<PlannedQuery>, now: Millis) {
        let before = std::mem::take(&mut self.queries);
        let due = |query: &PlannedQuery| before.iter().find(|(_, known)| known.check == query.check);
        self.queries =
            queries.into_iter().map(|query| (due(&query).map_or(now, |(due, _)| *due), query)).collect();
    }

    /// When the next one is due.
    pub fn due(&self) -> Option<Millis> {
        self.due.values().copied().chain(self.queries.iter().map(|(due, _)| *due)).min()
    }

    /// Asks the pods and sources whose turn it is, for `judge`. True: somebody was asked.
    pub fn probe(&mut self, cluster: &mut Cluster, wire: &mut impl Wire, judge: &mut Judge) -> bool {
        let now = cluster.now();
        if self.due().is_none_or(|due| due > now) {
            return false;
        }
        for probe in &self.plan.probes {
            let Some(due) = self.due.get_mut(&probe.check).filter(|due| **due <= now) else { continue };
            *due = now + u64::try_from(probe.every.as_millis()).unwrap_or(u64::MAX);
            let asked = self.plan.targets.iter().filter(|it| probe.stable_too || it.role == Role::Canary);
            for target in asked {
                let reading = ask(cluster, wire, probe, target);
                let reading = wire.answer(cluster, &probe.check, &target.name, reading);
                let origin = Origin::Pod { pod: target.pod.clone(), restarts: target.restarts };
                judge.take(Sample { check: probe.check.clone(), origin, at: mono(now), reading });
            }
        }
        for (due, query) in self.queries.iter_mut().filter(|(due, _)| *due <= now) {
            *due = now + u64::try_from(query.every.as_millis()).unwrap_or(u64::MAX);
            let reading = wire.source(cluster, query);
            let reading = wire.answer(cluster, &query.check, &query.source, reading);
            let origin = Origin::Source { about: query.about.clone() };
            judge.take(Sample { check: query.check.clone(), origin, at: mono(now), reading });
        }
        true
    }
}

/// Asks one pod, at the address that it had.
fn ask(cluster: &mut Cluster, wire: &impl Wire, probe: &PlannedProbe, target: &Target) -> Reading {
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
        (Probe::Scrape(scrape), Some(reading)) => wire.counts(&scrape.measure, &reading),
    }
}
