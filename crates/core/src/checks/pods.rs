//! What was seen of each pod over time.

use std::{collections::BTreeMap, time::Duration};

use serde::{Deserialize, Serialize};

use super::Role;
use crate::{
    facts::{Phase, Pod, Uid},
    time::Instant,
};

/// Waiting reasons of an image that can't be had. The kubelet alternates between the first two while it retries.
pub(super) const PULL_ERRORS: [&str; 5] = [
    "ErrImagePull",
    "ImagePullBackOff",
    "RegistryUnavailable",
    "ImageInspectError",
    "SignatureValidationFailed",
];

/// The pods of both roles. Terminating ones are not among them: nothing they do is judged.
#[derive(Debug, Default)]
pub(super) struct Pods {
    seen: BTreeMap<Uid, Seen>,
    /// What an earlier process knew, until the first look of this one.
    resumed: Option<BTreeMap<Uid, Mark>>,
}

/// One pod, as it is now and with its past.
#[derive(Debug)]
pub(super) struct Seen {
    pub pod: Pod,
    pub role: Role,
    /// Since it was seen first.
    pub age: Stopwatch,
    /// Since it was Ready first; `None`: never yet.
    pub ready: Option<Stopwatch>,
    /// Since it stopped being Ready; `None`: it is Ready, or never was.
    pub unready: Option<Stopwatch>,
    /// Since an image couldn't be pulled, until no container waits for anything.
    pub pull_error: Option<Stopwatch>,
    /// Since no node would take it.
    pub unschedulable: Option<Stopwatch>,
    /// It ran before this process looked, so that its counters may have been counted already.
    pub counted_before: bool,
}

/// Time that goes on after a restart of this process where it stood at the last checkpoint.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stopwatch {
    before: Duration,
    since: Instant,
}

impl Stopwatch {
    fn start(now: Instant) -> Self {
        Self { before: Duration::ZERO, since: now }
    }

    fn resume(millis: u64, now: Instant) -> Self {
        Self { before: Duration::from_millis(millis), since: now }
    }

    /// The time on it.
    pub fn read(self, now: Instant) -> Duration {
        self.before.saturating_add(now.since(self.since))
    }

    /// When this process started it, or took it over.
    pub fn since(self) -> Instant {
        self.since
    }

    fn millis(self, now: Instant) -> u64 {
        u64::try_from(self.read(now).as_millis()).unwrap_or(u64::MAX)
    }
}

/// A pod's past in milliseconds.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Mark {
    age: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    ready: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    unready: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pull_error: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    unschedulable: Option<u64>,
}

impl Pods {
    pub fn resume(marks: BTreeMap<Uid, Mark>) -> Self {
        Self { seen: BTreeMap::new(), resumed: Some(marks) }
    }

    pub fn observe(&mut self, canary: &[&Pod], stable: &[&Pod], now: Instant) {
        let counted_before = self.resumed.is_some();
        let marks = self.resumed.take().unwrap_or_default();
        let mut earlier = std::mem::take(&mut self.seen);
        let roles = [(Role::Canary, canary), (Role::Stable, stable)];
        for (role, pods) in roles {
            for pod in pods.iter().filter(|pod| !pod.terminating) {
                let mut seen = earlier.remove(&pod.uid).unwrap_or_else(|| {
                    Seen::new(role, marks.get(&pod.uid).unwrap_or(&Mark::default()), counted_before, now)
                });
                seen.look(pod, now);
                self.seen.insert(pod.uid.clone(), seen);
            }
        }
    }

    pub fn get(&self, uid: &Uid) -> Option<&Seen> {
        self.seen.get(uid)
    }

    /// The pods of a role by ordinal.
    pub fn of(&self, role: Role) -> Vec<&Seen> {
        let mut pods: Vec<&Seen> = self.seen.values().filter(|seen| seen.role == role).collect();
        pods.sort_by_key(|seen| seen.pod.ordinal);
        pods
    }

    /// The pods of a role that were Ready once, by ordinal: the ones that are asked.
    pub fn probed(&self, role: Role) -> Vec<&Seen> {
        let mut pods = self.of(role);
        pods.retain(|seen| seen.ready.is_some());
        pods
    }

    /// The past of canary pods that can't be told from the pods themselves: of those that are not Ready, or were
    /// Ready for the first time less than `warm_up` ago.
    pub fn marks(&self, warm_up: Duration, now: Instant) -> BTreeMap<&Uid, Mark> {
        let unsettled =
            |seen: &&Seen| !seen.pod.ready || seen.ready.is_none_or(|ready| ready.read(now) < warm_up);
        let pods = self.seen.values().filter(|seen| seen.role == Role::Canary).filter(unsettled);
        pods.map(|seen| (&seen.pod.uid, seen.mark(now))).collect()
    }
}

impl Seen {
    fn new(role: Role, mark: &Mark, counted_before: bool, now: Instant) -> Self {
        let resume = |millis: Option<u64>| millis.map(|millis| Stopwatch::resume(millis, now));
        Self {
            pod: Pod::default(),
            role,
            age: Stopwatch::resume(mark.age, now),
            ready: resume(mark.ready),
            unready: resume(mark.unready),
            pull_error: resume(mark.pull_error),
            unschedulable: resume(mark.unschedulable),
            counted_before,
        }
    }

    fn look(&mut self, pod: &Pod, now: Instant) {
        let run = |watch: Option<Stopwatch>| Some(watch.unwrap_or_else(|| Stopwatch::start(now)));
        self.pod = pod.clone();
        if self.is_ready() {
            self.ready = run(self.ready);
            self.unready = None;
        } else if self.ready.is_some() {
            self.unready = run(self.unready);
        }
        if self.pulls_badly() {
            self.pull_error = run(self.pull_error);
        } else if pod.containers.iter().all(|container| container.waiting.is_none()) {
            self.pull_error = None;
        }
        self.unschedulable = if pod.unschedulable.is_some() { run(self.unschedulable) } else { None };
    }

    /// It is Ready and has not ended; an evicted pod's condition may lag behind its phase.
    pub fn is_ready(&self) -> bool {
        self.pod.ready && !matches!(self.pod.phase, Phase::Failed | Phase::Succeeded)
    }

    fn pulls_badly(&self) -> bool {
        let mut reasons = self.pod.containers.iter().filter_map(|container| container.waiting.as_deref());
        reasons.any(|reason| PULL_ERRORS.contains(&reason))
    }

    fn mark(&self, now: Instant) -> Mark {
        let millis = |watch: Option<Stopwatch>| watch.map(|watch| watch.millis(now));
        Mark {
            age: self.age.millis(now),
            ready: millis(self.ready),
            unready: millis(self.unready),
            pull_error: millis(self.pull_error),
            unschedulable: millis(self.unschedulable),
        }
    }
}
