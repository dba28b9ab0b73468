//! A story from its beginning to its end.

use std::{
    collections::{BTreeSet, VecDeque},
    fmt::Write as _,
};

use siskin_core::{decision::Note, facts::PARKED};
use siskin_embedded::{
    Millis,
    chance::Share,
    cluster::{Cluster, Precondition},
    model::{
        application::{Behaviour, Health, Service, Start},
        traffic::Clients,
    },
    object::{Kind, Name, ordinal},
};

use super::{
    person, policies,
    protection::Protection,
    schedule::{END, Fault, Planned, Quality, Scaler, Schedule, Setup, Strangers},
    strangers::{self, SET, act, annotate, record},
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

/// What is to be done when, besides the schedule.
enum Later {
    Speak(siskin_embedded::object::Uid),
    Schedulable,
    Quota,
    Volumes,
    Controller,
    Back(u32),
    PolicyBack,
}

/// A story under way.
pub struct Run<T> {
    schedule: Schedule,
    /// The cluster.
    pub cluster: Cluster,
    daemon: Daemon,
    way: Way<T>,
    invariants: Invariants,
    frozen_until: Millis,
    later: Vec<(Millis, Later)>,
    coming: VecDeque<Planned>,
    /// What was done, for the trace.
    done: Vec<(Millis, u64, String)>,
    bad: BTreeSet<String>,
    policy: usize,
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
        cluster.admit_by(Protection { park: setup.park, hold: setup.hold });
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
        Self {
            invariants: Invariants::new(SET, &cluster),
            daemon: Daemon::new(SET),
            way: Way::new(tamper, policies::policy(setup.policy, setup.restore), setup.hold),
            frozen_until: 0,
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
            let problem = self.daemon.problem();
            self.note(|| format!("a person looks: {problem:?}"));
            person::help(&mut self.cluster, &self.schedule.setup, problem);
        }
        if !rested {
            let state = record(&self.cluster);
            let stands = state.map(|state| (state.phase, state.pause, state.problem, state.waiting));
            return Err(
                self.ended(10, format!("never at rest: {stands:?}, problem {:?}", self.daemon.problem()))
            );
        }
        self.check_end()?;
        let before = self.invariants.writes();
        // That nothing stands against it any more is saved a little later.
        self.until(self.cluster.now() + 30_000)?;
        let writes = self.invariants.writes() - before;
        if writes > 1 {
            return Err(self.ended(9, format!("{writes} writes at rest")));
        }
        Ok(())
    }

    /// How it went.
    pub fn report(&self, violation: Option<Violation>) -> Report {
        let count = |of: fn(&Note) -> bool| self.way.told.iter().filter(|(.., note)| of(note)).count() as u64;
        Report {
            violation,
            rollouts: count(|note| matches!(note, Note::Started { .. })),
            promoted: count(|note| matches!(note, Note::Promoted { .. })),
            rolled_back: count(|note| matches!(note, Note::RolledBack { .. })),
            steps: self.steps + self.daemon.steps(),
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
            let daemon = self.daemon.due().map(|due| due.max(self.frozen_until));
            let planned = self.coming.front().map(|planned| planned.at);
            let later = self.later.iter().map(|(at, _)| *at);
            let next =
                [self.cluster.next(), self.way.next(), daemon, planned].into_iter().flatten().chain(later);
            let next = next.min().unwrap_or(end).max(self.cluster.now());
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
            if self.cluster.now() >= self.frozen_until
                && self.daemon.run(&mut self.cluster, &mut self.way).is_err()
            {
                self.note(|| "the process died".to_owned());
                self.deaths += 1;
                self.restart();
            }
            self.way.pass(&self.cluster);
            self.check()?;
        }
    }

    fn check(&mut self) -> Result<(), Violation> {
        let pods_shown = self.way.shown(Watch::Pods, &self.cluster).unwrap_or_default();
        let next = usize::try_from(pods_shown).unwrap_or(usize::MAX);
        let missed = self.cluster.trace().iter().skip(next).find(|write| write.kind == Kind::Pod);
        let pods_are_old = missed.is_some_and(|write| write.at + OLD < self.cluster.now());
        let known =
            Known { heard: &self.way.heard, told: &self.way.told, bad: &self.bad, pods_shown, pods_are_old };
        self.invariants.check(&self.cluster, &known)
    }

    fn note(&mut self, what: impl FnOnce() -> String) {
        if self.traced {
            self.done.push((self.cluster.now(), self.cluster.version(), what()));
        }
    }

    fn restart(&mut self) {
        self.steps += self.daemon.steps();
        self.daemon = Daemon::new(SET);
        self.frozen_until = 0;
    }

    fn later(&mut self, after: Millis, what: Later) {
        self.later.push((self.cluster.now() + after, what));
    }

    fn pod(&self, index: u32) -> Option<Name> {
        let wanted = self.schedule.setup.start + index;
        let mut pods = self.cluster.pods().iter().map(|pod| &pod.metadata.name);
        pods.find(|name| ordinal(name) == Some(wanted)).cloned()
    }

    fn strike(&mut self, fault: Fault) {
        let now = self.cluster.now();
        match fault {
            Fault::Restart => self.restart(),
            Fault::RestartBehind(writes, time) => {
                self.restart();
                self.way.begin_behind(&self.cluster, writes, now + time);
            }
            Fault::Freeze(time) => self.frozen_until = now + time,
            Fault::Clock(seconds) => self.way.clock = seconds,
            Fault::Write(skip, fate) => self.way.meet(skip, fate),
            Fault::Lag(watch, by, time) => self.way.lag(watch, by, now + time),
            Fault::Silent(watch, time) => self.way.silence(watch, now + time),
            Fault::Cut(time) => self.way.cut_until = now + time,
            Fault::ReadsFail(time) => self.way.deaf_until = now + time,
            Fault::NoData(time) => self.way.no_data_until = now + time,
            Fault::Unreachable(time) => self.way.unreachable_until = now + time,
            Fault::Kill(index) => {
                let _gone = self.pod(index).map(|pod| self.cluster.kill(&pod));
            }
            Fault::Delete(index) => {
                let pod = self.pod(index);
                let _gone = pod.map(|pod| self.cluster.delete_pod("drain", &pod, Precondition::NONE, None));
            }
            Fault::Evict(index) => {
                let _gone = self.pod(index).map(|pod| self.cluster.evict(&pod));
            }
            Fault::Silence(index, time) => {
                let pod = self.pod(index).and_then(|pod| Some(self.cluster.pods().get(&pod)?.metadata.uid));
                if let Some(uid) = pod {
                    self.cluster.change_faults(|faults| faults.silent.extend([uid]));
                    self.later(time, Later::Speak(uid));
                }
            }
            Fault::Unschedulable(time) => {
                let why = "0/1 nodes are available: 1 Insufficient cpu.";
                self.cluster.change_faults(|faults| faults.unschedulable = Some(why.into()));
                self.later(time, Later::Schedulable);
            }
            Fault::Quota(time) => {
                let pods = self.cluster.pods().len();
                self.cluster.change_faults(|faults| faults.pod_quota = Some(pods));
                self.later(time, Later::Quota);
            }
            Fault::NoVolumes(time) => {
                self.cluster.change_faults(|faults| faults.provisioning = None);
                self.later(time, Later::Volumes);
            }
            Fault::ControllerStops(time) => {
                self.cluster.change_faults(|faults| faults.controller_stopped = true);
                self.later(time, Later::Controller);
            }
            Fault::Stranger(stranger) => self.meet(stranger),
        }
    }

    fn meet(&mut self, stranger: Strangers) {
        let Setup { restore, park, hold, .. } = self.schedule.setup;
        let held = park && hold && matches!(stranger, Strangers::Partition(_) | Strangers::ZeroAndBack(_));
        self.invariants.exposed |= stranger.exposes() && !held;
        match stranger {
            Strangers::ZeroAndBack(time) => {
                let replicas = record(&self.cluster).map_or(1, |record| record.user_replicas.max(1));
                self.later(time, Later::Back(replicas));
            }
            Strangers::PolicyGone(time) => {
                self.way.policy = None;
                self.daemon.policies_changed(self.cluster.now());
                self.later(time, Later::PolicyBack);
            }
            Strangers::PolicyEdited(number) => {
                self.policy = number;
                self.way.policy = Some(policies::policy(number, restore));
                self.daemon.policies_changed(self.cluster.now());
            }
            Strangers::Scale(Scaler::Autoscaler, _) => self.way.scaled = true,
            _ => {}
        }
        act(&mut self.cluster, &self.schedule.setup, stranger);
    }

    fn do_later(&mut self) {
        let now = self.cluster.now();
        let (due, later) = std::mem::take(&mut self.later).into_iter().partition(|(at, _)| *at <= now);
        self.later = later;
        let due: Vec<(Millis, Later)> = due;
        for (_, what) in due {
            self.end_of(&what);
        }
    }

    fn end_of(&mut self, what: &Later) {
        match what {
            Later::Speak(uid) => {
                self.cluster.change_faults(|faults| faults.silent.retain(|silent| silent != uid));
            }
            Later::Schedulable => self.cluster.change_faults(|faults| faults.unschedulable = None),
            Later::Quota => self.cluster.change_faults(|faults| faults.pod_quota = None),
            Later::Volumes => self.cluster.change_faults(|faults| faults.provisioning = Some(50)),
            Later::Controller => self.cluster.change_faults(|faults| faults.controller_stopped = false),
            Later::Back(replicas) => {
                let _gone = self.cluster.set_replicas("person", SET, *replicas);
            }
            Later::PolicyBack => {
                self.way.policy = Some(policies::policy(self.policy, self.schedule.setup.restore));
                self.daemon.policies_changed(self.cluster.now());
            }
        }
    }

    /// All faults stop, and what was bad is mended.
    fn recover(&mut self) {
        self.note(|| "faults stop".to_owned());
        for (_, what) in std::mem::take(&mut self.later) {
            self.end_of(&what);
        }
        self.bad.clear();
        for version in 2..=super::schedule::VERSIONS + 1 {
            self.cluster.behave(&format!("v{version}"), Behaviour::default());
        }
        self.way.heal();
        self.way.scaled = false;
        if self.frozen_until > self.cluster.now() {
            self.restart();
        }
        if self.cluster.statefulset(SET).is_some_and(|set| set.spec.replicas == 0) {
            let _gone = self.cluster.set_replicas("person", SET, 1);
        }
        annotate(&mut self.cluster, "policy", Some("rehearsed"));
        annotate(&mut self.cluster, "paused", None);
    }

    /// 4, 10 and 12 at the end: parked, N replicas, every pod stable.
    fn check_end(&self) -> Result<(), Violation> {
        let Some(set) = self.cluster.statefulset(SET) else {
            return Err(self.ended(10, "it is gone".to_owned()));
        };
        let Some(record) = record(&self.cluster) else { return Err(self.ended(10, "no state".to_owned())) };
        if set.spec.update_strategy.partition() < PARKED {
            return Err(self.ended(2, format!("open at rest: {}", set.spec.update_strategy.partition())));
        }
        if set.spec.replicas != record.user_replicas {
            return Err(
                self.ended(4, format!("{} replicas, N is {}", set.spec.replicas, record.user_replicas))
            );
        }
        let stable = record.stable.map_or_else(String::new, |stable| stable.0);
        let image = person::image(&self.cluster, &stable);
        let pods = self.cluster.pods();
        let wrong = pods.iter().find(|pod| person::image(&self.cluster, pod.revision()) != image);
        if let Some(pod) = wrong {
            return Err(
                self.ended(12, format!("{} is on {}, stable is {stable}", pod.metadata.name, pod.revision()))
            );
        }
        let ready = pods.iter().filter(|pod| pod.ready()).count();
        if ready != set.spec.replicas as usize {
            return Err(self.ended(10, format!("{ready} of {} pods are ready", set.spec.replicas)));
        }
        Ok(())
    }

    fn ended(&self, invariant: u8, what: String) -> Violation {
        Violation { invariant, at: self.cluster.now(), what }
    }
}

fn behaviour(quality: Quality) -> Behaviour {
    let usual = Behaviour::default();
    let sick = Service { health: Health::Fail, ..Service::default() };
    let failing = Service { errors: Share::of(1, 2), ..Service::default() };
    match quality {
        Quality::Good => usual,
        Quality::SlowStart => Behaviour { start_up: 8_000, ..usual },
        Quality::Errors => Behaviour { phases: vec![failing], ..usual },
        Quality::LateErrors => {
            Behaviour { phases: vec![Service::default(), Service { from: 5_000, ..failing }], ..usual }
        }
        Quality::Sick => {
            Behaviour { phases: vec![Service::default(), Service { from: 1_500, ..sick }], ..usual }
        }
        Quality::Crashes => Behaviour { crash_after: Some(2_000), ..usual },
        Quality::NoImage => Behaviour { start: Start::NoImage, ..usual },
    }
}
