//! The durable state of one workload, kept in the annotation `siskin.dev/state`, and what is remembered beside it.
//!
//! The record is input from a stranger: whoever may patch the StatefulSet may edit it. It can narrow what the
//! engine does, never widen it; the engine checks it against the live objects wherever it matters.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    checks::Verdict,
    facts::{Revision, RevisionVerdict, Uid, Workload},
    group::Standing,
    policy::{self, Policy, Topic},
    time::{Instant, Wall},
};

/// The largest state that is read or written, in bytes.
pub const MAX_BYTES: usize = 32 * 1024;

/// How many rollouts the history keeps.
pub const HISTORY: usize = 5;

/// What the engine knows of a workload between two steps.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct State {
    /// What survives a restart; `None`: not opted in, or nothing readable.
    pub record: Option<Record>,
    /// What doesn't.
    pub memory: Memory,
}

/// State v1.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Record {
    /// Always 1.
    pub version: u32,
    /// The StatefulSet this was written for; another UID means it was copied here.
    #[serde(rename = "workloadUID")]
    pub workload_uid: Uid,
    /// Rises with every write of the state.
    pub seq: u64,
    /// The revision last promoted or adopted; equals the annotation `siskin.dev/stable`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stable: Option<Revision>,
    /// N: the replicas that the user wants.
    pub user_replicas: u32,
    /// The partition before opting in.
    pub user_partition: u32,
    /// Where the workload stands.
    pub phase: Phase,
    /// The open rollout; none at rest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollout: Option<Rollout>,
    /// What the next rollout, or the next step of the open one, waits for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiting: Option<Waiting>,
    /// Why nothing moves forward; the annotation `siskin.dev/paused` goes with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pause: Option<Pause>,
    /// What stands against going on, besides a pause. It is a little behind: problems may come and go.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<Obstacle>,
    /// The update revision that was looked at and needs no rollout (rejected, or the stable template again).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settled: Option<Revision>,
    /// The current revision that took the stable one's place without a promotion.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forgotten: Option<Revision>,
    /// The one at which the stable template was written back at zero replicas: not done again if it returns.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restored: Option<Revision>,
    /// The ConfigMaps and Secrets that pods refer to, as `Kind/name`, and the version that was last told.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub configuration: BTreeMap<String, String>,
    /// What is known of the claims of surge ordinals.
    #[serde(default, skip_serializing_if = "ClaimLedger::is_empty")]
    pub claims: ClaimLedger,
    /// Pods may carry `siskin.dev/role`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub labelled: bool,
    /// Commands that acted or matched nothing, as `name=value`; ignored if they return.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub consumed: Vec<String>,
    /// The last message to people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<Message>,
    /// The seq of the last message each receiver got.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub notified: BTreeMap<String, u64>,
    /// The last rollouts, newest last.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub history: Vec<Past>,
}

/// A standing problem, as it was saved last.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Obstacle {
    /// As in the metric `siskin_workload_problem`.
    pub reason: String,
    /// What is wrong and what to do.
    pub detail: String,
    /// When it was first saved.
    pub since: Wall,
}

/// Where a workload stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Phase {
    /// Parked for the first time, or after the state was lost; the pods have to be looked at.
    OptingIn,
    /// Parked; the pods were never all Ready, so there is no stable revision yet.
    Installing,
    /// At rest.
    Idle,
    /// The step's pods are being changed.
    Opening,
    /// The step's pods are judged, parked.
    Baking,
    /// The bake is done; a person must let it go on. Parked, checks run.
    AwaitingApproval,
    /// The canary revision is the stable one; Kubernetes and the replicas are brought to it.
    Completing,
    /// Back to stable by deleting pods, parked.
    Reverting,
    /// Back to stable by the template, open.
    Undoing,
}

impl Phase {
    /// The name in the state and for people.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::OptingIn => "OptingIn",
            Self::Installing => "Installing",
            Self::Idle => "Idle",
            Self::Opening => "Opening",
            Self::Baking => "Baking",
            Self::AwaitingApproval => "AwaitingApproval",
            Self::Completing => "Completing",
            Self::Reverting => "Reverting",
            Self::Undoing => "Undoing",
        }
    }
}

/// One passage from stable to canary revision.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Rollout {
    /// Names this rollout in commands: unique per workload.
    pub id: String,
    /// The revision being judged.
    pub canary: Revision,
    /// The policy as it was when the rollout started.
    pub resolved_policy: Policy,
    /// Index into the compiled steps.
    pub step: usize,
    /// Extra pods that Siskin has added to `spec.replicas`.
    #[serde(default)]
    pub surge: u32,
    /// The bake of this step so far, in milliseconds of observed passing time.
    #[serde(default)]
    pub bake_done_ms: u64,
    /// Observed time since this step's bake began, whatever the checks said, in milliseconds.
    #[serde(default)]
    pub in_bake_ms: u64,
    /// Time since the last progress, in milliseconds.
    #[serde(default)]
    pub stalled_ms: u64,
    /// How often this step lost its exposure.
    #[serde(default)]
    pub exposure_lost: u32,
    /// Why extra pods were given up: since then it goes on in place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub surge_refused: Option<String>,
    /// How often an applier took the surge away.
    #[serde(default)]
    pub surge_contested: u32,
    /// Why the rollout goes back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub back: Option<Back>,
    /// Checkpoints of the checks by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub checks: BTreeMap<String, Value>,
    /// What the checks said at the last write, for people; decides nothing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub verdicts: Vec<Verdict>,
    /// When it started.
    pub started: Wall,
}

/// Why a rollout goes back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Back {
    /// The kind of reason.
    pub cause: Cause,
    /// One sentence.
    pub detail: String,
}

/// The kinds of reasons to go back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Cause {
    /// A check failed.
    CheckFailed,
    /// No verdict in time, and the policy says to roll back.
    Undecided,
    /// No progress in time.
    ProgressDeadline,
    /// A person aborted.
    Aborted,
    /// A newer template.
    Superseded,
    /// The stable template was put back.
    PutBack,
    /// The policy annotation was removed.
    OptedOut,
    /// Extra pods were refused, and the policy says to roll back.
    SurgeRefused,
    /// Replicas went to zero.
    ScaledToZero,
    /// Pods ran several revisions, and a person named the stable one.
    MixedRevisions,
    /// Kubernetes forgot the stable revision.
    Forgotten,
}

impl Cause {
    /// What the canary revision is marked as; `None`: nothing was found out about it.
    pub fn verdict(self) -> Option<RevisionVerdict> {
        match self {
            Self::CheckFailed
            | Self::Undecided
            | Self::ProgressDeadline
            | Self::SurgeRefused
            | Self::Aborted => Some(RevisionVerdict::Rejected),
            Self::Superseded | Self::PutBack => Some(RevisionVerdict::Superseded),
            Self::OptedOut | Self::ScaledToZero | Self::MixedRevisions | Self::Forgotten => None,
        }
    }
}

/// What a rollout or a step waits for, without anybody having to act.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Waiting {
    /// The kind.
    pub awaited: Awaited,
    /// For people; as it was when the wait began.
    pub detail: String,
    /// Who waits longest comes first.
    pub since: Wall,
}

/// The kinds of things that are waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Awaited {
    /// A window of the policy, or the end of a freeze.
    Window,
    /// A place among the rollouts that may be open at once.
    Turn,
}

/// Why nothing moves forward.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Pause {
    /// The kind of reason.
    pub reason: PauseReason,
    /// What happened and what to do.
    pub detail: String,
}

/// The kinds of reasons to pause.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum PauseReason {
    /// A person set `siskin.dev/paused`.
    Requested,
    /// A check failed and the policy says to pause.
    CheckFailed,
    /// A check failed after Kubernetes had completed the update.
    FailedAfterCompletion,
    /// No verdict in time.
    Undecided,
    /// A check has no data and the policy says to pause.
    NoData,
    /// No progress in time and the policy says to pause.
    ProgressDeadline,
    /// Canary pods were deleted by others too often.
    ExposureLost,
    /// Pods run several revisions and none is known as stable.
    MixedRevisions,
    /// `siskin.dev/stable` and the state disagree.
    StateMismatch,
    /// The state was lost while a rollout was open.
    StateLost,
    /// Our write came out different from what was sent.
    AdmissionMismatch,
    /// A surge ordinal has a claim from before.
    ClaimLeftOver,
    /// An applier takes the surge away again and again.
    ReplicasContested,
    /// The template that undo wrote did not become the stable one.
    UndoMismatch,
    /// Somebody wrote another template during undo.
    UndoContested,
    /// Extra pods are not let in.
    SurgeRefused,
    /// The policy's steps don't fit the number of replicas.
    PolicyUnfit,
    /// A ConfigMap or Secret changed and the policy says to pause.
    ConfigChanged,
}

/// Claims of surge ordinals, so that only claims of the rollout's own are ever deleted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ClaimLedger {
    /// Names that did not exist before the surge.
    #[serde(default)]
    pub absent_before: BTreeSet<String>,
    /// When that was seen.
    #[serde(default)]
    pub looked_at: Wall,
    /// Those of them that were made since.
    #[serde(default)]
    pub created: Vec<OwnClaim>,
}

impl ClaimLedger {
    /// Nothing is known.
    pub fn is_empty(&self) -> bool {
        self.absent_before.is_empty() && self.created.is_empty()
    }
}

/// A claim that was made for a surge ordinal of the rollout.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnClaim {
    /// Its name.
    pub name: String,
    /// Its UID.
    pub uid: Uid,
}

/// A message to people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Message {
    /// The seq it came with.
    pub seq: u64,
    /// What it is about.
    pub topic: Topic,
    /// The text.
    pub text: String,
    /// Who gets it.
    pub receivers: BTreeSet<String>,
}

/// One line of history.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Past {
    /// The rollout's id.
    pub id: String,
    /// The revision that was judged.
    pub canary: Revision,
    /// How it ended, in a few words.
    pub end: String,
    /// When.
    pub at: Wall,
}

/// What the engine remembers only as long as the process lives.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Memory {
    /// The last step's time; observed time is measured between two steps.
    pub tick: Option<Instant>,
    /// The pods of the open rollout were looked at.
    pub pods_known: bool,
    /// Canary pods seen so far in this rollout.
    pub seen: BTreeSet<Uid>,
    /// Canary pods that were Ready once.
    pub seen_ready: BTreeSet<Uid>,
    /// Deletes that were sent and when; the watch may show them late.
    pub deleted: BTreeMap<Uid, Instant>,
    /// [`Rollout::spent_ms`] as the durable state knows it.
    pub saved_ms: u64,
    /// Standing problems that were told already.
    pub told: BTreeSet<String>,
    /// `spec.template` while it was known to be the canary's; another one means somebody wrote.
    pub canary_template: Option<Value>,
    /// How long a check has had no data.
    pub no_data: Duration,
    /// The policy only observes.
    pub observed: Option<Observed>,
    /// How long extra pods have been refused.
    pub surge_refused_for: Duration,
    /// Others who lower the partition.
    pub contest: Contest,
    /// When a write last came out different.
    pub refused_at: Option<Instant>,
    /// A write that came out different: what differs. Set by [`State::refused`].
    pub refusal: Option<String>,
    /// The seq of the last message that each receiver got from this process.
    pub delivered: BTreeMap<String, u64>,
    /// Checkpoints of the checks as they are now; saved with the next write.
    pub checkpoint: BTreeMap<String, Value>,
    /// When a change of configuration was last told.
    pub configuration_told: Option<Instant>,
    /// The list of released revisions.
    pub guard: GuardMemory,
    /// When a change of [`Record::problem`] was last saved.
    pub problem_saved: Option<Instant>,
    /// Since when there is no standing problem.
    pub problem_gone: Option<Instant>,
    /// Pods whose label was written and when; the watch may show it late.
    pub labelled: BTreeMap<Uid, Instant>,
    /// Labels can't be written, and are tried again from then on.
    pub labels_after: Option<Instant>,
}

/// What is remembered of the list of released revisions, to tell an edit by others from one that is due.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct GuardMemory {
    /// What it was when it was last seen as wanted.
    pub kept: Option<BTreeSet<Revision>>,
    /// How often edits were put back since there was last a silence.
    pub put_back: u32,
    /// When that was last done.
    pub put_back_at: Option<Instant>,
}

/// What is known of a workload whose policy only observes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Observed {
    /// The name of the policy that observes.
    pub policy: String,
    /// The revision of which nothing is to be said any more.
    pub known: Option<Revision>,
    /// The one that is judged.
    pub trial: Option<Trial>,
}

/// A rollout that Kubernetes does by itself, and that is only judged.
#[derive(Clone, Debug, PartialEq)]
pub struct Trial {
    /// As if it were ours.
    pub rollout: Rollout,
    /// What the pods ran before.
    pub stable: Revision,
}

/// The rollout that is judged, and the stable revision: the open one, or one that is only observed.
pub(crate) fn judged<'a>(
    record: Option<&'a Record>,
    memory: &'a Memory,
) -> Option<(&'a Rollout, Option<&'a Revision>)> {
    if let Some(record) = record {
        return Some((record.rollout.as_ref()?, record.stable.as_ref()));
    }
    let Trial { rollout, stable } = memory.observed.as_ref()?.trial.as_ref()?;
    Some((rollout, Some(stable)))
}

/// What is remembered of others who lower the partition.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Contest {
    /// The partition that the last step left behind.
    pub left: Option<u32>,
    /// How often it was found lowered.
    pub times: u32,
    /// When it was last found so.
    pub last: Option<Instant>,
    /// It is still as somebody else wrote it.
    pub open: bool,
    /// When it was last written back.
    pub answered: Option<Instant>,
}

/// Why a state annotation can't be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// Not the JSON of state v1.
    #[error("siskin.dev/state can't be read: {0}")]
    Garbled(String),
    /// Longer than [`MAX_BYTES`].
    #[error("siskin.dev/state is {0} bytes long; at most {MAX_BYTES} are read")]
    TooLong(usize),
    /// Another version of the schema.
    #[error("siskin.dev/state is version {0}; this release reads version 1")]
    Version(u64),
    /// Written for another object, for example restored from a backup.
    #[error("siskin.dev/state was written for another StatefulSet (uid {0})")]
    AnotherWorkload(Uid),
}

impl Record {
    /// Reads the state annotation of `workload`; `Ok(None)` without one.
    pub fn read(workload: &Workload) -> Result<Option<Self>, Unreadable> {
        let Some(text) = workload.annotations.get("state") else { return Ok(None) };
        if text.len() > MAX_BYTES {
            return Err(Unreadable::TooLong(text.len()));
        }
        let value: Value =
            serde_json::from_str(text).map_err(|error| Unreadable::Garbled(error.to_string()))?;
        match value.get("version").and_then(Value::as_u64) {
            Some(1) => {}
            Some(other) => return Err(Unreadable::Version(other)),
            None => return Err(Unreadable::Garbled("`version` is missing".to_owned())),
        }
        let record: Self =
            serde_json::from_value(value).map_err(|error| Unreadable::Garbled(error.to_string()))?;
        if record.workload_uid != workload.uid {
            return Err(Unreadable::AnotherWorkload(record.workload_uid));
        }
        if record.in_rollout() != record.rollout.is_some() {
            return Err(Unreadable::Garbled(format!(
                "phase {} and `rollout` don't go together",
                record.phase.as_str()
            )));
        }
        if record.stable.is_none() && !matches!(record.phase, Phase::OptingIn | Phase::Installing) {
            return Err(Unreadable::Garbled(format!("phase {} without `stable`", record.phase.as_str())));
        }
        if let Some(number) = record.out_of_range() {
            return Err(Unreadable::Garbled(format!("`{number}` is out of range")));
        }
        if let Some(rollout) = &record.rollout {
            policy::validate(&rollout.resolved_policy)
                .map_err(|errors| Unreadable::Garbled(format!("resolvedPolicy: {errors}")))?;
        }
        Ok(Some(record))
    }

    /// A number that was never written here, by name. The engine adds to these numbers: they stay so far below the
    /// ends of their types that no sum overflows, and pods within the API's int32.
    fn out_of_range(&self) -> Option<&'static str> {
        const PODS: u64 = i32::MAX.unsigned_abs() as u64;
        const OTHER: u64 = 1 << 53;
        let rollout = |number: fn(&Rollout) -> u64| self.rollout.as_ref().map_or(0, number);
        [
            ("userReplicas", self.user_replicas.into(), PODS),
            ("userPartition", self.user_partition.into(), PODS),
            ("surge", rollout(|rollout| rollout.surge.into()), PODS),
            ("exposureLost", rollout(|rollout| rollout.exposure_lost.into()), PODS),
            ("surgeContested", rollout(|rollout| rollout.surge_contested.into()), PODS),
            ("step", rollout(|rollout| rollout.step as u64), PODS),
            ("bakeDoneMs", rollout(|rollout| rollout.bake_done_ms), OTHER),
            ("inBakeMs", rollout(|rollout| rollout.in_bake_ms), OTHER),
            ("stalledMs", rollout(|rollout| rollout.stalled_ms), OTHER),
            ("seq", self.seq, OTHER),
            ("lookedAt", self.claims.looked_at.0.unsigned_abs(), OTHER),
        ]
        .into_iter()
        .find_map(|(name, number, most)| (number > most).then_some(name))
    }

    /// The annotation's value.
    pub fn to_json(&self) -> String {
        serde_json::to_value(self).map(|value| value.to_string()).unwrap_or_default()
    }

    /// What others that take turns with it have to know.
    pub fn standing(&self) -> Standing {
        match &self.waiting {
            _ if self.in_rollout() => Standing::Rolling,
            Some(Waiting { awaited: Awaited::Turn, since, .. }) => Standing::Waiting { since: *since },
            _ => Standing::Resting,
        }
    }

    /// Pods may run this revision: it is the stable one, or the open rollout's canary.
    pub fn runs(&self, revision: &Revision) -> bool {
        let canary = self.rollout.as_ref().map(|rollout| &rollout.canary);
        self.stable.as_ref() == Some(revision) || canary == Some(revision)
    }

    /// A rollout is open.
    pub fn in_rollout(&self) -> bool {
        !matches!(self.phase, Phase::OptingIn | Phase::Installing | Phase::Idle)
    }

    /// What `spec.replicas` is when nobody else wrote it.
    pub fn expected_replicas(&self) -> u32 {
        self.user_replicas + self.rollout.as_ref().map_or(0, |rollout| rollout.surge)
    }
}

impl Rollout {
    /// A rollout that begins now.
    pub fn new(id: String, canary: Revision, resolved_policy: Policy, started: Wall) -> Self {
        Self {
            id,
            canary,
            resolved_policy,
            step: 0,
            surge: 0,
            surge_refused: None,
            bake_done_ms: 0,
            in_bake_ms: 0,
            stalled_ms: 0,
            exposure_lost: 0,
            surge_contested: 0,
            back: None,
            checks: BTreeMap::new(),
            verdicts: Vec::new(),
            started,
        }
    }

    /// The observed bake so far.
    pub fn bake_done(&self) -> Duration {
        Duration::from_millis(self.bake_done_ms)
    }

    /// All time that a restart must not spend again, in milliseconds.
    pub fn spent_ms(&self) -> u64 {
        self.bake_done_ms + self.in_bake_ms + self.stalled_ms
    }
}

impl State {
    /// The state as a new process finds it.
    pub fn load(workload: &Workload) -> (Self, Option<Unreadable>) {
        let (record, problem) = match Record::read(workload) {
            Ok(record) => (record, None),
            Err(problem) => (None, Some(problem)),
        };
        let saved_ms =
            record.as_ref().and_then(|record| record.rollout.as_ref()).map_or(0, Rollout::spent_ms);
        (Self { record, memory: Memory { saved_ms, ..Memory::default() } }, problem)
    }

    /// The rollout whose pods are judged, and the stable revision: the open one, or one that is only observed.
    pub fn judged(&self) -> Option<(&Rollout, Option<&Revision>)> {
        judged(self.record.as_ref(), &self.memory)
    }

    /// Tells the engine that a write of its came out different from what was sent.
    pub fn refused(&mut self, what: String) {
        self.memory.refusal = Some(what);
    }

    /// Tells the engine that `receiver` got (or will never get) the message of `seq`; the next step takes it over.
    pub fn delivered(&mut self, receiver: &str, seq: u64) {
        let last = self.memory.delivered.entry(receiver.to_owned()).or_default();
        *last = seq.max(*last);
    }
}
