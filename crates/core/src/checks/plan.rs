//! What to probe.

use super::{PlannedProbe, ProbePlan, Role, Target};
use crate::{
    facts::Pod,
    policy::{Check, Policy, Probe, Signal},
};

/// The plan for a rollout: every check of the policy that asks pods, on the live pods of both roles; stable pods are among the
/// targets only if a check compares. Nothing is planned without a canary pod.
///
/// Until a pod was Ready once only readiness judges it; the caller leaves such pods out.
pub fn plan(policy: &Policy, canary: &[&Pod], stable: &[&Pod]) -> ProbePlan {
    let mut targets = targets(Role::Canary, canary);
    if targets.is_empty() || policy.checks.is_empty() {
        return ProbePlan::default();
    }
    if policy.probes_stable() {
        targets.extend(self::targets(Role::Stable, stable));
    }
    ProbePlan { targets, probes: policy.checks.iter().filter_map(probe).collect() }
}

fn targets(role: Role, pods: &[&Pod]) -> Vec<Target> {
    let live = pods.iter().filter(|pod| pod.live());
    live.map(|pod| Target {
        pod: pod.uid.clone(),
        name: pod.name.clone(),
        role,
        ip: pod.ip.clone(),
        host_network: pod.host_network,
        ports: pod.ports.clone(),
        restarts: pod.restarts(),
    })
    .collect()
}

fn probe(check: &Check) -> Option<PlannedProbe> {
    let Signal::Pods(probe) = &check.signal else { return None };
    Some(PlannedProbe {
        check: check.name.clone(),
        every: check.every.0,
        connect_timeout: check.connect_timeout.0,
        timeout: check.timeout.0,
        probe: probe.clone(),
        stable_too: matches!(probe, Probe::Scrape(scrape) if scrape.compare.is_some()),
    })
}
