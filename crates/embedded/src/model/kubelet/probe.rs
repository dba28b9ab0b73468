//! Probes, without asking each time: between two changes of the application's health every probe answers the same.

use super::View;
use crate::{Millis, object::Probe};

/// What the probes of a running container have found.
pub struct Probed {
    /// The pod is ready.
    pub ready: bool,
    /// When it became so, or stopped being so.
    pub changed: Millis,
    /// When the liveness probe has failed often enough.
    pub killed: Option<Millis>,
    /// When something changes, if the container runs until then.
    pub next: Option<Millis>,
}

/// Judges a container that has run since then.
pub fn judge(view: &View<'_>, since: Millis, now: Millis) -> Probed {
    let behaviour = view.behaviour;
    let age = now.saturating_sub(since);
    let health_changes = behaviour.health_changes_after(age).map(|age| since + age);
    let healthy = behaviour.healthy(age);
    let from = since + behaviour.health_since(age);
    // When a probe's verdict on the present health is in: the first probe for a pass, the last of as many failures
    // as it takes otherwise.
    let verdict = |probe: Probe, failures: u64| {
        let first = since + probe.initial_delay;
        let periods = from.saturating_sub(first).div_ceil(probe.period);
        first + periods * probe.period + (failures - 1) * probe.period
    };
    let (ready, changed, pending) = match view.pod.template.readiness() {
        None => (true, since, None),
        Some(probe) => {
            let at = verdict(probe, if healthy { 1 } else { probe.failure_threshold });
            if at <= now { (healthy, at, None) } else { (view.memory.ready_since.is_some(), now, Some(at)) }
        }
    };
    let kills = view
        .pod
        .template
        .liveness()
        .filter(|_| !healthy)
        .map(|probe| verdict(probe, probe.failure_threshold));
    let next = [health_changes, pending, kills.filter(|&at| at > now)].into_iter().flatten().min();
    Probed { ready, changed, killed: kills.filter(|&at| at <= now), next }
}
