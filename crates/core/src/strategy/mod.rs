//! Strategies compile to steps; the engine knows only steps.

use std::{fmt, time::Duration};

use crate::{
    policy::{Amount, Batches, Canary, GoDuration, Placement, Policy, Strategy, Surge},
    state::Rollout,
};

/// Which pods run the canary revision: `surge` above the user's replicas, `in_place` from the highest index down.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Exposure {
    /// Extra pods.
    pub surge: u32,
    /// Pods of the workload itself.
    pub in_place: u32,
}

impl Exposure {
    /// The partition (an index, not an ordinal) that opens exactly this exposure of `replicas`.
    pub fn partition(self, replicas: u32) -> u32 {
        replicas.saturating_sub(self.in_place)
    }

    /// Every pod below `replicas` runs the canary revision: without the hold Kubernetes completes then, and only the
    /// stable template leads back.
    pub fn is_whole(self, replicas: u32) -> bool {
        self.in_place >= replicas
    }

    /// The indexes that run the canary revision, of `replicas` wanted by the user.
    pub fn indexes(self, replicas: u32) -> std::ops::Range<u32> {
        self.partition(replicas)..replicas + self.surge
    }
}

impl fmt::Display for Exposure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.surge, self.in_place) {
            (0, pods) => write!(f, "{pods} in place"),
            (extra, 0) => write!(f, "{extra} extra"),
            (extra, pods) => write!(f, "{extra} extra and {pods} in place"),
        }
    }
}

/// One step as the engine runs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedStep {
    /// Its name: from the policy, or `remainder-1`, `batch-1`, ...
    pub name: String,
    /// What it exposes.
    pub exposure: Exposure,
    /// How long every check must pass.
    pub bake: Duration,
    /// How long it may stay undecided.
    pub decide_within: Option<Duration>,
    /// A person must let it go on.
    pub approval: bool,
    /// It follows the policy's own steps; `promote` jumps to the first of these.
    pub remainder: bool,
}

/// The steps of a policy for a workload of some size; never empty for at least one replica.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// In order; exposures never fall, the last covers every pod of the workload.
    pub steps: Vec<PlannedStep>,
    /// The largest surge of any step.
    pub surge: u32,
}

/// Why a policy doesn't fit a workload.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// Exposures fall for this size.
    #[error(
        "with {replicas} replicas, step `{step}` exposes {pods} pods, fewer than the {before} of the step before it"
    )]
    Falling {
        /// The user's replicas.
        replicas: u32,
        /// The step.
        step: String,
        /// Its exposure.
        pods: u32,
        /// The exposure before.
        before: u32,
    },
    /// Surge pods would write data and nobody said what it is worth.
    #[error(
        "the workload has volume claim templates: say what the data of surge pods is worth in `strategy.canary.placement.surge.claims` (Discard, Keep or Reuse)"
    )]
    ClaimUseMissing,
    /// The first step is on every pod, so that nobody can be asked after one that isn't.
    #[error(
        "with {replicas} replicas the first step is on every pod, and an approval before the last batch has nothing to go by: leave `approval` of the batches out, make the first step smaller, or use extra pods (`placement.type: Surge`)"
    )]
    NothingToApprove {
        /// The user's replicas.
        replicas: u32,
    },
}

/// Compiles a policy for a workload of `replicas` pods, with or without volume claim templates.
pub fn compile(policy: &Policy, replicas: u32, has_claims: bool) -> Result<Plan, Unfit> {
    match &policy.strategy {
        Strategy::RollingUpdate(batches) => {
            let steps = in_batches("batch", batches, replicas, 0, 0);
            gated(Plan { steps, surge: 0 }, batches, replicas)
        }
        Strategy::Canary(canary) => compile_canary(canary, &canary.placement, replicas, has_claims),
    }
}

/// Compiles the policy of an open rollout: without extra pods once these were refused.
pub fn compile_rollout(rollout: &Rollout, replicas: u32, has_claims: bool) -> Result<Plan, Unfit> {
    match &rollout.resolved_policy.strategy {
        Strategy::Canary(canary) if rollout.surge_refused.is_some() => {
            compile_canary(canary, &Placement::InPlace, replicas, has_claims)
        }
        _ => compile(&rollout.resolved_policy, replicas, has_claims),
    }
}

fn compile_canary(
    canary: &Canary,
    placement: &Placement,
    replicas: u32,
    has_claims: bool,
) -> Result<Plan, Unfit> {
    let first = canary.steps.first().map_or(Amount::Count(1), |step| step.exposure);
    let surge = match placement {
        Placement::InPlace => 0,
        Placement::Surge(Surge { claims: None, .. }) if has_claims => return Err(Unfit::ClaimUseMissing),
        Placement::Surge(Surge { pods, .. }) => pods.unwrap_or(first).of(replicas),
    };
    let mut steps = Vec::new();
    let mut before = 0;
    for step in &canary.steps {
        let pods = step.exposure.of(replicas);
        if pods < before {
            return Err(Unfit::Falling { replicas, step: step.name.clone(), pods, before });
        }
        before = pods;
        steps.push(PlannedStep {
            name: step.name.clone(),
            exposure: Exposure { surge: surge.min(pods), in_place: pods.saturating_sub(surge) },
            bake: step.bake.into(),
            decide_within: step.decide_within.map(GoDuration::into),
            approval: step.approval,
            remainder: false,
        });
    }
    let last = steps.last().map_or(Exposure::default(), |step| step.exposure);
    let surge = last.surge;
    steps.extend(in_batches("remainder", &canary.remainder, replicas, last.in_place, surge));
    gated(Plan { steps, surge }, &canary.remainder, replicas)
}

/// With the approval before the first step that is on every pod: Kubernetes may complete the canary revision there.
fn gated(mut plan: Plan, batches: &Batches, replicas: u32) -> Result<Plan, Unfit> {
    let whole = plan.steps.iter().position(|step| step.exposure.is_whole(replicas));
    let Some(whole) = whole.filter(|_| batches.approval && replicas > 0) else { return Ok(plan) };
    let before = whole.checked_sub(1).and_then(|before| plan.steps.get_mut(before));
    before.ok_or(Unfit::NothingToApprove { replicas })?.approval = true;
    Ok(plan)
}

/// Batches from `done` pods in place up to all of them.
fn in_batches(prefix: &str, batches: &Batches, replicas: u32, done: u32, surge: u32) -> Vec<PlannedStep> {
    let size = batches.batch.of(replicas).max(1);
    let mut steps = Vec::new();
    let mut in_place = done;
    while in_place < replicas {
        in_place = (in_place + size).min(replicas);
        steps.push(PlannedStep {
            name: format!("{prefix}-{}", steps.len() + 1),
            exposure: Exposure { surge, in_place },
            bake: batches.bake.into(),
            decide_within: None,
            approval: false,
            remainder: true,
        });
    }
    steps
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::{ClaimUse, Step, Surge};

    fn canary(placement: Placement, exposures: &[Amount]) -> Policy {
        let mut policy = crate::policy::builtin("standard").unwrap();
        policy.strategy = Strategy::Canary(Canary {
            placement,
            steps: exposures
                .iter()
                .enumerate()
                .map(|(index, &exposure)| Step {
                    name: format!("s{index}"),
                    exposure,
                    bake: GoDuration(Duration::from_secs(10)),
                    decide_within: None,
                    approval: false,
                })
                .collect(),
            remainder: Batches {
                batch: Amount::Count(2),
                bake: GoDuration(Duration::from_secs(1)),
                approval: false,
            },
        });
        policy
    }

    fn exposures(plan: &Plan) -> Vec<(u32, u32)> {
        plan.steps.iter().map(|step| (step.exposure.surge, step.exposure.in_place)).collect()
    }

    fn surge() -> Placement {
        Placement::Surge(Surge { claims: Some(ClaimUse::Discard), ..Surge::default() })
    }

    #[test]
    fn surge_pods_come_first_and_stay_while_the_rest_follows_in_place() {
        let policy = canary(surge(), &[Amount::Percent(25), Amount::Percent(50)]);
        assert_eq!(
            exposures(&compile(&policy, 10, true).unwrap()),
            [(3, 0), (3, 2), (3, 4), (3, 6), (3, 8), (3, 10)]
        );
    }

    #[test]
    fn one_replica_gets_one_surge_pod_and_then_itself() {
        let policy = canary(surge(), &[Amount::Percent(25)]);
        assert_eq!(exposures(&compile(&policy, 1, true).unwrap()), [(1, 0), (1, 1)]);
    }

    #[test]
    fn in_place_goes_on_in_batches_and_ends_at_all() {
        let policy = canary(Placement::InPlace, &[Amount::Count(1)]);
        assert_eq!(exposures(&compile(&policy, 4, true).unwrap()), [(0, 1), (0, 3), (0, 4)]);
        assert_eq!(exposures(&compile(&policy, 1, true).unwrap()), [(0, 1)]);
    }

    #[test]
    fn claims_need_a_word_on_what_they_are_worth() {
        let policy = canary(Placement::Surge(Surge::default()), &[Amount::Count(1)]);
        assert_eq!(compile(&policy, 3, true), Err(Unfit::ClaimUseMissing));
        assert!(compile(&policy, 3, false).is_ok());
    }

    #[test]
    fn mixed_amounts_may_not_fall() {
        let policy = canary(Placement::InPlace, &[Amount::Count(3), Amount::Percent(50)]);
        assert!(matches!(compile(&policy, 4, false), Err(Unfit::Falling { pods: 2, before: 3, .. })));
        assert!(compile(&policy, 6, false).is_ok());
    }

    fn gates(policy: &Policy, replicas: u32) -> Result<Vec<String>, Unfit> {
        let plan = compile(policy, replicas, false)?;
        Ok(plan.steps.into_iter().filter(|step| step.approval).map(|step| step.name).collect())
    }

    #[test]
    fn an_approval_of_the_batches_is_asked_before_the_one_that_is_on_every_pod() {
        let batches = Batches { approval: true, ..Batches::default() };
        let mut policy = canary(Placement::InPlace, &[Amount::Count(1), Amount::Count(2)]);
        policy.strategy = Strategy::RollingUpdate(batches.clone());
        assert_eq!(gates(&policy, 4).unwrap(), ["batch-3"]);
        for (placement, replicas, gate) in [
            (Placement::InPlace, 5, "remainder-2"),
            (Placement::InPlace, 3, "s1"),
            (Placement::InPlace, 2, "s0"),
            (surge(), 1, "s1"),
        ] {
            let mut policy = canary(placement, &[Amount::Count(1), Amount::Count(2)]);
            if let Strategy::Canary(canary) = &mut policy.strategy {
                canary.remainder = batches.clone();
            }
            assert_eq!(gates(&policy, replicas).unwrap(), [gate], "{replicas}");
        }
    }

    #[test]
    fn an_approval_that_nothing_comes_before_is_refused() {
        let mut policy = canary(Placement::InPlace, &[Amount::Count(1)]);
        policy.strategy = Strategy::RollingUpdate(Batches { approval: true, ..Batches::default() });
        assert_eq!(gates(&policy, 1), Err(Unfit::NothingToApprove { replicas: 1 }));
        assert_eq!(gates(&policy, 0), Ok(Vec::new()));
    }

    #[test]
    fn partition_is_an_index() {
        let exposure = Exposure { surge: 1, in_place: 2 };
        assert_eq!(exposure.partition(5), 3);
        assert_eq!(exposure.indexes(5), 3..6);
    }
}
