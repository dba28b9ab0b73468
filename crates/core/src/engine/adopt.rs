//! The way in: parking, finding the stable revision, first installs.

use std::{collections::BTreeSet, time::Duration};

use super::turn::Turn;
use crate::{
    decision::Note,
    facts::{PolicyFact, Revision, UpdateStrategy},
    policy::{Policy, builtin},
    state::{Back, Cause, ClaimLedger, Outbox, PauseReason, Phase, Record, Rollout, Unreadable},
};

/// After a write that came out different, nothing more is written for this long.
const REFUSED_QUIET: Duration = Duration::from_secs(30);

/// More pods than any cluster runs of one StatefulSet.
const MOST_REPLICAS: u32 = 10_000;

impl Turn<'_> {
    /// Whether the workload's own settings let Siskin look after it.
    pub(super) fn supported(&mut self) -> bool {
        let found = match &self.workload.update_strategy {
            UpdateStrategy::RollingUpdate => return true,
            UpdateStrategy::OnDelete => "OnDelete",
            UpdateStrategy::Other(other) => other,
        };
        self.partition = None;
        self.report(
            "UnsupportedUpdateStrategy",
            format!("updateStrategy.type is {found}; siskin can hold back only RollingUpdate: set it, without a partition"),
        );
        false
    }

    /// Steps are made for every pod, so that a slip of `kubectl scale` would take all memory. Parked until it is mended.
    pub(super) fn can_be_planned(&mut self) -> bool {
        let replicas = self.replicas();
        if replicas > MOST_REPLICAS {
            self.report(
                "TooManyReplicas",
                format!("replicas is {replicas}; siskin looks after at most {MOST_REPLICAS}"),
            );
        }
        replicas <= MOST_REPLICAS
    }

    /// The first act on any annotated workload is to park, whether or not the policy loads.
    pub(super) fn opt_in(&mut self) {
        self.memory.observed = None;
        if !self.supported() {
            return;
        }
        if let Err(newer @ Unreadable::Version(_)) = Record::read(self.workload) {
            self.report("StateFromNewerRelease", format!("{newer}; it is left alone: run the newer release"));
            return;
        }
        self.record = Some(Record {
            version: 1,
            workload_uid: self.workload.uid.clone(),
            seq: 0,
            stable: None,
            user_replicas: self.workload.replicas,
            user_partition: self.workload.partition,
            phase: Phase::OptingIn,
            rollout: None,
            waiting: None,
            pause: None,
            problem: None,
            settled: None,
            forgotten: None,
            restored: None,
            configuration: std::collections::BTreeMap::new(),
            claims: ClaimLedger::default(),
            labelled: false,
            consumed: Vec::new(),
            messages: Outbox::default(),
            notified: std::collections::BTreeMap::new(),
            history: Vec::new(),
        });
        if let Err(problem) = Record::read(self.workload) {
            self.say(Note::StateRebuilt(problem.to_string()));
        } else if self.workload.annotations.contains_key("stable") {
            self.say(Note::StateRebuilt("siskin.dev/state was gone".to_owned()));
        } else {
            self.say(Note::OptedIn);
        }
        self.look();
    }

    /// Looks at the pods of a workload that was just parked: adopts, waits for a first install, or stops.
    pub(super) fn look(&mut self) {
        // The pods that an object from before has left are the new one's own when its controller has come by.
        if !self.need_detail() || !self.observed() || self.waits_for_a_person() {
            return;
        }
        if self.record().stable.is_some() {
            self.bring_to_stable();
            return;
        }
        let revisions = self.revisions_on_pods();
        if let Some(named) = self.named_stable() {
            if revisions.iter().all(|revision| *revision == named) {
                self.adopt(&named, false);
            } else {
                self.record_mut().stable = Some(named.clone());
                self.pause(
                    PauseReason::StateLost,
                    format!(
                        "the state was lost while pods ran {}; siskin.dev/stable names {named} and replicas is {}. Set replicas if extra pods were running, then `siskin resume` brings every pod to {named}",
                        list(&revisions),
                        self.workload.replicas
                    ),
                );
            }
            return;
        }
        if self.is_mixed() {
            return;
        }
        if !self.adopt_if_ready() {
            self.record_mut().phase = Phase::Installing;
            self.install();
        }
    }

    /// Pauses if pods run several revisions.
    fn is_mixed(&mut self) -> bool {
        let revisions = self.revisions_on_pods();
        let mixed = revisions.len() > 1;
        if mixed {
            self.listen_for_promote();
            self.pause(
                PauseReason::MixedRevisions,
                format!(
                    "pods run {}; name the stable one: `siskin promote --revision <revision>` brings every pod to it",
                    list(&revisions)
                ),
            );
        }
        mixed
    }

    /// A pause that only a person's command or resume ends.
    fn waits_for_a_person(&self) -> bool {
        self.record()
            .pause
            .as_ref()
            .is_some_and(|pause| matches!(pause.reason, PauseReason::MixedRevisions | PauseReason::StateLost))
    }

    /// `siskin.dev/stable`, if it names a revision of this workload.
    fn named_stable(&self) -> Option<Revision> {
        let named = Revision(self.workload.annotations.get("stable")?.clone());
        self.revision(&named).map(|_| named)
    }

    pub(super) fn revisions_on_pods(&self) -> BTreeSet<Revision> {
        self.pods()
            .into_iter()
            .filter(|(_, pod)| self.live(pod))
            .filter_map(|(_, pod)| pod.revision.clone())
            .collect()
    }

    /// All N pods are there, on one revision, and Ready: that one is stable. Without pods it is the current one.
    fn adopt_if_ready(&mut self) -> bool {
        let revision = if self.replicas() == 0 {
            self.workload.current_revision.clone()
        } else {
            let ready = (0..self.replicas())
                .map(|index| self.live_at(index).filter(|pod| self.available(pod))?.revision.clone())
                .collect::<Option<BTreeSet<Revision>>>();
            ready.filter(|revisions| revisions.len() == 1).and_then(|revisions| revisions.into_iter().next())
        };
        let Some(revision) = revision else { return false };
        if self.is_rejected(&revision) {
            self.record_mut().phase = Phase::OptingIn;
            self.listen_for_promote();
            self.pause(
                PauseReason::StateLost,
                format!("every pod runs {revision}, which was rolled back before; `siskin promote --revision {revision}` takes it as stable all the same"),
            );
            return true;
        }
        self.adopt(&revision, true);
        true
    }

    fn is_all_available(&self) -> bool {
        (0..self.replicas()).all(|index| self.live_at(index).is_some_and(|pod| self.available(pod)))
    }

    fn adopt(&mut self, revision: &Revision, tell: bool) {
        let record = self.record_mut();
        record.stable = Some(revision.clone());
        record.phase = Phase::Idle;
        self.annotations.insert("stable".to_owned(), Some(revision.0.clone()));
        if tell {
            self.say(Note::Adopted(revision.clone()));
        }
    }

    /// A first install that never was all Ready: there is nothing to protect yet, so a newer template goes in at once
    /// and takes the broken pods' place. OrderedReady never replaces a broken pod by itself
    /// (kubernetes/kubernetes#67250).
    pub(super) fn install(&mut self) {
        if !self.need_detail() || self.adopt_if_ready() {
            return;
        }
        self.wake_in(Duration::from_secs(1));
        let (false, Some(update)) = (self.paused(), self.workload.update_revision.clone()) else { return };
        if !self.observed() {
            self.partition = None;
            return;
        }
        let outdated = self
            .pods()
            .into_iter()
            .filter(|(_, pod)| self.live(pod) && !Self::is_on(pod, Some(&update)))
            .map(|(_, pod)| pod)
            .collect::<Vec<_>>();
        if outdated.is_empty() && self.workload.current_revision.as_ref() == Some(&update) {
            return;
        }
        if outdated.iter().any(|pod| self.available(pod)) {
            // It is no first install: its pods were seen late, as those that an object from before has left.
            if self.is_all_available() && self.is_mixed() {
                self.record_mut().phase = Phase::OptingIn;
                return;
            }
            self.report(
                "InstallUnclear",
                format!("some pods are ready and some are not, so {update} is held back until all are; `siskin promote --revision {update}` lets it in now"),
            );
            return;
        }
        if !matches!(self.facts.policy, PolicyFact::Loaded(_)) {
            return;
        }
        if !self.is_released(&update) {
            return;
        }
        self.partition = Some(0);
        if self.workload.partition == 0
            && let Some(broken) = outdated.into_iter().rev().find(|pod| !pod.ready)
        {
            self.delete_pod(broken);
        }
    }

    /// A person may name it as stable: Kubernetes can bring it to every pod, or a pod runs it.
    pub(super) fn can_be_named_stable(&self, revision: &Revision) -> bool {
        let known = [&self.workload.current_revision, &self.workload.update_revision];
        known.contains(&&Some(revision.clone()))
            || self.revision(revision).is_some() && self.revisions_on_pods().contains(revision)
    }

    /// Brings every pod to the stable revision that a person named, or that the lost state's annotation names.
    pub(super) fn bring_to_stable(&mut self) {
        let Some(stable) = self.record().stable.clone() else { return };
        let other = self.revisions_on_pods().into_iter().find(|revision| *revision != stable);
        let is_stable = |revision: &Option<Revision>| {
            revision.as_ref().is_some_and(|revision| self.same_template(revision, &stable))
        };
        let leads_back = !self.completed() || is_stable(&self.workload.update_revision);
        let (Some(other), true) = (other, leads_back) else {
            self.adopt(&stable, false);
            return;
        };
        let detail = format!("pods ran several revisions; {stable} was named as the stable one");
        self.annotations.insert("stable".to_owned(), Some(stable.0));
        self.return_to_stable(other, detail);
    }

    /// Goes back to the stable revision from pods that run another one without a rollout.
    pub(super) fn return_to_stable(&mut self, other: Revision, detail: String) {
        let id = self.new_rollout_id(&other);
        let policy = self.loaded_policy();
        let started = self.now.wall;
        let phase = if self.completed() { Phase::Undoing } else { Phase::Reverting };
        let record = self.record_mut();
        record.phase = phase;
        record.waiting = None;
        record.rollout = Some(Rollout {
            back: Some(Back { cause: Cause::MixedRevisions, detail: detail.clone() }),
            ..Rollout::new(id, other, policy, started)
        });
        self.say(Note::RollingBack(detail));
        self.walk_back();
    }

    /// The loaded policy; the built-in one where it is only needed for its bounds.
    pub(super) fn loaded_policy(&self) -> Policy {
        match &self.facts.policy {
            PolicyFact::Loaded(policy) => Some(policy.clone()),
            PolicyFact::None | PolicyFact::Unusable { .. } => builtin("standard"),
        }
        .unwrap_or_else(|| unreachable!("the built-in policies load; a test says so"))
    }

    /// `siskin.dev/stable` decides; the state, written in the same patch, must agree.
    pub(super) fn stable_agrees(&mut self) -> bool {
        let record = self.record();
        if matches!(record.phase, Phase::OptingIn | Phase::Installing) {
            return true;
        }
        let named = self.workload.annotations.get("stable").map(String::as_str);
        if named == record.stable.as_ref().map(|stable| stable.0.as_str()) {
            return true;
        }
        let expected = record.stable.as_ref().map_or_else(String::new, |stable| stable.0.clone());
        self.pause(
            PauseReason::StateMismatch,
            format!(
                "siskin.dev/stable is {} but the state says {expected}; set the annotation to {expected}, then `siskin resume`",
                named.unwrap_or("missing")
            ),
        );
        false
    }

    /// A write of ours came out different: somebody's admission policy doesn't know us.
    pub(super) fn pause_refused(&mut self, what: &str) {
        self.memory.refused_at = Some(self.now.mono);
        self.pause(
            PauseReason::AdmissionMismatch,
            format!("a write came out different: {what}. An admission policy must let siskin's user write it; then `siskin resume`"),
        );
    }

    pub(super) fn refused_lately(&self) -> bool {
        self.memory.refused_at.is_some_and(|at| self.now.mono.since(at) < REFUSED_QUIET)
    }

    /// Nothing is written for a while after a refused write, so that two writers don't race each other.
    pub(super) fn quiet_after_refusal(&mut self) -> bool {
        let quiet = self.refused_lately();
        if quiet {
            self.partition = None;
            self.wake_in(REFUSED_QUIET);
        }
        quiet
    }
}

fn list(revisions: &BTreeSet<Revision>) -> String {
    revisions.iter().map(|revision| revision.0.as_str()).collect::<Vec<_>>().join(", ")
}
