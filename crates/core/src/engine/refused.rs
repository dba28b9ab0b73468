//! Extra pods that nobody lets in: a quota or an admission policy refuses them, or no node has room. That says nothing
//! about the revision, so it is not the checks' business.

use std::time::Duration;

use super::turn::Turn;
use crate::{
    checks::Verdict,
    decision::Note,
    facts::Pod,
    policy::{OnFailure, OnSurgeRefused},
    state::{Cause, PauseReason, Phase},
};

impl Turn<'_> {
    /// True if extra pods have been refused for so long that it was acted on.
    pub(super) fn surge_is_refused(&mut self) -> bool {
        let Some((why, overdue)) = self.refusal() else {
            self.memory.surge_refused_for = Duration::ZERO;
            return false;
        };
        self.memory.surge_refused_for += self.elapsed;
        let policy = &self.rollout().resolved_policy;
        let (grace, on) = (policy.readiness.unschedulable_grace, policy.outcome.on_surge_refused);
        if self.paused() || !overdue && self.memory.surge_refused_for < Duration::from(grace) {
            return false;
        }
        self.memory.surge_refused_for = Duration::ZERO;
        let why = format!("the extra pods are refused for {grace}: {why}");
        match on {
            OnSurgeRefused::RollBack => {
                self.outcome(OnFailure::RollBack, Cause::SurgeRefused, PauseReason::SurgeRefused, &why, None);
            }
            OnSurgeRefused::InPlace => {
                self.give_the_surge_up();
                self.say(Note::SurgeRefused(format!("{why}; the rollout goes on in place")));
                self.rollout_mut().surge_refused = Some(why.chars().take(300).collect());
            }
            OnSurgeRefused::Pause => {
                self.give_the_surge_up();
                self.pause(
                    PauseReason::SurgeRefused,
                    format!(
                        "{why}. They are taken away; `siskin resume` tries again, `siskin abort` goes back"
                    ),
                );
            }
        }
        true
    }

    /// The step begins anew without extra pods. Every pod of the user's own is there, so that nothing completes by the
    /// number of pods alone.
    fn give_the_surge_up(&mut self) {
        let step = self.rollout().step;
        self.enter_step(step);
        self.rollout_mut().surge = 0;
    }

    /// Why extra pods are missing, if that is all that is missing; with it, whether a check has lost its patience.
    fn refusal(&mut self) -> Option<(String, bool)> {
        let opening = matches!(self.record().phase, Phase::Opening | Phase::Baking);
        let wanted = self.record().expected_replicas();
        if !opening || self.rollout().surge == 0 || !self.observed() || self.workload.replicas != wanted {
            return None;
        }
        let own = self.replicas();
        if !(0..own).all(|index| self.live_at(index).is_some_and(|pod| self.available(pod))) {
            return None;
        }
        // OrderedReady makes no second extra pod before the first is ready.
        let missing = (own..wanted).find(|&index| !self.live_at(index).is_some_and(|pod| pod.ready))?;
        let others_wait =
            |index: u32| self.live_at(index).is_none_or(|pod| pod.ready || pod.unschedulable.is_some());
        if !(missing..wanted).all(others_wait) {
            return None;
        }
        let name = format!("{}-{}", self.workload.name, missing + self.workload.ordinals_start);
        if let Some(message) = self.live_at(missing).and_then(|pod| pod.unschedulable.as_deref()) {
            let overdue = self.verdicts().iter().any(Verdict::is_failed_readiness);
            return Some((format!("no node takes {name}: {message}"), overdue));
        }
        if self.pods().iter().any(|(index, _)| *index == missing) {
            return None;
        }
        self.observe.refusals = true;
        let told = self.detail.and_then(|detail| detail.refusal.as_deref());
        Some((
            told.map_or_else(|| format!("{name} is not created, and no Event says why"), str::to_owned),
            false,
        ))
    }

    /// Whether a check only fails by pods that are on their way out, as extra pods are that nobody wants any more.
    pub(super) fn fails_by_condemned_pods(&self, failed: &Verdict) -> bool {
        let canary = &self.rollout().canary;
        let end = self.replicas() + self.rollout().surge;
        let unready = |pod: &Pod| !pod.terminating && !pod.ready && Self::is_on(pod, Some(canary));
        let pods = self.pods();
        let mut unready = pods.iter().filter(|(_, pod)| unready(pod)).peekable();
        failed.is_failed_readiness() && unready.peek().is_some() && unready.all(|(index, _)| *index >= end)
    }
}
