//! What a worker tells of its workload: logs, Events, metrics and messages.

use std::collections::BTreeSet;

use siskin_core::{
    checks::{Outcome, Reading},
    decision::{Note, Problem},
};

use super::driver::Driver;
use crate::{
    report::metrics::{PHASE, PROBLEM, ROLLOUTS, WORKLOAD_INFO},
    watch::guards::GuardList,
};

/// What keeps the worker itself from its work. Each is told once, until it is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Trouble {
    /// The observation is incomplete.
    NotObserved,
    /// Pods can't be labelled.
    NotLabelled,
    /// A write of this kind fails.
    WriteFailed(&'static str),
}

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

    /// Told at each start, as only people can say whether the pod guard is still there.
    pub(super) fn tell_of_a_list_that_was_left(&self) {
        if self.context.left_lists.contains(&self.key) {
            let detail = format!(
                "the configuration says `podGuard: false`, but the list of released revisions {} is there; nobody keeps it up to date, and where the pod guard is installed no pod of a new revision starts: delete the ConfigMap, or set `podGuard: true`",
                GuardList::name(&self.key.name)
            );
            self.tell(&[Note::Problem(Problem { reason: "GuardListLeft", detail })]);
        }
    }

    /// Something keeps the worker from its work; told only when it begins.
    pub(super) fn trouble(&mut self, trouble: Trouble, detail: String) {
        if self.troubles.insert(trouble) {
            self.tell(&[Note::Problem(Problem { reason: trouble.reason(), detail })]);
            self.show();
        }
    }

    /// Without all that it asked for the engine decides less, and people should know why.
    pub(super) fn tell_what_is_missing(&mut self) {
        let now = self.context.cluster.clock().mono();
        let unlisted = self.guard.as_ref().is_some_and(|view| view.missing(now));
        let missing = if unlisted {
            Some(
                "the lists of released revisions can't be listed (`podGuard` needs the rights of the component pod-guard)",
            )
        } else {
            self.observation.as_ref().and_then(|observation| observation.missing(now))
        };
        match missing.map(|why| format!("not all can be seen, so the rollout may not go on: {why}")) {
            Some(detail) => self.trouble(Trouble::NotObserved, detail),
            None => self.over(|trouble| trouble == Trouble::NotObserved),
        }
    }

    /// Such troubles are over.
    pub(super) fn over(&mut self, which: impl Fn(Trouble) -> bool) {
        let before = self.troubles.len();
        self.troubles.retain(|trouble| !which(*trouble));
        if self.troubles.len() < before {
            self.show();
        }
    }

    /// Where the workload stands.
    pub(super) fn show(&self) {
        let policy = self.managed.workload.annotations.get("policy").map_or("", String::as_str);
        self.series.show(&WORKLOAD_INFO, [vec![("policy", policy)]]);
        let phase = self.state.record.as_ref().map(|record| record.phase.as_str());
        self.series.show(&PHASE, phase.map(|phase| vec![("phase", phase)]));
        let troubles = self.troubles.iter().map(|trouble| trouble.reason());
        let problems = troubles.chain(self.problem);
        self.series.show(&PROBLEM, problems.map(|reason| vec![("reason", reason)]));
    }

    /// Queues the messages for those who don't have them yet; also those of an earlier process. Each gets them in their
    /// order.
    pub(super) fn send_messages(&mut self) {
        let mut full = BTreeSet::new();
        for message in self.state.messages() {
            for receiver in &message.receivers {
                let queued = self.queued.get(receiver).copied().unwrap_or(0);
                if self.state.notified(receiver).max(queued) >= message.seq || full.contains(receiver) {
                    continue;
                }
                if self.context.messenger.send(receiver, &self.key, message, &self.delivered.0) {
                    self.queued.insert(receiver.clone(), message.seq);
                } else {
                    full.insert(receiver);
                }
            }
        }
    }
}

impl Trouble {
    /// A metric label and the reason of an Event.
    fn reason(self) -> &'static str {
        match self {
            Self::NotObserved => "NotObserved",
            Self::NotLabelled => "NotLabelled",
            Self::WriteFailed(_) => "WriteFailed",
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
        Reading::Healthy | Reading::Counts(_) | Reading::Values(_) => "ok",
        Reading::Unhealthy(_) => "unhealthy",
        Reading::Unusable(_) | Reading::Refused(_) => "unusable",
    }
}
