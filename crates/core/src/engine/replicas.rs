//! Other writers of `spec.replicas`, and the pause annotation.

use super::turn::Turn;
use crate::{
    command::PAUSED,
    decision::Note,
    facts::Writer,
    state::{Pause, PauseReason, Phase},
};

impl Turn<'_> {
    /// Takes over replicas that somebody else wrote.
    pub(super) fn follow_replicas(&mut self) {
        let (wanted, before) = (self.workload.replicas, self.replicas());
        if wanted == self.record().expected_replicas() {
            return;
        }
        let surge = self.record().rollout.as_ref().map_or(0, |rollout| rollout.surge);
        if surge == 0 {
            self.record_mut().user_replicas = wanted;
            if self.record().phase != Phase::OptingIn {
                self.say(Note::ReplicasChanged(format!("replicas is now {wanted} (was {before})")));
            }
            self.step_opens_anew();
            return;
        }
        if let Writer::Autoscaler(name) = &self.workload.replicas_writer {
            // It averaged over the extra pods and counted them.
            // To zero it scales on purpose.
            self.record_mut().user_replicas = wanted.saturating_sub(surge).max(wanted.min(1));
            self.rollout_mut().surge = 0;
            let now = self.replicas();
            self.say(Note::ReplicasChanged(format!(
                "{name} scaled to {wanted}, of which {surge} extra: replicas is now {now}"
            )));
        } else {
            self.record_mut().user_replicas = wanted;
            self.rollout_mut().surge = 0;
            self.say(Note::ReplicasChanged(format!(
                "replicas was written to {wanted} while {surge} extra pods ran (was {before} and {surge})"
            )));
            if wanted == before
                && !matches!(self.record().phase, Phase::Reverting | Phase::Undoing | Phase::Completing)
            {
                self.surge_taken_away();
            }
        }
        self.forget_claims_below();
        self.step_opens_anew();
    }

    /// Somebody applied the old number of replicas: surge again once, then ask.
    fn surge_taken_away(&mut self) {
        self.rollout_mut().surge_contested += 1;
        if self.rollout().surge_contested > 1 {
            let who = match &self.workload.replicas_writer {
                Writer::Applier(name) | Writer::Person(name) | Writer::Autoscaler(name) => name.clone(),
                Writer::Siskin | Writer::Unknown => "somebody".to_owned(),
            };
            self.pause(
                PauseReason::ReplicasContested,
                format!("{who} took the extra pods away twice: leave replicas out of the manifest while siskin surges, then `siskin resume`"),
            );
        }
    }

    /// The exposure of the present step has to be brought about for the new N; this is no loss of exposure.
    fn step_opens_anew(&mut self) {
        self.batch_bakes_anew();
        if matches!(self.record().phase, Phase::Baking | Phase::AwaitingApproval) {
            self.record_mut().phase = Phase::Opening;
        }
    }

    /// `siskin.dev/paused: "true"` pauses as long as it is there; taking it off resumes.
    pub(super) fn follow_pause(&mut self) {
        let wanted = self.workload.annotations.get(PAUSED).is_some_and(|value| value == "true");
        // A pause of this very step is not in the live annotations yet.
        let began_now = self.before.record.as_ref().is_none_or(|record| record.pause.is_none());
        match (wanted, self.record().pause.clone()) {
            (true, None) => {
                let detail = "siskin.dev/paused is true; `siskin resume` goes on".to_owned();
                self.say(Note::Paused { reason: PauseReason::Requested, detail: detail.clone() });
                self.record_mut().pause = Some(Pause { reason: PauseReason::Requested, detail });
            }
            (false, Some(pause)) if !began_now => {
                self.record_mut().pause = None;
                self.memory.refused_at = None;
                self.say(Note::Resumed);
                if let Some(rollout) = &mut self.record_mut().rollout {
                    rollout.exposure_lost = 0;
                    rollout.surge_contested = 0;
                    rollout.stalled_ms = 0;
                    rollout.in_bake_ms = 0;
                }
                if pause.reason == PauseReason::UndoContested {
                    self.write_stable_template();
                }
            }
            _ => {}
        }
    }
}
