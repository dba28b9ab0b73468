//! What stands in the policy, or between the policy and the workload.

use siskin_core::{
    facts::PARKED,
    policy::{ClaimUse, OnConfigChange, Surge},
    strategy::compile,
};

use super::{super::manifest::Applied, Findings, Surroundings};
use crate::cli::daemon::Named;

impl Findings {
    /// Whether it is there and fits.
    pub(super) fn of_the_policy(&mut self, seen: &Surroundings) {
        let workload = &seen.workload;
        let policy = match &seen.policy {
            Named::Loaded(policy) => policy,
            Named::Unusable(why) => {
                self.stops(
                    why.clone(),
                    "the workload would be parked, and no template would ever reach its pods",
                    "see `siskin check` and the daemon's policies; `standard` and `careful` are built in",
                );
                return;
            }
            Named::NotSeen(why) => {
                self.tells(
                    "the daemon's policies could not be looked at",
                    why,
                    "make sure that it has this one: a workload with an unknown policy stays parked",
                );
                return;
            }
        };
        if let Err(unfit) = compile(policy, workload.replicas, !workload.claim_templates.is_empty()) {
            self.stops(
                format!("policy `{}` doesn't fit: {unfit}", policy.name),
                "no rollout would start, or be observed",
                "change the policy or choose another",
            );
        }
        if policy.checks.is_empty() {
            self.tells(
                format!("policy `{}` has no checks", policy.name),
                "only the readiness and restarts of pods are judged",
                "add a check of what users see",
            );
        }
        let unwatched = seen.configuration.as_ref().is_some_and(|settings| !settings.watch_configuration);
        if policy.outcome.on_config_change == OnConfigChange::Pause && unwatched && !seen.observes() {
            self.warns(
                format!("policy `{}` pauses when ConfigMaps or Secrets change, and the daemon doesn't watch them", policy.name),
                "such a change stays unseen (ConfigurationUnwatched)",
                "set watchConfiguration: true in its configuration and install deploy/kustomize/components/config-watch",
            );
        }
    }

    /// What follows from a policy that only observes.
    pub(super) fn of_observing(&mut self, seen: &Surroundings) {
        const MEND: &str =
            "choose a policy that enforces, or leave the namespace out of the policies' bindings";
        match self.seen(&seen.parked_by_others, "whether admission policies park it") {
            Some(true) => self.stops(
                "the admission policies park new templates of everything with the annotation, and the policy only observes",
                "no template would reach the pods any more, as an observing policy opens nothing and nobody else may \
                 lower the partition (ParkedWhileObserved)",
                MEND,
            ),
            _ if seen.workload.partition >= PARKED => self.warns(
                "it is parked, and the policy only observes",
                "no template reaches its pods, as an observing policy opens nothing (ParkedWhileObserved)",
                "lower the partition, or choose a policy that enforces",
            ),
            _ => {}
        }
    }

    /// What follows from extra pods.
    pub(super) fn of_extra_pods(&mut self, seen: &Surroundings) {
        let workload = &seen.workload;
        let Some(Surge { claims, .. }) = seen.surge() else { return };
        if let Some(Applied { value, manager }) = &seen.applied_replicas {
            self.warns(
                format!("the manifest of {manager} has replicas: {value}, and the policy adds extra pods"),
                "an apply in the middle of a rollout takes them away: they are added again once, then it pauses \
                 (ReplicasContested). A server-side apply without force stops at a conflict",
                format!(
                    "take the line `replicas: {value}` out of the manifest, as docs/manifests.md says (left out alone it \
                     makes one replica), or use placement InPlace"
                ),
            );
        }
        let keeps = matches!(claims, Some(ClaimUse::Keep | ClaimUse::Reuse));
        if keeps && workload.delete_claims_when_scaled && !workload.claim_templates.is_empty() {
            self.stops(
                "the policy keeps the claims of extra pods, and whenScaled: Delete deletes them",
                "no rollout would start",
                "choose claims: Discard, or whenScaled: Retain",
            );
        }
    }
}
