//! Forward: open a step while its pods change, park, bake, go on.

use std::time::Duration;

use super::turn::{LOOK, Turn};
use crate::{
    checks::{Outcome, Verdict},
    command::PAUSED,
    decision::Note,
    facts::Revision,
    policy::{OnFailure, OnNoData},
    state::{Cause, Pause, PauseReason, Phase},
    strategy::{Exposure, Plan, PlannedStep, compile_rollout},
};

/// A check without data acts (`onNoData`) only after this long: a probe may miss one turn.
const NO_DATA_GRACE: Duration = Duration::from_secs(10);

/// How often a step may lose its exposure before a person is asked.
const EXPOSURE_LOSSES: u32 = 3;

/// What the live template is, seen from the open rollout.
pub(super) enum Template {
    /// The canary's.
    Canary,
    /// Another one, not yet numbered by Kubernetes.
    Unknown,
    /// The stable one again.
    Stable,
    /// A newer one.
    Newer(Revision),
}

impl Turn<'_> {
    /// The steps of the open rollout for the present N.
    pub(super) fn plan(&self) -> Option<Plan> {
        let record = self.record.as_ref()?;
        let rollout = record.rollout.as_ref()?;
        compile_rollout(rollout, record.user_replicas, !self.workload.claim_templates.is_empty()).ok()
    }

    /// One step of a rollout that goes forward.
    pub(super) fn forward(&mut self) {
        self.wake_in(LOOK);
        if !self.need_detail() {
            return;
        }
        if self.replicas() == 0 {
            self.go_back(Cause::ScaledToZero, "replicas is 0: nothing is exposed".to_owned());
            self.walk_back();
            return;
        }
        let has_claims = !self.workload.claim_templates.is_empty();
        let plan = match compile_rollout(self.rollout(), self.replicas(), has_claims) {
            Ok(plan) => plan,
            Err(unfit) => {
                let detail = format!("{unfit}; change replicas or `siskin abort`");
                self.pause(PauseReason::PolicyUnfit, detail);
                return;
            }
        };
        self.doubt_the_step(&plan);
        self.note_progress();
        self.learn_claims();
        if self.surge_is_refused() {
            return;
        }
        if let Some(failed) = self.failed_check()
            && !self.fails_by_condemned_pods(&failed)
            && self.fail(&failed)
        {
            return;
        }
        match self.template_now() {
            Template::Canary => {}
            Template::Unknown => return,
            Template::Stable => {
                self.go_back(Cause::PutBack, "the stable template was put back".to_owned());
                self.walk_back();
                return;
            }
            Template::Newer(update) => {
                self.supersede(&update);
                return;
            }
        }
        let Some(step) = self.fit_step(&plan) else { return };
        if self.deadline_passed() {
            return;
        }
        match self.record().phase {
            Phase::Opening => self.open(&plan, &step),
            Phase::Baking => self.bake(&plan, &step),
            _ => self.await_approval(&plan, &step),
        }
    }

    /// The present step. After a scale-up in the remainder the step moves on to the one that covers all canary pods:
    /// they passed every step, and going back on them would only lose ground. A bake is of one step.
    fn fit_step(&mut self, plan: &Plan) -> Option<PlannedStep> {
        let last = plan.steps.len().checked_sub(1)?;
        let mut at = self.rollout().step.min(last);
        let canary = self.rollout().canary.clone();
        let lowest =
            self.pods().into_iter().find(|(_, pod)| self.live(pod) && Self::is_on(pod, Some(&canary)));
        if let Some((lowest, _)) = lowest {
            while at < last
                && plan
                    .steps
                    .get(at)
                    .is_some_and(|step| step.remainder && step.exposure.partition(self.replicas()) > lowest)
            {
                at += 1;
            }
        }
        if at != self.rollout().step {
            self.rollout_mut().step = at;
            self.bake_anew();
        }
        plan.steps.get(at).cloned()
    }

    fn bake_anew(&mut self) {
        let rollout = self.rollout_mut();
        rollout.bake_done_ms = 0;
        rollout.in_bake_ms = 0;
    }

    /// After a change of N one more pod belongs to the present batch, and is judged as long as any. A step of the policy
    /// keeps what was observed: its bake may last longer than an autoscaler is still.
    pub(super) fn batch_bakes_anew(&mut self) {
        let Some((plan, step)) = self.plan().zip(self.record().rollout.as_ref().map(|rollout| rollout.step))
        else {
            return;
        };
        if plan.steps.get(step).is_some_and(|step| step.remainder) {
            self.bake_anew();
        }
    }

    /// A canary pod that is new, or Ready for the first time, is progress; a flapping one is not.
    fn note_progress(&mut self) {
        let canary = self.rollout().canary.clone();
        // A new process knows none of the pods, and a restart is no progress.
        let known = std::mem::replace(&mut self.memory.pods_known, true);
        let mut progress = false;
        for (_, pod) in self.pods() {
            if self.live(pod) && Self::is_on(pod, Some(&canary)) {
                progress |= self.memory.seen.insert(pod.uid.clone());
                progress |= pod.ready && self.memory.seen_ready.insert(pod.uid.clone());
            }
        }
        let stands_still = self.paused()
            || self.record().phase == Phase::AwaitingApproval
            || self.record().waiting.is_some();
        let elapsed = millis(self.elapsed);
        let stalled = &mut self.rollout_mut().stalled_ms;
        if progress && known {
            *stalled = 0;
        } else if !stands_still {
            *stalled += elapsed;
        }
    }

    fn failed_check(&self) -> Option<Verdict> {
        self.verdicts().iter().find(|verdict| verdict.enforced && verdict.outcome == Outcome::Fail).cloned()
    }

    /// A check failed. False if that was acted on before: the rollout is paused, and a newer template may take its
    /// place.
    fn fail(&mut self, failed: &Verdict) -> bool {
        let why = format!("check {} failed: {}", failed.check, failed.evidence);
        self.outcome(
            self.rollout().resolved_policy.outcome.on_failure,
            Cause::CheckFailed,
            PauseReason::CheckFailed,
            &why,
            Some(failed),
        )
    }

    /// Rolls back or pauses, and says so once: false if it was said.
    pub(super) fn outcome(
        &mut self,
        on: OnFailure,
        cause: Cause,
        pause: PauseReason,
        why: &str,
        failed: Option<&Verdict>,
    ) -> bool {
        let told = self.record().pause.as_ref().is_some_and(|paused| {
            paused.reason == pause || paused.reason == PauseReason::FailedAfterCompletion
        });
        if told {
            return false;
        }
        if let Some(failed) = failed {
            let consequence = match on {
                OnFailure::RollBack => "going back to stable",
                OnFailure::Pause => "paused, as the policy says",
            };
            self.say(Note::CheckFailed {
                check: failed.check.clone(),
                evidence: failed.evidence.clone(),
                consequence: consequence.to_owned(),
            });
        }
        match on {
            OnFailure::RollBack => {
                self.go_back(cause, why.to_owned());
                self.walk_back();
            }
            OnFailure::Pause => {
                self.pause(pause, format!("{why}; `siskin abort` goes back, `siskin resume` goes on"));
            }
        }
        true
    }

    pub(super) fn template_now(&mut self) -> Template {
        let canary = &self.rollout().canary;
        let update = self.workload.update_revision.clone();
        if self.observed() && update.as_ref() == Some(canary) {
            if self.memory.canary_template.as_ref() != Some(&self.workload.template) {
                self.memory.canary_template = Some(self.workload.template.clone());
            }
            return Template::Canary;
        }
        if !self.observed() && self.memory.canary_template.as_ref() == Some(&self.workload.template) {
            return Template::Canary;
        }
        match (self.observed(), update, self.record().stable.clone()) {
            (true, Some(update), Some(stable)) if self.revision(&update).is_some() => {
                if self.same_template(&update, &stable) { Template::Stable } else { Template::Newer(update) }
            }
            _ => Template::Unknown,
        }
    }

    /// A newer template takes this one's place.
    fn supersede(&mut self, update: &Revision) {
        let why = format!("superseded by {update}");
        if self.completed() {
            // Nothing leads back without a template write; the newer one is judged against the same stable. Until
            // that can start the pods stay as they are, and this rollout is the record of it. What it is paused for is
            // over with it.
            let own = |pause: &Pause| pause.reason != PauseReason::Requested;
            let pause = self.record_mut().pause.take_if(|pause| own(pause));
            let rejected = self.is_rejected(update);
            if !rejected && self.may_start().is_some() {
                self.annotations.extend(pause.map(|_| (PAUSED.to_owned(), None)));
                self.close_rollout(&why, self.now.wall);
                self.start(update);
            } else if self.only_observes() {
                self.annotations.extend(pause.map(|_| (PAUSED.to_owned(), None)));
                self.close_rollout(&why, self.now.wall);
            } else {
                self.report_what_stands_against_rollouts();
                if rejected {
                    self.report_rejected(update);
                }
                if pause.is_some() {
                    self.record_mut().pause = pause;
                }
            }
        } else {
            self.go_back(Cause::Superseded, why);
            self.walk_back();
        }
    }

    /// There is no rest to wait for another template in: Kubernetes has completed, so the pods stay on the canary revision.
    fn report_rejected(&mut self, update: &Revision) {
        let canary = &self.rollout().canary;
        let detail = format!(
            "{update} was rolled back before and is not tried again, and pods stay on {canary}, which Kubernetes has completed: write another template, or `siskin undo` brings the stable one back"
        );
        self.report("RevisionRejected", detail);
    }

    /// True if a deadline passed and was acted on.
    fn deadline_passed(&mut self) -> bool {
        let rollout = self.rollout();
        let policy = &rollout.resolved_policy;
        let limit = Duration::from(policy.bounds.progress_deadline);
        if Duration::from_millis(rollout.stalled_ms) < limit || self.paused() {
            return false;
        }
        let on = if self.record().phase == Phase::Opening {
            policy.outcome.on_failure
        } else {
            policy.outcome.on_undecided
        };
        let why = format!("no progress for {}", policy.bounds.progress_deadline);
        self.outcome(on, Cause::ProgressDeadline, PauseReason::ProgressDeadline, &why, None);
        true
    }

    /// Opens the step, until every index of the exposure is a live pod of the canary revision; then parks.
    fn open(&mut self, plan: &Plan, step: &PlannedStep) {
        if self.paused() {
            return;
        }
        let replicas = self.replicas();
        let covered = step.exposure.indexes(replicas);
        if !self.completed() && !self.no_strays(&covered) {
            return;
        }
        self.record_mut().waiting = None;
        if self.exposed(step.exposure) && self.rollout().surge == step.exposure.surge {
            self.record_mut().phase = Phase::Baking;
            self.say(Note::StepBaking { step: step.name.clone() });
            self.bake(plan, step);
            return;
        }
        let partition = step.exposure.partition(replicas);
        let is_open = self.workload.partition == partition && self.rollout().surge == step.exposure.surge;
        if !is_open {
            let rollout = self.rollout();
            let (canary, policy) = (rollout.canary.clone(), rollout.resolved_policy.clone());
            if !self.may_go_on(&policy) || !self.may_open(step.exposure) || !self.is_released(&canary) {
                return;
            }
            let Some(irrevocable) = self.is_irrevocable(step.exposure) else { return };
            self.say(Note::StepOpening {
                step: step.name.clone(),
                exposure: step.exposure.to_string(),
                irrevocable,
            });
        }
        self.rollout_mut().surge = step.exposure.surge;
        self.partition = Some(partition);
    }

    /// Kubernetes can complete the canary revision in such a step, or has done so before; `None`: to be asked.
    fn is_irrevocable(&mut self, exposure: Exposure) -> Option<bool> {
        if self.completed() {
            return Some(true);
        }
        if !exposure.is_whole(self.replicas()) {
            return Some(false);
        }
        self.hold().map(|held| !held)
    }

    /// Every index of the exposure is a live canary pod.
    fn exposed(&self, exposure: Exposure) -> bool {
        let canary = &self.rollout().canary;
        exposure
            .indexes(self.replicas())
            .all(|index| self.live_at(index).is_some_and(|pod| Self::is_on(pod, Some(canary))))
    }

    /// A step is opened only when nobody would go down on top of another: every pod outside it is available, and
    /// inside it none that isn't lies below one that is (Kubernetes replaces the highest first). An OrderedReady
    /// controller can then also finish what is begun. What an earlier surge left must be gone.
    fn may_open(&mut self, exposure: Exposure) -> bool {
        let canary = self.rollout().canary.clone();
        let partition = exposure.partition(self.replicas());
        if let Some(index) = self.down_below(partition, &canary) {
            let name = format!("{}-{}", self.workload.name, index + self.workload.ordinals_start);
            self.report(
                "WaitingForReady",
                format!(
                    "pod {name} is not ready; opening the step now would take another pod down beside it"
                ),
            );
            return false;
        }
        let above = self.replicas() + self.rollout().surge;
        if exposure.surge > self.rollout().surge && self.pods().iter().any(|(index, _)| *index >= above) {
            return false;
        }
        exposure.surge <= self.rollout().surge || self.claims_fit(exposure)
    }

    /// A pod that is down, below one that Kubernetes would take down beside it if it were to bring the pods from
    /// `partition` on to `revision`.
    pub(super) fn down_below(&self, partition: u32, revision: &Revision) -> Option<u32> {
        let up = |index: &u32| self.live_at(*index).is_some_and(|pod| self.available(pod));
        let untouched =
            |index: &u32| self.live_at(*index).is_some_and(|pod| !Self::is_on(pod, Some(revision)));
        let replaced_while_ready =
            (partition..self.replicas()).rev().find(|index| up(index) && untouched(index));
        let all_up_below = replaced_while_ready.unwrap_or(partition);
        (0..all_up_below).find(|index| !up(index))
    }

    /// Bakes: time counts while the exposure is whole and every check passes.
    fn bake(&mut self, plan: &Plan, step: &PlannedStep) {
        if self.exposure_lost(plan, step) || self.paused() {
            return;
        }
        let elapsed = if self.before.record.as_ref().is_some_and(|record| record.phase == Phase::Baking) {
            self.elapsed
        } else {
            Duration::ZERO
        };
        if self.passing(step.exposure) {
            self.memory.no_data = Duration::ZERO;
            let rollout = self.rollout_mut();
            rollout.bake_done_ms += millis(elapsed);
            if !elapsed.is_zero() {
                rollout.stalled_ms = 0;
            }
            let left = step.bake.saturating_sub(self.rollout().bake_done());
            if left.is_zero() {
                self.baked(plan, step);
            } else {
                self.wake_in(left.max(Duration::from_millis(20)));
            }
            return;
        }
        self.rollout_mut().in_bake_ms += millis(elapsed);
        self.act_on_no_verdict(step, elapsed);
    }

    fn passing(&self, exposure: Exposure) -> bool {
        let verdicts = self.verdicts();
        !verdicts.is_empty()
            && verdicts.iter().all(|verdict| !verdict.enforced || verdict.outcome == Outcome::Pass)
            && exposure
                .indexes(self.replicas())
                .all(|index| self.live_at(index).is_some_and(|pod| self.available(pod)))
    }

    fn act_on_no_verdict(&mut self, step: &PlannedStep, elapsed: Duration) {
        let silent = self
            .verdicts()
            .iter()
            .find(|verdict| verdict.enforced && verdict.outcome == Outcome::NoData)
            .cloned();
        match &silent {
            Some(_) => self.memory.no_data += elapsed,
            None => self.memory.no_data = Duration::ZERO,
        }
        let outcome = self.rollout().resolved_policy.outcome.clone();
        if let Some(silent) = silent
            && self.memory.no_data >= NO_DATA_GRACE
        {
            let on = match outcome.on_no_data {
                OnNoData::Hold => None,
                OnNoData::Pause => Some(OnFailure::Pause),
                OnNoData::RollBack => Some(OnFailure::RollBack),
            };
            let why = format!("check {} has no data: {}", silent.check, silent.evidence);
            match on {
                Some(on) => {
                    self.outcome(on, Cause::Undecided, PauseReason::NoData, &why, None);
                    return;
                }
                None => self.report_no_data(&silent),
            }
        }
        let undecided = Duration::from_millis(self.rollout().in_bake_ms);
        if step.decide_within.is_some_and(|within| undecided >= within) {
            let open: Vec<String> = self
                .verdicts()
                .iter()
                .filter(|verdict| verdict.enforced && verdict.outcome != Outcome::Pass)
                .map(|verdict| format!("{}: {}", verdict.check, verdict.evidence))
                .collect();
            let why = format!("step {} found no verdict in time; {}", step.name, open.join("; "));
            self.outcome(outcome.on_undecided, Cause::Undecided, PauseReason::Undecided, &why, None);
        }
    }

    /// With the evidence as it was first: it says for how long, and would be told anew each second.
    fn report_no_data(&mut self, silent: &Verdict) {
        const REASON: &str = "NoData";
        let begin = format!("check {} has no data; the bake stands still: ", silent.check);
        let told = self.memory.told.iter().filter_map(|told| told.strip_prefix(REASON)?.strip_prefix(": "));
        let told = told.filter(|detail| detail.starts_with(&begin)).map(str::to_owned).next();
        self.report(REASON, told.unwrap_or_else(|| format!("{begin}{}", silent.evidence)));
    }

    /// A canary pod was deleted by others: the bake stands still and the step is opened again.
    fn exposure_lost(&mut self, plan: &Plan, step: &PlannedStep) -> bool {
        let whole = self.exposed(step.exposure) && self.rollout().surge == step.exposure.surge;
        if whole {
            return false;
        }
        if self.paused() {
            return true;
        }
        let lost = self.rollout().exposure_lost + 1;
        self.rollout_mut().exposure_lost = lost;
        let detail =
            format!("step {} lost a canary pod that siskin did not delete ({lost} times now)", step.name);
        if lost > EXPOSURE_LOSSES {
            self.pause(
                PauseReason::ExposureLost,
                format!("{detail}; see what deletes pods, then `siskin resume`"),
            );
            return true;
        }
        self.say(Note::ExposureLost(detail));
        self.record_mut().phase = Phase::Opening;
        self.open(plan, step);
        true
    }

    /// The bake is done.
    fn baked(&mut self, plan: &Plan, step: &PlannedStep) {
        if step.approval {
            if self.record().phase != Phase::AwaitingApproval {
                self.record_mut().phase = Phase::AwaitingApproval;
                let command = format!("{}/{}/<user>", self.rollout().canary, step.name);
                self.say(Note::AwaitingApproval { step: step.name.clone(), command });
            }
        } else {
            self.advance(plan);
        }
    }

    fn await_approval(&mut self, plan: &Plan, step: &PlannedStep) {
        self.exposure_lost(plan, step);
    }

    /// Goes to the next step, or to the end.
    pub(super) fn advance(&mut self, plan: &Plan) {
        let next = self.rollout().step + 1;
        if let Some(step) = plan.steps.get(next) {
            self.enter_step(next);
            self.open(plan, &step.clone());
        } else {
            self.promote();
        }
    }

    pub(super) fn enter_step(&mut self, index: usize) {
        self.record_mut().phase = Phase::Opening;
        self.bake_anew();
        let rollout = self.rollout_mut();
        rollout.step = index;
        rollout.stalled_ms = 0;
        rollout.exposure_lost = 0;
    }

    /// A gate may be passed now: nothing failed, nobody paused, and the template is still the one that was judged.
    pub(super) fn may_pass_gate(&mut self) -> bool {
        !self.paused() && self.failed_check().is_none() && matches!(self.template_now(), Template::Canary)
    }
}

/// Milliseconds, for the state.
pub(super) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
