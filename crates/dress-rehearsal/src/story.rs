//! A story from its beginning to its end.

use std::{
    collections::{BTreeSet, VecDeque},
    fmt::Write as _,
    net::Ipv4Addr,
    sync::Arc,
    time::Duration,
};

use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use siskin_core::{
    decision::Note,
    facts::PARKED,
    policy::{Library, Policy},
};
use siskin_daemon::reach::{Reach, Service};
use siskin_embedded::{
    Millis,
    cluster::Cluster as Models,
    model::{application::Behaviour, traffic::Clients},
    object::{Kind, Uid, UpdateStrategy, ordinal},
};
use siskin_embedded_api::{
    kinds::{AUTOSCALER, POD, SERVICE, STATEFUL_SET, Verb},
    serve::Changes,
    store::{
        Call, DeleteOptions, Target,
        faults::{Effect, Requests},
    },
};
use siskin_embedded_cluster::{Cluster, policies::Policies};
use siskin_rehearsal::{
    faults::{
        END, Fault, Planned, Quality, Scaler, Schedule, Setup, Strangers, behaviour, check_end, person,
        policies,
        strangers::{self, SET, act, annotate, record},
    },
    invariants::{Invariants, Known, Violation},
};
use tokio::{
    runtime::Builder,
    sync::{mpsc, watch},
    time::{Instant, sleep_until},
};

use crate::{
    NAMESPACE,
    deeds::{self, Deed},
    history::History,
    pods::Pods,
    process::{Installation, Process},
    way::{Ways, resource_of},
};

/// When the daemons start: v1 is ready by then.
const DAEMONS: Millis = 15_000;
/// When the first template is released.
const BEGIN: Millis = 20_000;
/// So often a person looks when the faults have stopped.
const LOOKS: Millis = 60_000;
/// So often a person helps.
const HELP: u32 = 20;
/// A view of the pods that lacks a write this old is an old one.
const OLD: Millis = 50;
/// Requests a second.
const RATE: u64 = 40;
/// The API server's clock at the beginning, in seconds after the epoch.
const START: i64 = 1_800_000_000;
/// A clock that jumps by this is a machine's that was suspended; by anything else somebody sets it.
const SUSPENDED: i64 = 20;

/// How a story went.
#[derive(Clone, Debug)]
pub struct Told {
    /// What was violated first, if anything was.
    pub violation: Option<Violation>,
    /// Rollouts that were started.
    pub rollouts: u64,
    /// How many of them were promoted.
    pub promoted: u64,
    /// How many were rolled back.
    pub rolled_back: u64,
    /// Processes that ended.
    pub deaths: u64,
    /// How many daemons there were at once.
    pub daemons: usize,
    /// Writes of the daemons'.
    pub writes: usize,
    /// Virtual time.
    pub time: Millis,
    /// Everything that happened, a line each.
    pub trace: String,
}

/// Tells a story to its end, or to the first violation.
///
/// # Panics
/// There is no runtime, or no client to be had.
pub fn tell(schedule: &Schedule) -> Told {
    // Another story may have done so.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = Builder::new_current_thread().enable_time().start_paused(true).build();
    let runtime =
        runtime.unwrap_or_else(|error| unreachable!("a runtime without I/O is always to be had: {error}"));
    runtime.block_on(async {
        let mut story = Story::new(schedule);
        let violation = story.unfold().await.err();
        story.told(violation)
    })
}

/// What is to be done when, besides the schedule.
enum Later {
    Speak(Uid),
    Schedulable,
    Quota,
    Volumes,
    Controller,
    Back(u32),
    PolicyBack,
    Deed(Deed),
    /// Faults of the store are over.
    Clear,
}

struct Story {
    schedule: Schedule,
    began: Instant,
    cluster: Cluster,
    ways: Ways,
    pods: Pods,
    installation: Installation,
    processes: Vec<Process>,
    /// How many processes there were.
    started: u64,
    dead: mpsc::UnboundedReceiver<u64>,
    changes: Changes,
    history: History,
    invariants: Invariants,
    later: Vec<(Millis, Later)>,
    /// Faults of the store, and until when they are there.
    weather: Vec<(Millis, Requests, Effect)>,
    coming: VecDeque<Planned>,
    done: Vec<(u64, String)>,
    bad: BTreeSet<String>,
    policy: usize,
    deaths: u64,
    daemons: usize,
}

impl Story {
    fn new(schedule: &Schedule) -> Self {
        let setup = &schedule.setup;
        let start = Timestamp::from_second(START).unwrap_or_default();
        let cluster = Cluster::new(schedule.seed, start, Ipv4Addr::new(127, 1, 0, 0));
        let admission = Policies { park: setup.park, hold: setup.hold, ..Policies::default() };
        cluster.server().store(|store| store.admit_by(admission));
        let mut bad = BTreeSet::new();
        for (quality, version) in setup.qualities.iter().zip(2..) {
            let image = format!("v{version}");
            cluster.change(|memory| memory.behave(&image, behaviour(*quality)));
            if !matches!(quality, Quality::Good | Quality::SlowStart | Quality::LateErrors) {
                bad.insert(image);
            }
        }
        let (tell, dead) = mpsc::unbounded_channel();
        let ways = Ways::new(cluster.server().clone(), tell);
        let pods = Pods::new(cluster.clone());
        let (asked, began) = (pods.clone(), Instant::now());
        let answer = tower::service_fn(move |request| asked.clone().answer(request, since(began)));
        let reach = Reach::in_process(Service::new(answer));
        let reach = reach
            .unwrap_or_else(|error| unreachable!("a client without a network is always to be had: {error}"));
        let library = library(Some(policy(setup.policy, setup.restore)));
        // Of three stories one has a daemon alone, one a daemon that stands for election alone, one two of them.
        let (elects, daemons) = match schedule.seed % 3 {
            0 => (false, 1),
            1 => (true, 1),
            _ => (true, 2),
        };
        let installation =
            Installation { ways: ways.clone(), policies: watch::Sender::new(library), reach, elects };
        let history = History::new(start);
        Self {
            began,
            changes: cluster.server().changes(),
            invariants: Invariants::new(SET, &history.copy),
            history,
            ways,
            pods,
            installation,
            processes: Vec::new(),
            started: 0,
            dead,
            later: Vec::new(),
            weather: Vec::new(),
            coming: schedule.faults.iter().map(begun).collect(),
            done: Vec::new(),
            bad,
            policy: setup.policy,
            deaths: 0,
            daemons,
            cluster,
            schedule: schedule.clone(),
        }
    }

    async fn unfold(&mut self) -> Result<(), Violation> {
        self.install()?;
        self.until(DAEMONS).await?;
        self.invariants = Invariants::new(SET, &self.history.copy);
        for pod in 0..self.daemons {
            let process = self.process(pod);
            self.processes.push(process);
        }
        self.until(BEGIN + END + 1).await?;
        self.recover();
        let mut rested = false;
        for _ in 0..HELP {
            self.until(self.now() + LOOKS).await?;
            if person::at_rest(&self.history.copy) {
                rested = true;
                break;
            }
            let problem = record(&self.history.copy).and_then(|record| Some(record.problem?.reason));
            self.note(&format!("a person looks: {problem:?}"));
            let setup = self.schedule.setup.clone();
            self.people(|copy| person::help(copy, &setup, problem.as_deref()));
        }
        if !rested {
            let state = record(&self.history.copy);
            let stands = state.map(|state| (state.phase, state.pause, state.problem, state.waiting));
            return Err(self.violated(10, format!("never at rest: {stands:?}")));
        }
        check_end(&self.history.copy)?;
        let before = self.invariants.writes();
        // That nothing stands against it any more is saved a little later.
        self.until(self.now() + 30_000).await?;
        let writes = self.invariants.writes() - before;
        if writes > 1 {
            return Err(self.violated(9, format!("{writes} writes at rest")));
        }
        Ok(())
    }

    /// The StatefulSet at its first version, and its clients.
    fn install(&self) -> Result<(), Violation> {
        let setup = &self.schedule.setup;
        let mut set = strangers::manifest(setup, 1, setup.replicas);
        set.spec.update_strategy = UpdateStrategy::RollingUpdate { partition: Some(PARKED) };
        let service = json!({
            "metadata": { "name": "web" },
            "spec": { "selector": *set.spec.selector, "ports": [{ "port": 80, "targetPort": 8080 }] },
        });
        let call = Call::new("kubectl", self.cluster.server().now());
        let made = self.ways.act("person", || {
            self.cluster.server().store(|store| {
                store.create(SERVICE, NAMESPACE, service, &call)?;
                store.create(STATEFUL_SET, NAMESPACE, deeds::manifest(&set), &call)
            })
        });
        made.map_err(|refusal| self.violated(0, format!("the story can't begin: {refusal}")))?;
        self.cluster.open_traffic(NAMESPACE, Clients::new("web", RATE));
        tokio::spawn(self.cluster.clone().run());
        Ok(())
    }

    fn now(&self) -> Millis {
        since(self.began)
    }

    fn violated(&self, invariant: u8, what: String) -> Violation {
        Violation { invariant, at: self.now(), what }
    }

    fn note(&mut self, what: &str) {
        self.done.push((self.history.copy.version(), format!("{:>8}       ! {what}", self.now())));
    }

    /// Lets everything happen up to this moment.
    async fn until(&mut self, end: Millis) -> Result<(), Violation> {
        loop {
            self.check()?;
            let now = self.now();
            while let Some(planned) = self.coming.pop_front_if(|planned| planned.at <= now) {
                self.note(&format!("{:?}", planned.fault));
                self.strike(planned.fault);
            }
            self.do_later();
            if now >= end {
                return self.check();
            }
            let later = self.later.iter().map(|(at, _)| *at);
            let next =
                later.chain(self.coming.front().map(|planned| planned.at)).chain([end]).min().unwrap_or(end);
            let next = self.began + Duration::from_millis(next);
            tokio::select! {
                biased;
                Some(process) = self.dead.recv() => {
                    if let Some(pod) = self.processes.iter().position(|it| it.number == process) {
                        self.note(&format!("siskin-{pod} died over a write"));
                        self.restart(pod);
                    }
                }
                () = self.changes.changed() => {}
                () = sleep_until(next) => {}
            }
        }
    }

    fn check(&mut self) -> Result<(), Violation> {
        for (before, last, author) in self.ways.wrote() {
            self.history.wrote(author, before, last);
        }
        let now = self.cluster.server().now();
        let copied = self.cluster.server().store(|store| self.history.catch_up(store, now));
        copied.map_err(|why| self.violated(0, why.to_string()))?;
        for pod in 0..self.processes.len() {
            if let Some(how) = self.processes.get_mut(pod).and_then(Process::ended) {
                return Err(self.violated(10, format!("siskin-{pod} ended by itself: {how}")));
            }
        }
        let pods_shown = self.ways.pods_shown();
        let next = usize::try_from(pods_shown).unwrap_or(usize::MAX);
        let missed = self.history.copy.trace().iter().skip(next).find(|write| write.kind == Kind::Pod);
        let pods_are_old = missed.is_some_and(|write| write.at + OLD < self.now());
        let heard = self.pods.heard();
        let known = Known {
            heard: &heard,
            told: &self.history.told,
            bad: &self.bad,
            pods_shown,
            pods_are_old,
            frozen: false,
        };
        self.invariants.check(&self.history.copy, &known)
    }

    fn process(&mut self, pod: usize) -> Process {
        self.started += 1;
        self.installation.start(self.started, pod, self.cluster.server().now())
    }

    /// The process ends, and its pod gets another.
    fn restart(&mut self, pod: usize) {
        self.deaths += 1;
        let process = self.process(pod);
        if let Some(old) = self.processes.get_mut(pod) {
            *old = process;
        }
    }

    fn later(&mut self, after: Millis, what: Later) {
        self.later.push((self.now() + after, what));
    }

    /// People and programs do what they would do on the models.
    fn people(&mut self, act: impl FnOnce(&mut Models)) {
        for deed in deeds::worked_out(&self.history.copy, act) {
            if deed.after == 0 {
                self.carry_out(deed);
            } else {
                self.later(deed.after, Later::Deed(deed));
            }
        }
    }

    fn carry_out(&mut self, deed: Deed) {
        let (server, now) = (self.cluster.server().clone(), self.cluster.server().now());
        let who = deed.who;
        let done = self.ways.act(who, || server.store(|store| deed.carry_out(store, SET, now)));
        if let Err(refusal) = done {
            self.note(&format!("{who} is refused: {refusal}"));
        }
    }

    fn pod(&self, index: u32) -> Option<(String, Uid)> {
        let wanted = self.schedule.setup.start + index;
        let mut pods = self.history.copy.pods().iter().map(|pod| &pod.metadata);
        let found = pods.find(|metadata| ordinal(&metadata.name) == Some(wanted))?;
        Some((found.name.to_string(), found.uid))
    }

    /// Faults of the store that are there for this time.
    fn befall(&mut self, time: Millis, faults: impl IntoIterator<Item = (Verb, &'static str, Effect)>) {
        let until = self.now() + time;
        let faults =
            faults.into_iter().map(|(verb, resource, effect)| (until, Requests::new(verb, resource), effect));
        self.weather.extend(faults);
        self.later(time, Later::Clear);
        self.show_weather();
    }

    fn show_weather(&mut self) {
        let now = self.now();
        self.weather.retain(|(until, ..)| now < *until);
        self.cluster.server().store(|store| {
            store.faults.lift();
            for (_, requests, effect) in &self.weather {
                store.faults.add(requests.clone(), None, effect.clone());
            }
        });
    }

    fn strike(&mut self, fault: Fault) {
        const WATCHED: [&str; 2] = ["statefulsets", "pods"];
        let now = Instant::now();
        let after = |time| now + Duration::from_millis(time);
        match fault {
            Fault::Restart => self.restart(0),
            Fault::RestartBehind(writes, time) => {
                self.restart(0);
                let stale = WATCHED.map(|of| (Verb::List, of, Effect::Stale(writes)));
                let silent = WATCHED.map(|of| (Verb::Watch, of, Effect::Silence));
                self.befall(time, stale.into_iter().chain(silent));
            }
            Fault::Freeze(time) => {
                self.processes.iter().take(1).for_each(|process| process.freeze(after(time)));
            }
            Fault::Clock(SUSPENDED) => {
                let time = Duration::from_secs(SUSPENDED.unsigned_abs());
                self.processes.iter().take(1).for_each(|process| process.clock.slept(time));
            }
            Fault::Clock(seconds) => {
                let by = SignedDuration::from_secs(seconds);
                self.processes.iter().take(1).for_each(|process| process.clock.set(by));
            }
            Fault::Write(skip, fate) => self.ways.meet(skip, fate),
            Fault::Lag(watch, by, time) => self.ways.lag(watch, by, after(time)),
            Fault::Silent(watch, time) => {
                self.befall(time, [(Verb::Watch, resource_of(watch), Effect::Silence)]);
            }
            Fault::Cut(time) => {
                self.processes.iter().for_each(Process::cut);
                self.befall(time, [Verb::List, Verb::Watch].map(|verb| (verb, "pods", Effect::Refuse(503))));
            }
            Fault::ReadsFail(time) => {
                let read = ["statefulsets", "controllerrevisions", "persistentvolumeclaims"];
                let fails = |verb| read.map(|of| (verb, of, Effect::Refuse(500)));
                self.befall(time, fails(Verb::Get).into_iter().chain(fails(Verb::List)));
            }
            Fault::NoData(time) => self.pods.garble(self.now() + time),
            Fault::Unreachable(time) => self.pods.cut_off(self.now() + time),
            Fault::LeaseCut(time) => {
                let verbs = [Verb::Get, Verb::Create, Verb::Patch];
                self.befall(time, verbs.map(|verb| (verb, "leases", Effect::Refuse(503))));
            }
            // No sources, receivers, lists or freezes are in these stories yet.
            Fault::Source(..) | Fault::ReceiverDown(_) | Fault::RolloutFreeze(_) => {}
            Fault::Stranger(stranger) => self.meet(stranger),
            fault => self.upset(fault),
        }
    }

    /// Pods and their nodes.
    fn upset(&mut self, fault: Fault) {
        match fault {
            Fault::Kill(index) => self.pod(index).into_iter().for_each(|(_, pod)| self.cluster.kill(pod)),
            Fault::Delete(index) => {
                let call = Call::new("drain", self.cluster.server().now());
                if let Some((name, _)) = self.pod(index) {
                    let pod = Target::new(POD, NAMESPACE, &name);
                    let _gone = self
                        .cluster
                        .server()
                        .store(|store| store.delete(&pod, &DeleteOptions::default(), &call));
                }
            }
            Fault::Evict(index) => self.pod(index).into_iter().for_each(|(_, pod)| self.cluster.evict(pod)),
            Fault::Silence(index, time) => {
                if let Some((_, pod)) = self.pod(index) {
                    self.cluster.change(|memory| memory.faults.silent.insert(pod));
                    self.later(time, Later::Speak(pod));
                }
            }
            Fault::Unschedulable(time) => {
                let why = "0/1 nodes are available: 1 Insufficient cpu.";
                self.cluster.change(|memory| memory.faults.unschedulable = Some(why.into()));
                self.later(time, Later::Schedulable);
            }
            Fault::Quota(time) => {
                let pods = self.history.copy.pods().len();
                self.cluster.change(|memory| memory.faults.pod_quota = Some(pods));
                self.later(time, Later::Quota);
            }
            Fault::NoVolumes(time) => {
                self.cluster.change(|memory| memory.faults.provisioning = None);
                self.later(time, Later::Volumes);
            }
            Fault::ControllerStops(time) => {
                self.cluster.change(|memory| memory.faults.controller_stopped = true);
                self.later(time, Later::Controller);
            }
            _ => {}
        }
    }

    fn meet(&mut self, stranger: Strangers) {
        let setup = self.schedule.setup.clone();
        let Setup { restore, park, hold, .. } = setup;
        let held = park && hold && matches!(stranger, Strangers::Partition(_) | Strangers::ZeroAndBack(_));
        self.invariants.exposed |= stranger.exposes() && !held;
        match stranger {
            Strangers::ZeroAndBack(time) => {
                let replicas = record(&self.history.copy).map_or(1, |record| record.user_replicas.max(1));
                self.later(time, Later::Back(replicas));
            }
            Strangers::PolicyGone(time) => {
                self.installation.policies.send_replace(library(None));
                self.later(time, Later::PolicyBack);
            }
            Strangers::PolicyEdited(number) => {
                self.policy = number;
                self.installation.policies.send_replace(library(Some(policy(number, restore))));
            }
            Strangers::Scale(Scaler::Autoscaler, _) => self.scale_by_metrics(),
            _ => {}
        }
        self.people(|copy| act(copy, &setup, stranger));
    }

    /// From now on there is an autoscaler.
    fn scale_by_metrics(&self) {
        let autoscaler = json!({ "metadata": { "name": "hpa" }, "spec": {
            "scaleTargetRef": { "apiVersion": "apps/v1", "kind": "StatefulSet", "name": SET }, "maxReplicas": 9,
        } });
        let call = Call::new("kubectl", self.cluster.server().now());
        // It may be there.
        let _there =
            self.cluster.server().store(|store| store.create(AUTOSCALER, NAMESPACE, autoscaler, &call));
    }

    fn do_later(&mut self) {
        let now = self.now();
        let (due, later): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.later).into_iter().partition(|(at, _)| *at <= now);
        self.later = later;
        for (_, what) in due {
            self.end_of(what);
        }
    }

    fn end_of(&mut self, what: Later) {
        match what {
            Later::Speak(pod) => drop(self.cluster.change(|memory| memory.faults.silent.remove(&pod))),
            Later::Schedulable => self.cluster.change(|memory| memory.faults.unschedulable = None),
            Later::Quota => self.cluster.change(|memory| memory.faults.pod_quota = None),
            Later::Volumes => self.cluster.change(|memory| memory.faults.provisioning = Some(50)),
            Later::Controller => self.cluster.change(|memory| memory.faults.controller_stopped = false),
            Later::Back(replicas) => self.people(|copy| drop(copy.set_replicas("person", SET, replicas))),
            Later::PolicyBack => {
                let policy = policy(self.policy, self.schedule.setup.restore);
                self.installation.policies.send_replace(library(Some(policy)));
            }
            Later::Deed(deed) => self.carry_out(deed),
            Later::Clear => self.show_weather(),
        }
    }

    /// All faults stop, and what was bad is mended.
    fn recover(&mut self) {
        self.note("faults stop");
        for (_, what) in std::mem::take(&mut self.later) {
            self.end_of(what);
        }
        self.bad.clear();
        for version in 2..=siskin_rehearsal::faults::VERSIONS + 1 {
            self.cluster.change(|memory| memory.behave(&format!("v{version}"), Behaviour::default()));
        }
        self.weather.clear();
        self.show_weather();
        self.ways.heal();
        self.pods.heal();
        let call = Call::new("kubectl", self.cluster.server().now());
        let autoscaler = Target::new(AUTOSCALER, NAMESPACE, "hpa");
        let _gone =
            self.cluster.server().store(|store| store.delete(&autoscaler, &DeleteOptions::default(), &call));
        for pod in 0..self.processes.len() {
            if self.processes.get(pod).is_some_and(Process::is_frozen) {
                self.restart(pod);
            }
        }
        self.people(|copy| {
            if copy.statefulset(SET).is_some_and(|set| set.spec.replicas == 0) {
                let _gone = copy.set_replicas("person", SET, 1);
            }
            annotate(copy, "policy", Some("rehearsed"));
            annotate(copy, "paused", None);
        });
    }

    fn told(self, violation: Option<Violation>) -> Told {
        let count =
            |of: fn(&Note) -> bool| self.history.told.iter().filter(|(.., note)| of(note)).count() as u64;
        Told {
            violation,
            rollouts: count(|note| matches!(note, Note::Started { .. })),
            promoted: count(|note| matches!(note, Note::Promoted { .. })),
            rolled_back: count(|note| matches!(note, Note::RolledBack { .. })),
            deaths: self.deaths,
            daemons: self.daemons,
            writes: self.invariants.writes(),
            time: self.now(),
            trace: self.trace(),
        }
    }

    fn trace(&self) -> String {
        let writes = self.history.copy.trace().iter().map(|write| (write.version, 0, write.to_string()));
        let done = self.done.iter().map(|(version, what)| (*version, 1, what.clone()));
        let told = self.history.told.iter();
        let told =
            told.map(|(at, version, note)| (*version, 2, format!("{at:>8}       > {}", note.reason())));
        let mut lines: Vec<(u64, u8, String)> = writes.chain(done).chain(told).collect();
        lines.sort_by_key(|(version, kind, _)| (*version, *kind));
        lines.into_iter().fold(String::new(), |mut text, (.., line)| {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{line}");
            text
        })
    }
}

/// A fault by the story's own time.
fn begun(planned: &Planned) -> Planned {
    Planned { at: BEGIN + planned.at, fault: planned.fault }
}

fn since(began: Instant) -> Millis {
    u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX)
}

/// The policy of a number. Those that ask sources are not among them: nothing answers for a source here yet.
fn policy(number: usize, restore: bool) -> Policy {
    let asks_nobody = (0..policies::COUNT).filter(|number| !policies::asks_a_source(*number)).count();
    policies::policy(number % asks_nobody.max(1), restore)
}

/// The policies of a story: the one that the workload names, or one that can't be loaded.
fn library(policy: Option<Policy>) -> Arc<Library> {
    let mut library = Library::default();
    library.policies.extend(policy.map(|policy| ("rehearsed".to_owned(), policy)));
    Arc::new(library)
}
