//! What a state that was read says is believed only as far as the cluster shows it: whoever may patch the StatefulSet
//! may have written it.

use super::turn::Turn;
use crate::{
    decision::Note,
    facts::{Revision, RevisionVerdict},
    state::PauseReason,
    strategy::Plan,
};

impl Turn<'_> {
    /// At the first look at the pods after the state was read: no batch is skipped. The policy's own steps are not held
    /// against the pods, as `siskin.dev/promote` skips them, and who may write the state may write that.
    pub(super) fn doubt_the_step(&mut self, plan: &Plan) {
        let rollout = self.rollout();
        if self.memory.pods_known {
            return;
        }
        let (said, replicas) = (rollout.step, self.replicas());
        let on_canary = |pod: &&(u32, _)| Self::is_on(pod.1, Some(&rollout.canary));
        let lowest = self.pods().iter().find(on_canary).map(|(index, _)| *index);
        let reaches =
            |lowest| plan.steps.iter().rposition(|step| step.exposure.partition(replicas) >= lowest);
        // The last one that the pods show may be done.
        let next = lowest.and_then(reaches).map_or(0, |shown| shown + 1);
        let first_batch = plan.steps.iter().position(|step| step.remainder).unwrap_or(said);
        let most = next.max(first_batch);
        let name = |index: usize| plan.steps.get(index).map_or("", |step| &step.name);
        if said > most {
            let note = format!(
                "it said step {}, but the pods show less; it goes on with {}",
                name(said.min(plan.steps.len().saturating_sub(1))),
                name(most)
            );
            self.say(Note::StateRebuilt(note));
            self.enter_step(most);
        }
    }

    /// Whether the verdict that every promotion writes first is there. Not everybody who may patch the StatefulSet may
    /// patch `ControllerRevisions`.
    pub(super) fn is_promoted_indeed(&mut self, stable: &Revision) -> bool {
        let Some(revision) = self.revision(stable) else { return true };
        let (verdict, by) = (revision.verdict, revision.rollout.as_ref());
        if verdict == Some(RevisionVerdict::Stable) && by == Some(&self.rollout().id) {
            return true;
        }
        self.pause(
            PauseReason::StateMismatch,
            format!(
                "the state says that {stable} was promoted, but its ControllerRevision has no verdict of this rollout: \
                 set siskin.dev/stable to the revision that pods are to run, delete siskin.dev/state, then `siskin resume`"
            ),
        );
        false
    }
}
