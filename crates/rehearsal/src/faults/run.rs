//! A story from its beginning to its end.

use std::{
    collections::{BTreeSet, VecDeque},
    fmt::Write as _,
};

use siskin_core::{decision::Note, facts::PARKED, state::Outbox};
use siskin_embedded::{
    Millis,
    cluster::Cluster,
    model::{application::Behaviour, traffic::Clients},
    object::Kind,
};

use super::{
    leading::Election,
    mail::Mail,
    person, policies,
    protection::{List, Protection},
    schedule::{END, Planned, Quality, Schedule},
    strangers::{self, SET, annotate, record},
    strike::{Later, behaviour},
    way::{Tamper, Way},
};
use crate::{
    daemon::Daemon,
    invariants::{Invariants, Known, Violation},
    wire::{Watch, Wire},
};

/// So long after the start the first template is released.
const BEGIN: Millis = 20_000;
/// So often a person looks when the faults have stopped.
const LOOKS: Millis = 60_000;
/// So often a person helps.
const HELP: u32 = 20;
/// A view of the pods that lacks a write this old is an old one.
const OLD: Millis = 50;
/// Requests a second.
const RATE: u64 = 40;
/// Of two processes one has a slow clock: how many milliseconds each counts in a second.
const PACES: [u64; 2] = [1_000, 850];

/// How a story ended.
#[derive(Clone, Debug)]
pub struct Report {
    /// What was violated first, if anything was.
    pub violation: Option<Violation>,
    /// Rollouts that were started.
    pub rollouts: u64,
    /// How many of them were promoted.
    pub promoted: u64,
    /// How many were rolled back.
    pub rolled_back: u64,
    /// How often the engine was asked.
    pub steps: u64,
    /// Writes of the daemon's.
    pub writes: usize,
    /// Processes that ended over a write.
    pub deaths: u64,
    /// Virtual time.
    pub time: Millis,
}

/// One of the processes that may lead.
#[derive(Default)]
pub(super) struct Process {
    /// Its worker, as long as it leads.
    daemon: Option<Daemon>,
    /// It stands still before.
    pub frozen_until: Millis,
    /// How many it has followed in its place.
    number: u64,
}

/// A story under way.
pub struct Run<T> {
    pub(super) schedule: Schedule,
    /// The cluster.
    pub cluster: Cluster,
    pub(super) processes: Vec<Process>,
    pub(super) way: Way<T>,
    pub(super) mail: Mail,
    pub(super) invariants: Invariants,
    pub(super) later: Vec<(Millis, Later)>,
    coming: VecDeque<Planned>,
    /// What was done, for the trace.
    done: Vec<(Millis, u64, String)>,
    bad: BTreeSet<String>,
    /// The number of the policy.
    pub(super) policy: usize,
    deaths: u64,
    steps: u64,
    traced: bool,
}

/// Runs a story to its end, or to the first violation.
pub fn run<T: Tamper>(schedule: &Schedule, tamper: T) -> Report {
    let mut run = Run::new(schedule, tamper, false);
    let violation = run.to_the_end().err();
    run.report(violation)
}

impl<T: Tamper> Run<T> {
    /// At its beginning: v1 is ready, and the workload is opted in. `traced`: a trace is wanted.
    pub fn new(schedule: &Schedule, tamper: T, traced: bool) -> Self {
        let setup = &schedule.setup;
        let mut cluster = Cluster::new(schedule.seed);
        let list = setup.guard.then(List::default);
        cluster.admit_by(Protection { park: setup.park, hold: setup.hold, guard: list.clone() });
        let mut bad = BTreeSet::new();
        for (quality, version) in setup.qualities.iter().zip(2..) {
            let image = format!("v{version}");
            cluster.behave(&image, behaviour(*quality));
            if !matches!(quality, Quality::Good | Quality::SlowStart | Quality::LateErrors) {
                bad.insert(image);
            }
        }
        let mut manifest = strangers::manifest(setup, 1, setup.replicas);
        manifest.spec.update_strategy =
            siskin_embedded::object::UpdateStrategy::RollingUpdate { partition: Some(PARKED) };
        let selector = manifest.spec.selector.clone();
        // A new cluster refuses nothing of this.
        let _created = cluster.create_statefulset_with("person", manifest);
        let _created = cluster.create_service("person", "web", selector);
        cluster.run_for(15_000);
        cluster.open_traffic(Clients::new("web", RATE));
        let coming = schedule.faults.iter().cloned();
        let coming = coming.map(|planned| Planned { at: BEGIN + planned.at, ..planned }).collect();
        let mut way = Way::new(tamper, policies::policy(setup.policy, setup.restore), setup.hold);
        way.list = list;
        if setup.standby {
            way.election = Election::among(&PACES);
        }
        let processes = if setup.standby { PACES.len() } else { 1 };
        Self {
            invariants: Invariants::new(SET, &cluster),
            processes: std::iter::repeat_with(Process::default).take(processes).collect(),
            way,
            mail: Mail::default(),
            later: Vec::new(),
            coming,
            done: Vec::new(),
            bad,
            policy: setup.policy,
            deaths: 0,
            steps: 0,
            traced,
            schedule: schedule.clone(),
            cluster,
        }
    }

    /// Runs on to the end.
    pub fn to_the_end(&mut self) -> Result<(), Violation> {
        self.until(BEGIN + END + 1)?;
        self.recover();
        let mut rested = false;
        for _ in 0..HELP {
            self.until(self.cluster.now() + LOOKS)?;
            if person::at_rest(&self.cluster) {
                rested = true;
                break;
            }
            let problem = self.problem();
            self.note(|| format!("a person looks: {problem:?}"));
            person::help(&mut self.cluster, &self.schedule.setup, problem);
        }
        if !rested {
            let state = record(&self.cluster);
            let stands = state.map(|state| (state.phase, state.pause, state.problem, state.waiting));
            return Err(self.ended(10, format!("never at rest: {stands:?}, problem {:?}", self.problem())));
        }
        check_end(&self.cluster)?;
        let before = self.invariants.writes();
        // That nothing stands against it any more is saved a little later.
        self.until(self.cluster.now() + 30_000)?;
        let writes = self.invariants.writes() - before;
        if writes > 1 {
            return Err(self.ended(9, format!("{writes} writes at rest")));
        }
        match self.mail.missing() {
            Some(message) => Err(self.ended(11, format!("people never got a message: {message}"))),
            None => Ok(()),
        }
    }

    /// How it went.
    pub fn report(&self, violation: Option<Violation>) -> Report {
        let count = |of: fn(&Note) -> bool| self.way.told.iter().filter(|(.., note)| of(note)).count() as u64;
        Report {
            violation,
            rollouts: count(|note| matches!(note, Note::Started { .. })),
            promoted: count(|note| matches!(note, Note::Promoted { .. })),
            rolled_back: count(|note| matches!(note, Note::RolledBack { .. })),
            steps: self.steps + self.workers().map(Daemon::steps).sum::<u64>(),
            writes: self.invariants.writes(),
            deaths: self.deaths,
            time: self.cluster.now(),
        }
    }

    /// Everything that happened, a line each: writes, what was done to the cluster, what was told.
    pub fn trace(&self) -> String {
        let writes = self.cluster.trace().iter().map(|write| (write.version, 0, write.to_string()));
        let done =
            self.done.iter().map(|(at, version, what)| (*version, 1, format!("{at:>8}       ! {what}")));
        let told = self.way.told.iter();
        let told = told
            .map(|(at, version, note)| (*version, 2, format!("{at:>8}       > {}: {note}", note.reason())));
        let mut lines: Vec<(u64, u8, String)> = writes.chain(done).chain(told).collect();
        lines.sort_by_key(|(version, kind, _)| (*version, *kind));
        lines.into_iter().fold(String::new(), |mut text, (.., line)| {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{line}");
            text
        })
    }

    /// Lets everything happen up to this moment.
    fn until(&mut self, end: Millis) -> Result<(), Violation> {
        loop {
            let now = self.cluster.now();
            let processes = (0..self.processes.len()).filter_map(|who| self.due(who, now));
            let planned = self.coming.front().map(|planned| planned.at);
            let later = self.later.iter().map(|(at, _)| *at);
            let next =
                [self.cluster.next(), self.way.next(), self.mail.next(), planned].into_iter().flatten();
            let next = next.chain(processes).chain(later).min().unwrap_or(end).max(now);
            if next > end {
                self.cluster.run_until(end);
                return Ok(());
            }
            self.cluster.run_until(next);
            while let Some(planned) = self.coming.pop_front_if(|planned| planned.at <= next) {
                self.note(|| format!("{:?}", planned.fault));
                self.strike(planned.fault);
            }
            self.do_later();
            self.way.deliver(&mut self.cluster, SET);
            self.way.pass(&self.cluster);
            self.deliver_messages()?;
            for who in 0..self.processes.len() {
                self.let_work(who);
            }
            self.way.pass(&self.cluster);
            self.check()?;
        }
    }

    /// When a process has something to do.
    fn due(&self, who: usize, now: Millis) -> Option<Millis> {
        let process = self.processes.get(who)?;
        let leads = self.way.election.leads(who, now);
        let work = match &process.daemon {
            Some(daemon) if leads => daemon.due(),
            // It begins to work, or stops.
            daemon => (daemon.is_some() || leads).then_some(now),
        };
        let due = work.into_iter().chain(self.way.election.next(who)).min();
        due.map(|due| due.max(process.frozen_until))
    }

    /// A process sees to its Lease, and works if it leads.
    fn let_work(&mut self, who: usize) {
        let now = self.cluster.now();
        self.way.active = who;
        let Some(process) = self.processes.get_mut(who).filter(|process| now >= process.frozen_until) else {
            return;
        };
        self.way.election.turn(who, now);
        if !self.way.election.leads(who, now) {
            if process.daemon.is_some() {
                self.note(|| format!("process {who} leads no more"));
                self.mail.hindered = true;
                self.replace(who);
            }
            return;
        }
        let daemon = process.daemon.get_or_insert_with(|| Daemon::new(SET));
        if daemon.run(&mut self.cluster, &mut self.way).is_err() {
            self.note(|| "the process died".to_owned());
            self.deaths += 1;
            self.mail.hindered = true;
            self.replace(who);
        } else {
            self.mail.send(daemon.state(), policies::RECEIVER, self.cluster.now());
        }
    }

    fn deliver_messages(&mut self) -> Result<(), Violation> {
        let now = self.cluster.now();
        let heard = self.mail.deliver(now).map_err(|what| self.ended(11, what))?;
        for seq in heard {
            for daemon in self.processes.iter_mut().filter_map(|process| process.daemon.as_mut()) {
                daemon.delivered(policies::RECEIVER, seq, now);
            }
        }
        Ok(())
    }

    fn check(&mut self) -> Result<(), Violation> {
        if self.way.election.leaders(self.cluster.now()) > 1 {
            return Err(self.ended(8, "two processes lead".to_owned()));
        }
        self.way.active = self.leader();
        let pods_shown = self.way.shown(Watch::Pods, &self.cluster).unwrap_or_default();
        let next = usize::try_from(pods_shown).unwrap_or(usize::MAX);
        let missed = self.cluster.trace().iter().skip(next).find(|write| write.kind == Kind::Pod);
        let pods_are_old = missed.is_some_and(|write| write.at + OLD < self.cluster.now());
        let known = Known {
            heard: &self.way.heard,
            told: &self.way.told,
            bad: &self.bad,
            pods_shown,
            pods_are_old,
            frozen: self.way.frozen && !self.way.arrived_late,
        };
        self.invariants.check(&self.cluster, &known)
    }

    /// The workers there are.
    pub(super) fn workers(&self) -> impl Iterator<Item = &Daemon> {
        self.processes.iter().filter_map(|process| process.daemon.as_ref())
    }

    /// What the leading process waits for a person for.
    fn problem(&self) -> Option<&'static str> {
        self.workers().find_map(Daemon::problem)
    }

    /// The process that leads, or else the first.
    pub(super) fn leader(&self) -> usize {
        let now = self.cluster.now();
        let leads = |who: &usize| self.way.election.leads(*who, now);
        (0..self.processes.len()).find(leads).unwrap_or(0)
    }

    /// The workers look again at once.
    pub(super) fn look_again(&mut self) {
        let now = self.cluster.now();
        for daemon in self.processes.iter_mut().filter_map(|process| process.daemon.as_mut()) {
            daemon.policies_changed(now);
        }
    }

    /// Another process comes in the place of this one.
    pub(super) fn replace(&mut self, who: usize) {
        let now = self.cluster.now();
        let Some(process) = self.processes.get_mut(who) else { return };
        let number = process.number + 1;
        let before = std::mem::replace(process, Process { number, ..Process::default() });
        if let Some(daemon) = before.daemon {
            self.steps += daemon.steps();
            let hindered = before.frozen_until > now || self.way.hinders(now);
            self.mail.hindered |= hindered;
            let saved = record(&self.cluster).map(|record| record.messages);
            self.mail.process_ended(saved.as_ref().map_or(&[], Outbox::messages), now);
        }
        // One in two is the same pod, started again.
        self.way.election.replace(who, now, number / 2);
    }

    pub(super) fn note(&mut self, what: impl FnOnce() -> String) {
        if self.traced {
            self.done.push((self.cluster.now(), self.cluster.version(), what()));
        }
    }

    /// All faults stop, and what was bad is mended.
    fn recover(&mut self) {
        self.note(|| "faults stop".to_owned());
        for (_, what) in std::mem::take(&mut self.later) {
            self.end_of(&what);
        }
        self.mail.down_until = 0;
        self.bad.clear();
        for version in 2..=super::schedule::VERSIONS + 1 {
            self.cluster.behave(&format!("v{version}"), Behaviour::default());
        }
        self.way.heal();
        self.way.scaled = false;
        for who in 0..self.processes.len() {
            if self.processes.get(who).is_some_and(|process| process.frozen_until > self.cluster.now()) {
                self.replace(who);
            }
        }
        if self.cluster.statefulset(SET).is_some_and(|set| set.spec.replicas == 0) {
            let _gone = self.cluster.set_replicas("person", SET, 1);
        }
        annotate(&mut self.cluster, "policy", Some("rehearsed"));
        annotate(&mut self.cluster, "paused", None);
    }

    fn ended(&self, invariant: u8, what: String) -> Violation {
        Violation { invariant, at: self.cluster.now(), what }
    }
}

/// 4, 10 and 12 at the end: parked, N replicas, every pod stable.
pub fn check_end(cluster: &Cluster) -> Result<(), Violation> {
    let ended = |invariant, what| Violation { invariant, at: cluster.now(), what };
    let Some(set) = cluster.statefulset(SET) else {
        return Err(ended(10, "it is gone".to_owned()));
    };
    let Some(record) = record(cluster) else { return Err(ended(10, "no state".to_owned())) };
    if set.spec.update_strategy.partition() < PARKED {
        return Err(ended(2, format!("open at rest: {}", set.spec.update_strategy.partition())));
    }
    if set.spec.replicas != record.user_replicas {
        return Err(ended(4, format!("{} replicas, N is {}", set.spec.replicas, record.user_replicas)));
    }
    let stable = record.stable.map_or_else(String::new, |stable| stable.0);
    let image = person::image(cluster, &stable);
    let pods = cluster.pods();
    let wrong = pods.iter().find(|pod| person::image(cluster, pod.revision()) != image);
    if let Some(pod) = wrong {
        return Err(ended(12, format!("{} is on {}, stable is {stable}", pod.metadata.name, pod.revision())));
    }
    let ready = pods.iter().filter(|pod| pod.ready()).count();
    if ready != set.spec.replicas as usize {
        return Err(ended(10, format!("{ready} of {} pods are ready", set.spec.replicas)));
    }
    Ok(())
}
