//! A policy that only observes: Kubernetes rolls as it always does, and Siskin says what it would have done. Nothing is
//! written, not even a state, so that a restart forgets.

use std::time::Duration;

use super::{
    forward::millis,
    turn::{LOOK, Turn},
};
use crate::{
    checks::Outcome,
    decision::Note,
    facts::{PARKED, PolicyFact, Revision},
    policy::{Mode, OnFailure, Policy},
    state::{Observed, Phase, Rollout, Trial},
    strategy::compile_rollout,
    window::{Opening, opening},
};

impl Turn<'_> {
    /// Whether the workload is only observed: by its policy, or by the one that it had before that broke.
    pub(super) fn only_observes(&self) -> bool {
        match &self.facts.policy {
            PolicyFact::Loaded(policy) => policy.mode == Mode::Observe,
            PolicyFact::Unusable { name, .. } => {
                self.memory.observed.as_ref().is_some_and(|observed| observed.policy == *name)
            }
            PolicyFact::None => false,
        }
    }

    /// Whether a workload that was looked after is to be observed from now on: not before its rollout has ended.
    pub(super) fn is_let_go(&self) -> bool {
        self.only_observes()
            && matches!(self.record().phase, Phase::OptingIn | Phase::Installing | Phase::Idle)
    }

    /// One step of a workload that is only observed.
    pub(super) fn observe_only(&mut self) {
        self.partition = None;
        let policy = match &self.facts.policy {
            PolicyFact::Loaded(policy) => policy.clone(),
            PolicyFact::Unusable { name, reason } => {
                self.report(
                    "PolicyUnusable",
                    format!("policy `{name}`: {reason}; nothing is observed meanwhile"),
                );
                return;
            }
            PolicyFact::None => return,
        };
        if self.memory.observed.as_ref().is_none_or(|observed| observed.policy != policy.name) {
            let text =
                format!("policy {} only observes: templates roll as Kubernetes does by itself", policy.name);
            self.observed_that("Observing", text);
            self.memory.observed = Some(Observed { policy: policy.name.clone(), ..Observed::default() });
        }
        let (Some(current), Some(update)) =
            (self.workload.current_revision.clone(), self.workload.update_revision.clone())
        else {
            return;
        };
        if !self.observed() {
            return;
        }
        match self.trial().cloned() {
            Some(trial) if trial.rollout.canary == update => self.judge_trial(trial),
            Some(trial) => self.give_the_trial_up(&trial, &update, policy),
            None => self.look_for_a_trial(&current, &update, policy),
        }
    }

    fn trial(&self) -> Option<&Trial> {
        self.memory.observed.as_ref()?.trial.as_ref()
    }

    fn observed_that(&mut self, reason: &'static str, text: String) {
        self.say(Note::Observed { reason, text });
    }

    /// A revision that was not seen before, or one that is on its way at the first look.
    fn look_for_a_trial(&mut self, current: &Revision, update: &Revision, policy: Policy) {
        let known = self.memory.observed.as_ref().and_then(|observed| observed.known.clone());
        if known.as_ref() == Some(update) || known.is_none() && current == update {
            self.knows(update);
            return;
        }
        if self.workload.partition >= PARKED {
            self.report(
                "ParkedWhileObserved",
                format!("{update} waits behind partition {}, and an observing policy opens nothing: lower the partition, or choose a policy that enforces", self.workload.partition),
            );
            return;
        }
        let stable =
            if current == update { known.unwrap_or_else(|| current.clone()) } else { current.clone() };
        self.begin_trial(stable, update, policy);
    }

    fn begin_trial(&mut self, stable: Revision, update: &Revision, policy: Policy) {
        self.observe.detail = true;
        self.wake_in(LOOK);
        let waits = match opening(&policy.windows, &self.facts.rules.freezes, self.now.wall) {
            Opening::Open => String::new(),
            Opening::Closed { why, .. } => format!(" It would have waited: {why}."),
        };
        let text = format!(
            "{stable} -> {update}: Kubernetes rolls it out by itself. Policy {} judges its pods, and nothing follows from it.{waits}",
            policy.name
        );
        let id = format!("observed-{}-{}", update.0, self.now.wall.0);
        let rollout = Rollout::new(id, update.clone(), policy, self.now.wall);
        self.observed_that("WouldStart", text);
        (self.memory.seen, self.memory.seen_ready) = Default::default();
        if let Some(observed) = &mut self.memory.observed {
            observed.trial = Some(Trial { rollout, stable });
        }
    }

    /// Another template came before there was a verdict.
    fn give_the_trial_up(&mut self, trial: &Trial, update: &Revision, policy: Policy) {
        let canary = &trial.rollout.canary;
        self.observed_that("WouldStop", format!("{update} came before there was a verdict on {canary}"));
        if *update == trial.stable {
            self.knows(update);
        } else {
            self.begin_trial(trial.stable.clone(), update, policy);
        }
    }

    /// Nothing is to be said of a revision any more.
    fn knows(&mut self, revision: &Revision) {
        if let Some(observed) = &mut self.memory.observed {
            observed.known = Some(revision.clone());
            observed.trial = None;
        }
    }

    fn judge_trial(&mut self, mut trial: Trial) {
        self.wake_in(LOOK);
        if !self.need_detail() {
            return;
        }
        let canary = trial.rollout.canary.clone();
        for (_, pod) in self.pods() {
            if pod.live() && pod.ready && Self::is_on(pod, Some(&canary)) {
                self.memory.seen_ready.insert(pod.uid.clone());
            }
        }
        let policy = &trial.rollout.resolved_policy;
        let has_claims = !self.workload.claim_templates.is_empty();
        let watched: Duration = match compile_rollout(&trial.rollout, self.workload.replicas, has_claims) {
            Ok(plan) => plan.steps.iter().map(|step| step.bake).sum(),
            Err(unfit) => {
                self.observed_that(
                    "WouldRefuse",
                    format!("no rollout of {canary} would have started: {unfit}"),
                );
                self.knows(&canary);
                return;
            }
        };
        let enforced: Vec<_> = self.verdicts().iter().filter(|verdict| verdict.enforced).collect();
        if let Some(failed) = enforced.iter().find(|verdict| verdict.outcome == Outcome::Fail) {
            let would = match policy.outcome.on_failure {
                OnFailure::RollBack => "rolled back",
                OnFailure::Pause => "paused",
            };
            let text = format!(
                "{canary} would have been {would}: check {} failed: {}",
                failed.check, failed.evidence
            );
            self.observed_that("WouldRollBack", text);
            self.knows(&canary);
            return;
        }
        let passes = !enforced.is_empty() && enforced.iter().all(|verdict| verdict.outcome == Outcome::Pass);
        let deadline = Duration::from(policy.bounds.progress_deadline);
        if passes {
            trial.rollout.stalled_ms = 0;
            trial.rollout.bake_done_ms += millis(self.elapsed);
        } else {
            trial.rollout.stalled_ms += millis(self.elapsed);
        }
        if passes && trial.rollout.bake_done() >= watched {
            let text =
                format!("{canary} would have been promoted: every check passed for {}s", watched.as_secs());
            self.observed_that("WouldPromote", text);
            self.knows(&canary);
        } else if Duration::from_millis(trial.rollout.stalled_ms) >= deadline {
            let text = format!(
                "{canary} would have found no verdict for {}s, and a person would be asked",
                deadline.as_secs()
            );
            self.observed_that("WouldAsk", text);
            self.knows(&canary);
        } else if let Some(observed) = &mut self.memory.observed {
            observed.trial = Some(trial);
        }
    }
}
