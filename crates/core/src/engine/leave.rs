//! The way out: the policy annotation was removed.

use super::turn::Turn;
use crate::{
    command::PAUSED,
    decision::Note,
    facts::PARKED,
    state::{Cause, Phase},
};

/// Every annotation of ours on the workload, without the prefix.
const OURS: [&str; 8] = ["state", "stable", PAUSED, "abort", "undo", "retry", "promote", "approve"];

impl Turn<'_> {
    /// One step of a workload that is no longer wanted to be looked after.
    pub(super) fn leave(&mut self) {
        self.follow_replicas();
        let phase = self.record().phase;
        if self.workload.partition < PARKED
            && !matches!(phase, Phase::Opening | Phase::Undoing | Phase::Completing)
        {
            self.partition = None;
            self.release("somebody lowered the partition, so it was left as it is");
            return;
        }
        match phase {
            Phase::OptingIn | Phase::Installing | Phase::Idle => self.release_at_rest(),
            Phase::Opening | Phase::Baking | Phase::AwaitingApproval => {
                if !self.need_detail() {
                    return;
                }
                if self.completed() {
                    self.release_completed();
                } else {
                    self.go_back(Cause::OptedOut, "the policy annotation was removed".to_owned());
                    self.walk_back();
                }
            }
            Phase::Completing => self.complete(),
            Phase::Reverting if self.replicas() > 0 => {
                if !self.need_detail() {
                    return;
                }
                if self.completed() { self.release_completed() } else { self.revert() }
            }
            Phase::Reverting => self.revert(),
            Phase::Undoing if self.undo_is_stopped() => {
                self.release(&format!(
                    "going back by the template was contested; the partition stays at {PARKED}"
                ));
            }
            Phase::Undoing => self.undo(),
        }
    }

    /// Kubernetes has completed the canary revision: there is nothing to go back to without a template write.
    fn release_completed(&mut self) {
        let why = "opted out after Kubernetes had completed the update";
        self.rollout_mut().surge = 0;
        self.close_rollout(why, self.now.wall);
        self.release(why);
    }

    /// The partition from before is written back if no template is pending, else it stays parked.
    fn release_at_rest(&mut self) {
        let pending = !self.observed() || self.workload.update_revision != self.workload.current_revision;
        let before = self.record().user_partition;
        let parked_before = before >= PARKED;
        if pending || parked_before {
            let why = if pending { "a template is pending" } else { "it was parked before, too" };
            let partition = if parked_before { 0 } else { before };
            self.release(&format!(
                "{why}, so the partition stays at {PARKED}; `kubectl patch statefulset {} -n {} --type merge -p '{{\"spec\":{{\"updateStrategy\":{{\"rollingUpdate\":{{\"partition\":{partition}}}}}}}}}'` lets templates roll",
                self.workload.name, self.workload.namespace
            ));
        } else {
            self.release("the partition from before is back");
            if self.record.is_none() {
                self.partition = Some(before);
            }
        }
    }

    fn release(&mut self, rest: &str) {
        if self.drop_labels() || self.drop_guard() {
            return;
        }
        self.say(Note::OptedOut(rest.to_owned()));
        for name in OURS {
            self.annotations.insert(name.to_owned(), None);
        }
        self.last_replicas = self.record.take().map(|record| record.user_replicas);
    }
}
