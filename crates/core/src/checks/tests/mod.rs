//! Checks under virtual time.

mod http;
mod query;
mod readiness;
mod restart;
mod scrape;

use std::time::Duration;

use super::*;
use crate::{
    facts::{Container, Phase, Pod, Revision},
    policy::Policy,
};

/// A policy with these checks, as YAML list items.
fn policy(readiness: &str, checks: &str) -> Policy {
    let checks =
        if checks.is_empty() { " []".to_owned() } else { format!("\n{checks}").replace('\n', "\n  ") };
    let text = format!(
        "apiVersion: siskin.dev/v1alpha1\nkind: RolloutPolicy\nmetadata: {{ name: test }}\nspec:\n  \
         strategy: {{ type: Canary }}\n  readiness: {{ {readiness} }}\n  checks:{checks}\n"
    );
    crate::policy::parse("test.yaml", &text).unwrap().remove(0)
}

/// One rollout of `db`: pods 0 to 3 are stable, canary pods are added.
struct World {
    policy: Policy,
    checks: Checks,
    now: Instant,
    canary: Vec<Pod>,
    stable: Vec<Pod>,
}

impl World {
    fn new(policy: Policy) -> Self {
        let mut world = Self {
            checks: Checks::new(&policy),
            policy,
            now: Instant(Duration::from_secs(1000)),
            canary: Vec::new(),
            stable: (0..4).map(pod).collect(),
        };
        world.stable.iter_mut().for_each(|pod| pod.ready = true);
        world.look();
        world
    }

    /// With ready canary pods of these ordinals.
    fn with_canary(policy: Policy, ordinals: &[u32]) -> Self {
        let mut world = Self::new(policy);
        world.canary = ordinals.iter().copied().map(pod).collect();
        world.canary.iter_mut().for_each(|pod| pod.ready = true);
        world.look();
        world
    }

    fn look(&mut self) {
        let canary: Vec<&Pod> = self.canary.iter().collect();
        let stable: Vec<&Pod> = self.stable.iter().collect();
        self.checks.observe(&canary, &stable, self.now);
    }

    /// Lets time pass, then looks.
    fn after(&mut self, millis: u64) -> &mut Self {
        self.now = self.now + Duration::from_millis(millis);
        self.look();
        self
    }

    fn pod(&mut self, ordinal: u32) -> &mut Pod {
        self.canary.iter_mut().chain(&mut self.stable).find(|pod| pod.ordinal == ordinal).unwrap()
    }

    fn answer(&mut self, check: &str, ordinal: u32, reading: Reading) {
        let (pod, restarts) = (self.pod(ordinal).uid.clone(), self.pod(ordinal).restarts());
        let origin = Origin::Pod { pod, restarts };
        self.checks.sample(Sample { check: check.to_owned(), origin, at: self.now, reading });
    }

    fn ratio(&mut self, ordinal: u32, bad: u64, total: u64) {
        self.answer("errors", ordinal, Reading::Counts(Counts::Ratio { bad, total }.into()));
    }

    fn verdict(&self, check: &str) -> (Outcome, String) {
        let Verdicts(verdicts) = self.checks.verdicts(self.now);
        assert_eq!(verdicts[0].check, "readiness");
        let verdict = verdicts.into_iter().find(|verdict| verdict.check == check).unwrap();
        (verdict.outcome, verdict.evidence)
    }

    fn outcome(&self, check: &str) -> Outcome {
        self.verdict(check).0
    }

    #[track_caller]
    fn says(&self, check: &str, outcome: Outcome, evidence: &str) {
        assert_eq!(self.verdict(check), (outcome, evidence.to_owned()));
    }

    /// The process dies and another one takes over `millis` later, with a clock of its own.
    fn restart(&mut self, millis: u64) {
        let checkpoint = self.checks.checkpoint(self.now);
        let text = serde_json::to_string(&checkpoint).unwrap();
        self.checks = Checks::resume(&self.policy, &serde_json::from_str(&text).unwrap());
        self.now = Instant(Duration::from_millis(millis));
        self.look();
    }
}

/// A pod that isn't Ready yet.
fn pod(ordinal: u32) -> Pod {
    Pod {
        name: format!("db-{ordinal}"),
        uid: Uid(format!("uid-{ordinal}")),
        ordinal,
        phase: Phase::Running,
        ip: Some(format!("10.0.0.{ordinal}")),
        containers: vec![Container { name: "app".to_owned(), ..Container::default() }],
        ..Pod::default()
    }
}
