//! What a step of the engine wants done: data, carried out by others.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    time::Duration,
};

use serde_json::{Map, Value, json};

use crate::{
    checks::{ProbePlan, Role},
    facts::{Revision, RevisionVerdict, Uid, Workload},
    policy::Topic,
    state::{PauseReason, State},
    template,
};

/// The prefix of every annotation of ours.
pub const PREFIX: &str = "siskin.dev/";

/// The result of one step.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Decision {
    /// The state after the writes. If the first write fails, the state before holds on.
    pub state: State,
    /// In this order; the anchor's first, and none is sent after one that failed. At most one is disruptive.
    pub writes: Vec<Write>,
    /// What to probe from now on.
    pub probes: ProbePlan,
    /// What to look at from now on.
    pub observe: Observe,
    /// When to step again at the latest, if nothing happens before.
    pub wake: Option<Duration>,
    /// What happened, for people. Told after the writes succeeded.
    pub notes: Vec<Note>,
    /// A standing problem: the workload waits for a person. Empty when all is well.
    pub problem: Option<Problem>,
}

/// What has to be observed for the next step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is asked for by itself")]
pub struct Observe {
    /// Pods and revisions ([`crate::facts::Detail`]).
    pub detail: bool,
    /// Claims too.
    pub claims: bool,
    /// The Events that say why pods are not created.
    pub refusals: bool,
    /// What scales the workload by metrics ([`crate::facts::Detail::autoscaler`]).
    pub autoscaler: bool,
    /// Whether the hold protects the workload, which costs a request: the next step needs to know.
    pub hold: bool,
}

/// One write to the cluster.
#[derive(Clone, Debug, PartialEq)]
pub enum Write {
    /// The anchor: a JSON merge patch of the StatefulSet.
    Anchor(AnchorPatch),
    /// Annotations on a ControllerRevision (merge patch with resourceVersion).
    Verdict {
        /// The ControllerRevision.
        revision: Revision,
        /// The precondition.
        resource_version: String,
        /// `siskin.dev/verdict`.
        verdict: RevisionVerdict,
        /// `siskin.dev/rollout`.
        rollout: String,
    },
    /// Deletes a pod with a UID precondition.
    DeletePod {
        /// Its name.
        name: String,
        /// The precondition.
        uid: Uid,
    },
    /// The label `siskin.dev/role` of a pod, with a UID precondition. It is the last of a step's writes, and one that
    /// fails holds nothing up.
    LabelPod {
        /// Its name.
        name: String,
        /// The precondition.
        uid: Uid,
        /// `None` takes the label off.
        role: Option<Role>,
    },
    /// Deletes a claim with a UID precondition.
    DeleteClaim {
        /// Its name.
        name: String,
        /// The precondition.
        uid: Uid,
    },
    /// The list of released revisions ([`crate::facts::Guard`]).
    Guard {
        /// The precondition of the merge patch; `None` creates the list, which must not exist.
        resource_version: Option<String>,
        /// All that it is to allow.
        allowed: BTreeSet<Revision>,
    },
    /// Deletes the list of released revisions.
    DeleteGuard {
        /// The precondition.
        resource_version: String,
    },
}

/// One merge patch with resourceVersion: state, partition and replicas change together or not at all.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AnchorPatch {
    /// The precondition.
    pub resource_version: String,
    /// Annotations without the prefix; `None` removes.
    pub annotations: BTreeMap<String, Option<String>>,
    /// `spec.replicas`.
    pub replicas: Option<u32>,
    /// `spec.updateStrategy.rollingUpdate.partition`.
    pub partition: Option<u32>,
    /// The whole template that is wanted, and the merge patch (RFC 7396) that leads there from the live one.
    pub template: Option<TemplatePatch>,
}

/// A template write.
#[derive(Clone, Debug, PartialEq)]
pub struct TemplatePatch {
    /// The template that is wanted.
    pub wanted: Value,
    /// The merge patch.
    pub patch: Value,
}

impl AnchorPatch {
    /// The body of the merge patch.
    pub fn body(&self) -> Value {
        let mut metadata = Map::new();
        metadata.insert("resourceVersion".to_owned(), json!(self.resource_version));
        if !self.annotations.is_empty() {
            let annotations: Map<String, Value> = self
                .annotations
                .iter()
                .map(|(name, value)| {
                    (format!("{PREFIX}{name}"), value.clone().map_or(Value::Null, Value::String))
                })
                .collect();
            metadata.insert("annotations".to_owned(), Value::Object(annotations));
        }
        let mut spec = Map::new();
        if let Some(replicas) = self.replicas {
            spec.insert("replicas".to_owned(), json!(replicas));
        }
        if let Some(partition) = self.partition {
            spec.insert("updateStrategy".to_owned(), json!({ "rollingUpdate": { "partition": partition } }));
        }
        if let Some(template) = &self.template {
            spec.insert("template".to_owned(), template.patch.clone());
        }
        let mut body = Map::new();
        body.insert("metadata".to_owned(), Value::Object(metadata));
        if !spec.is_empty() {
            body.insert("spec".to_owned(), Value::Object(spec));
        }
        Value::Object(body)
    }

    /// Compares the API server's reply with what was sent; says the first difference.
    pub fn mismatch(&self, reply: &Workload) -> Option<String> {
        for (name, value) in &self.annotations {
            if reply.annotations.get(name) != value.as_ref() {
                return Some(format!("annotation {PREFIX}{name} came out different"));
            }
        }
        if let Some(replicas) = self.replicas
            && reply.replicas != replicas
        {
            return Some(format!("replicas {replicas} came out as {}", reply.replicas));
        }
        if let Some(partition) = self.partition
            && reply.partition != partition
        {
            return Some(format!("partition {partition} came out as {}", reply.partition));
        }
        if let Some(template) = &self.template
            && !template::equal(&template.wanted, &reply.template)
        {
            return Some("the template came out different".to_owned());
        }
        None
    }
}

/// A standing problem, for a metric and one Event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// CamelCase, stable: a metric label and an Event reason.
    pub reason: &'static str,
    /// What is wrong and what to do.
    pub detail: String,
}

/// Something that happened, for Events, logs and messages.
#[derive(Clone, Debug, PartialEq)]
pub enum Note {
    /// Parked for the first time.
    OptedIn,
    /// A revision became stable without being judged.
    Adopted(Revision),
    /// Opted out; the text says what is left.
    OptedOut(String),
    /// The state was unreadable or gone and was built anew.
    StateRebuilt(String),
    /// A rollout began.
    Started {
        /// Its id.
        rollout: String,
        /// From.
        stable: Revision,
        /// To.
        canary: Revision,
        /// The policy and its steps in short.
        plan: String,
    },
    /// A step begins to open.
    StepOpening {
        /// Its name.
        step: String,
        /// What is exposed.
        exposure: String,
        /// Only undo leads back after it.
        irrevocable: bool,
    },
    /// A step's pods are there; it is judged.
    StepBaking {
        /// Its name.
        step: String,
    },
    /// A step waits for a person.
    AwaitingApproval {
        /// Its name.
        step: String,
        /// The annotation's value to write, with `<user>` to fill in.
        command: String,
    },
    /// A person let a step go on.
    Approved {
        /// The step.
        step: String,
        /// Who, as stated.
        user: String,
    },
    /// A check failed.
    CheckFailed {
        /// Its name.
        check: String,
        /// The evidence.
        evidence: String,
        /// What follows.
        consequence: String,
    },
    /// Canary pods were deleted by others.
    ExposureLost(String),
    /// A rollout goes back.
    RollingBack(String),
    /// Every pod is on the stable revision and ready.
    RolledBack {
        /// The rollout.
        rollout: String,
        /// The revision that was tried.
        canary: Revision,
        /// Where all pods are.
        stable: Revision,
        /// Why.
        why: String,
    },
    /// The canary revision is the stable one on every pod.
    Promoted {
        /// The rollout.
        rollout: String,
        /// The new stable revision.
        revision: Revision,
    },
    /// A rejected revision was asked for again.
    StillRejected(Revision),
    /// Nothing moves until a person acts.
    Paused {
        /// The kind of reason.
        reason: PauseReason,
        /// What to do.
        detail: String,
    },
    /// It goes on.
    Resumed,
    /// A command acted.
    CommandTaken(String),
    /// A command matched nothing.
    CommandIgnored(String),
    /// The user's replicas changed.
    ReplicasChanged(String),
    /// Somebody else changed the list of released revisions.
    GuardEdited(String),
    /// What would have happened; the policy only observes.
    Observed {
        /// The kind, such as `WouldRollBack`.
        reason: &'static str,
        /// What, and why.
        text: String,
    },
    /// Extra pods were refused, and the rollout goes on in place.
    SurgeRefused(String),
    /// ConfigMaps or Secrets that pods refer to changed.
    ConfigChanged(String),
    /// A rollout or a step waits, and goes on by itself.
    Waiting(String),
    /// A standing problem began.
    Problem(Problem),
}

impl Note {
    /// CamelCase: an Event's reason and a metric label.
    pub fn reason(&self) -> String {
        match self {
            Self::OptedIn => "OptedIn",
            Self::Adopted(_) => "Adopted",
            Self::OptedOut(_) => "OptedOut",
            Self::StateRebuilt(_) => "StateRebuilt",
            Self::Started { .. } => "RolloutStarted",
            Self::StepOpening { .. } => "StepOpening",
            Self::StepBaking { .. } => "StepBaking",
            Self::AwaitingApproval { .. } => "AwaitingApproval",
            Self::Approved { .. } => "Approved",
            Self::CheckFailed { .. } => "CheckFailed",
            Self::ExposureLost(_) => "ExposureLost",
            Self::RollingBack(_) => "RollingBack",
            Self::RolledBack { .. } => "RolledBack",
            Self::Promoted { .. } => "Promoted",
            Self::StillRejected(_) => "RevisionRejected",
            Self::Paused { reason, .. } => return format!("Paused{reason:?}"),
            Self::Resumed => "Resumed",
            Self::CommandTaken(_) => "CommandTaken",
            Self::CommandIgnored(_) => "CommandIgnored",
            Self::ReplicasChanged(_) => "ReplicasChanged",
            Self::GuardEdited(_) => "GuardEdited",
            Self::Observed { reason, .. } => reason,
            Self::SurgeRefused(_) => "SurgeRefused",
            Self::ConfigChanged(_) => "ConfigChanged",
            Self::Waiting(_) => "Waiting",
            Self::Problem(problem) => problem.reason,
        }
        .to_owned()
    }

    /// Whether the Event is a Warning.
    pub fn is_warning(&self) -> bool {
        matches!(
            self,
            Self::StateRebuilt(_)
                | Self::CheckFailed { .. }
                | Self::ExposureLost(_)
                | Self::RollingBack(_)
                | Self::RolledBack { .. }
                | Self::StillRejected(_)
                | Self::Paused { .. }
                | Self::CommandIgnored(_)
                | Self::Observed { reason: "WouldRollBack", .. }
                | Self::SurgeRefused(_)
                | Self::GuardEdited(_)
                | Self::ConfigChanged(_)
                | Self::Problem(_)
        )
    }

    /// The topic of the message to people, if there is one.
    pub fn topic(&self) -> Option<Topic> {
        match self {
            Self::Started { .. } => Some(Topic::Started),
            Self::AwaitingApproval { .. } => Some(Topic::WaitingForApproval),
            Self::CheckFailed { .. } => Some(Topic::Failed),
            Self::RolledBack { .. } => Some(Topic::RolledBack),
            Self::Promoted { .. } => Some(Topic::Promoted),
            Self::ConfigChanged(_) => Some(Topic::ConfigChanged),
            Self::Paused { reason, .. } if *reason != PauseReason::Requested => Some(Topic::Paused),
            Self::Observed { reason, .. } => match *reason {
                "WouldStart" => Some(Topic::Started),
                "WouldRollBack" => Some(Topic::Failed),
                "WouldPromote" => Some(Topic::Promoted),
                "WouldAsk" | "WouldRefuse" => Some(Topic::Paused),
                _ => None,
            },
            _ => None,
        }
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OptedIn => write!(f, "parked: no template change reaches a pod unless siskin lets it"),
            Self::Adopted(revision) => write!(f, "{revision} is taken as stable; it was not judged"),
            Self::OptedOut(rest) => write!(f, "no longer looked after by siskin; {rest}"),
            Self::StateRebuilt(why) => write!(f, "the state was built anew: {why}"),
            Self::Started { rollout, stable, canary, plan } => {
                write!(f, "rollout {rollout}: {stable} -> {canary}, {plan}")
            }
            Self::StepOpening { step, exposure, irrevocable } => {
                write!(f, "step {step}: {exposure}")?;
                if *irrevocable { write!(f, "; after it only `siskin undo` leads back") } else { Ok(()) }
            }
            Self::StepBaking { step } => write!(f, "step {step}: the pods are there and are judged"),
            Self::AwaitingApproval { step, command } => {
                write!(
                    f,
                    "step {step} waits for approval: `siskin approve`, or the annotation siskin.dev/approve: {command}"
                )
            }
            Self::Approved { step, user } => write!(f, "step {step} approved by {user}"),
            Self::CheckFailed { check, evidence, consequence } => {
                write!(f, "check {check} failed: {evidence}; {consequence}")
            }
            Self::ExposureLost(detail) => write!(f, "{detail}"),
            Self::RollingBack(why) => write!(f, "going back to stable: {why}"),
            Self::RolledBack { rollout, canary, stable, why } => {
                write!(
                    f,
                    "rollout {rollout} of {canary} rolled back, every pod is on {stable} and ready: {why}"
                )
            }
            Self::Promoted { rollout, revision } => {
                write!(f, "rollout {rollout}: {revision} is promoted and runs on every pod")
            }
            Self::StillRejected(revision) => write!(
                f,
                "{revision} was rolled back before and is not tried again; `siskin retry` tries it, a new template starts a new rollout"
            ),
            Self::Paused { reason, detail } => write!(f, "paused ({reason:?}): {detail}"),
            Self::Resumed => write!(f, "resumed"),
            Self::CommandTaken(text)
            | Self::CommandIgnored(text)
            | Self::ReplicasChanged(text)
            | Self::GuardEdited(text)
            | Self::Observed { text, .. }
            | Self::SurgeRefused(text)
            | Self::ConfigChanged(text)
            | Self::Waiting(text) => f.write_str(text),
            Self::Problem(problem) => f.write_str(&problem.detail),
        }
    }
}
