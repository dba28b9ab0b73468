//! At rest: parked, nothing polled. A new template starts a rollout.

use std::time::Duration;

use super::turn::{LOOK, Turn, brief};
use crate::{
    decision::Note,
    facts::{PolicyFact, Revision, RevisionVerdict},
    policy::{ClaimUse, Mode, Placement, Policy, Strategy, Surge},
    state::{ClaimLedger, Memory, Phase, Rollout},
    strategy::{Plan, compile},
};

/// A revision's name is the workload's, `-` and up to ten characters, and has to fit a label
/// (kubernetes/kubernetes#64023).
const LONGEST_NAME: usize = 52;

impl Turn<'_> {
    /// One step at rest.
    pub(super) fn rest(&mut self) {
        if self.is_forgotten() {
            self.record_mut().waiting = None;
            return;
        }
        let (Some(stable), Some(update)) =
            (self.record().stable.clone(), self.workload.update_revision.clone())
        else {
            return;
        };
        if !self.observed() {
            return;
        }
        if update == stable {
            self.record_mut().settled = None;
            self.record_mut().waiting = None;
        } else if self.record().settled.as_ref() != Some(&update) && !self.consider(&update, &stable) {
            return;
        }
        if self.record().phase == Phase::Idle {
            self.bring_back_strays(&stable);
        }
    }

    /// Starts a rollout of a template that is neither stable nor rejected; false if that can't be told yet.
    fn consider(&mut self, update: &Revision, stable: &Revision) -> bool {
        if !self.need_detail() {
            return false;
        }
        if self.revision(update).is_none() || self.revision(stable).is_none() {
            self.wake_in(Duration::from_secs(1));
            return false;
        }
        let same = self.same_template(update, stable);
        if !same && !self.is_rejected(update) {
            self.start(update);
            return true;
        }
        if !same {
            self.say(Note::StillRejected(update.clone()));
        }
        let record = self.record_mut();
        record.settled = Some(update.clone());
        record.waiting = None;
        true
    }

    /// Pods can be off the stable revision without a rollout: made in the moment in which Kubernetes' current revision
    /// was another, or opened by somebody while Siskin was down. The StatefulSet's own counters tell.
    fn bring_back_strays(&mut self, stable: &Revision) {
        let workload = self.workload;
        if workload.current_pods >= workload.pods
            || self.memory.pods_fit.as_ref() == Some(&workload.resource_version)
        {
            return;
        }
        if !self.need_detail() {
            return;
        }
        if let Some(other) = self.revisions_on_pods().into_iter().find(|it| !self.same_template(it, stable)) {
            self.return_to_stable(other.clone(), format!("pods ran {other} without a rollout"));
        } else if self.counters_fit() {
            self.memory.pods_fit = Some(workload.resource_version.clone());
        } else {
            self.wake_in(LOOK);
        }
    }

    /// The pods that we see are those that the StatefulSet's status speaks of.
    fn counters_fit(&self) -> bool {
        let current = self.workload.current_revision.as_ref();
        let (mut all, mut on_current) = (0, 0);
        for (_, pod) in self.pods() {
            all += 1;
            on_current += u32::from(!pod.terminating && Self::is_on(pod, current));
        }
        (all, on_current) == (self.workload.pods, self.workload.current_pods)
    }

    /// Says at once, not only when a template comes, what would keep a rollout from starting.
    pub(super) fn report_what_stands_against_rollouts(&mut self) {
        if self.workload.name.len() > LONGEST_NAME {
            self.report(
                "NameTooLong",
                format!(
                    "the name has {} characters; from {} on Kubernetes may not be able to create a revision's pods, as their label controller-revision-hash has room for 63",
                    self.workload.name.len(),
                    LONGEST_NAME + 1
                ),
            );
        }
        if self.workload.revision_history_limit < 2 {
            self.report(
                "HistoryLimitTooLow",
                format!(
                    "revisionHistoryLimit is {}; at least 2 are needed, or Kubernetes forgets the way back",
                    self.workload.revision_history_limit
                ),
            );
        }
        if let PolicyFact::Unusable { name, reason } = &self.facts.policy {
            self.report("PolicyUnusable", format!("policy `{name}`: {reason}; the workload stays parked"));
        }
    }

    /// It was rolled back before, also under another hash.
    pub(super) fn is_rejected(&self, revision: &Revision) -> bool {
        self.detail.is_some_and(|detail| {
            detail.revisions.iter().any(|known| {
                known.verdict == Some(RevisionVerdict::Rejected) && self.same_template(&known.name, revision)
            })
        })
    }

    /// Starts a rollout and opens its first step, in one write.
    pub(super) fn start(&mut self, canary: &Revision) {
        let Some((policy, plan)) = self.may_start() else { return };
        let id = self.new_rollout_id(canary);
        let started = self.now.wall;
        self.memory = Memory {
            tick: self.memory.tick,
            canary_template: Some(self.workload.template.clone()),
            deleted: std::mem::take(&mut self.memory.deleted),
            contest: std::mem::take(&mut self.memory.contest),
            guard: std::mem::take(&mut self.memory.guard),
            configuration_told: self.memory.configuration_told,
            ..Memory::default()
        };
        let stable = self.record().stable.clone().unwrap_or_else(|| canary.clone());
        let record = self.record_mut();
        record.phase = Phase::Opening;
        record.settled = None;
        record.claims = ClaimLedger::default();
        record.consumed.retain(|command| command.starts_with("retry="));
        let steps: Vec<String> =
            plan.steps.iter().map(|step| format!("{} ({})", step.name, step.exposure)).collect();
        let summary = brief(format!("policy {}: {}", policy.name, steps.join(", ")));
        record.rollout = Some(Rollout::new(id.clone(), canary.clone(), policy, started));
        self.say(Note::Started { rollout: id, stable, canary: canary.clone(), plan: summary });
        self.forward();
    }

    /// Whether a rollout may start now, and with what; reports what stands against it.
    pub(super) fn may_start(&mut self) -> Option<(Policy, Plan)> {
        self.record_mut().waiting = None;
        let (policy, plan) = self.what_could_start()?;
        (self.may_go_on(&policy) && self.has_a_place()).then_some((policy, plan))
    }

    /// The rollout that the workload and its policy allow.
    fn what_could_start(&mut self) -> Option<(Policy, Plan)> {
        let policy = match &self.facts.policy {
            PolicyFact::Loaded(policy) => policy.clone(),
            PolicyFact::None | PolicyFact::Unusable { .. } => return None,
        };
        if policy.mode == Mode::Observe
            || self.paused()
            || self.replicas() == 0
            || self.workload.revision_history_limit < 2
        {
            return None;
        }
        let plan = match compile(&policy, self.replicas(), !self.workload.claim_templates.is_empty()) {
            Ok(plan) => plan,
            Err(unfit) => {
                self.report("PolicyUnfit", format!("policy `{}`: {unfit}", policy.name));
                return None;
            }
        };
        (self.surge_is_allowed(&policy, &plan) && self.autoscaler_allows(&policy, &plan))
            .then_some((policy, plan))
    }

    /// Whether the workload and our rights allow what the policy says of surge pods' claims; reports what doesn't.
    fn surge_is_allowed(&mut self, policy: &Policy, plan: &Plan) -> bool {
        if plan.surge == 0 || self.workload.claim_templates.is_empty() {
            return true;
        }
        let keeps = matches!(claim_use(policy), Some(ClaimUse::Keep | ClaimUse::Reuse));
        if keeps && self.workload.delete_claims_when_scaled {
            self.report(
                "PolicyUnfit",
                format!(
                    "policy `{}` keeps the claims of surge pods, but persistentVolumeClaimRetentionPolicy.whenScaled is Delete: Kubernetes deletes them with the pods. Choose Discard, or Retain",
                    policy.name
                ),
            );
            return false;
        }
        let discards = discards_claims(policy);
        if discards && !self.detail.is_some_and(|detail| detail.may_delete_claims) {
            self.report(
                "MissingRight",
                format!(
                    "policy `{}` discards the claims of surge pods, but siskin may not delete persistentvolumeclaims here: install the component claim-deletion, or choose Keep or Reuse",
                    policy.name
                ),
            );
            return false;
        }
        true
    }

    /// Unique per workload: the seq it will be written with, and the revision it tries.
    pub(super) fn new_rollout_id(&self, canary: &Revision) -> String {
        let hash = canary.0.rsplit('-').next().unwrap_or(&canary.0);
        format!("{}-{hash}", self.record().seq + 1)
    }
}

/// Whether surge pods' claims are to be deleted.
pub(super) fn discards_claims(policy: &Policy) -> bool {
    claim_use(policy) == Some(ClaimUse::Discard)
}

/// What the policy says of surge pods' claims.
pub(super) fn claim_use(policy: &Policy) -> Option<ClaimUse> {
    surge(policy)?.claims
}

/// What the policy says of surge pods, if it has any.
pub(super) fn surge(policy: &Policy) -> Option<&Surge> {
    match &policy.strategy {
        Strategy::Canary(canary) => match &canary.placement {
            Placement::Surge(surge) => Some(surge),
            Placement::InPlace => None,
        },
        Strategy::RollingUpdate(_) => None,
    }
}
