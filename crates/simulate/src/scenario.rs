//! What is simulated: a policy, a workload, its clients and two releases.

use siskin_core::{
    policy::{GoDuration, Mode, Placement, Policy, Signal, Strategy},
    strategy::{self, Plan, Unfit},
};

use crate::{quantity::Rate, release::Releases};

/// The workload, its clients, and how often it is tried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// Pods of the workload, from 1.
    pub replicas: u32,
    /// What clients send, over all pods.
    pub rate: Rate,
    /// The releases.
    pub releases: Releases,
    /// A person lets a step that waits for approval go on after this time.
    pub approval_after: GoDuration,
    /// Runs of each release, from 1.
    pub runs: u32,
    /// What all chance follows from.
    pub seed: u64,
}

/// A policy in a setting.
#[derive(Clone, Debug, PartialEq)]
pub struct Scenario {
    /// The policy as it is simulated.
    pub policy: Policy,
    /// Its steps at this size.
    pub plan: Plan,
    /// Where the simulated policy differs from the one that was given.
    pub differences: Vec<String>,
    /// The workload.
    pub setting: Setting,
}

/// Why there is nothing to simulate.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScenarioError {
    /// The policy can't roll a workload of this size.
    #[error("policy `{policy}` doesn't fit: {unfit}")]
    Unfit {
        /// The policy.
        policy: String,
        /// Why.
        unfit: Unfit,
    },
    /// The bad release is as good as the good one.
    #[error(
        "the bad release behaves as the good one; expected a difference, such as --errors 0.1%..10% or --crash 30s"
    )]
    NothingBad,
}

impl Scenario {
    /// What the models have no part of is taken out of the policy, and said.
    pub fn new(policy: Policy, setting: Setting) -> Result<Self, ScenarioError> {
        if !setting.releases.differ() {
            return Err(ScenarioError::NothingBad);
        }
        let (policy, differences) = simulated(policy);
        let plan = strategy::compile(&policy, setting.replicas, has_claims(&policy));
        let plan = plan.map_err(|unfit| ScenarioError::Unfit { policy: policy.name.clone(), unfit })?;
        Ok(Self { policy, plan, differences, setting })
    }

    /// Whether the workload has volume claim templates.
    pub fn has_claims(&self) -> bool {
        has_claims(&self.policy)
    }
}

/// Unless the policy leaves open what the data of extra pods is worth.
fn has_claims(policy: &Policy) -> bool {
    !matches!(&policy.strategy, Strategy::Canary(canary)
        if matches!(canary.placement, Placement::Surge(surge) if surge.claims.is_none()))
}

fn simulated(mut policy: Policy) -> (Policy, Vec<String>) {
    let mut differences = Vec::new();
    if policy.mode == Mode::Observe {
        policy.mode = Mode::Enforce;
        differences.push(
            "mode: Observe only watches; it is simulated as Enforce, to see what it would decide".to_owned(),
        );
    }
    if !policy.windows.is_empty() {
        policy.windows.clear();
        differences
            .push("windows are left out: a rollout may begin, and a step open, at any time".to_owned());
    }
    for (check, query) in policy.queries() {
        differences.push(format!(
            "check `{}` is left out: its source `{}` is not modelled",
            check.name, query.source
        ));
    }
    policy.checks.retain(|check| matches!(check.signal, Signal::Pods(_)));
    (policy, differences)
}

#[cfg(test)]
pub(crate) mod tests {
    use siskin_core::policy;

    use super::*;

    /// A policy of this spec.
    pub fn policy(spec: &str) -> Policy {
        let text = format!(
            "apiVersion: siskin.dev/v1alpha1\nkind: RolloutPolicy\nmetadata: {{ name: tried }}\nspec:\n{spec}"
        );
        policy::parse("a test", &text).unwrap().remove(0)
    }

    /// A canary step of ten seconds, with a limit of 5 % errors.
    pub fn quick() -> Policy {
        policy(
            "  strategy: { type: Canary, canary: { steps: [{ name: first, exposure: 25%, bake: 10s }], remainder: { batch: 100%, bake: 5s } } }
  checks:
  - name: errors
    scrape: { port: 8080, ratio: { bad: 'answers{failed=\"yes\"}', total: answers } }
    limit: { maxShare: 5%, window: 5s, minCount: 20, failureThreshold: 2 }
",
        )
    }

    /// Releases with these errors.
    pub fn releases(errors: &str) -> Releases {
        Releases {
            errors: errors.parse().unwrap(),
            latency: "20ms".parse().unwrap(),
            start_up: "5s".parse().unwrap(),
            unhealthy: None,
            crash: None,
            no_image: false,
        }
    }

    /// Five pods at 100 requests a second.
    pub fn setting(errors: &str, runs: u32) -> Setting {
        Setting {
            replicas: 5,
            rate: "100".parse().unwrap(),
            releases: releases(errors),
            approval_after: GoDuration::default(),
            runs,
            seed: 1,
        }
    }

    #[test]
    fn what_is_not_modelled_is_taken_out_and_said() {
        let given = policy(
            "  mode: Observe\n  strategy: { type: Canary }\n  windows: [{ days: [Mon], from: '09:00', to: '17:00', timeZone: UTC }]\n  checks:\n  \
             - { name: lag, prometheus: { source: main, query: up }, limit: { min: 1 } }\n",
        );
        let scenario = Scenario::new(given, setting("0%..10%", 1)).unwrap();
        assert_eq!((scenario.policy.mode, scenario.policy.checks.len()), (Mode::Enforce, 0));
        assert_eq!(
            scenario.differences,
            [
                "mode: Observe only watches; it is simulated as Enforce, to see what it would decide",
                "windows are left out: a rollout may begin, and a step open, at any time",
                "check `lag` is left out: its source `main` is not modelled",
            ]
        );
    }

    #[test]
    fn a_bad_release_must_be_worse_and_a_policy_must_fit() {
        let same = Scenario::new(quick(), setting("1%", 1)).unwrap_err();
        assert_eq!(same, ScenarioError::NothingBad);
        let falling = policy(
            "  strategy: { type: Canary, canary: { steps: [{ name: a, exposure: 4, bake: 1s }, { name: b, exposure: 50%, bake: 1s }] } }\n",
        );
        let error = Scenario::new(falling, setting("0%..1%", 1)).unwrap_err().to_string();
        assert!(
            error.starts_with("policy `tried` doesn't fit: with 5 replicas, step `b` exposes 3 pods"),
            "{error}"
        );
    }
}
