//! The loop of one workload.
//!
//! It waits for something to happen, lets the engine decide on what is there, carries the decision out, and steps
//! again until the engine wants no more writes. What happened is never remembered as an event: a step looks at
//! the newest objects, so that news may come late, twice or not at all.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use siskin_core::{
    checks::Sample,
    command::Command,
    decision::{AnchorPatch, Decision, Observe, Write},
    engine,
    facts::{Facts, Workload},
    group::Standing,
    judge::Judge,
    references::of_workload,
    state::{Phase, Record, State},
};
use tokio::{
    sync::{mpsc, watch},
    time::Instant,
};

use super::{
    Context,
    backoff::{Backoff, Rate},
    guard::GuardView,
    members::standing,
    observation::Observation,
    telling::{Trouble, outcome_label, reading_label},
};
use crate::{
    act::{Reply, WriteError, kind},
    admission::hold,
    cluster::Resource,
    policies,
    probe::{Asker, Prober},
    report::{
        messages::Delivered,
        metrics::{self, CHECK, PROBES, STEPS, STORMS},
    },
    server::health::Pulse,
    watch::{
        configuration::{Board, View},
        statefulsets::{Key, Managed, Whole},
    },
};

/// Answers of pods that wait to be judged; a step takes milliseconds.
const SAMPLES: usize = 1024;
/// Labels that can't be written are left alone for this long: nothing depends on them.
const LABELS_AGAIN: Duration = Duration::from_secs(30);
/// A message has few receivers.
const DELIVERIES: usize = 32;

/// The worker of one workload.
pub struct Driver {
    pub(super) context: Arc<Context>,
    pub(super) key: Key,
    inbox: watch::Receiver<Arc<Managed>>,
    /// The newest version seen.
    pub(super) managed: Arc<Managed>,
    pub(super) state: State,
    judge: Judge,
    observe: Observe,
    pub(super) observation: Option<Observation>,
    /// The list of released revisions, if this installation keeps such.
    pub(super) guard: Option<GuardView>,
    /// What the pods are configured by, if this installation watches it.
    configuration: Option<View>,
    prober: Prober,
    samples: mpsc::Receiver<Sample>,
    pub(super) delivered: (mpsc::Sender<Delivered>, mpsc::Receiver<Delivered>),
    /// The newest message that was queued, by receiver.
    pub(super) queued: BTreeMap<String, u64>,
    wake: Option<Instant>,
    backoff: Backoff,
    rate: Rate,
    /// A write failed: the StatefulSet must be read before the next step.
    unsure: bool,
    /// It was read or written by this worker, so that nobody who led before knows more of it.
    looked: bool,
    /// Others began or ended what this one may wait for.
    turns: watch::Receiver<()>,
    /// What the engine waits for a person for.
    pub(super) problem: Option<&'static str>,
    /// Why the hold couldn't be asked for last; logged once.
    hold_failure: Option<String>,
    /// What is told of the worker itself.
    pub(super) troubles: BTreeSet<Trouble>,
    pub(super) series: metrics::Workload,
    pulse: Pulse,
}

/// What woke the worker.
enum Woken {
    /// The workload, its pods, its policy, a verdict or a delivery.
    News,
    /// The time that the engine or the backoff named.
    Time,
    /// Something that changes no decision.
    Nothing,
    /// The process ends, or the workload is nobody's business any more.
    End,
}

/// How a step ended.
enum Stepped {
    /// There is nothing more to do now.
    Rest,
    /// It changed something; the next step may do more.
    Again,
    /// Something failed.
    Failed,
}

impl Driver {
    /// A worker for the workload in `inbox`.
    pub fn new(context: Arc<Context>, key: Key, mut inbox: watch::Receiver<Arc<Managed>>) -> Self {
        let managed = inbox.borrow_and_update().clone();
        let (tell, samples) = mpsc::channel(SAMPLES);
        let mut driver = Self {
            prober: Prober::new(Asker {
                reach: context.reach.clone(),
                sources: context.sources.clone(),
                clock: context.cluster.clock().machine().clone(),
                samples: tell,
                metrics: context.metrics.clone(),
            }),
            guard: (context.guards.as_ref())
                .map(|guards| GuardView::new(guards, &key, context.cluster.clock().mono())),
            configuration: context.board.as_ref().map(Board::view),
            series: context.metrics.workload(&key),
            pulse: context.health.worker(format!("the worker of {key}")),
            turns: context.members.changes(),
            context,
            key,
            inbox,
            state: State::default(),
            judge: Judge::default(),
            observe: Observe::default(),
            observation: None,
            samples,
            delivered: mpsc::channel(DELIVERIES),
            queued: BTreeMap::new(),
            wake: None,
            backoff: Backoff::default(),
            rate: Rate::new(Instant::now()),
            unsure: false,
            looked: false,
            problem: None,
            hold_failure: None,
            troubles: BTreeSet::new(),
            managed,
        };
        driver.load();
        // The watch may be behind what another leader wrote. A wrong view of a workload at rest leads to a write of the
        // StatefulSet first, which is refused then, or to one of its list; of another one it could lead to deletes.
        driver.unsure = driver.state.record.as_ref().is_some_and(|record| record.phase != Phase::Idle);
        driver
    }

    /// Works until the workload or the process goes.
    pub async fn run(mut self) {
        self.tell_of_a_list_that_was_left();
        let mut stop = self.context.stop.clone();
        let mut policies = self.context.policies.clone();
        // A step is due; there is something that it hasn't seen.
        let (mut due, mut news) = (true, false);
        loop {
            if due && self.backoff.until(news, Instant::now()).is_none() {
                due = !self.settle(&stop).await;
                news = false;
            }
            let until = if due {
                Some(self.backoff.until(news, Instant::now()).unwrap_or_else(Instant::now))
            } else {
                self.wake
            };
            match self.woken(until, &mut stop, &mut policies).await {
                Woken::News => (due, news) = (true, true),
                Woken::Time => due = true,
                Woken::Nothing => {}
                Woken::End => return,
            }
        }
    }

    /// Waits for the next reason to step.
    async fn woken(
        &mut self,
        until: Option<Instant>,
        stop: &mut watch::Receiver<bool>,
        policies: &mut policies::Policies,
    ) -> Woken {
        tokio::select! {
            biased;
            _ = stop.wait_for(|stop| *stop) => Woken::End,
            changed = self.inbox.changed() => {
                if changed.is_err() {
                    return Woken::End;
                }
                let managed = self.inbox.borrow_and_update().clone();
                if self.see(managed) { Woken::News } else { Woken::Nothing }
            }
            () = changed(self.observation.as_mut()) => Woken::News,
            () = guard_changed(self.guard.as_mut()) => Woken::News,
            () = configuration_changed(self.configuration.as_mut()) => Woken::News,
            Some(sample) = self.samples.recv() => self.judge_samples(sample),
            Some(Delivered { receiver, seq }) = self.delivered.1.recv() => {
                self.state.delivered(&receiver, seq);
                Woken::News
            }
            Ok(()) = policies.changed() => Woken::News,
            Ok(()) = self.turns.changed(), if waits(&self.state) => Woken::News,
            () = sleep_until(until) => Woken::Time,
        }
    }

    fn judge_samples(&mut self, first: Sample) -> Woken {
        let mut next = Some(first);
        while let Some(sample) = next {
            let result = reading_label(&sample.reading);
            self.series.count(&PROBES, &[("check", &sample.check), ("result", result)]);
            self.judge.take(sample);
            next = self.samples.try_recv().ok();
        }
        if self.judge.has_news(self.context.cluster.clock().mono()) { Woken::News } else { Woken::Nothing }
    }

    /// Steps until nothing more is to be done now; false: it has to be tried again.
    async fn settle(&mut self, stop: &watch::Receiver<bool>) -> bool {
        while !*stop.borrow() {
            match self.step().await {
                Stepped::Rest => {
                    self.backoff.succeeded();
                    self.over(|trouble| matches!(trouble, Trouble::WriteFailed(_)));
                    break;
                }
                Stepped::Again => {
                    if self.rate.too_fast(Instant::now()) {
                        tracing::warn!("too many writes in a second; held back");
                        self.context.metrics.count(&STORMS, &[]);
                        self.backoff.failed(Instant::now());
                        return false;
                    }
                }
                Stepped::Failed => {
                    let pause = self.backoff.failed(Instant::now());
                    tracing::debug!(?pause, "tries again");
                    return false;
                }
            }
        }
        true
    }

    async fn step(&mut self) -> Stepped {
        let _busy = self.pulse.busy();
        if self.unsure && !self.read_again().await {
            return Stepped::Failed;
        }
        let Some(facts) = self.facts().await else {
            self.tell_what_is_missing();
            return Stepped::Failed;
        };
        let now = self.context.cluster.clock().now();
        let verdicts = self.judge.hear(&mut self.state, facts.detail.as_ref(), now.mono);
        let commands = Command::read(&facts.workload);
        self.turns.mark_unchanged();
        let decision = self.context.members.decide(&self.key, |members| {
            engine::step(&self.state, &facts, members, &verdicts, &commands, now)
        });
        self.context.metrics.count(&STEPS, &[]);
        let series = verdicts
            .0
            .iter()
            .map(|v| vec![("check", v.check.as_str()), ("outcome", outcome_label(v.outcome))]);
        self.series.show(&CHECK, series);
        let stepped = self.carry_out(decision).await;
        if let Some(witness) = &self.context.witness {
            witness(&self.key, &self.state, &verdicts);
        }
        stepped
    }

    /// What the engine may look at, as it is now. `None`: nothing can be decided before the lists of released revisions
    /// were listed, as a rollout without its list would open unguarded.
    async fn facts(&mut self) -> Option<Facts> {
        let guard = match &self.guard {
            Some(view) => Some(view.fact()?),
            None => None,
        };
        let mut detail = match &mut self.observation {
            Some(observation) => observation.detail(&self.context.cluster, &self.managed, self.observe).await,
            None => None,
        };
        if let (true, Some(detail), Some(observation)) =
            (self.observe.refusals, &mut detail, &mut self.observation)
        {
            detail.refusal = observation.refusal(&self.context.cluster, &self.managed).await;
        }
        let workload = self.managed.workload.clone();
        let policy = policies::fact(&self.context.policies.borrow(), &self.context.sources, &workload);
        let hold = if self.observe.hold { Some(self.held(&workload).await) } else { None };
        let rules = self.context.rules.clone();
        let configuration = self.configuration.as_mut().and_then(|view| {
            let references = of_workload(self.state.record.as_ref(), &workload, detail.as_ref());
            view.look(&workload.namespace, references)
        });
        Some(Facts { hold, guard, rules, workload, policy, detail, configuration })
    }

    /// Whether an admission policy holds `currentRevision`, asked anew each time; no where it can't be asked.
    async fn held(&mut self, workload: &Workload) -> bool {
        let held = hold::held(&self.context.cluster, workload).await;
        let failure = held.as_ref().err().map(ToString::to_string);
        if let Some(why) = failure.as_ref().filter(|why| self.hold_failure.as_ref() != Some(why)) {
            tracing::warn!(why, "whether the hold protects the workload can't be asked; counts as not");
        }
        self.hold_failure = failure;
        held.unwrap_or(false)
    }

    /// Writes in their order; the state is taken over when the first has succeeded.
    async fn carry_out(&mut self, decision: Decision) -> Stepped {
        let Decision { state, writes, probes, observe, wake, notes, problem } = decision;
        if !self.looked && changes_the_list_only(&writes) {
            self.unsure = true;
            return Stepped::Again;
        }
        let wrote = !writes.is_empty();
        self.problem = problem.map(|problem| problem.reason);
        self.show();
        self.tell_what_is_missing();
        let mut next = Some(state);
        let mut labels_after = None;
        for write in &writes {
            let result = self.context.act.carry_out(&self.managed.workload, write).await;
            match result {
                Ok(reply) => {
                    if let Some(state) = next.take() {
                        self.state = state;
                        self.tell(&notes);
                    }
                    self.wrote(write, reply);
                }
                Err(error) if matches!(write, Write::LabelPod { .. }) => {
                    tracing::warn!(%error, "a pod is not labelled");
                    self.trouble(Trouble::NotLabelled, error.to_string());
                    labels_after = Some(self.context.cluster.clock().mono() + LABELS_AGAIN);
                }
                Err(error) => {
                    self.failed(write, &error);
                    return Stepped::Failed;
                }
            }
        }
        if let Some(state) = next {
            self.state = state;
            self.tell(&notes);
        }
        self.state.memory.labels_after = labels_after.or(self.state.memory.labels_after);
        let looks_closer = self.look(observe);
        // Where pods may not be asked, nobody is asked about them either.
        let queries = match probes.targets.as_slice() {
            [] => Vec::new(),
            _ => self.judge.queries(&self.state, &self.managed.workload, self.context.cluster.clock().mono()),
        };
        self.prober.follow(&probes);
        self.prober.ask(queries);
        let look_again = self.observation.as_ref().map(Observation::look_again);
        self.wake = wake.into_iter().chain(look_again).min().map(|wait| Instant::now() + wait);
        self.show();
        self.send_messages();
        if wrote || looks_closer { Stepped::Again } else { Stepped::Rest }
    }

    /// Takes over what a successful write changed.
    fn wrote(&mut self, write: &Write, reply: Reply) {
        tracing::debug!(write = kind(write), "written");
        match (write, reply) {
            (Write::Anchor(patch), Reply::Anchor(reply)) => {
                self.check_reply(patch, &reply.workload);
                self.managed = Arc::from(reply);
                self.looked = true;
            }
            (_, Reply::Guard(list)) => {
                if let Some(view) = &mut self.guard {
                    view.wrote(list);
                }
            }
            (_, Reply::NoGuard) => {
                if let Some(view) = &mut self.guard {
                    view.gone();
                }
            }
            (Write::Verdict { .. }, _) => {
                if let Some(observation) = &mut self.observation {
                    observation.revisions_changed();
                }
            }
            (Write::LabelPod { .. }, _) => self.over(|trouble| trouble == Trouble::NotLabelled),
            (Write::DeleteClaim { .. }, _) => {
                if let Some(observation) = &mut self.observation {
                    observation.claims_changed();
                }
            }
            _ => {}
        }
    }

    /// A reply that differs from what was sent is a refused write: an admission policy doesn't know us.
    fn check_reply(&mut self, patch: &AnchorPatch, reply: &Workload) {
        if let Some(what) = patch.mismatch(reply) {
            let user = self.context.health.identity().user().unwrap_or_else(|| "unknown".to_owned());
            tracing::error!(what, user, "the API server changed a write");
            self.state.refused(format!("{what} (siskin writes as {user})"));
        }
    }

    fn failed(&mut self, write: &Write, error: &WriteError) {
        let guard = matches!(write, Write::Guard { .. });
        let told = !matches!(error, WriteError::Api(error)
            if error.is_conflict()
                || error.is_not_leading()
                || error.is_terminating()
                || guard && error.is_not_found());
        if told {
            tracing::warn!(write = kind(write), %error, "a write failed");
            self.trouble(Trouble::WriteFailed(kind(write)), error.to_string());
        } else {
            tracing::debug!(write = kind(write), %error, "not written");
        }
        if error.is_refusal() {
            self.context.members.gave_up(&self.key, &self.state);
        }
        match write {
            Write::Verdict { .. } => {
                if let Some(observation) = &mut self.observation {
                    observation.revisions_changed();
                }
            }
            // It was not sent, so there is nothing whose effect to wait for.
            Write::DeletePod { uid, .. } => drop(self.state.memory.deleted.remove(uid)),
            Write::Guard { .. } | Write::DeleteGuard { .. } => {
                if let Some(view) = &mut self.guard {
                    view.failed();
                }
            }
            Write::Anchor(_) | Write::DeleteClaim { .. } | Write::LabelPod { .. } => {}
        }
        self.unsure = true;
    }

    /// Reads the StatefulSet live, as the only one who knows what became of a failed write.
    async fn read_again(&mut self) -> bool {
        let Key { namespace, name } = &self.key;
        if let Some(view) = &mut self.guard
            && let Err(error) = view.read_again(&self.context.cluster, &self.key).await
        {
            tracing::warn!(%error, "the list of released revisions can't be read");
            return false;
        }
        match self.context.cluster.get::<Whole>(Resource::StatefulSets, namespace, name).await {
            Ok(Whole(managed)) if managed.workload.class() != self.context.class.as_deref() => {
                tracing::info!("the workload has become another installation's");
                false
            }
            Ok(Whole(managed)) => {
                self.see(Arc::new(managed));
                (self.unsure, self.looked) = (false, true);
                true
            }
            Err(error) => {
                tracing::warn!(%error, "the workload can't be read");
                false
            }
        }
    }

    /// Takes a newer version of the StatefulSet; false: it isn't newer.
    fn see(&mut self, managed: Arc<Managed>) -> bool {
        let (known, seen) = (&self.managed.workload, &managed.workload);
        if known.uid == seen.uid && version(seen) <= version(known) {
            if seen.resource_version == known.resource_version {
                // The watch's copy of a reply of ours: one is enough to keep.
                self.managed = managed;
            }
            return false;
        }
        let another = known.uid != seen.uid;
        let state_changed = known.annotations.get("state") != seen.annotations.get("state");
        self.managed = managed;
        if another {
            self.observation = None;
            self.judge = Judge::default();
            self.troubles.clear();
            self.load();
        } else if state_changed {
            // The annotation is the state: whoever changed it, and if it was a write of ours that timed out.
            let seq = |record: &Option<Record>| record.as_ref().map(|record| record.seq);
            let before = seq(&self.state.record);
            if let Some(problem) = self.state.read_again(&self.managed.workload) {
                tracing::warn!(%problem, "the state is not usable");
            }
            if seq(&self.state.record) < before {
                // Messages are counted anew.
                self.queued.clear();
            }
        }
        true
    }

    /// The state as a new process finds it.
    fn load(&mut self) {
        let (state, problem) = State::load(&self.managed.workload);
        if let Some(problem) = problem {
            tracing::warn!(%problem, "the state is not usable");
        }
        self.state = state;
        self.queued.clear();
        self.look(Observe::default());
    }

    /// Opens or ends the observation; true if more is looked at than before.
    fn look(&mut self, observe: Observe) -> bool {
        if !observe.detail {
            self.observation = None;
        } else if self.observation.is_none() {
            let Context { cluster, health, .. } = &*self.context;
            self.observation = Some(Observation::start(cluster, health, &self.key, &self.managed));
        }
        let closer = observe.claims && !self.observe.claims
            || observe.autoscaler && !self.observe.autoscaler
            || observe.hold && !self.observe.hold
            || observe.refusals && !self.observe.refusals;
        self.observe = observe;
        closer
    }
}

/// The list of released revisions is written over its own version only: nothing in that says how old the view of the
/// StatefulSet is that it follows from.
fn changes_the_list_only(writes: &[Write]) -> bool {
    let lists = |write: &Write| matches!(write, Write::Guard { .. } | Write::DeleteGuard { .. });
    writes.iter().any(lists) && !writes.iter().any(|write| matches!(write, Write::Anchor(_)))
}

/// Whether it could start but for others.
fn waits(state: &State) -> bool {
    matches!(standing(state), Standing::Waiting { .. })
}

/// resourceVersions are numbers that grow (KEP-5504); a text that isn't one is older than all.
fn version(workload: &Workload) -> u128 {
    workload.resource_version.parse().unwrap_or_default()
}

async fn changed(observation: Option<&mut Observation>) {
    match observation {
        Some(observation) => observation.changed().await,
        None => std::future::pending().await,
    }
}

async fn configuration_changed(view: Option<&mut View>) {
    match view {
        Some(view) => view.changed().await,
        None => std::future::pending().await,
    }
}

async fn guard_changed(view: Option<&mut GuardView>) {
    match view {
        Some(view) => view.changed().await,
        None => std::future::pending().await,
    }
}

async fn sleep_until(until: Option<Instant>) {
    match until {
        Some(until) => tokio::time::sleep_until(until).await,
        None => std::future::pending().await,
    }
}
