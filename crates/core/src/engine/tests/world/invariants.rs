//! What holds after every turn of the small world, whatever happens.

use super::World;
use crate::{
    facts::{PARKED, Revision},
    state::{Phase, Record, State},
    strategy::compile,
    template,
};

/// The engine steps this often, in milliseconds, so that much bake may be added by the step that ends it.
const STEP: u64 = 200;

impl World {
    pub(super) fn check_invariants(&mut self) {
        let Some(record) = &self.state.record else { return };
        let open =
            matches!(record.phase, Phase::Opening | Phase::Undoing | Phase::Completing | Phase::Installing);
        assert!(
            open || self.down
                || self.sts.partition >= PARKED
                || self.sts.partition >= self.sts.replicas
                || self.admission.is_some()
                || self.state.memory.contest.open
                || self.foreign(),
            "open at {:?}: partition {}",
            record.phase,
            self.sts.partition
        );
        let ready = self
            .pods
            .iter()
            .filter(|sim| {
                sim.pod.ready
                    && !sim.pod.terminating
                    && sim.pod.ordinal < self.sts.ordinals_start + record.user_replicas
            })
            .count();
        self.fewest_ready = self.fewest_ready.min(ready);
    }

    /// With every admission policy there, a pod is made of the stable revision or of the open rollout's canary.
    pub(super) fn check_birth(&self, revision: &Revision) {
        let protected = self.parks && self.hold && self.guarded && self.annotation("policy").is_some();
        let Some(record) = Record::read(&self.sts).ok().flatten().filter(|_| protected) else { return };
        let template = |name: &Revision| {
            self.revisions.iter().find(|known| known.name == *name).map(|known| known.template.clone())
        };
        let is_stable = record.stable.iter().any(|stable| {
            stable == revision
                || template(stable)
                    .zip(template(revision))
                    .is_some_and(|(stable, other)| template::equal(&stable, &other))
        });
        let is_canary = record.rollout.as_ref().is_some_and(|rollout| rollout.canary == *revision);
        let may_be_canary = match record.phase {
            Phase::OptingIn | Phase::Installing => true,
            // There is an undo for a StatefulSet that was created anew; contested, pods return as they were.
            Phase::Opening | Phase::Baking | Phase::AwaitingApproval | Phase::Undoing => is_canary,
            Phase::Idle | Phase::Completing | Phase::Reverting => false,
        };
        assert!(
            is_stable || may_be_canary,
            "a pod of {revision} was made in phase {:?} of {:?}, listed {:?}, told {:#?}",
            record.phase,
            record.rollout.as_ref().map(|rollout| &rollout.canary),
            self.listed(),
            self.told.iter().map(ToString::to_string).collect::<Vec<_>>()
        );
    }

    /// A step is left forward only after its whole bake, and nothing that fails is promoted.
    pub(super) fn check_advance(&self, after: &State) {
        let (Some(before), Some(after)) = (&self.state.record, &after.record) else { return };
        let (Some(left), Some(entered)) = (&before.rollout, &after.rollout) else { return };
        let completes = after.phase == Phase::Completing;
        let advances = left.id == entered.id && (entered.step > left.step || completes);
        let commanded = before.consumed != after.consumed;
        if before.phase != Phase::Baking || !advances || commanded {
            return;
        }
        let version = left.canary.0.trim_start_matches("db-");
        assert!(!self.failing.contains(version), "{version} fails and the next step opens");
        let plan = compile(&left.resolved_policy, before.user_replicas, true).expect("a plan");
        let step = &plan.steps[left.step];
        // A scale-up moves on to the step that covers the canary pods there are.
        let lowest = self.pods.iter().filter(|sim| sim.pod.revision.as_ref() == Some(&left.canary));
        let lowest = lowest.map(|sim| sim.pod.ordinal - self.sts.ordinals_start).min().unwrap_or(u32::MAX);
        if before.user_replicas == after.user_replicas
            && lowest >= step.exposure.partition(before.user_replicas)
        {
            let bake = u64::try_from(step.bake.as_millis()).unwrap();
            assert!(left.bake_done_ms + STEP >= bake, "{} of {bake} ms baked", left.bake_done_ms);
        }
    }

    /// The last write wasn't the engine's: it had no chance to answer yet.
    fn foreign(&self) -> bool {
        self.sts.annotations.get("state") != self.state.record.as_ref().map(Record::to_json).as_ref()
            || self.sts.observed_generation < self.sts.generation
    }
}
