//! The two ways back. Rolling back is a goal, not an action: it is looked at anew in each step until every pod is on
//! the stable revision and ready, whatever happens in between.

use std::{ops::Range, time::Duration};

use super::{
    forward::millis,
    turn::{LOOK, Turn, brief},
};
use crate::{
    decision::{Note, TemplatePatch},
    facts::{PARKED, Pod, PolicyFact, Revision},
    policy::AfterCompletion,
    state::{Back, Cause, PauseReason, Phase},
    strategy::compile,
    template,
};

/// So long an undo waits for a pod that is down when it begins.
const UNDO_PATIENCE: Duration = Duration::from_secs(10);

impl<'a> Turn<'a> {
    /// Decides on the way back; the caller then lets [`Self::walk_back`] take its first step.
    pub(super) fn go_back(&mut self, cause: Cause, detail: String) {
        let detail = brief(detail);
        if self.completed() && cause != Cause::ScaledToZero {
            let undo = cause == Cause::PutBack
                || self.rollout().resolved_policy.outcome.after_completion == AfterCompletion::Undo;
            if undo {
                self.begin_undo(cause, detail);
            } else {
                self.pause(
                    PauseReason::FailedAfterCompletion,
                    format!(
                        "{detail}. Kubernetes has already completed the update, so pods return as {}: `siskin undo` writes the stable template back, `siskin resume` goes on with the checks",
                        self.rollout().canary
                    ),
                );
            }
            return;
        }
        self.lift_own_pause();
        self.say(Note::RollingBack(detail.clone()));
        let rollout = self.rollout_mut();
        rollout.back = Some(Back { cause, detail });
        rollout.stalled_ms = 0;
        let record = self.record_mut();
        record.waiting = None;
        record.phase = Phase::Reverting;
    }

    /// The step of whichever way back was taken.
    pub(super) fn walk_back(&mut self) {
        match self.record().phase {
            Phase::Reverting => self.revert(),
            Phase::Undoing => self.undo(),
            _ => {}
        }
    }

    pub(super) fn cause(&self) -> Cause {
        self.rollout().back.as_ref().map_or(Cause::Aborted, |back| back.cause)
    }

    fn why(&self) -> String {
        self.rollout().back.as_ref().map_or_else(String::new, |back| back.detail.clone())
    }

    /// Parked, replicas N, pods of any revision but stable deleted: they return stable. No template is written.
    pub(super) fn revert(&mut self) {
        self.wake_in(LOOK);
        if !self.need_detail() {
            return;
        }
        self.learn_claims();
        let replicas = self.replicas();
        if replicas > 0 && self.completed() {
            self.completed_meanwhile();
            return;
        }
        if let Some(current) = self.workload.current_revision.clone()
            && self.record().stable.as_ref().is_some_and(|stable| self.same_template(&current, stable))
        {
            // Pods return under this name.
            self.adopt_renamed(&current);
        }
        if self.may_lower_replicas() {
            self.rollout_mut().surge = 0;
        }
        let cover = self.cover_of_the_next_rollout();
        let clear = self.spec_is_settled() && {
            self.delete_above();
            self.delete_strays(&cover)
        };
        let back = (0..replicas).filter(|index| !cover.contains(index)).all(|index| self.is_back(index));
        let ended = clear && back && self.status_agrees(&cover) && self.nothing_above();
        if ended && self.claims_are_disposed() {
            self.end_back();
        } else {
            self.not_back_yet();
        }
    }

    /// The StatefulSet's own counters don't speak against what we see of the pods: our view of them comes by another
    /// watch, which may be older.
    fn status_agrees(&self, cover: &Range<u32>) -> bool {
        let update_is_stable = self.workload.update_revision == self.record().stable;
        self.workload.pods == self.replicas()
            && (self.workload.updated_pods == 0 || update_is_stable || !cover.is_empty())
    }

    /// The verdict meanwhile. No deadline ends a way back, but people hear of it.
    fn not_back_yet(&mut self) {
        if self.effect.is_none() {
            self.mark_canary();
        }
        let elapsed = millis(self.elapsed);
        let deadline = self.rollout().resolved_policy.bounds.progress_deadline;
        let replicas = self.replicas();
        let rollout = self.rollout_mut();
        rollout.stalled_ms += elapsed;
        if Duration::from_millis(rollout.stalled_ms) < Duration::from(deadline) {
            return;
        }
        let stable = self.record().stable.as_ref().map_or_else(String::new, ToString::to_string);
        let waits_for = (0..replicas).find(|&index| !self.is_back(index)).map_or_else(
            || "the extra pods and their claims to go".to_owned(),
            |index| {
                let ordinal = index + self.workload.ordinals_start;
                format!("pod {}-{ordinal} to be ready on {stable}", self.workload.name)
            },
        );
        let way_out = if self.cause() == Cause::MixedRevisions {
            "; `siskin promote --revision <revision>` names another stable revision"
        } else {
            ""
        };
        if self.problem.is_none() {
            self.report(
                "RollbackStalled",
                format!(
                    "going back takes longer than {deadline}; it waits for {waits_for}, and goes on{way_out}"
                ),
            );
        }
    }

    /// Kubernetes completed while we were going back; deleting pods no longer helps.
    fn completed_meanwhile(&mut self) {
        let (cause, why) = (self.cause(), self.why());
        if cause == Cause::ScaledToZero {
            self.close_rollout("at zero replicas Kubernetes forgot the stable revision", self.now.wall);
            self.rest();
            return;
        }
        if cause == Cause::OptedOut {
            // That is over, and nothing speaks against the canary revision that the pods run.
            self.rollout_mut().back = None;
            self.record_mut().phase = Phase::Opening;
            self.forward();
            return;
        }
        let told = self
            .record()
            .pause
            .as_ref()
            .is_some_and(|pause| pause.reason == PauseReason::FailedAfterCompletion);
        if !told {
            self.go_back(cause, why);
            if self.record().phase == Phase::Undoing {
                self.undo();
            }
        }
    }

    /// The pod at an index is stable and ready.
    fn is_back(&self, index: u32) -> bool {
        self.live_at(index)
            .is_some_and(|pod| Self::is_on(pod, self.record().stable.as_ref()) && self.available(pod))
    }

    /// The live spec is what we want it to be, and the StatefulSet controller has seen it: a pod deleted now returns
    /// as the current revision.
    fn spec_is_settled(&self) -> bool {
        self.observed()
            && self.workload.partition >= PARKED
            && self.workload.replicas == self.record().expected_replicas()
            && self.template.is_none()
    }

    /// Kubernetes completes as soon as updated = ready = all = wanted pods. Lowering replicas to N while the canary
    /// pods alone could make up N would complete the canary revision if a stable pod is missing just then, so the
    /// canary pods go first in that case.
    fn may_lower_replicas(&mut self) -> bool {
        self.canary_cannot_complete() || self.hold() == Some(true)
    }

    /// See [`Self::may_lower_replicas`]; as it is without the hold.
    fn canary_cannot_complete(&self) -> bool {
        let replicas = self.replicas();
        if self.rollout().surge == 0 || replicas == 0 {
            return true;
        }
        let stable = self.record().stable.as_ref();
        let off_stable =
            self.pods().into_iter().filter(|(_, pod)| !Self::is_on(pod, stable)).map(|(_, pod)| pod);
        let (mut all, mut live) = (0, 0);
        for pod in off_stable {
            all += 1;
            live += u32::from(self.live(pod));
        }
        all < replicas
            || live < replicas
                && (0..replicas).all(|index| self.live_at(index).is_some_and(|pod| Self::is_on(pod, stable)))
    }

    /// While replicas can't be lowered yet, canary pods above N are deleted (they return stable, lowest first). Once
    /// they are, OrderedReady may be stuck on two broken ones: condemned pods don't return, so they are deleted too.
    fn delete_above(&mut self) {
        let (replicas, wanted) = (self.replicas(), self.record().expected_replicas());
        let stable = self.record().stable.clone();
        let surplus = self.pods().into_iter().find(|(index, pod)| {
            let off_stable = !Self::is_on(pod, stable.as_ref());
            *index >= replicas && self.live(pod) && off_stable && (*index < wanted || !self.workload.parallel)
        });
        if let Some((_, pod)) = surplus {
            self.delete_pod(pod);
        }
    }

    /// Deletes in-place pods of any revision but stable: not-ready ones at once, ready ones within `maxUnavailable`,
    /// highest first. True if there are none.
    fn delete_strays(&mut self, cover: &Range<u32>) -> bool {
        let replicas = self.replicas();
        let strays = self.strays(cover);
        if strays.is_empty() {
            return true;
        }
        let up = self.pods().iter().filter(|(index, pod)| *index < replicas && self.available(pod)).count();
        // Our view of the pods comes by another watch than the counters, and may be older: both have to show enough.
        let up = up.min(self.workload.ready_pods as usize);
        let most = self.rollout().resolved_policy.bounds.max_unavailable.of(replicas);
        let enough = replicas.saturating_sub(most) as usize;
        let next = strays.iter().find(|pod| !pod.ready).or_else(|| strays.first().filter(|_| up > enough));
        if let Some(pod) = next {
            self.delete_pod(pod);
        }
        false
    }

    /// In-place pods that have to return stable, highest first: those off stable that the cover leaves out (also a
    /// surge pod that a scale-up moved below N), and inside it those that are not ready and not on the revision that
    /// Kubernetes brings pods to: it replaces the highest pod first, ready or not, and would take a second one down
    /// beside them.
    fn strays(&self, cover: &Range<u32>) -> Vec<&'a Pod> {
        let (stable, update) = (self.record().stable.as_ref(), self.workload.update_revision.as_ref());
        self.pods()
            .into_iter()
            .rev()
            .filter(|(index, pod)| {
                *index < self.replicas()
                    && self.live(pod)
                    && !Self::is_on(pod, stable)
                    && (!cover.contains(index) || !pod.ready && !Self::is_on(pod, update))
            })
            .map(|(_, pod)| pod)
            .collect()
    }

    /// Before a step opens there may be no strays. Parked while there are.
    pub(super) fn no_strays(&mut self, covered: &Range<u32>) -> bool {
        if self.spec_is_settled() { self.delete_strays(covered) } else { self.strays(covered).is_empty() }
    }

    /// The in-place pods that a superseding rollout's first step changes anyway stay as they are until then.
    fn cover_of_the_next_rollout(&self) -> Range<u32> {
        let nothing = 0..0;
        let (PolicyFact::Loaded(policy), Cause::Superseded, Some(update), false) =
            (&self.facts.policy, self.cause(), &self.workload.update_revision, self.paused())
        else {
            return nothing;
        };
        let wanted = self.record().stable.as_ref().is_some_and(|stable| !self.same_template(update, stable));
        if !self.observed() || !wanted || self.is_rejected(update) || self.revision(update).is_none() {
            return nothing;
        }
        let replicas = self.replicas();
        compile(policy, replicas, !self.workload.claim_templates.is_empty())
            .ok()
            .and_then(|plan| plan.steps.first().map(|step| step.exposure.partition(replicas)..replicas))
            .unwrap_or(nothing)
    }

    /// Marks the canary revision with what became of it; true once that is done.
    fn mark_canary(&mut self) -> bool {
        let canary = self.rollout().canary.clone();
        let is_stable =
            self.record().stable.as_ref().is_some_and(|stable| self.same_template(stable, &canary));
        match self.cause().verdict() {
            Some(verdict) if !is_stable => self.verdict_is_written(&canary, verdict),
            _ => true,
        }
    }

    /// Everything is back: the verdict, then the state.
    fn end_back(&mut self) {
        if !self.mark_canary() {
            return;
        }
        let (cause, why) = (self.cause(), self.why());
        let (id, canary) = (self.rollout().id.clone(), self.rollout().canary.clone());
        let Some(stable) = self.record().stable.clone() else { return };
        if cause == Cause::Superseded {
            self.close_rollout(&why, self.now.wall);
            self.rest();
            return;
        }
        self.lift_own_pause();
        self.say(Note::RolledBack { rollout: id, canary: canary.clone(), stable, why: why.clone() });
        self.close_rollout(&format!("rolled back: {why}"), self.now.wall);
        let rejected = cause.verdict().is_some() && cause != Cause::PutBack;
        self.record_mut().settled = rejected.then_some(canary);
    }

    /// Kubernetes has completed: the stable template is written back and the partition opened in one patch, or a pod
    /// would be created at the current revision, now the bad one.
    pub(super) fn begin_undo(&mut self, cause: Cause, detail: String) {
        self.lift_own_pause();
        self.say(Note::RollingBack(detail.clone()));
        let rollout = self.rollout_mut();
        rollout.back = Some(Back { cause, detail });
        rollout.stalled_ms = 0;
        rollout.surge = 0;
        let record = self.record_mut();
        record.waiting = None;
        record.phase = Phase::Undoing;
        self.write_stable_template();
    }

    /// Writes the stable template if the live one is another.
    pub(super) fn write_stable_template(&mut self) {
        let wanted = self.record().stable.as_ref().and_then(|stable| self.revision(stable));
        if let Some(wanted) = wanted.map(|revision| revision.template.clone())
            && !template::equal(&self.workload.template, &wanted)
        {
            let patch = template::difference(&self.workload.template, &wanted);
            self.template = Some(TemplatePatch { wanted, patch });
        }
    }

    /// Open, with the stable template: pods of other revisions are deleted until Kubernetes has made it current.
    pub(super) fn undo(&mut self) {
        self.wake_in(LOOK);
        if !self.need_detail() || self.undo_is_stopped() {
            return;
        }
        let Some(stable) = self.record().stable.clone() else { return };
        let Some(wanted) = self.revision(&stable).map(|revision| &revision.template) else {
            self.report(
                "StableRevisionGone",
                format!("the ControllerRevision {stable} is gone; write the stable template yourself"),
            );
            return;
        };
        if self.template.is_some() {
            self.open_for_undo(&stable);
            return;
        }
        if !template::equal(&self.workload.template, wanted) {
            self.pause(
                PauseReason::UndoContested,
                format!("somebody wrote another template while {stable} was being restored; `siskin resume` writes the stable one again"),
            );
            return;
        }
        let Some(update) = self.workload.update_revision.clone().filter(|_| self.observed()) else {
            // Not numbered yet: the partition stays as it is.
            self.partition = None;
            return;
        };
        if !self.same_template(&update, &stable) {
            self.pause(
                PauseReason::UndoMismatch,
                format!("the template of {stable} was written but became {update}; compare the two ControllerRevisions"),
            );
            return;
        }
        if self.workload.current_revision.as_ref() != Some(&update) {
            self.open_for_undo(&update);
            if self.workload.partition == 0 {
                self.delete_strays_of(&update);
            }
            self.not_back_yet();
            return;
        }
        self.adopt_renamed(&update);
        if self.spec_is_settled() {
            // Kubernetes made it current before every pod was on it; from now on pods return as it.
            self.delete_strays(&(0..0));
        }
        let replicas = self.replicas();
        let back = (0..replicas).all(|index| self.is_back(index));
        if back && self.spec_is_settled() && self.nothing_above() && self.claims_are_disposed() {
            self.end_back();
        } else {
            self.not_back_yet();
        }
    }

    /// Open, so that pods return as the stable revision. Kubernetes then replaces the highest pod first, whatever is down
    /// below it, so a pod that is just coming up gets a little time; until then pods return as they were.
    fn open_for_undo(&mut self, stable: &Revision) {
        let patient = Duration::from_millis(self.rollout().stalled_ms) < UNDO_PATIENCE;
        let is_open = self.workload.partition == 0 && self.template.is_none();
        let opens = is_open || !patient || self.down_below(0, stable).is_none();
        self.partition = Some(if opens { 0 } else { PARKED });
    }

    /// These pauses stop an undo: going on would fight somebody.
    pub(super) fn undo_is_stopped(&self) -> bool {
        self.record().pause.as_ref().is_some_and(|pause| {
            matches!(pause.reason, PauseReason::UndoContested | PauseReason::UndoMismatch)
        })
    }

    fn delete_strays_of(&mut self, update: &Revision) {
        let renamed = self.record().stable.as_ref() != Some(update);
        if !renamed {
            self.delete_strays(&(0..0));
        }
    }

    /// An equal template may come out under another hash; that name is the stable one from now on.
    fn adopt_renamed(&mut self, update: &Revision) {
        if self.record().stable.as_ref() != Some(update) {
            self.record_mut().stable = Some(update.clone());
            self.annotations.insert("stable".to_owned(), Some(update.0.clone()));
        }
    }
}
