//! What holds after every turn of the small world, whatever happens.

use super::World;
use crate::{
    facts::PARKED,
    state::{Phase, Record},
};

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

    /// The last write wasn't the engine's: it had no chance to answer yet.
    fn foreign(&self) -> bool {
        self.sts.annotations.get("state") != self.state.record.as_ref().map(Record::to_json).as_ref()
            || self.sts.observed_generation < self.sts.generation
    }
}
