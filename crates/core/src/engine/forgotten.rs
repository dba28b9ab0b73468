//! Kubernetes made another revision current without a promotion, as it does at zero replicas, when all pods are updated
//! and Ready, or for a StatefulSet that is created anew: a pod that is replaced would not return stable.

use super::turn::Turn;
use crate::{
    facts::Revision,
    policy::OnForgotten,
    state::{Cause, Rollout},
};

impl Turn<'_> {
    /// True if so; no rollout starts then, and the policy says whether the stable template is written back.
    pub(super) fn is_forgotten(&mut self) -> bool {
        let (Some(stable), Some(current)) =
            (self.record().stable.clone(), self.workload.current_revision.clone())
        else {
            return false;
        };
        if current == stable {
            self.record_mut().forgotten = None;
            return false;
        }
        if self.record().forgotten.as_ref() != Some(&current) {
            if !self.need_detail() {
                return true;
            }
            if self.same_template(&current, &stable) {
                self.record_mut().stable = Some(current.clone());
                self.annotations.insert("stable".to_owned(), Some(current.0));
                return false;
            }
            self.record_mut().forgotten = Some(current.clone());
            self.listen_for_promote();
        }
        let restores =
            self.policy().is_some_and(|policy| policy.outcome.on_forgotten == OnForgotten::Restore);
        let text = forgotten(&current, &stable, restores);
        self.report("StableForgotten", text);
        self.lead_back(&current, &stable, restores);
        true
    }

    /// The stable template leads back: the one that somebody put back, or that the policy lets us write.
    fn lead_back(&mut self, current: &Revision, stable: &Revision, restores: bool) {
        let Some(update) = self.workload.update_revision.clone().filter(|_| self.observed()) else { return };
        // At rest nothing more is looked at.
        if update == *current && !restores || !self.need_detail() {
            return;
        }
        if self.revision(stable).is_none() {
            self.report(
                "StableRevisionGone",
                format!("Kubernetes made {current} current and the ControllerRevision of stable {stable} is gone: write its template yourself, or `siskin promote --revision {current}` takes {current} as stable"),
            );
        } else if self.replicas() > 0 {
            if restores || self.same_template(&update, stable) {
                self.undo_the_forgotten(current, stable);
            }
        } else if !self.same_template(&update, stable)
            && restores
            && self.record().restored.as_ref() != Some(current)
        {
            // Without pods Kubernetes makes it current at once. Whoever writes the other one again is not fought.
            self.write_stable_template();
            self.record_mut().restored = Some(current.clone());
        }
    }

    /// As after a completed rollout: open, with the stable template.
    fn undo_the_forgotten(&mut self, current: &Revision, stable: &Revision) {
        let (id, policy, started) = (self.new_rollout_id(current), self.loaded_policy(), self.now.wall);
        self.record_mut().rollout = Some(Rollout::new(id, current.clone(), policy, started));
        let why = format!("Kubernetes made {current} current without a promotion; {stable} is brought back");
        self.begin_undo(Cause::Forgotten, why);
        self.walk_back();
    }
}

fn forgotten(current: &Revision, stable: &Revision, restores: bool) -> String {
    let what = format!(
        "Kubernetes made {current} current without a promotion (it does so at zero replicas, when all pods are updated and Ready, and for a StatefulSet that is created anew); pods would come back as {current}, not as stable {stable}"
    );
    if restores {
        format!(
            "{what}. The stable template is written back, at zero replicas once; `siskin promote --revision {current}` takes {current} as stable instead"
        )
    } else {
        format!(
            "{what}. No rollout starts: write the stable template back, or `siskin promote --revision {current}` takes it as stable"
        )
    }
}
