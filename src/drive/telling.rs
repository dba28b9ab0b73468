//! What a worker tells of its workload: logs, Events, metrics and messages.

use siskin_core::{
    checks::{Outcome, Reading},
    decision::Note,
};

use super::driver::Driver;
use crate::report::metrics::{PHASE, PROBLEM, ROLLOUTS, WORKLOAD_INFO};

impl Driver {
    /// What happened, once it is sure.
    pub(super) fn tell(&self, notes: &[Note]) {
        for note in notes {
            if note.is_warning() {
                tracing::warn!(reason = note.reason(), "{note}");
            } else {
                tracing::info!(reason = note.reason(), "{note}");
            }
            self.context.events.tell(&self.key, &self.managed.workload.uid, note);
            match note {
                Note::Promoted { .. } => self.series.count(&ROLLOUTS, &[("outcome", "Promoted")]),
                Note::RolledBack { .. } => self.series.count(&ROLLOUTS, &[("outcome", "RolledBack")]),
                _ => {}
            }
        }
    }

    /// Where the workload stands.
    pub(super) fn show(&self, problem: Option<&str>) {
        let policy = self.managed.workload.annotations.get("policy").map_or("", String::as_str);
        self.series.show(&WORKLOAD_INFO, [vec![("policy", policy)]]);
        let phase = self.state.record.as_ref().map(|record| record.phase.as_str());
        self.series.show(&PHASE, phase.map(|phase| vec![("phase", phase)]));
        self.series.show(&PROBLEM, problem.map(|reason| vec![("reason", reason)]));
    }

    /// Queues the last message for those who don't have it yet; also those of an earlier process.
    pub(super) fn send_message(&mut self) {
        let Some(record) = &self.state.record else { return };
        let Some(message) = &record.message else { return };
        for receiver in &message.receivers {
            let notified = record.notified.get(receiver).copied().unwrap_or(0);
            let queued = self.queued.get(receiver).copied().unwrap_or(0);
            if notified.max(queued) < message.seq
                && self.context.messenger.send(receiver, &self.key, message, &self.delivered.0)
            {
                self.queued.insert(receiver.clone(), message.seq);
            }
        }
    }
}

/// A metric label.
pub(super) fn outcome_label(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Pass => "Pass",
        Outcome::Fail => "Fail",
        Outcome::Undecided => "Undecided",
        Outcome::NoData => "NoData",
    }
}

/// A metric label.
pub(super) fn reading_label(reading: &Reading) -> &'static str {
    match reading {
        Reading::Healthy | Reading::Counts(_) => "ok",
        Reading::Unhealthy(_) => "unhealthy",
        Reading::Unusable(_) => "unusable",
    }
}
