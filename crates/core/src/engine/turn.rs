//! One call of the engine: what it reads, what it has decided so far, and how that becomes a decision.

use std::{collections::BTreeMap, time::Duration};

use super::labels::LABEL_AGAIN;
use crate::{
    checks::{Verdict, Verdicts},
    command::{Command, PAUSED},
    decision::{AnchorPatch, Decision, Note, Observe, Problem, TemplatePatch, Write},
    facts::{Detail, Facts, PARKED, Pod, PolicyFact, Revision, RevisionFact, Workload},
    group::MemberFacts,
    policy::Policy,
    state::{Memory, Message, Pause, PauseReason, Record, Rollout, State, judged},
    template,
    time::Now,
};

/// A longer silence between two steps than this counts nothing towards a bake: nobody watched.
const MAX_GAP: Duration = Duration::from_secs(3);

/// Everything but rest is looked at at least this often: deadlines pass without an event.
pub(super) const LOOK: Duration = Duration::from_secs(1);

/// A delete whose effect is not seen after this long is sent again.
const DELETE_AGAIN: Duration = Duration::from_secs(5);

/// The state of a decision in the making.
pub(super) struct Turn<'a> {
    pub(super) before: &'a State,
    pub(super) facts: &'a Facts,
    pub(super) workload: &'a Workload,
    pub(super) detail: Option<&'a Detail>,
    /// Pods with their index (not the ordinal), by index. Empty while pods aren't observed.
    pods: Vec<(u32, &'a Pod)>,
    pub(super) peers: &'a [MemberFacts],
    pub(super) verdicts: &'a Verdicts,
    pub(super) commands: &'a [Command],
    pub(super) now: Now,
    /// Observed time since the last step.
    pub(super) elapsed: Duration,
    pub(super) record: Option<Record>,
    pub(super) memory: Memory,
    /// Annotations to write besides the state.
    pub(super) annotations: BTreeMap<String, Option<String>>,
    /// The partition that the phase wants; parked unless a phase says otherwise. `None`: leave it alone.
    pub(super) partition: Option<u32>,
    /// The replicas to leave behind when the record goes.
    pub(super) last_replicas: Option<u32>,
    pub(super) template: Option<TemplatePatch>,
    /// The one disruptive write, or a verdict.
    pub(super) effect: Option<Write>,
    pub(super) notes: Vec<Note>,
    pub(super) observe: Observe,
    pub(super) wake: Option<Duration>,
    pub(super) problem: Option<Problem>,
    message: Option<Message>,
}

impl<'a> Turn<'a> {
    pub(super) fn new(
        before: &'a State,
        facts: &'a Facts,
        peers: &'a [MemberFacts],
        verdicts: &'a Verdicts,
        commands: &'a [Command],
        now: Now,
    ) -> Self {
        let mut memory = before.memory.clone();
        let elapsed = memory.tick.map_or(Duration::ZERO, |tick| now.mono.since(tick));
        memory.tick = Some(now.mono);
        memory.seq = memory.seq.max(before.record.as_ref().map_or(0, |record| record.seq));
        memory.deleted.retain(|_, at| now.mono.since(*at) < DELETE_AGAIN);
        memory.labelled.retain(|_, at| now.mono.since(*at) < LABEL_AGAIN);
        memory.labels_after = memory.labels_after.filter(|after| now.mono < *after);
        Self {
            before,
            facts,
            workload: &facts.workload,
            detail: facts.detail.as_ref(),
            pods: by_index(facts),
            peers,
            verdicts,
            commands,
            now,
            elapsed: if elapsed <= MAX_GAP { elapsed } else { Duration::ZERO },
            record: before.record.clone(),
            memory,
            annotations: BTreeMap::new(),
            partition: Some(PARKED),
            last_replicas: None,
            template: None,
            effect: None,
            notes: Vec::new(),
            observe: Observe::default(),
            wake: None,
            problem: None,
            message: None,
        }
    }

    /// The record; only called where there is one.
    pub(super) fn record(&self) -> &Record {
        self.record.as_ref().unwrap_or_else(|| unreachable!("a phase runs only with a record"))
    }

    pub(super) fn record_mut(&mut self) -> &mut Record {
        self.record.as_mut().unwrap_or_else(|| unreachable!("a phase runs only with a record"))
    }

    /// The open rollout; only called in its phases ([`Record::read`] refuses a phase without one).
    pub(super) fn rollout(&self) -> &Rollout {
        self.record().rollout.as_ref().unwrap_or_else(|| unreachable!("a rollout's phase has a rollout"))
    }

    pub(super) fn rollout_mut(&mut self) -> &mut Rollout {
        self.record_mut().rollout.as_mut().unwrap_or_else(|| unreachable!("a rollout's phase has a rollout"))
    }

    /// N.
    pub(super) fn replicas(&self) -> u32 {
        self.record().user_replicas
    }

    /// The policy in force: the open rollout's own copy, else the loaded one.
    pub(super) fn policy(&self) -> Option<&Policy> {
        let resolved = self
            .record
            .as_ref()
            .and_then(|record| record.rollout.as_ref())
            .map(|rollout| &rollout.resolved_policy);
        resolved.or(match &self.facts.policy {
            PolicyFact::Loaded(policy) => Some(policy),
            PolicyFact::None | PolicyFact::Unusable { .. } => None,
        })
    }

    /// What the checks of the open rollout say; nothing about one that began in this step: the verdicts are about the
    /// one before it.
    pub(super) fn verdicts(&self) -> &'a [Verdict] {
        let id = |record: &Option<Record>, memory: &Memory| {
            judged(record.as_ref(), memory).map(|(rollout, _)| rollout.id.clone())
        };
        if id(&self.before.record, &self.before.memory) == id(&self.record, &self.memory) {
            &self.verdicts.0
        } else {
            &[]
        }
    }

    /// The status speaks of the spec that we see.
    pub(super) fn observed(&self) -> bool {
        self.workload.observed_generation >= self.workload.generation
    }

    /// Pods with their index, by index.
    pub(super) fn pods(&self) -> Vec<(u32, &'a Pod)> {
        self.pods.clone()
    }

    /// It exists, isn't on its way out, and we didn't delete it.
    pub(super) fn live(&self, pod: &Pod) -> bool {
        pod.live() && !self.memory.deleted.contains_key(&pod.uid)
    }

    /// Ready for `minReadySeconds`.
    pub(super) fn available(&self, pod: &Pod) -> bool {
        let wait = i64::from(self.workload.min_ready_seconds);
        self.live(pod)
            && pod.ready
            && (wait == 0 || pod.ready_since.is_some_and(|since| self.now.wall.0 - since.0 >= wait))
    }

    /// The live pod at an index.
    pub(super) fn live_at(&self, index: u32) -> Option<&'a Pod> {
        let first = self.pods.partition_point(|(at, _)| *at < index);
        let here = self.pods.iter().skip(first).take_while(|(at, _)| *at == index);
        here.map(|(_, pod)| *pod).find(|pod| self.live(pod))
    }

    pub(super) fn is_on(pod: &Pod, revision: Option<&Revision>) -> bool {
        revision.is_some() && pod.revision.as_ref() == revision
    }

    pub(super) fn revision(&self, name: &Revision) -> Option<&'a RevisionFact> {
        self.detail?.revisions.iter().find(|revision| revision.name == *name)
    }

    /// Whether two revisions have the same template; a revision that can't be seen equals only itself.
    pub(super) fn same_template(&self, left: &Revision, right: &Revision) -> bool {
        left == right
            || match (self.revision(left), self.revision(right)) {
                (Some(left), Some(right)) => template::equal(&left.template, &right.template),
                _ => false,
            }
    }

    /// Kubernetes has made another template than the stable one current: pods can't return stable by themselves.
    pub(super) fn completed(&self) -> bool {
        match (&self.workload.current_revision, &self.record().stable) {
            (Some(current), Some(stable)) => !self.same_template(current, stable),
            _ => false,
        }
    }

    /// Asks for pods and revisions; false until they are there.
    pub(super) fn need_detail(&mut self) -> bool {
        self.observe.detail = true;
        self.detail.is_some()
    }

    /// Whether an admission policy holds `currentRevision` at the stable revision; asks if it isn't known for this step.
    pub(super) fn hold(&mut self) -> Option<bool> {
        self.observe.hold = self.facts.hold.is_none();
        self.facts.hold
    }

    /// Deletes a pod by its UID, if nothing else is done in this step.
    pub(super) fn delete_pod(&mut self, pod: &Pod) {
        if self.effect.is_none() {
            self.memory.deleted.insert(pod.uid.clone(), self.now.mono);
            self.effect = Some(Write::DeletePod { name: pod.name.clone(), uid: pod.uid.clone() });
        }
    }

    /// Steps again after `wait` at the latest.
    pub(super) fn wake_in(&mut self, wait: Duration) {
        self.wake = Some(self.wake.map_or(wait, |wake| wake.min(wait)));
    }

    /// Tells people; a note with a topic becomes the message of this step's state write.
    pub(super) fn say(&mut self, note: Note) {
        if let Some(topic) = note.topic()
            && let Some(policy) = self.policy()
        {
            let receivers = policy
                .notify
                .iter()
                .filter(|notify| notify.events.contains(&topic))
                .map(|notify| notify.receiver.clone())
                .collect::<std::collections::BTreeSet<_>>();
            let text = brief(note.to_string());
            if let Some(message) = &mut self.message {
                message.topic = topic;
                message.text = brief(format!("{}\n{text}", message.text));
                message.receivers.extend(receivers);
            } else {
                let observed = matches!(note, Note::Observed { .. });
                self.message = Some(Message { seq: 0, topic, text, receivers, observed });
            }
        }
        self.notes.push(note);
    }

    /// A standing problem: shown as long as it is reported, told as an Event when it begins.
    pub(super) fn report(&mut self, reason: &'static str, detail: String) {
        let problem = Problem { reason, detail };
        let key = format!("{reason}: {}", problem.detail);
        if self.memory.told.insert(key) {
            self.notes.push(Note::Problem(problem.clone()));
        }
        self.problem = Some(problem);
    }

    /// Takes over which messages arrived: written with the next state; at rest, or when it is more than one, by itself, as
    /// the end of the process would repeat them.
    pub(super) fn note_deliveries(&mut self) {
        let Some(record) = &mut self.record else { return };
        for (receiver, seq) in &self.memory.delivered {
            let last = record.notified.entry(receiver.clone()).or_default();
            *last = (*last).max(*seq);
        }
        if !record.in_rollout() || record.messages.arrived(&record.notified) > 1 {
            record.messages.forget(&record.notified);
        }
    }

    /// Stops forward motion until a person resumes.
    pub(super) fn pause(&mut self, reason: PauseReason, detail: String) {
        if self.record().pause.as_ref().is_some_and(|pause| pause.reason == reason) {
            return;
        }
        let detail = brief(detail);
        self.say(Note::Paused { reason, detail: detail.clone() });
        let record = self.record_mut();
        record.pause = Some(Pause { reason, detail });
        record.waiting = None;
        self.annotations.insert(PAUSED.to_owned(), Some("true".to_owned()));
    }

    /// Lifts a pause of our own; one that a person asked for stays.
    pub(super) fn lift_own_pause(&mut self) {
        if self.record().pause.as_ref().is_some_and(|pause| pause.reason != PauseReason::Requested) {
            self.record_mut().pause = None;
            self.annotations.insert(PAUSED.to_owned(), None);
        }
    }

    pub(super) fn paused(&self) -> bool {
        self.record().pause.is_some()
    }

    /// Nothing but one write; the next step decides anew.
    fn only(self, write: Write) -> Decision {
        Decision {
            state: State { record: self.before.record.clone(), memory: self.memory },
            writes: vec![write],
            observe: self.observe,
            wake: Some(LOOK),
            ..Decision::default()
        }
    }

    /// Puts everything together.
    pub(super) fn finish(mut self) -> Decision {
        if let Some(last) = self.effect.take_if(|effect| matches!(effect, Write::DeleteGuard { .. })) {
            return self.only(last);
        }
        if let Some(pause) = self.record.as_ref().and_then(|record| record.pause.clone())
            && self.problem.is_none()
            && pause.reason != PauseReason::Requested
        {
            self.problem = Some(Problem { reason: "Paused", detail: pause.detail });
        }
        let guard = self.keep_guard();
        if self.problem.is_none() {
            self.memory.told.clear();
        }
        self.keep_problem();
        let patch = self.anchor_patch();
        self.post_observation();
        self.leave_partition(patch.as_ref().and_then(|patch| patch.partition));
        let mut writes = Vec::new();
        if let Some(patch) = patch {
            self.memory.saved_ms = self.spent_ms();
            writes.push(Write::Anchor(patch));
        }
        // What goes back doesn't wait for a list that can't be written, as long as pods can return.
        let stable = self.record.as_ref().and_then(|record| record.stable.as_ref());
        let effect = self.effect.take();
        if stable.is_some_and(|stable| self.is_released(stable)) {
            writes.extend(effect.into_iter().chain(guard));
        } else {
            writes.extend(guard.into_iter().chain(effect));
        }
        let probes = self.probe_plan();
        Decision {
            state: State { record: self.record, memory: self.memory },
            writes,
            probes,
            observe: self.observe,
            wake: self.wake,
            notes: self.notes,
            problem: self.problem,
        }
    }

    /// Where there is no state to keep it, a message is kept as long as the process lives.
    fn post_observation(&mut self) {
        if let (None, Some(observed)) = (&self.record, &mut self.memory.observed)
            && let Some(message) = self.message.take()
        {
            self.memory.seq += 1;
            observed.messages.post(Message { seq: self.memory.seq, ..message }, &self.memory.delivered);
        }
    }

    fn spent_ms(&self) -> u64 {
        self.record.as_ref().and_then(|record| record.rollout.as_ref()).map_or(0, Rollout::spent_ms)
    }

    /// The patch that brings the live object to what this step wants; `None` if it is there already.
    fn anchor_patch(&mut self) -> Option<AnchorPatch> {
        let mut patch = AnchorPatch {
            resource_version: self.workload.resource_version.clone(),
            annotations: std::mem::take(&mut self.annotations),
            template: self.template.take(),
            ..AnchorPatch::default()
        };
        patch.annotations.retain(|name, value| self.workload.annotations.get(name) != value.as_ref());
        let replicas = self.record.as_ref().map(Record::expected_replicas).or(self.last_replicas);
        patch.replicas = replicas.filter(|&replicas| replicas != self.workload.replicas);
        if self.record.is_some() || self.before.record.is_some() {
            // Above PARKED is parked too; only Siskin needs the exact value, and only when it opens.
            let fits = |wanted: u32| {
                wanted == self.workload.partition || wanted >= PARKED && self.workload.partition >= PARKED
            };
            patch.partition =
                self.partition.filter(|&wanted| !fits(wanted)).filter(|&wanted| self.may_write_back(wanted));
        }
        let nothing = patch.annotations.is_empty()
            && patch.replicas.is_none()
            && patch.partition.is_none()
            && patch.template.is_none();
        if nothing && !self.state_is_worth_a_write() {
            return None;
        }
        self.save_problem();
        let verdicts = self.verdicts().iter().map(shortened).collect();
        if let Some(record) = &mut self.record {
            record.seq = record.seq.max(self.memory.seq) + 1;
            self.memory.seq = record.seq;
            if let Some(message) = self.message.take() {
                record.messages.post(Message { seq: record.seq, ..message }, &record.notified);
            }
            if let Some(rollout) = &mut record.rollout {
                rollout.checks.clone_from(&self.memory.checkpoint);
                rollout.verdicts = verdicts;
            }
            patch.annotations.insert("state".to_owned(), Some(record.to_json()));
        }
        Some(patch)
    }

    /// The record changed in more than evidence, or there is enough new evidence to checkpoint.
    fn state_is_worth_a_write(&self) -> bool {
        let (Some(before), Some(after)) = (&self.before.record, &self.record) else {
            return self.before.record.is_some() != self.record.is_some();
        };
        let without_evidence = |record: &Record| {
            let mut record = record.clone();
            if record.in_rollout() {
                record.notified.clear();
            }
            if let Some(rollout) = &mut record.rollout {
                (rollout.bake_done_ms, rollout.in_bake_ms, rollout.stalled_ms) = (0, 0, 0);
                rollout.checks.clear();
                rollout.verdicts.clear();
            }
            record
        };
        if without_evidence(before) != without_evidence(after) {
            return true;
        }
        self.checkpoint_due(after)
    }

    /// Evidence is saved at most every max(30 s, bake / 20).
    fn checkpoint_due(&self, record: &Record) -> bool {
        let Some(rollout) = &record.rollout else { return false };
        let bake = self.plan().and_then(|plan| plan.steps.get(rollout.step).map(|step| step.bake));
        let every = (bake.unwrap_or_default() / 20).max(Duration::from_secs(30));
        Duration::from_millis(rollout.spent_ms().abs_diff(self.memory.saved_ms)) >= every
    }
}

fn by_index(facts: &Facts) -> Vec<(u32, &Pod)> {
    let pods = facts.detail.as_ref().map_or(&[][..], |detail| &detail.pods);
    let index = |pod: &Pod| pod.ordinal.checked_sub(facts.workload.ordinals_start);
    let mut pods: Vec<(u32, &Pod)> = pods.iter().filter_map(|pod| Some((index(pod)?, pod))).collect();
    pods.sort_by_key(|(index, _)| *index);
    pods
}

/// Text for people in the state, which has little room: a plan may have a thousand steps.
pub(super) fn brief(mut text: String) -> String {
    const LONGEST: usize = 1500;
    if let Some((end, _)) = text.char_indices().nth(LONGEST) {
        text.truncate(end);
        text.push_str("...");
    }
    text
}

/// The state has room for a sentence per check.
fn shortened(verdict: &Verdict) -> Verdict {
    Verdict { evidence: verdict.evidence.chars().take(200).collect(), ..verdict.clone() }
}
