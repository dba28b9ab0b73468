//! A way between daemon and cluster on which the schedule decides what gets through.

use std::collections::{BTreeMap, VecDeque};

use siskin_core::{
    checks::{PlannedQuery, Reading, Value, Verdicts},
    decision::{Decision, Note, Write},
    facts::{Autoscaler, Facts, Guard, PolicyFact, Rules},
    policy::Policy,
    time::Wall,
    window::Freeze,
};
use siskin_embedded::{Millis, cluster::Cluster};

use super::{leading::Election, protection::List, schedule::Fate, sources::Sources};
use crate::{
    project,
    wire::{Request, Sent, Watch, Wire, carry_out},
};

/// A watch shows a write after this time.
const SHOWN_AFTER: Millis = 10;

/// What is made of the core: nothing, or something broken.
pub trait Tamper {
    /// As [`Wire::verdicts`].
    fn verdicts(&mut self, _verdicts: &mut Verdicts) {}
    /// As [`Wire::decided`].
    fn decided(&mut self, _decision: &mut Decision, _facts: &Facts) {}
    /// The writes that one becomes; each is carried out by the second function.
    fn parts(&mut self, write: &Write) -> Vec<Write> {
        vec![write.clone()]
    }
    /// Carries one out.
    fn carry_out(&mut self, cluster: &mut Cluster, set: &str, write: &Write) -> bool {
        carry_out(cluster, set, write).is_ok()
    }
}

/// The core as it is.
#[derive(Clone, Copy, Debug)]
pub struct Sound;

impl Tamper for Sound {}

/// A freeze until further notice: whatever the API server's clock says, now is within it.
const FREEZE: (Wall, Wall) = (Wall(-1_000_000), Wall(1_000_000));

/// How one watch comes along.
#[derive(Clone, Debug, Default)]
struct Stream {
    shown: u64,
    /// What it shows when.
    coming: VecDeque<(Millis, u64)>,
    lag: (Millis, Millis),
    silent_until: Millis,
}

/// The way.
#[expect(clippy::struct_excessive_bools, reason = "each is something that is there or not")]
pub struct Way<T> {
    /// What is made of the core.
    pub tamper: T,
    /// The policy; `None`: it can't be loaded.
    pub policy: Option<Policy>,
    /// Who leads.
    pub election: Election,
    /// The number of the process that the way is used by now.
    pub active: usize,
    /// The watches of each process.
    streams: [[Stream; 2]; 2],
    /// The list of released revisions, if the installation keeps one.
    pub list: Option<List>,
    /// The installation freezes rollouts.
    pub frozen: bool,
    /// What the sources answer.
    pub sources: Sources,
    /// A late write arrived just now.
    pub arrived_late: bool,
    /// The pods can't be listed before.
    pub cut_until: Millis,
    /// No read is answered before.
    pub deaf_until: Millis,
    /// No check gets a usable answer before.
    pub no_data_until: Millis,
    /// No health endpoint can be reached before.
    pub unreachable_until: Millis,
    /// Seconds that the API server's clock is off.
    pub clock: i64,
    /// The hold is there.
    pub hold: bool,
    /// Something scales by metrics.
    pub scaled: bool,
    /// What becomes of writes to come, counted from the next.
    fates: Vec<(u32, Fate)>,
    /// Writes of processes that are no more, and when they arrive.
    late: Vec<(Millis, Write)>,
    /// When a check last had a usable answer of a pod.
    pub heard: BTreeMap<String, Millis>,
    /// What was told, when, at which version.
    pub told: Vec<(Millis, u64, Note)>,
    /// Writes that were sent.
    pub sent: u64,
}

impl<T: Tamper> Way<T> {
    /// A way on which everything gets through.
    pub fn new(tamper: T, policy: Policy, hold: bool) -> Self {
        Self {
            tamper,
            policy: Some(policy),
            election: Election::default(),
            active: 0,
            streams: Default::default(),
            list: None,
            frozen: false,
            sources: Sources::default(),
            arrived_late: false,
            cut_until: 0,
            deaf_until: 0,
            no_data_until: 0,
            unreachable_until: 0,
            clock: 0,
            hold,
            scaled: false,
            fates: Vec::new(),
            late: Vec::new(),
            heard: BTreeMap::new(),
            told: Vec::new(),
            sent: 0,
        }
    }

    /// This becomes of the write after `skip` others.
    pub fn meet(&mut self, skip: u32, fate: Fate) {
        self.fates.push((skip, fate));
    }

    /// A watch is this much late until then.
    pub fn lag(&mut self, watch: Watch, by: Millis, until: Millis) {
        self.stream(watch).lag = (by, until);
    }

    /// A watch shows nothing until then.
    pub fn silence(&mut self, watch: Watch, until: Millis) {
        self.stream(watch).silent_until = until;
    }

    fn stream(&mut self, watch: Watch) -> &mut Stream {
        let [first, second] = &mut self.streams;
        let [workload, pods] = if self.active == 0 { first } else { second };
        match watch {
            Watch::Workload => workload,
            Watch::Pods => pods,
        }
    }

    /// A new process begins with what was there `writes` ago, until then.
    pub fn begin_behind(&mut self, cluster: &Cluster, writes: u64, until: Millis) {
        let [first, second] = &mut self.streams;
        for stream in if self.active == 0 { first } else { second } {
            stream.shown = cluster.version().saturating_sub(writes).max(1);
            stream.coming.clear();
            stream.coming.push_back((until.max(cluster.now()), cluster.version()));
        }
    }

    /// Takes the news on their way, and shows what has arrived.
    pub fn pass(&mut self, cluster: &Cluster) {
        let (now, version) = (cluster.now(), cluster.version());
        for stream in self.streams.iter_mut().flatten() {
            let known = stream.coming.back().map_or(stream.shown, |(_, version)| *version);
            if version > known {
                let (by, until) = stream.lag;
                let late = if now < until { by } else { 0 };
                let at = (now + SHOWN_AFTER + late).max(stream.silent_until);
                let after = stream.coming.back().map_or(0, |(at, _)| *at);
                match stream.coming.back_mut() {
                    // Events that come close together are one.
                    Some((due, newest)) if *due >= now && at <= *due + SHOWN_AFTER => *newest = version,
                    _ => stream.coming.push_back((at.max(after), version)),
                }
            }
            while let Some((_, version)) = stream.coming.pop_front_if(|(at, _)| *at <= now) {
                stream.shown = version;
            }
        }
    }

    /// When the next thing arrives.
    pub fn next(&self) -> Option<Millis> {
        let streams = self.streams.iter().flatten();
        let streams = streams.filter_map(|stream| stream.coming.front()).map(|(at, _)| *at);
        streams.chain(self.late.iter().map(|(at, _)| *at)).min()
    }

    /// Lets late writes arrive.
    pub fn deliver(&mut self, cluster: &mut Cluster, set: &str) {
        let now = cluster.now();
        let (due, later) = std::mem::take(&mut self.late).into_iter().partition(|(at, _)| *at <= now);
        self.late = later;
        let due: Vec<(Millis, Write)> = due;
        self.arrived_late = !due.is_empty();
        for (_, write) in due {
            self.carry_out(cluster, set, &write);
        }
    }

    fn carry_out(&mut self, cluster: &mut Cluster, set: &str, write: &Write) -> bool {
        match (&self.list, write) {
            (Some(list), Write::Guard { .. } | Write::DeleteGuard { .. }) => list.write(write),
            _ => self.tamper.carry_out(cluster, set, write),
        }
    }

    /// All is well from now on.
    pub fn heal(&mut self) {
        self.fates.clear();
        self.election.heal();
        (self.frozen, self.sources.ill) = (false, None);
        for stream in self.streams.iter_mut().flatten() {
            (stream.lag, stream.silent_until) = ((0, 0), 0);
            stream.coming.clear();
        }
        (self.cut_until, self.deaf_until, self.no_data_until, self.unreachable_until) = (0, 0, 0, 0);
        self.clock = 0;
    }

    /// Something may keep the process from writing just now.
    pub fn hinders(&self, now: Millis) -> bool {
        now < self.deaf_until || !self.fates.is_empty()
    }

    fn fate(&mut self) -> Option<Fate> {
        let due = self.fates.iter().position(|(skip, _)| *skip == 0);
        for (skip, _) in &mut self.fates {
            *skip = skip.saturating_sub(1);
        }
        due.map(|index| self.fates.remove(index).1)
    }
}

impl<T: Tamper> Wire for Way<T> {
    fn policy(&self, name: &str) -> PolicyFact {
        match &self.policy {
            Some(policy) => PolicyFact::Loaded(policy.clone()),
            None => PolicyFact::Unusable {
                name: name.to_owned(),
                reason: "it can't be loaded just now".to_owned(),
            },
        }
    }

    fn shown(&self, watch: Watch, cluster: &Cluster) -> Option<u64> {
        let [first, second] = &self.streams;
        let [workload, pods] = if self.active == 0 { first } else { second };
        match watch {
            Watch::Workload => Some(workload.shown),
            Watch::Pods => (cluster.now() >= self.cut_until).then_some(pods.shown),
        }
    }

    fn reads(&mut self, cluster: &Cluster) -> bool {
        cluster.now() >= self.deaf_until
    }

    fn send(&mut self, cluster: &mut Cluster, request: &Request<'_>) -> Sent {
        let mut done = true;
        for write in self.tamper.parts(request.write) {
            if !self.election.leads(self.active, cluster.now()) {
                return Sent::Failed;
            }
            self.sent += 1;
            let fate = self.fate();
            match fate {
                Some(Fate::DiesBefore) => return Sent::Died,
                Some(Fate::Refused(_)) => return Sent::Failed,
                Some(Fate::Late(after)) => {
                    self.late.push((cluster.now() + after, write));
                    return Sent::Died;
                }
                Some(Fate::Slow(after)) => cluster.run_for(after),
                Some(Fate::DiesAfter | Fate::Unanswered(_)) | None => {}
            }
            done &= self.carry_out(cluster, request.set, &write);
            match fate {
                Some(Fate::DiesAfter) => return Sent::Died,
                Some(Fate::Unanswered(_)) => return Sent::Failed,
                _ if !done => return Sent::Failed,
                _ => {}
            }
        }
        Sent::Done
    }

    fn answer(&mut self, cluster: &Cluster, check: &str, _pod: &str, reading: Reading) -> Reading {
        let now = cluster.now();
        if now < self.no_data_until {
            return Reading::Unusable("garbage".to_owned());
        }
        if now < self.unreachable_until && matches!(reading, Reading::Healthy) {
            return Reading::Unhealthy("no route to host".to_owned());
        }
        let says =
            |values: &[Value]| !values.is_empty() && values.iter().all(|value| value.value.is_finite());
        let usable = match &reading {
            Reading::Healthy | Reading::Counts(_) => true,
            Reading::Values(values) => says(values),
            Reading::Unhealthy(_) | Reading::Unusable(_) | Reading::Refused(_) => false,
        };
        if usable {
            self.heard.insert(check.to_owned(), now);
        }
        reading
    }

    fn source(&mut self, cluster: &mut Cluster, query: &PlannedQuery) -> Reading {
        self.sources.answer(cluster, query)
    }

    fn rules(&self) -> Rules {
        let (from, to) = FREEZE;
        let freeze = Freeze { from, to, reason: "a holiday".to_owned() };
        Rules { freezes: if self.frozen { vec![freeze] } else { Vec::new() }, ..Rules::default() }
    }

    fn guard(&self) -> Option<Guard> {
        self.list.as_ref().map(List::fact)
    }

    fn wall(&self, cluster: &Cluster) -> Wall {
        Wall(project::wall(cluster.now()).0 + self.clock)
    }

    fn holds(&self) -> bool {
        self.hold
    }

    fn autoscaler(&self) -> Autoscaler {
        if self.scaled { Autoscaler::Present("hpa".to_owned()) } else { Autoscaler::Absent }
    }

    fn verdicts(&mut self, verdicts: &mut Verdicts) {
        self.tamper.verdicts(verdicts);
    }

    fn decided(&mut self, decision: &mut Decision, facts: &Facts) {
        self.tamper.decided(decision, facts);
    }

    fn told(&mut self, cluster: &Cluster, notes: &[Note]) {
        let told = notes.iter().map(|note| (cluster.now(), cluster.version(), note.clone()));
        self.told.extend(told);
    }
}
