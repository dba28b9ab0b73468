//! The end of the way forward: the canary revision becomes the stable one, Kubernetes and the replicas are brought to it.

use super::{
    forward::Template,
    turn::{LOOK, Turn},
};
use crate::{
    decision::{Note, Write},
    facts::{Pod, Revision, RevisionVerdict},
    state::{HISTORY, Past, Phase},
};

impl Turn<'_> {
    /// Every pod runs the canary revision and was judged: the verdict first, then the stable revision and the state in
    /// one write.
    pub(super) fn promote(&mut self) {
        let canary = self.rollout().canary.clone();
        if !self.verdict_is_written(&canary, RevisionVerdict::Stable) {
            return;
        }
        self.record_mut().stable = Some(canary.clone());
        self.record_mut().phase = Phase::Completing;
        self.annotations.insert("stable".to_owned(), Some(canary.0));
        self.lift_own_pause();
        self.complete();
    }

    /// True once the ControllerRevision carries the verdict of this rollout; writes it otherwise.
    pub(super) fn verdict_is_written(&mut self, name: &Revision, verdict: RevisionVerdict) -> bool {
        let rollout = self.rollout().id.clone();
        let Some(revision) = self.revision(name) else { return true };
        if revision.verdict == Some(verdict) && revision.rollout.as_ref() == Some(&rollout) {
            return true;
        }
        if self.effect.is_none() {
            self.effect = Some(Write::Verdict {
                revision: name.clone(),
                resource_version: revision.resource_version.clone(),
                verdict,
                rollout,
            });
        }
        self.wake_in(LOOK);
        false
    }

    /// Until Kubernetes agrees on the current revision, pods that came back old are opened again; then replicas N.
    pub(super) fn complete(&mut self) {
        self.wake_in(LOOK);
        if !self.need_detail() {
            return;
        }
        self.learn_claims();
        let Some(stable) = self.record().stable.clone() else { return };
        if !self.is_promoted_indeed(&stable) {
            return;
        }
        let on_stable = |pod: Option<&Pod>| pod.is_some_and(|pod| Self::is_on(pod, Some(&stable)));
        let replicas = self.record().expected_replicas();
        if self.workload.current_revision.as_ref() != Some(&stable) {
            if !matches!(self.template_now(), Template::Canary) {
                self.report(
                    "CompletionBlocked",
                    format!("{stable} is promoted, but the template became another one before Kubernetes made {stable} current, so a pod that is replaced would not return as {stable}: put the template of {stable} back"),
                );
            } else if (0..replicas).any(|index| !on_stable(self.live_at(index))) {
                self.partition = Some(0);
            }
            return;
        }
        self.rollout_mut().surge = 0;
        let there = (0..self.replicas()).all(|index| on_stable(self.live_at(index)));
        if there && self.nothing_above() && self.claims_are_disposed() {
            let id = self.rollout().id.clone();
            self.say(Note::Promoted { rollout: id, revision: stable });
            self.close_rollout("promoted", self.now.wall);
            self.record_mut().settled = None;
        }
    }

    /// The live object wants N pods, and no pod above them exists any more.
    pub(super) fn nothing_above(&self) -> bool {
        let replicas = self.replicas();
        self.rollout().surge == 0
            && self.workload.replicas == replicas
            && self.pods().iter().all(|(index, _)| *index < replicas)
    }

    /// Ends the rollout in the state, with a line of history.
    pub(super) fn close_rollout(&mut self, end: &str, at: crate::time::Wall) {
        let record = self.record_mut();
        if let Some(rollout) = record.rollout.take() {
            let end = end.chars().take(160).collect();
            record.history.push(Past { id: rollout.id, canary: rollout.canary, end, at });
            let excess = record.history.len().saturating_sub(HISTORY);
            record.history.drain(..excess);
        }
        record.phase = Phase::Idle;
        record.waiting = None;
        record.claims = crate::state::ClaimLedger::default();
    }
}
