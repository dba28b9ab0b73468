//! A worker of the daemon for one workload: it looks, lets the engine decide, writes, and looks again, as often as
//! something happened and at the latest when the engine wants to.

mod prober;

use std::time::Duration;

use siskin_core::{
    command::Command,
    decision::{Decision, Note, Observe, Write},
    engine,
    facts::{Detail, Facts, PolicyFact, Rules},
    judge::Judge,
    state::{Phase, State},
    time::{Instant, Now},
};
use siskin_embedded::{
    Millis,
    cluster::Cluster,
    object::{Kind, Pod, StatefulSet},
};

use self::prober::Prober;
use crate::{
    project,
    wire::{Died, Request, Sent, Watch, Wire, writer},
};

/// More steps that write than this in one go are a fight with somebody or a defect.
const STEPS: u32 = 50;
/// The pause after the first failure; twice as long after each that follows, up to [`LONGEST`].
const FIRST: Millis = 100;
const LONGEST: Millis = 30_000;
/// News cut a pause short, but not below this.
const SHORTEST: Millis = 1_000;

/// The moment as the core's monotonic clock.
pub fn mono(at: Millis) -> Instant {
    Instant(Duration::from_millis(at))
}

/// A worker. A new one knows nothing.
#[derive(Debug)]
pub struct Daemon {
    set: String,
    state: State,
    /// What it knows; `None`: not loaded, or there is nothing to look after.
    facts: Option<Facts>,
    judge: Judge,
    prober: Prober,
    observe: Observe,
    /// How far the watches were seen.
    seen: (u64, u64),
    /// The revisions were read for this generation, current and update revision.
    read_for: Option<(i64, String, String)>,
    /// A write failed: the StatefulSet must be read before the next step.
    unsure: bool,
    /// It was read or written by this process.
    looked: bool,
    wake: Option<Millis>,
    failures: u32,
    /// Nothing is done before the first moment with news, and before the second without.
    pause: Option<(Millis, Millis)>,
    steps: u64,
    problem: Option<&'static str>,
}

enum Stepped {
    Rest,
    Again,
    Failed,
}

impl Daemon {
    /// A worker for the StatefulSet of this name.
    pub fn new(set: &str) -> Self {
        Self {
            set: set.to_owned(),
            state: State::default(),
            facts: None,
            judge: Judge::default(),
            prober: Prober::default(),
            observe: Observe::default(),
            seen: (0, 0),
            read_for: None,
            unsure: false,
            looked: false,
            wake: Some(0),
            failures: 0,
            pause: None,
            steps: 0,
            problem: None,
        }
    }

    /// What it waits for a person for.
    pub fn problem(&self) -> Option<&'static str> {
        self.problem
    }

    /// What it takes the state for.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// What it knew at the last step.
    pub fn facts(&self) -> Option<&Facts> {
        self.facts.as_ref()
    }

    /// How often the engine was asked.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// When it wants to run, if nothing happens before.
    pub fn due(&self) -> Option<Millis> {
        let step = self.wake.map(|wake| self.pause.map_or(wake, |(_, without)| wake.max(without)));
        step.into_iter().chain(self.prober.due()).min()
    }

    /// The policies or rules are other ones: it looks at this moment.
    pub fn policies_changed(&mut self, now: Millis) {
        self.wake = Some(self.wake.map_or(now, |wake| wake.min(now)));
    }

    /// A receiver got the message of this number.
    pub fn delivered(&mut self, receiver: &str, seq: u64, now: Millis) {
        self.state.delivered(receiver, seq);
        self.policies_changed(now);
    }

    /// Runs at this moment: takes notice of what the watches show, asks the pods whose turn it is, and steps until
    /// nothing more is to be done now.
    pub fn run(&mut self, cluster: &mut Cluster, wire: &mut impl Wire) -> Result<(), Died> {
        let now = cluster.now();
        let mut news = self.look(cluster, wire);
        news |= self.prober.probe(cluster, wire, &mut self.judge) && self.judge.has_news(mono(now));
        let due = self.wake.is_some_and(|wake| wake <= now);
        if !news && !due {
            return Ok(());
        }
        if let Some((with_news, without)) = self.pause {
            let until = if news { with_news } else { without };
            if now < until {
                self.wake = Some(self.wake.map_or(until, |wake| wake.max(until).min(without)).max(with_news));
                return Ok(());
            }
        }
        self.wake = None;
        if self.facts.is_none() {
            return Ok(());
        }
        for _ in 0..STEPS {
            match self.step(cluster, wire)? {
                Stepped::Again => {}
                Stepped::Rest => {
                    (self.failures, self.pause) = (0, None);
                    return Ok(());
                }
                Stepped::Failed => break,
            }
        }
        let pause = (FIRST << self.failures.min(16)).min(LONGEST);
        self.failures += 1;
        self.pause = Some((now + pause.min(SHORTEST), now + pause));
        self.wake = Some(now + pause);
        Ok(())
    }

    fn step(&mut self, cluster: &mut Cluster, wire: &mut impl Wire) -> Result<Stepped, Died> {
        if self.unsure && !self.read_again(cluster, wire) {
            return Ok(Stepped::Failed);
        }
        self.gather(cluster, wire);
        let Some(facts) = &self.facts else { return Ok(Stepped::Rest) };
        let now = Now { mono: mono(cluster.now()), wall: wire.wall(cluster) };
        let mut verdicts = self.judge.hear(&mut self.state, facts.detail.as_ref(), now.mono);
        wire.verdicts(&mut verdicts);
        let commands = Command::read(&facts.workload);
        let mut decision = engine::step(&self.state, facts, &[], &verdicts, &commands, now);
        wire.decided(&mut decision, facts);
        self.steps += 1;
        self.carry_out(decision, cluster, wire)
    }

    /// Brings the facts up to date with what the watches have shown and what has to be read.
    fn gather(&mut self, cluster: &Cluster, wire: &mut impl Wire) {
        let Some(facts) = &mut self.facts else { return };
        facts.policy = match facts.workload.annotations.get("policy") {
            Some(name) => wire.policy(name),
            None => PolicyFact::None,
        };
        facts.hold = self.observe.hold.then(|| wire.holds());
        facts.rules = wire.rules();
        facts.guard = wire.guard();
        let shown = wire.shown(Watch::Pods, cluster).filter(|_| self.observe.detail);
        let Some(shown) = shown else {
            facts.detail = None;
            return;
        };
        let workload = &facts.workload;
        let text = |revision: &Option<siskin_core::facts::Revision>| {
            revision.as_ref().map(|revision| revision.0.clone()).unwrap_or_default()
        };
        let wanted = (workload.generation, text(&workload.current_revision), text(&workload.update_revision));
        let known = facts.detail.as_mut().filter(|_| self.seen.1 == shown);
        let mut detail = if let Some(detail) = known {
            std::mem::take(detail)
        } else {
            let old = facts.detail.take().unwrap_or_default();
            Detail { pods: pods(cluster, shown, &workload.uid.0), ..old }
        };
        if self.read_for.as_ref() != Some(&wanted) || detail.revisions.is_empty() {
            let owned = cluster.revisions().iter().filter(|it| owned_by(&it.metadata, &workload.uid.0));
            detail.revisions = owned.map(project::revision).collect();
            self.read_for = Some(wanted);
        }
        detail.may_delete_claims = true;
        if self.observe.claims {
            let named = |claim: &siskin_embedded::object::Claim| {
                workload.claim_templates.iter().any(|template| {
                    claim.metadata.name.starts_with(&format!("{template}-{}-", workload.name))
                })
            };
            detail.claims =
                cluster.claims().iter().filter(|claim| named(claim)).map(project::claim).collect();
            detail.claims_read = Some(wire.wall(cluster));
        }
        let last = cluster.refusals(&self.set).iter().max_by_key(|refusal| refusal.at);
        detail.refusal = last.filter(|_| self.observe.refusals).map(|refusal| refusal.message.clone());
        detail.autoscaler = self.observe.autoscaler.then(|| wire.autoscaler());
        self.seen.1 = shown;
        facts.detail = Some(detail);
    }

    fn carry_out(
        &mut self,
        decision: Decision,
        cluster: &mut Cluster,
        wire: &mut impl Wire,
    ) -> Result<Stepped, Died> {
        let Decision { state, writes, probes, observe, wake, notes, problem } = decision;
        if !self.looked && changes_the_list_only(&writes) {
            // It could be the list of what was there before: the next step refuses what is no more.
            self.unsure = true;
            return Ok(Stepped::Again);
        }
        self.problem = problem.map(|problem| problem.reason);
        let wrote = !writes.is_empty();
        let mut next = Some((state, notes));
        for write in &writes {
            match wire.send(cluster, &Request { set: &self.set, write }) {
                Sent::Died => return Err(Died),
                Sent::Done => {
                    self.take_over(&mut next, cluster, wire);
                    self.wrote(write, cluster);
                }
                Sent::Failed if matches!(write, Write::LabelPod { .. }) => {}
                Sent::Failed => {
                    match write {
                        Write::DeletePod { uid, .. } => drop(self.state.memory.deleted.remove(uid)),
                        Write::Verdict { .. } => self.read_for = None,
                        _ => {}
                    }
                    self.unsure = true;
                    return Ok(Stepped::Failed);
                }
            }
        }
        self.take_over(&mut next, cluster, wire);
        let closer = observe.detail && !self.observe.detail
            || observe.claims && !self.observe.claims
            || observe.autoscaler && !self.observe.autoscaler
            || observe.hold && !self.observe.hold
            || observe.refusals && !self.observe.refusals;
        self.observe = observe;
        let queries = match (probes.targets.as_slice(), &self.facts) {
            ([], _) | (_, None) => Vec::new(),
            (_, Some(facts)) => self.judge.queries(&self.state, &facts.workload, mono(cluster.now())),
        };
        self.prober.follow(probes, cluster.now());
        self.prober.query(queries, cluster.now());
        let wake =
            wake.map(|wake| cluster.now() + u64::try_from(wake.as_millis()).unwrap_or(u64::MAX).max(1));
        // What isn't there yet may be there soon.
        let missing = observe.detail && wire.shown(Watch::Pods, cluster).is_none();
        self.wake = wake.into_iter().chain(missing.then(|| cluster.now() + 1_000)).min();
        Ok(if wrote || closer { Stepped::Again } else { Stepped::Rest })
    }

    fn take_over(&mut self, next: &mut Option<(State, Vec<Note>)>, cluster: &Cluster, wire: &mut impl Wire) {
        if let Some((state, notes)) = next.take() {
            self.state = state;
            if !notes.is_empty() {
                wire.told(cluster, &notes);
            }
        }
    }

    /// Takes over what a successful write changed.
    fn wrote(&mut self, write: &Write, cluster: &Cluster) {
        match write {
            Write::Anchor(patch) => {
                let Some(live) = cluster.statefulset(&self.set) else { return };
                let reply = project::workload(live, writer(cluster.scaled_by(&self.set).map(|name| &**name)));
                if let Some(what) = patch.mismatch(&reply) {
                    self.state.refused(what);
                }
                if let Some(facts) = &mut self.facts {
                    facts.workload = reply;
                }
                self.looked = true;
            }
            Write::Verdict { .. } => self.read_for = None,
            _ => {}
        }
    }

    /// Takes notice of what the watches have shown since. True: something that decisions may follow from.
    fn look(&mut self, cluster: &Cluster, wire: &mut impl Wire) -> bool {
        let before = self.seen.0;
        let Some(shown) = wire.shown(Watch::Workload, cluster) else { return false };
        let mut news = false;
        if shown != before {
            self.seen.0 = shown;
            match cluster.view_at(shown).statefulset(&self.set) {
                Some(set) => news |= self.see(&set.clone(), cluster),
                None => self.forget(),
            }
        }
        let pods = wire.shown(Watch::Pods, cluster).filter(|_| self.observe.detail);
        if let Some(pods) = pods.filter(|pods| *pods > self.seen.1) {
            let index = |version: u64| usize::try_from(version).unwrap_or(usize::MAX);
            let written = cluster.trace().get(index(self.seen.1)..index(pods)).unwrap_or_default();
            if written.iter().any(|write| write.kind == Kind::Pod) {
                news = true;
            } else {
                self.seen.1 = pods;
            }
        }
        news
    }

    /// Takes a newer version of the StatefulSet; false: it isn't newer.
    fn see(&mut self, set: &StatefulSet, cluster: &Cluster) -> bool {
        let ours = ["siskin.dev/policy", "siskin.dev/state"];
        if !ours.iter().any(|name| set.metadata.annotations.contains_key(*name)) {
            self.forget();
            return false;
        }
        if let Some(facts) = &self.facts {
            let known = &facts.workload;
            let newer = set.metadata.resource_version > known.resource_version.parse().unwrap_or(0);
            if known.uid == project::uid(set.metadata.uid) && !newer {
                return false;
            }
        }
        let workload = project::workload(set, writer(cluster.scaled_by(&self.set).map(|name| &**name)));
        match &mut self.facts {
            Some(facts) if facts.workload.uid == workload.uid => {
                let state_changed =
                    facts.workload.annotations.get("state") != workload.annotations.get("state");
                facts.workload = workload;
                if state_changed {
                    // The annotation is the state: whoever changed it, and if it was a write of ours that timed out.
                    self.state.read_again(&facts.workload);
                }
            }
            _ => {
                self.forget();
                self.state = State::load(&workload).0;
                // The watch may be behind what another leader wrote.
                self.unsure = self.state.record.as_ref().is_some_and(|record| record.phase != Phase::Idle);
                self.wake = Some(cluster.now());
                self.facts = Some(Facts {
                    workload,
                    policy: PolicyFact::None,
                    rules: Rules::default(),
                    detail: None,
                    hold: None,
                    guard: None,
                    configuration: None,
                });
            }
        }
        true
    }

    /// There is nothing to look after.
    fn forget(&mut self) {
        let (set, seen) = (std::mem::take(&mut self.set), self.seen);
        *self = Self { seen: (seen.0, 0), steps: self.steps, wake: None, ..Self::new(&set) };
    }

    /// Reads the StatefulSet live, as the only one who knows what became of a failed write.
    fn read_again(&mut self, cluster: &Cluster, wire: &mut impl Wire) -> bool {
        if !wire.reads(cluster) {
            return false;
        }
        match cluster.statefulset(&self.set) {
            Some(set) => {
                self.unsure = false;
                self.see(&set.clone(), cluster);
                // What was loaded just now was read just now.
                (self.unsure, self.looked) = (false, true);
                true
            }
            None => false,
        }
    }
}

/// A StatefulSet that is gone is refused by its own write first; a list is not.
fn changes_the_list_only(writes: &[Write]) -> bool {
    let lists = |write: &Write| matches!(write, Write::Guard { .. } | Write::DeleteGuard { .. });
    writes.iter().any(lists) && !writes.iter().any(|write| matches!(write, Write::Anchor(_)))
}

fn owned_by(metadata: &siskin_embedded::object::Metadata, uid: &str) -> bool {
    metadata.controller().is_some_and(|owner| owner.uid.to_string() == uid)
}

/// The pods that the StatefulSet owned after write number `version`, by ordinal.
fn pods(cluster: &Cluster, version: u64, uid: &str) -> Vec<siskin_core::facts::Pod> {
    let view = cluster.view_at(version);
    let mut owned: Vec<&Pod> =
        view.pods().map(|pod| &**pod).filter(|pod| owned_by(&pod.metadata, uid)).collect();
    owned.sort_by_key(|pod| (pod.ordinal(), pod.metadata.name.clone()));
    owned.into_iter().map(project::pod).collect()
}
