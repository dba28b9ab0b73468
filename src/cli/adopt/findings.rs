//! What stands against looking after a workload: from what was seen of it to findings, nothing else.

use std::fmt;

use siskin_core::{
    facts::{Pod, UpdateStrategy, Workload},
    policy::{AutoscalerUse, ClaimUse, Placement, Policy, Strategy, Surge},
    strategy::compile,
};

/// The longest name whose pods' labels hold the name of a revision too.
const LONGEST_NAME: usize = 52;

/// What was seen of a workload, its policy, its neighbours and the daemon.
#[derive(Clone, Debug)]
pub struct Surroundings {
    /// The StatefulSet.
    pub workload: Workload,
    /// Its pods.
    pub pods: Vec<Pod>,
    /// The policy that it is to have.
    pub policy: Named,
    /// The partition that its manifest holds, and who applies that.
    pub applied_partition: Option<(u32, String)>,
    /// A container has a readiness probe.
    pub readiness_probe: bool,
    /// A container has a `preStop` hook.
    pub pre_stop: bool,
    /// Autoscalers that target it.
    pub autoscalers: Seen<Vec<String>>,
    /// Budgets over its pods that allow no disruption now.
    pub blocking_budgets: Seen<Vec<String>>,
    /// Services with an address of their own that select its pods.
    pub services: Seen<Vec<Service>>,
    /// What the daemon may not do, as `patch statefulsets`.
    pub missing_rights: Seen<Vec<String>>,
    /// The daemon may delete claims.
    pub may_delete_claims: Seen<bool>,
    /// The daemon has a ready pod.
    pub daemon: Seen<bool>,
}

/// Something that could be looked at, or why not.
pub type Seen<T> = Result<T, String>;

/// A Service, as far as it matters.
#[derive(Clone, Debug)]
pub struct Service {
    /// Its name.
    pub name: String,
    /// `publishNotReadyAddresses`.
    pub publishes_not_ready: bool,
}

/// What the name of a policy leads to.
#[derive(Clone, Debug)]
pub enum Named {
    /// It is good.
    Loaded(Box<Policy>),
    /// The daemon doesn't know it, or it has a mistake.
    Unusable(String),
    /// Nobody could look.
    NotSeen(String),
}

/// How much a finding weighs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// No rollout would start, or nothing is left to do.
    Stops,
    /// It works, but not as people expect.
    Warns,
    /// Good to know.
    Tells,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Stops => "STOPS",
            Self::Warns => "WARNS",
            Self::Tells => "TELLS",
        })
    }
}

/// One thing that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// How much it weighs.
    pub severity: Severity,
    /// What is so.
    pub what: String,
    /// What follows from it.
    pub why: String,
    /// How to mend it.
    pub mend: String,
}

/// Everything that stands against it, the gravest first.
pub fn findings(seen: &Surroundings) -> Vec<Finding> {
    let mut found = Findings(Vec::new());
    found.of_the_workload(seen);
    found.of_the_pods(seen);
    found.of_the_policy(seen);
    found.of_the_neighbours(seen);
    found.of_the_daemon(seen);
    found.0.sort_by_key(|finding| finding.severity);
    found.0
}

struct Findings(Vec<Finding>);

impl Findings {
    fn add(&mut self, severity: Severity, what: impl Into<String>, why: &str, mend: impl Into<String>) {
        self.0.push(Finding { severity, what: what.into(), why: why.to_owned(), mend: mend.into() });
    }

    fn stops(&mut self, what: impl Into<String>, why: &str, mend: impl Into<String>) {
        self.add(Severity::Stops, what, why, mend);
    }

    fn warns(&mut self, what: impl Into<String>, why: &str, mend: impl Into<String>) {
        self.add(Severity::Warns, what, why, mend);
    }

    fn tells(&mut self, what: impl Into<String>, why: &str, mend: impl Into<String>) {
        self.add(Severity::Tells, what, why, mend);
    }

    /// What couldn't be looked at is worth a line; else the value.
    fn seen<'a, T>(&mut self, seen: &'a Seen<T>, what: &str) -> Option<&'a T> {
        match seen {
            Ok(value) => Some(value),
            Err(why) => {
                self.tells(
                    format!("{what} could not be looked at"),
                    why,
                    "look yourself, or run this with more rights",
                );
                None
            }
        }
    }

    fn of_the_workload(&mut self, Surroundings { workload, applied_partition, .. }: &Surroundings) {
        match &workload.update_strategy {
            UpdateStrategy::RollingUpdate => {}
            UpdateStrategy::OnDelete => self.stops(
                "updateStrategy.type is OnDelete",
                "Siskin holds templates back by the partition, which OnDelete doesn't have",
                "set updateStrategy: { type: RollingUpdate }, without a partition",
            ),
            UpdateStrategy::Other(other) => self.stops(
                format!("updateStrategy.type is {other}"),
                "Siskin holds templates back by the partition of RollingUpdate",
                "set updateStrategy: { type: RollingUpdate }, without a partition",
            ),
        }
        if workload.revision_history_limit < 2 {
            self.stops(
                format!("revisionHistoryLimit is {}", workload.revision_history_limit),
                "Kubernetes would forget the stable revision, and with it the way back",
                "set it to 2 or more, or leave it out (10)",
            );
        }
        if let Some((partition, manager)) = applied_partition
            && *partition < siskin_core::facts::PARKED
        {
            self.warns(
                format!("the manifest of {manager} has partition: {partition}"),
                "each apply puts it back, and without the admission policies pods roll unjudged until Siskin parks again",
                "take `partition` out of the manifest, or set it to 1000000",
            );
        }
        if workload.name.len() > LONGEST_NAME {
            self.warns(
                format!("the name is {} characters long", workload.name.len()),
                "names of its revisions don't fit into the pods' labels, so Kubernetes may not create pods",
                format!("use a name of at most {LONGEST_NAME} characters"),
            );
        }
        if workload.delete_claims_when_scaled {
            self.tells(
                "persistentVolumeClaimRetentionPolicy.whenScaled is Delete",
                "Kubernetes deletes the claims of extra pods when these go, whatever the policy says",
                "nothing to do, if the data of extra pods is worth nothing",
            );
        }
    }

    fn of_the_pods(&mut self, Surroundings { workload, pods, readiness_probe, .. }: &Surroundings) {
        let mut revisions: Vec<&str> =
            pods.iter().filter_map(|pod| pod.revision.as_ref()).map(|revision| revision.0.as_str()).collect();
        revisions.sort_unstable();
        revisions.dedup();
        let ready = pods.iter().filter(|pod| pod.ready && pod.live()).count();
        if revisions.len() > 1 {
            self.warns(
                format!("pods run {} revisions: {}", revisions.len(), revisions.join(", ")),
                "Siskin parks and asks which one is the stable one (MixedRevisions)",
                "wait until the update is through, or answer with `siskin promote --revision REVISION`",
            );
        } else if ready < workload.replicas as usize {
            self.warns(
                format!("{ready} of {} pods are ready", workload.replicas),
                "until all are, there is no stable revision, and a newer template may go in unjudged",
                "adopt it when all pods are ready",
            );
        } else if workload.update_revision != workload.current_revision {
            self.warns(
                "a new template waits behind the partition",
                "it becomes the first rollout",
                "nothing to do, if that is wanted",
            );
        }
        if workload.replicas == 0 {
            self.tells(
                "replicas is 0",
                "nothing can be judged without pods, so a template that comes now waits",
                "nothing to do",
            );
        }
        if !readiness_probe {
            self.warns(
                "no container has a readiness probe",
                "a pod counts as ready as soon as its containers run, so a broken version looks good",
                "add a readinessProbe, or a check to the policy",
            );
        }
    }

    fn of_the_policy(&mut self, seen: &Surroundings) {
        let workload = &seen.workload;
        let policy = match &seen.policy {
            Named::Loaded(policy) => policy,
            Named::Unusable(why) => {
                self.stops(
                    why.clone(),
                    "the workload would be parked, and no template would ever reach its pods",
                    "see `siskin check` and the ConfigMap siskin-policies; `standard` and `careful` are built in",
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
                "no rollout would start",
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
        let Some(Surge { claims, .. }) = surge(policy) else { return };
        if workload.claim_templates.is_empty() {
            return;
        }
        let claims = *claims;
        if matches!(claims, Some(ClaimUse::Keep | ClaimUse::Reuse)) && workload.delete_claims_when_scaled {
            self.stops(
                "the policy keeps the claims of extra pods, and whenScaled: Delete deletes them",
                "no rollout would start",
                "choose claims: Discard, or whenScaled: Retain",
            );
        }
        if claims == Some(ClaimUse::Discard)
            && self.seen(&seen.may_delete_claims, "the daemon's right to delete claims") == Some(&false)
        {
            self.stops(
                "the policy discards the claims of extra pods, and the daemon may not delete claims here",
                "no rollout would start",
                "install deploy/kustomize/components/claim-deletion in this namespace",
            );
        }
    }

    fn of_the_neighbours(&mut self, seen: &Surroundings) {
        let of_policy = match &seen.policy {
            Named::Loaded(policy) => surge(policy),
            _ => None,
        };
        let surges = of_policy.is_some();
        if let Some(autoscalers) = self.seen(&seen.autoscalers, "autoscalers")
            && !autoscalers.is_empty()
        {
            let what = format!("{} scales it", autoscalers.join(", "));
            match of_policy.map(|surge| surge.autoscaler) {
                Some(AutoscalerUse::Refuse) => self.stops(
                    what,
                    "it would count extra pods, so no rollout would start",
                    "use a policy with placement InPlace, or with surge.autoscaler: Follow",
                ),
                Some(AutoscalerUse::Follow) => self.warns(
                    what,
                    "it counts extra pods and scales with them",
                    "nothing to do, if the workload has no claims; else use placement InPlace",
                ),
                None => {
                    self.tells(
                        what,
                        "a change of replicas in the middle opens the step anew",
                        "nothing to do",
                    );
                }
            }
        }
        if let Some(budgets) = self.seen(&seen.blocking_budgets, "PodDisruptionBudgets")
            && !budgets.is_empty()
        {
            self.tells(
                format!("{} allows no disruption now", budgets.join(", ")),
                "neither the StatefulSet controller nor Siskin asks budgets when a revision changes; nodes can't be drained meanwhile",
                "see that bounds.maxUnavailable and the budget mean the same",
            );
        }
        let Some(services) = self.seen(&seen.services, "Services") else { return };
        let first = services.first().map(|service| service.name.clone());
        if let Some(service) = first.filter(|_| surges && !seen.pre_stop) {
            self.warns(
                format!("extra pods serve behind the Service {service}, and no container has a preStop hook"),
                "requests are lost when an extra pod goes: it ends before everybody knows that it is gone",
                "add lifecycle: { preStop: { sleep: { seconds: 5 } } } to the serving container",
            );
        }
        let early = services.iter().find(|service| surges && service.publishes_not_ready);
        if let Some(Service { name, .. }) = early {
            self.warns(
                format!("the Service {name} has publishNotReadyAddresses"),
                "extra pods get traffic before they are ready, and until they are gone",
                "leave that to the headless Service that gives pods their names",
            );
        }
    }

    fn of_the_daemon(&mut self, seen: &Surroundings) {
        if self.seen(&seen.daemon, "the daemon") == Some(&false) {
            self.warns(
                "the daemon has no ready pod",
                "nothing is parked until it runs, and a template that comes before rolls unjudged",
                "see `kubectl get deploy -A -l app.kubernetes.io/name=siskin`, or name its namespace by --siskin-namespace",
            );
        }
        if let Some(missing) = self.seen(&seen.missing_rights, "the daemon's rights")
            && !missing.is_empty()
        {
            self.stops(
                format!("the daemon may not {}", missing.join(", ")),
                "it could not do its work in this namespace",
                "apply deploy/kustomize/base, or the overlay for one namespace",
            );
        }
    }
}

/// The extra pods of a policy, if it has any.
fn surge(policy: &Policy) -> Option<&Surge> {
    match &policy.strategy {
        Strategy::Canary(canary) => match &canary.placement {
            Placement::Surge(surge) => Some(surge),
            Placement::InPlace => None,
        },
        Strategy::RollingUpdate(_) => None,
    }
}

#[cfg(test)]
mod tests;
