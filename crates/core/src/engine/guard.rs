//! The pod guard's list: which revisions pods may be made of, and keeping it so.
//!
//! The list is widened before a step opens for a revision, and narrowed when nothing needs the revision any more.

use std::{collections::BTreeSet, time::Duration};

use super::turn::Turn;
use crate::{
    decision::{Note, Write},
    facts::{Guard, Revision},
    state::{Phase, Record},
};

/// Edits by others are put back at once so often.
const PUT_BACK_AT_ONCE: u32 = 3;

/// After that so often, and after as long a silence at once again.
const PUT_BACK_EVERY: Duration = Duration::from_mins(1);

/// What [`released`] looks at besides the record.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// `status.currentRevision`: a pod that is replaced while parked is made of it.
    pub(super) current: Option<Revision>,
    /// `status.updateRevision`.
    pub(super) update: Option<Revision>,
    /// The update revision's template is the stable one's.
    pub(super) update_is_stable: bool,
    /// The revisions of all pods, terminating ones included.
    pub(super) on_pods: BTreeSet<Revision>,
    /// What the list allows now.
    pub(super) listed: BTreeSet<Revision>,
}

/// The revisions that pods may be made of in the phase of `record`.
pub(super) fn released(record: &Record, seen: &Seen) -> BTreeSet<Revision> {
    let mut allowed: BTreeSet<Revision> = record.stable.iter().cloned().collect();
    let canary = record.rollout.as_ref().map(|rollout| rollout.canary.clone());
    // Kubernetes may have made a revision current without us. One that ran on pods must return while it is; one that
    // never did may not come in that way.
    let ran = |revision: &Revision| seen.on_pods.contains(revision) || seen.listed.contains(revision);
    let current_that_ran = seen.current.clone().filter(ran);
    let canary_that_ran = canary.clone().filter(ran);
    match record.phase {
        Phase::OptingIn => {
            allowed.extend(seen.on_pods.iter().cloned());
            allowed.extend(seen.current.iter().filter(|_| seen.on_pods.is_empty()).cloned());
        }
        // Nothing is stable yet, so there is nothing to protect from a newer template.
        Phase::Installing => {
            allowed.extend(seen.on_pods.iter().chain(&seen.current).chain(&seen.update).cloned());
        }
        Phase::Idle => {}
        Phase::Opening | Phase::Baking | Phase::AwaitingApproval => {
            allowed.extend(canary.into_iter().chain(current_that_ran));
        }
        Phase::Completing => allowed.extend(current_that_ran),
        Phase::Reverting => allowed.extend(canary_that_ran.into_iter().chain(current_that_ran)),
        Phase::Undoing => {
            allowed.extend(canary_that_ran.into_iter().chain(current_that_ran));
            allowed.extend(seen.update.clone().filter(|_| seen.update_is_stable));
        }
    }
    allowed
}

impl Turn<'_> {
    /// A pod of this revision may be made, as far as the list goes.
    pub(super) fn is_released(&self, revision: &Revision) -> bool {
        self.facts.guard.as_ref().is_none_or(|guard| guard.allowed.contains(revision))
    }

    /// The write that brings the list to what the phase needs; `None` if it is there, or it is not yet known.
    pub(super) fn keep_guard(&mut self) -> Option<Write> {
        let guard = self.facts.guard.as_ref()?;
        let wanted = self.wanted_list(guard)?;
        if guard.allowed == wanted {
            self.memory.guard.kept = Some(wanted);
            return None;
        }
        if self.memory.guard.kept.as_ref() == Some(&wanted) && !self.may_put_back(guard, &wanted) {
            return None;
        }
        Some(Write::Guard { resource_version: guard.resource_version.clone(), allowed: wanted })
    }

    fn wanted_list(&self, guard: &Guard) -> Option<BTreeSet<Revision>> {
        let record = self.record.as_ref()?;
        if record.phase != Phase::Idle && self.detail.is_none() {
            return None;
        }
        let update = self.workload.update_revision.clone();
        let seen = Seen {
            current: self.workload.current_revision.clone(),
            update_is_stable: update
                .as_ref()
                .zip(record.stable.as_ref())
                .is_some_and(|(update, stable)| self.same_template(update, stable)),
            update,
            on_pods: self.pods().into_iter().filter_map(|(_, pod)| pod.revision.clone()).collect(),
            listed: guard.allowed.clone(),
        };
        Some(released(record, &seen)).filter(|allowed| !allowed.is_empty())
    }

    /// Somebody edited the list. It is put back, but not fought over without end.
    fn may_put_back(&mut self, guard: &Guard, wanted: &BTreeSet<Revision>) -> bool {
        let silence = self.memory.guard.put_back_at.map(|at| self.now.mono.since(at));
        if silence.is_none_or(|silence| silence >= PUT_BACK_EVERY * 2) {
            self.memory.guard.put_back = 0;
        }
        let list = format!("siskin-guard-{}, the list of released revisions", self.workload.name);
        let wanted = names(wanted);
        if self.memory.guard.put_back == 0 {
            let found = names(&guard.allowed);
            self.notes.push(Note::GuardEdited(format!(
                "somebody changed {list}, to {found}; siskin puts {wanted} back"
            )));
        }
        if self.memory.guard.put_back >= PUT_BACK_AT_ONCE {
            if self.problem.is_none() {
                self.report(
                    "GuardContested",
                    format!(
                        "somebody changes {list}, again and again; siskin puts {wanted} back once a minute"
                    ),
                );
            }
            let left = PUT_BACK_EVERY.saturating_sub(silence.unwrap_or_default());
            if !left.is_zero() {
                self.wake_in(left);
                return false;
            }
        }
        self.memory.guard.put_back += 1;
        self.memory.guard.put_back_at = Some(self.now.mono);
        true
    }

    /// Deletes the list; true while it has to go first. Without the record nobody would know that it is ours.
    pub(super) fn drop_guard(&mut self) -> bool {
        let Some(resource_version) =
            self.facts.guard.as_ref().and_then(|guard| guard.resource_version.clone())
        else {
            return false;
        };
        self.effect = Some(Write::DeleteGuard { resource_version });
        true
    }
}

fn names(revisions: &BTreeSet<Revision>) -> String {
    let names: Vec<&str> = revisions.iter().map(|revision| revision.0.as_str()).collect();
    if names.is_empty() { "nothing".to_owned() } else { names.join(", ") }
}
