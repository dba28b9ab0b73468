//! How far a pod has come.

use super::{View, probe};
use crate::{
    Millis,
    chance::Chance,
    model::application::Start,
    object::{Name, Terminated},
};

/// A pull of an image that doesn't exist fails after this.
const PULL_FAILS: Millis = 1_500;
/// After a failed pull this passes until the kubelet says that it waits (seen: 11 s).
pub(super) const PULL_SYNC: Millis = 11_000;
/// The first wait after a failure; each further one is twice as long.
const BACK_OFF: Millis = 10_000;
/// The longest wait.
const MAX_BACK_OFF: Millis = 300_000;
/// How long an ended container stays unnoticed.
pub(super) const RELIST: Millis = 1_000;
/// How long a container takes from the pull to its first instruction.
const CREATION: (Millis, Millis) = (300, 900);
/// How long a pod takes to go whose container doesn't run.
const CLEAN_UP: Millis = 100;

/// What the kubelet knows of a pod.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    pub(super) stage: Stage,
    /// `restartCount`.
    pub(super) restarts: u32,
    /// `lastState.terminated`.
    pub(super) last: Option<Terminated>,
    /// Since when the pod is Ready.
    pub(super) ready_since: Option<Millis>,
    /// A container has run: the phase is Running from now on.
    pub(super) ran: bool,
    /// The wait after the next failure; `None`: there was none yet, and the container restarts at once.
    back_off: Option<Millis>,
    /// Failed pulls in a row.
    failed_pulls: u32,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Stage {
    /// Waits for a node and for its volumes.
    #[default]
    Waiting,
    /// The image comes.
    Pulling { until: Millis },
    /// It didn't come.
    PullFailed { at: Millis, retry: Millis },
    /// The container is being made.
    Creating { until: Millis },
    /// Its configuration isn't there.
    ConfigMissing,
    /// The process runs.
    Running { since: Millis },
    /// The process ended; started again then.
    Ended { how: Terminated, restart: Millis },
    /// The pod is being deleted: the process is told to stop at `told` and gone at `until`.
    Stopping { since: Option<Millis>, told: Millis, until: Millis },
    /// It failed for good, for this reason.
    Failed { reason: Name },
    /// Nothing is left of it.
    Gone,
}

/// A process that runs in a pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Process {
    /// When it started.
    pub since: Millis,
    /// `restartCount`: tells one process of a pod from the next.
    pub restarts: u32,
    /// It was told to stop and answers no more.
    pub stopping: bool,
}

impl Memory {
    /// A pod that its kubelet has evicted, for example for `Evicted`: it has failed, and its object stays.
    #[must_use]
    pub fn failed(self, reason: &str) -> Self {
        Self { stage: Stage::Failed { reason: reason.into() }, ready_since: None, ..self }
    }

    /// A pod whose process ended just now, as by a signal from outside.
    #[must_use]
    pub fn killed(mut self, reason: &str, exit_code: i32, now: Millis) -> Self {
        if let Stage::Running { since } = self.stage {
            self.end(Terminated { reason: reason.into(), exit_code, at: now }, since);
        }
        self
    }

    /// The process that runs.
    pub fn process(&self, now: Millis) -> Option<Process> {
        let (since, stopping) = match self.stage {
            Stage::Running { since } => (since, false),
            Stage::Stopping { since: Some(since), told, .. } => (since, told <= now),
            _ => return None,
        };
        Some(Process { since, restarts: self.restarts, stopping })
    }

    /// Nothing is left of the pod.
    pub fn gone(&self) -> bool {
        self.stage == Stage::Gone
    }

    /// Does everything that is due. Returns when to come again.
    pub(super) fn catch_up(&mut self, view: &View<'_>, now: Millis, chance: &mut Chance) -> Option<Millis> {
        loop {
            let before = self.stage.clone();
            let wake = self.step(view, now, chance);
            if self.stage == before {
                return wake;
            }
        }
    }

    fn step(&mut self, view: &View<'_>, now: Millis, chance: &mut Chance) -> Option<Millis> {
        if let Some(deletion) = view.pod.metadata.deletion
            && !matches!(self.stage, Stage::Stopping { .. } | Stage::Gone)
        {
            self.stop(view, deletion.at, now);
            return None;
        }
        match self.stage.clone() {
            Stage::Waiting => self.begin(view, now, chance),
            Stage::Pulling { until } | Stage::Creating { until } if now < until => return Some(until),
            Stage::Pulling { until } => self.pulled(view, until, chance),
            Stage::PullFailed { retry, .. } if retry <= now => {
                self.stage = Stage::Pulling { until: retry + PULL_FAILS }
            }
            Stage::PullFailed { at, retry } => {
                return [at + PULL_SYNC, retry].into_iter().find(|&wake| wake > now);
            }
            Stage::Creating { until } => self.create(view, until),
            Stage::Running { since } => return self.run(view, since, now),
            Stage::Ended { restart, .. } if restart <= now => self.restart(view, restart),
            Stage::Ended { how, restart } => {
                return [how.at + RELIST, restart].into_iter().find(|&wake| wake > now);
            }
            Stage::Stopping { until, .. } if until <= now => self.stage = Stage::Gone,
            Stage::Stopping { told, until, .. } => return [told, until].into_iter().find(|&wake| wake > now),
            Stage::ConfigMissing if view.behaviour.start != Start::NoConfig => self.stage = Stage::Waiting,
            Stage::ConfigMissing | Stage::Failed { .. } | Stage::Gone => {}
        }
        None
    }

    fn stop(&mut self, view: &View<'_>, grace_ends: Millis, now: Millis) {
        if let Stage::Ended { how, .. } = &self.stage {
            self.last = Some(how.clone());
        }
        self.stage = match self.stage {
            Stage::Running { since } => {
                let told = (now + view.pod.template.pre_stop()).min(grace_ends.max(now));
                let until = (told + view.behaviour.stop).min(grace_ends.max(told));
                Stage::Stopping { since: Some(since), told, until }
            }
            Stage::Waiting => Stage::Gone,
            _ => Stage::Stopping { since: None, told: now, until: now + CLEAN_UP },
        };
    }

    fn begin(&mut self, view: &View<'_>, now: Millis, chance: &mut Chance) {
        if view.unschedulable.is_some() || !view.claims_bound || view.behaviour.start == Start::NoMount {
            return;
        }
        let pull = if view.behaviour.start == Start::NoImage { PULL_FAILS } else { view.behaviour.pull };
        if pull == 0 {
            self.pulled(view, now, chance);
        } else {
            self.stage = Stage::Pulling { until: now + pull };
        }
    }

    fn pulled(&mut self, view: &View<'_>, at: Millis, chance: &mut Chance) {
        self.stage = if view.behaviour.start == Start::NoImage {
            let wait = doubled(self.failed_pulls);
            self.failed_pulls += 1;
            Stage::PullFailed { at, retry: at + PULL_SYNC + wait }
        } else {
            self.failed_pulls = 0;
            Stage::Creating { until: at + chance.between(CREATION.0, CREATION.1) }
        };
    }

    fn create(&mut self, view: &View<'_>, at: Millis) {
        match view.behaviour.start {
            Start::NoConfig => self.stage = Stage::ConfigMissing,
            Start::NoCommand => {
                self.ran = true;
                self.end(Terminated { reason: "StartError".into(), exit_code: 128, at }, at);
            }
            _ => {
                self.ran = true;
                self.stage = Stage::Running { since: at };
            }
        }
    }

    fn run(&mut self, view: &View<'_>, since: Millis, now: Millis) -> Option<Millis> {
        let probed = probe::judge(view, since, now);
        if probed.ready != self.ready_since.is_some() {
            self.ready_since = probed.ready.then_some(probed.changed);
        }
        let own_end = view.behaviour.ends(view.pod.template.memory_limit());
        let own_end =
            own_end.map(|(age, reason, exit_code)| Terminated { reason, exit_code, at: since + age });
        let kill = probed.killed.map(|at| Terminated { reason: "Error".into(), exit_code: 137, at });
        let end = own_end.into_iter().chain(kill).min_by_key(|end| end.at);
        match end {
            Some(end) if end.at <= now => {
                self.end(end, since);
                None
            }
            Some(end) => Some(probed.next.map_or(end.at, |next| next.min(end.at))),
            None => probed.next,
        }
    }

    /// The first restart comes at once, the second after 10 s, then twice as long each time; a process that ran for
    /// twice the longest wait begins anew.
    fn end(&mut self, how: Terminated, since: Millis) {
        let steady = how.at.saturating_sub(since) > 2 * MAX_BACK_OFF;
        let wait = self.back_off.filter(|_| !steady);
        self.back_off = Some(wait.map_or(BACK_OFF, |wait| (2 * wait).min(MAX_BACK_OFF)));
        self.ready_since = None;
        let restart = how.at + wait.unwrap_or(0).max(RELIST);
        self.stage = Stage::Ended { how, restart };
    }

    fn restart(&mut self, view: &View<'_>, at: Millis) {
        if let Stage::Ended { how, .. } = &self.stage {
            self.last = Some(how.clone());
        }
        self.restarts += 1;
        self.create(view, at);
    }
}

fn doubled(times: u32) -> Millis {
    BACK_OFF.saturating_mul(1 << times.min(10)).min(MAX_BACK_OFF)
}
