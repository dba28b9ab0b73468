//! The stories as data: what is released when, under which policy, and how each release has to end.

use siskin_core::state::{Cause, Phase};

/// A story.
#[derive(Debug)]
pub struct Scenario {
    /// What `--scenario` says.
    pub name: &'static str,
    /// One line for people.
    pub about: &'static str,
    /// How releases are judged.
    pub policy: PolicyKind,
    /// What people do, in order.
    pub acts: &'static [Act],
    /// How each release ends, in order.
    pub endings: &'static [Ending],
}

/// The policies that the application can be under.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PolicyKind {
    /// An extra pod first, then half of them, then the others one at a time.
    Canary,
    /// The same, and a person lets it go on after the first step.
    Approval,
    /// Half of the pods, then the others; a failure when all run the new version is undone by the template.
    Batches,
}

impl PolicyKind {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Canary, Self::Approval, Self::Batches];

    /// What the annotation `siskin.dev/policy` says.
    pub fn name(self) -> &'static str {
        match self {
            Self::Canary => "canary",
            Self::Approval => "approval",
            Self::Batches => "batches",
        }
    }
}

/// Something that a person does when its moment has come.
#[derive(Debug)]
pub struct Act {
    /// The moment.
    pub cue: Cue,
    /// What.
    pub deed: Deed,
}

/// A moment of the story.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cue {
    /// No rollout is open, and the last release has ended.
    Rest,
    /// A rollout is in this phase, at this step or later (counted from 0).
    In(Phase, usize),
}

/// What a person does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deed {
    /// `kubectl set image` with this tag.
    Release(&'static str),
    /// `siskin approve`.
    Approve,
    /// `siskin abort`.
    Abort,
    /// The daemon is killed, and another one is started.
    Kill,
}

/// How a release ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Every pod runs it.
    Promoted,
    /// Every pod is back on the stable revision, for such a reason; the text has to occur in it.
    RolledBack(Cause, &'static str),
}

const fn release(tag: &'static str) -> Act {
    Act { cue: Cue::Rest, deed: Deed::Release(tag) }
}

const fn failed(check: &'static str) -> Ending {
    Ending::RolledBack(Cause::CheckFailed, check)
}

/// A release of one image under the usual policy.
const fn one(
    name: &'static str,
    about: &'static str,
    acts: &'static [Act],
    endings: &'static [Ending],
) -> Scenario {
    Scenario { name, about, policy: PolicyKind::Canary, acts, endings }
}

/// The story that is told unless another one is asked for.
pub const DEFAULT: &str = "tour";
/// The story without a release.
pub const IDLE: &str = "idle";

/// All stories, in the order in which they are listed.
pub static ALL: [Scenario; 15] = [
    one(
        DEFAULT,
        "a good version is promoted, then a bad one is taken back",
        &[release("v2"), release("v3-errors")],
        &[Ending::Promoted, failed("errors")],
    ),
    one("good", "a version that works", &[release("v2")], &[Ending::Promoted]),
    one("errors", "it answers one request in ten with 500", &[release("v2-errors")], &[failed("errors")]),
    one("slow", "its answers take 0.8 s and more", &[release("v2-slow")], &[failed("latency")]),
    one(
        "health",
        "its health endpoint says 503 from the start, so it never becomes Ready",
        &[release("v2-sick")],
        &[failed("readiness")],
    ),
    one(
        "late",
        "it works for a minute, then its health endpoint says 503",
        &[release("v2-late")],
        &[failed("health")],
    ),
    one("crash", "it exits after 2 s, again and again", &[release("v2-crash")], &[failed("readiness")]),
    one(
        "leak",
        "it takes more and more memory until it is killed",
        &[release("v2-leak")],
        &[failed("readiness")],
    ),
    one("image", "there is no such image", &[release("v2-missing")], &[failed("readiness")]),
    one("command", "its command can't be run", &[release("v2-broken")], &[failed("readiness")]),
    one("config", "it needs a ConfigMap that isn't there", &[release("v2-unset")], &[failed("readiness")]),
    Scenario {
        name: "undo",
        about: "it turns bad when every pod runs it and Kubernetes has forgotten the version before",
        policy: PolicyKind::Batches,
        acts: &[release("v2-late")],
        endings: &[failed("health")],
    },
    Scenario {
        name: "approval",
        about: "a person lets it go on after the first step",
        policy: PolicyKind::Approval,
        acts: &[release("v2"), Act { cue: Cue::In(Phase::AwaitingApproval, 0), deed: Deed::Approve }],
        endings: &[Ending::Promoted],
    },
    one(
        "abort",
        "a person takes it back in the second step",
        &[release("v2"), Act { cue: Cue::In(Phase::Baking, 1), deed: Deed::Abort }],
        &[Ending::RolledBack(Cause::Aborted, "")],
    ),
    one(
        "killed",
        "the daemon is killed in the middle, and another one goes on",
        &[release("v2"), Act { cue: Cue::In(Phase::Baking, 1), deed: Deed::Kill }],
        &[Ending::Promoted],
    ),
];

/// The application alone: releases are up to whoever uses the cluster.
pub static ALONE: Scenario = one(IDLE, "no release: that is up to you, with --serve", &[], &[]);

/// A story by its name.
pub fn named(name: &str) -> Option<&'static Scenario> {
    ALL.iter().chain([&ALONE]).find(|scenario| scenario.name == name)
}
