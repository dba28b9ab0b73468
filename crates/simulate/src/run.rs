//! One rollout, from the template's change to its end.

use siskin_core::{
    checks::{Counts, Reading, Scraped},
    decision::Note,
    facts::{PARKED, PolicyFact},
    policy::{Measure, Policy},
    state::{Cause, PauseReason, Phase},
};
use siskin_embedded::{
    Millis,
    chance::Chance,
    cluster::{self, Cluster, Precondition},
    model::{latency::BOUNDS, traffic::Clients},
    object::{
        ClaimTemplate, Labels, Metadata, Name, StatefulSet, StatefulSetSpec, StatefulSetStatus, Template,
        UpdateStrategy, labels,
    },
};
use siskin_rehearsal::{daemon::Daemon, wire::Wire};

use crate::{
    quantity::Rate,
    release::{Release, millis},
    scenario::Scenario,
};

const SET: &str = "db";
const SERVICE: &str = "web";
const USER: &str = "user";
const STABLE: &str = "stable";
const CANARY: &str = "canary";
/// So long before the release all is at rest and under traffic.
const QUIET: Millis = 10_000;

/// How a run went. All times count from the change of the template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// How it ended.
    pub end: End,
    /// When it ended.
    pub at: Millis,
    /// When and why Siskin first decided against the release.
    pub alarm: Option<Alarm>,
    /// What clients met up to the end.
    pub met: Met,
}

/// How a run ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum End {
    /// Every pod runs the release, and all was well.
    Promoted,
    /// Every pod is back on the stable revision and ready.
    RolledBack,
    /// It stands still until a person acts.
    Paused(PauseReason),
    /// It was still under way when every deadline of the policy had passed.
    Unfinished,
}

/// The decision against a release.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alarm {
    /// When.
    pub at: Millis,
    /// The check that failed, or another kind of reason to go back.
    pub by: By,
    /// The step that was open.
    pub step: String,
}

/// What decided against a release.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum By {
    /// The check of this name failed.
    Check(String),
    /// Something else led back.
    Other(String),
}

/// Requests of clients since the template changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Met {
    /// Answered by pods of the release.
    pub answered: u64,
    /// Of those, the ones answered with an error.
    pub failed: u64,
    /// Answered by nobody, on whatever revision the pod was.
    pub unanswered: u64,
}

impl Met {
    /// Those that went wrong because of the release.
    pub fn bad(self) -> u64 {
        self.failed + self.unanswered
    }
}

/// Rolls a release out on a cluster whose chance follows from `seed`.
pub fn run(scenario: &Scenario, release: Release, seed: u64) -> Run {
    let mut chance = Chance::new(seed);
    let mut world = World::new(scenario, release, &mut chance);
    world.settle(QUIET + chance.below(1_000));
    world.release();
    world.finish()
}

struct World<'a> {
    scenario: &'a Scenario,
    cluster: Cluster,
    daemon: Daemon,
    line: Line<'a>,
    released: Millis,
    unanswered_before: u64,
    step: String,
    alarm: Option<Alarm>,
    /// A person approves then.
    approval: Option<(Millis, String)>,
}

impl<'a> World<'a> {
    fn new(scenario: &'a Scenario, release: Release, chance: &mut Chance) -> Self {
        let setting = &scenario.setting;
        let mut cluster = Cluster::new(chance.draw());
        cluster.behave(STABLE, setting.releases.behaviour(Release::Good));
        cluster.behave(CANARY, setting.releases.behaviour(release));
        let manifest = manifest(scenario);
        let selector = manifest.spec.selector.clone();
        // A new cluster refuses nothing of this.
        let _created = cluster.create_statefulset_with(USER, manifest);
        let _created = cluster.create_service(USER, SERVICE, selector);
        let Rate { requests, seconds } = setting.rate;
        cluster.open_traffic(Clients::each(SERVICE, requests.into(), Millis::from(seconds) * 1_000));
        Self {
            scenario,
            cluster,
            daemon: Daemon::new(SET),
            line: Line { policy: &scenario.policy, told: Vec::new() },
            released: 0,
            unanswered_before: 0,
            step: String::new(),
            alarm: None,
            approval: None,
        }
    }

    /// Until all pods are ready and Siskin looks after them, and this long after it.
    fn settle(&mut self, after: Millis) {
        let setting = &self.scenario.setting;
        let start = millis(setting.releases.start_up.stable.0) + 10_000;
        let ready = |cluster: &Cluster| cluster.pods().iter().filter(|pod| pod.ready()).count();
        let wanted = usize::try_from(setting.replicas).unwrap_or(usize::MAX);
        self.cluster.run_while(start * u64::from(setting.replicas), |cluster| ready(cluster) < wanted);
        let latest = self.cluster.now() + 60_000;
        while self.cluster.now() < latest && !self.at_rest() {
            self.advance(latest);
        }
        let until = self.cluster.now() + after;
        while self.cluster.now() < until {
            self.advance(until);
        }
        self.line.told.clear();
    }

    fn at_rest(&self) -> bool {
        let record = self.daemon.state().record.as_ref();
        record.is_some_and(|record| record.phase == Phase::Idle && record.stable.is_some())
    }

    fn release(&mut self) {
        self.released = self.cluster.now();
        self.unanswered_before = self.unanswered();
        // The StatefulSet is there.
        let _written = self.cluster.set_template(USER, SET, template(CANARY));
    }

    fn finish(mut self) -> Run {
        let end = self.released + patience(self.scenario);
        while self.cluster.now() < end {
            self.advance(end);
            if let Some(end) = self.listen() {
                return self.ended(end);
            }
            self.approve();
        }
        self.ended(End::Unfinished)
    }

    /// Up to the next moment at which something happens, at most to `end`.
    fn advance(&mut self, end: Millis) {
        let approval = self.approval.as_ref().map(|(at, _)| *at);
        let next = [self.cluster.next(), self.daemon.due(), approval].into_iter().flatten().min();
        self.cluster.run_until(next.unwrap_or(end).clamp(self.cluster.now(), end));
        // Nothing on this line ends the process.
        let _done = self.daemon.run(&mut self.cluster, &mut self.line);
    }

    /// Takes in what was told; how it ended, if it did.
    fn listen(&mut self) -> Option<End> {
        let mut end = None;
        for note in std::mem::take(&mut self.line.told) {
            match note {
                Note::StepOpening { step, .. } => self.step = step,
                Note::CheckFailed { check, .. } => self.alarm(By::Check(check)),
                Note::RollingBack(_) => {
                    let cause = self.cause();
                    self.alarm(By::Other(cause));
                }
                Note::AwaitingApproval { command, .. } => {
                    let after = millis(self.scenario.setting.approval_after);
                    self.approval = Some((self.cluster.now() + after, command.replace("<user>", USER)));
                }
                Note::Promoted { .. } => end = Some(End::Promoted),
                Note::RolledBack { .. } => end = Some(End::RolledBack),
                Note::Paused { reason, .. } => end = Some(End::Paused(reason)),
                _ => {}
            }
        }
        end
    }

    fn alarm(&mut self, by: By) {
        let at = self.cluster.now() - self.released;
        if self.alarm.is_none() {
            self.alarm = Some(Alarm { at, by, step: self.step.clone() });
        }
    }

    /// The kind of reason for which it goes back.
    fn cause(&self) -> String {
        let rollout = self.daemon.state().record.as_ref().and_then(|record| record.rollout.as_ref());
        let cause: Option<Cause> = rollout.and_then(|rollout| rollout.back.as_ref()).map(|back| back.cause);
        cause.map_or_else(|| "unknown".to_owned(), |cause| format!("{cause:?}"))
    }

    fn approve(&mut self) {
        let now = self.cluster.now();
        if let Some((_, command)) = self.approval.take_if(|(at, _)| *at <= now) {
            let approval = ("siskin.dev/approve", Some(command.as_str()));
            // The StatefulSet is there.
            let _written = self.cluster.annotate_statefulset(USER, SET, Precondition::NONE, approval);
        }
    }

    fn unanswered(&self) -> u64 {
        self.cluster.clients().iter().map(|clients| clients.refused).sum()
    }

    fn ended(mut self, end: End) -> Run {
        let served = self.cluster.served(CANARY);
        let met = Met {
            answered: served.requests,
            failed: served.failed,
            unanswered: self.unanswered() - self.unanswered_before,
        };
        Run { end, at: self.cluster.now() - self.released, alarm: self.alarm, met }
    }
}

/// When every deadline of the policy has passed: each step may take its bake, its approval and once the longest time
/// without progress; an hour more for the way back.
fn patience(scenario: &Scenario) -> Millis {
    let still = millis(scenario.policy.bounds.progress_deadline) + millis(scenario.setting.approval_after);
    let bakes =
        scenario.plan.steps.iter().map(|step| u64::try_from(step.bake.as_millis()).unwrap_or(u64::MAX));
    bakes.fold(3_600_000, |sum: u64, bake| sum.saturating_add(bake).saturating_add(still))
}

fn manifest(scenario: &Scenario) -> StatefulSet {
    let mut spec = StatefulSetSpec::new(labels([("app", SET)]), template(STABLE));
    spec.replicas = scenario.setting.replicas;
    spec.update_strategy = UpdateStrategy::RollingUpdate { partition: Some(PARKED) };
    if scenario.has_claims() {
        spec.claim_templates = vec![ClaimTemplate { name: Name::from("data"), labels: Labels::default() }];
    }
    let annotations = labels([("siskin.dev/policy", scenario.policy.name.as_str())]);
    StatefulSet {
        metadata: Metadata { annotations, ..Metadata::named(SET) },
        spec,
        status: StatefulSetStatus::default(),
    }
}

/// A pod that is probed each second and, told to go, serves for two seconds more: until no client is sent to it.
fn template(image: &str) -> Template {
    Template::new(serde_json::json!({
        "metadata": { "labels": { "app": SET } },
        "spec": { "containers": [{
            "name": "app", "image": image,
            "readinessProbe": { "periodSeconds": 1 },
            "lifecycle": { "preStop": { "sleep": { "seconds": 2 } } },
        }] },
    }))
}

/// The way between Siskin and the cluster: everything gets through at once. What a check counts are the model's
/// requests, whatever its metrics are called.
struct Line<'a> {
    policy: &'a Policy,
    told: Vec<Note>,
}

impl Wire for Line<'_> {
    fn policy(&self, _name: &str) -> PolicyFact {
        PolicyFact::Loaded(self.policy.clone())
    }

    fn counts(&self, measure: &Measure, pod: &cluster::Reading) -> Reading {
        let counters = &pod.counters;
        let counts = match measure {
            Measure::Ratio { .. } => {
                Counts::Ratio { bad: counters.failed, total: counters.ok + counters.failed }
            }
            Measure::Histogram { .. } => {
                let edges = BOUNDS.iter().map(|bound| std::time::Duration::from_micros(*bound).as_secs_f64());
                let up_to = counters.buckets.iter().scan(0, |sum, count| {
                    *sum += count;
                    Some(*sum)
                });
                Counts::Histogram { buckets: edges.chain([f64::INFINITY]).zip(up_to).collect() }
            }
        };
        Reading::Counts(Scraped::from(counts))
    }

    fn told(&mut self, _cluster: &Cluster, notes: &[Note]) {
        self.told.extend_from_slice(notes);
    }
}
