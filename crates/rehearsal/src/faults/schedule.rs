//! What goes wrong when: data that follows from a seed.

use std::fmt;

use siskin_embedded::{
    Millis,
    chance::{Chance, Share},
};

use super::{policies, sources::Ill};
use crate::wire::Watch;

/// The versions that are released; v1 is there from the start.
pub const VERSIONS: usize = 4;
/// Faults stop after this time.
pub const END: Millis = 90_000;

/// One story.
#[derive(Clone, Debug)]
pub struct Schedule {
    /// What it follows from; the cluster's chance does, too.
    pub seed: u64,
    /// What there is at the start.
    pub setup: Setup,
    /// By time.
    pub faults: Vec<Planned>,
}

/// What there is at the start.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is drawn by itself")]
pub struct Setup {
    /// `spec.replicas`.
    pub replicas: u32,
    /// `spec.ordinals.start`.
    pub start: u32,
    /// `podManagementPolicy: Parallel`.
    pub parallel: bool,
    /// It has claims.
    pub claims: bool,
    /// Which of the policies.
    pub policy: usize,
    /// The mutating park policy is there.
    pub park: bool,
    /// The hold is there.
    pub hold: bool,
    /// The pod guard is there, too.
    pub guard: bool,
    /// `onForgotten: Restore`.
    pub restore: bool,
    /// A second process stands by, and one of them leads.
    pub standby: bool,
    /// How v2 and those after it behave.
    pub qualities: [Quality; VERSIONS],
}

/// How a version behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quality {
    /// Well.
    Good,
    /// Well, after eight seconds.
    SlowStart,
    /// Half of its answers are errors.
    Errors,
    /// Errors from five seconds of age on.
    LateErrors,
    /// Its health endpoint fails.
    Sick,
    /// It crashes after two seconds.
    Crashes,
    /// There is no image.
    NoImage,
}

/// A fault and its moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Planned {
    /// When, counted from the first release.
    pub at: Millis,
    /// What.
    pub fault: Fault,
}

/// An answer of the API server that isn't the one that was hoped for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    /// 409
    Conflict,
    /// 410
    Gone,
    /// 429
    TooManyRequests,
    /// 500
    Internal,
    /// 503
    Unavailable,
    /// 504
    Timeout,
}

/// What becomes of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// The process dies before it is sent.
    DiesBefore,
    /// The process dies when it is done.
    DiesAfter,
    /// Nothing is written.
    Refused(Code),
    /// It is written, and the answer is an error.
    Unanswered(Code),
    /// It arrives after this time.
    Slow(Millis),
    /// The process loses its lease over it, another takes over, and it arrives after this time.
    Late(Millis),
}

/// What people and programs do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strangers {
    /// Another version is released, 1 to 5.
    Release(u8),
    /// The present template is written with a member that says nothing.
    Rewrite,
    /// Somebody scales.
    Scale(Scaler, u32),
    /// `kubectl patch` of the partition.
    Partition(u32),
    /// A manifest with version, replicas and partition 0 is applied.
    Apply(u8, u32),
    /// Scaled to zero, and back after this time.
    ZeroAndBack(Millis),
    /// Deleted with its pods left, and created anew.
    Recreate(u8),
    /// Commands.
    Abort,
    /// `siskin.dev/undo` of the open rollout.
    Undo,
    /// `siskin.dev/retry` of the last rollout.
    Retry,
    /// `siskin.dev/promote` of the update revision.
    Promote,
    /// `siskin.dev/approve` of the open step.
    Approve,
    /// `siskin.dev/paused`.
    Pause,
    /// It is taken off.
    Resume,
    /// `siskin.dev/policy` is taken off.
    OptOut,
    /// It is put back.
    OptIn,
    /// The list of released revisions is emptied.
    EditList,
    /// It is deleted.
    DropList,
    /// The state annotation is removed.
    LoseState,
    /// The state annotation is garbled.
    GarbleState,
    /// Every claim is written into the state as one of the rollout's.
    ClaimEverything,
    /// `siskin.dev/stable` is taken off.
    LoseStable,
    /// The policy can't be loaded for this time.
    PolicyGone(Millis),
    /// The policy is another one from now on.
    PolicyEdited(usize),
}

/// Who scales.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scaler {
    /// `kubectl scale`.
    Person,
    /// A `HorizontalPodAutoscaler`.
    Autoscaler,
    /// A tool that applies manifests.
    Applier,
}

/// One thing that goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The process is replaced.
    Restart,
    /// The process is replaced, and its watches begin so many writes ago and catch up after this time.
    RestartBehind(u64, Millis),
    /// The process stands still.
    Freeze(Millis),
    /// The API server's clock is this many seconds off from now on.
    Clock(i64),
    /// This happens to the write after so many.
    Write(u32, Fate),
    /// A watch shows everything this much later, for that time.
    Lag(Watch, Millis, Millis),
    /// A watch shows nothing for this time.
    Silent(Watch, Millis),
    /// The pods can't be listed for this time.
    Cut(Millis),
    /// Reads fail for this time.
    ReadsFail(Millis),
    /// The leading process can't reach the Lease for this time.
    LeaseCut(Millis),
    /// This is wrong with the sources for that time.
    Source(Ill, Millis),
    /// Messages to people don't arrive for this time.
    ReceiverDown(Millis),
    /// The installation freezes rollouts for this time.
    RolloutFreeze(Millis),
    /// Checks get no usable answers for this time.
    NoData(Millis),
    /// Health endpoints can't be reached for this time.
    Unreachable(Millis),
    /// The process in the pod of this index is killed.
    Kill(u32),
    /// The pod of this index is deleted, as by a drain.
    Delete(u32),
    /// The pod of this index is evicted by its kubelet.
    Evict(u32),
    /// The node of the pod of this index is silent for this time.
    Silence(u32, Millis),
    /// No node takes new pods for this time.
    Unschedulable(Millis),
    /// A quota that is used up, for this time.
    Quota(Millis),
    /// No volumes are made for this time.
    NoVolumes(Millis),
    /// The StatefulSet controller doesn't run for this time.
    ControllerStops(Millis),
    /// Somebody acts.
    Stranger(Strangers),
}

impl Strangers {
    /// Whether it may bring pods to an unjudged revision behind Siskin's back, where only parking protects.
    pub fn exposes(self) -> bool {
        !matches!(
            self,
            Self::Release(_)
                | Self::Rewrite
                | Self::Scale(_, 1..)
                | Self::Abort
                | Self::Retry
                | Self::Approve
                | Self::Pause
                | Self::Resume
                | Self::ClaimEverything
                | Self::PolicyGone(_)
                | Self::PolicyEdited(_)
                | Self::EditList
                | Self::DropList
        )
    }
}

impl Schedule {
    /// The story of a seed.
    pub fn of(seed: u64) -> Self {
        let mut chance = Chance::new(seed ^ 0x5157_4B1D);
        let setup = Setup::draw(&mut chance);
        let strangers = chance.hits(Share::of(1, 2));
        let mut faults = vec![Planned { at: 0, fault: Fault::Stranger(Strangers::Release(2)) }];
        for _ in 0..chance.between(1, 9) {
            // Most of what is told of happens early.
            let at = chance.below(END);
            let at = if chance.hits(Share::of(1, 2)) { at / 4 } else { at };
            faults.push(Planned { at, fault: fault(&mut chance, &setup, strangers) });
        }
        faults.sort_by_key(|planned| planned.at);
        Self { seed, setup, faults }
    }

    /// The same story with the faults of these numbers only.
    #[must_use]
    pub fn keep(&self, kept: &[usize]) -> Self {
        let faults = kept.iter().filter_map(|index| self.faults.get(*index).cloned()).collect();
        Self { faults, ..self.clone() }
    }
}

impl Setup {
    fn draw(chance: &mut Chance) -> Self {
        let protection = chance.below(4);
        let mut quality = || match chance.below(10) {
            0 => Quality::SlowStart,
            1 => Quality::Errors,
            2 => Quality::LateErrors,
            3 => Quality::Sick,
            4 => Quality::Crashes,
            5 => Quality::NoImage,
            _ => Quality::Good,
        };
        let qualities = [quality(), quality(), quality(), quality()];
        Self {
            qualities,
            replicas: u32::try_from(chance.between(1, 5)).unwrap_or(1),
            start: if chance.below(8) == 0 { 5 } else { 0 },
            parallel: chance.hits(Share::of(1, 2)),
            claims: chance.hits(Share::of(1, 2)),
            policy: usize::try_from(chance.below(policies::COUNT as u64)).unwrap_or(0),
            park: protection >= 2,
            hold: protection == 3,
            restore: chance.hits(Share::of(1, 3)),
            guard: protection == 3 && chance.hits(Share::of(1, 2)),
            standby: chance.hits(Share::of(1, 4)),
        }
    }
}

/// One of several, each with the same chance.
fn pick<T: Copy, const N: usize>(chance: &mut Chance, of: [T; N]) -> T {
    let index = usize::try_from(chance.below(N as u64)).unwrap_or(0);
    of.get(index).copied().unwrap_or_else(|| unreachable!("the index is below the length"))
}

fn fault(chance: &mut Chance, setup: &Setup, strangers: bool) -> Fault {
    let time = |chance: &mut Chance| 200 << chance.below(8);
    let index = u32::try_from(chance.below(u64::from(setup.replicas) + 1)).unwrap_or(0);
    let watch = if chance.below(2) == 0 { Watch::Workload } else { Watch::Pods };
    let count = |chance: &mut Chance, below| u32::try_from(chance.below(below)).unwrap_or(0);
    match chance.below(if strangers { 38 } else { 28 }) {
        1 => Fault::RestartBehind(chance.between(1, 60), time(chance)),
        2 => Fault::Freeze(time(chance)),
        3 => Fault::Clock(pick(chance, [-300, -20, 20, 300])),
        4..=9 => Fault::Write(count(chance, 6), fate(chance)),
        10 => Fault::Lag(watch, time(chance), time(chance)),
        11 => Fault::Silent(watch, time(chance)),
        12 => Fault::Cut(time(chance)),
        13 => Fault::ReadsFail(time(chance)),
        14 => Fault::NoData(time(chance)),
        15 => Fault::Unreachable(time(chance)),
        16 => Fault::Kill(index),
        17 => Fault::Delete(index),
        18 => Fault::Evict(index),
        19 => Fault::Silence(index, time(chance)),
        20 => Fault::Unschedulable(time(chance)),
        21 => {
            let time = time(chance);
            pick(chance, [Fault::Quota(time), Fault::NoVolumes(time), Fault::ControllerStops(time)])
        }
        22 | 23 => Fault::Stranger(Strangers::Release(pick(chance, [2, 3, 4, 5]))),
        24 => Fault::ReceiverDown(time(chance)),
        25 => Fault::RolloutFreeze(time(chance)),
        26 if setup.standby => Fault::LeaseCut(time(chance)),
        26 | 27 if policies::asks_a_source(setup.policy) => Fault::Source(ill(chance), time(chance)),
        0 | 26 | 27 => Fault::Restart,
        _ => Fault::Stranger(stranger(chance, setup)),
    }
}

fn ill(chance: &mut Chance) -> Ill {
    let status = Ill::Status(pick(chance, [401, 404, 429, 500, 503]));
    pick(chance, [Ill::Nan, Ill::Empty, Ill::ManySeries, Ill::Timeout, Ill::Partial, Ill::CutOff, status])
}

fn fate(chance: &mut Chance) -> Fate {
    let code = pick(
        chance,
        [Code::Conflict, Code::Gone, Code::TooManyRequests, Code::Internal, Code::Unavailable, Code::Timeout],
    );
    match chance.below(8) {
        0 | 1 => Fate::DiesBefore,
        2 | 3 => Fate::DiesAfter,
        4 => Fate::Refused(code),
        5 => Fate::Unanswered(code),
        6 => Fate::Slow(100 << chance.below(6)),
        _ => Fate::Late(100 << chance.below(8)),
    }
}

fn stranger(chance: &mut Chance, setup: &Setup) -> Strangers {
    let count = |chance: &mut Chance, below| u32::try_from(chance.below(below)).unwrap_or(0);
    let version = |chance: &mut Chance| pick(chance, [1, 2, 3, 4, 5]);
    let replicas = |chance: &mut Chance| 1 + count(chance, 5);
    match chance.below(if setup.guard { 28 } else { 26 }) {
        0 | 1 => Strangers::Release(version(chance)),
        2 => Strangers::Rewrite,
        3 => Strangers::Scale(Scaler::Person, replicas(chance)),
        4 => Strangers::Scale(Scaler::Autoscaler, replicas(chance)),
        5 => Strangers::Scale(Scaler::Applier, setup.replicas),
        6 => Strangers::Partition(count(chance, 6)),
        7 => Strangers::Apply(version(chance), replicas(chance)),
        8 => Strangers::ZeroAndBack(500 << chance.below(5)),
        9 => Strangers::Recreate(version(chance)),
        10 => Strangers::Abort,
        11 => Strangers::Undo,
        12 => Strangers::Retry,
        13 => Strangers::Promote,
        14 | 15 => Strangers::Approve,
        16 => Strangers::Pause,
        17 => Strangers::Resume,
        18 => Strangers::OptOut,
        19 => Strangers::OptIn,
        20 => Strangers::LoseState,
        21 => Strangers::GarbleState,
        22 => Strangers::ClaimEverything,
        23 => Strangers::LoseStable,
        24 => Strangers::PolicyGone(500 << chance.below(6)),
        25 => Strangers::PolicyEdited(usize::try_from(chance.below(policies::COUNT as u64)).unwrap_or(0)),
        26 => Strangers::EditList,
        _ => Strangers::DropList,
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "seed {}: {:?}", self.seed, self.setup)?;
        for Planned { at, fault } in &self.faults {
            writeln!(f, "  {:>3}.{:03} s  {fault:?}", at / 1000, at % 1000)?;
        }
        Ok(())
    }
}
