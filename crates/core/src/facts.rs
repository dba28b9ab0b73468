//! What is known of a workload, as the engine needs it: no Kubernetes types, nothing that isn't read.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{group::MaxParallelRollouts, references::Versions, time::Wall, window::Freeze};

/// The full name of a `ControllerRevision`, as in the pod label `controller-revision-hash`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Revision(pub String);

impl std::fmt::Display for Revision {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<&str> for Revision {
    fn from(name: &str) -> Self {
        Self(name.to_owned())
    }
}

/// An object's UID.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Uid(pub String);

impl std::fmt::Display for Uid {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<&str> for Uid {
    fn from(uid: &str) -> Self {
        Self(uid.to_owned())
    }
}

/// The partition value that parks a workload: higher than any replicas, so nothing rolls natively.
pub const PARKED: u32 = 1_000_000;

/// Everything `step` may look at, besides the state.
#[derive(Clone, Debug, PartialEq)]
pub struct Facts {
    /// The StatefulSet.
    pub workload: Workload,
    /// The policy named by the annotation, as it is loaded now.
    pub policy: PolicyFact,
    /// What holds for every workload of this installation.
    pub rules: Rules,
    /// Pods, revisions and claims; `None` while they are not observed (at rest).
    pub detail: Option<Detail>,
    /// Whether `currentRevision` is held at the stable revision by an admission policy, as probed by a dry run for
    /// this very step; `None`: the step before didn't ask ([`crate::decision::Observe::hold`]).
    pub hold: Option<bool>,
    /// The workload's list of released revisions, as it is now; `None`: this installation keeps no such lists.
    pub guard: Option<Guard>,
    /// The ConfigMaps and Secrets of [`crate::references::of_workload`]; `None`: they aren't watched.
    pub configuration: Option<Versions>,
}

/// The revisions that pods of a workload may be made of: the `ConfigMap`
/// `siskin-guard-<statefulset>` that the pod guard, an admission policy, goes by.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Guard {
    /// Its resourceVersion; `None`: there is no list, and every revision may run.
    pub resource_version: Option<String>,
    /// What it allows; empty where it doesn't bind this workload (no label, another workload's name).
    pub allowed: BTreeSet<Revision>,
}

/// What a platform team decides for all workloads.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    /// How many rollouts may be open at once.
    pub max_parallel_rollouts: MaxParallelRollouts,
    /// When nothing goes forward.
    pub freezes: Vec<Freeze>,
}

/// What the annotation `siskin.dev/policy` leads to.
#[expect(clippy::large_enum_variant, reason = "there is one per step")]
#[derive(Clone, Debug, PartialEq)]
pub enum PolicyFact {
    /// There is no annotation.
    None,
    /// The name is known and the policy is good.
    Loaded(crate::policy::Policy),
    /// No policy of that name, or it doesn't load; the text says what and how to mend it.
    Unusable {
        /// The name in the annotation.
        name: String,
        /// What is wrong.
        reason: String,
    },
}

/// What is observed only while something happens.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Detail {
    /// The pods that the workload's controller owns, by ordinal; terminating ones included.
    pub pods: Vec<Pod>,
    /// The `ControllerRevisions` that the workload owns.
    pub revisions: Vec<RevisionFact>,
    /// The claims in the namespace that have a name of this workload's claim templates, whoever made them.
    pub claims: Vec<Claim>,
    /// When (before) `claims` was read; a claim made later may be missing.
    pub claims_read: Option<Wall>,
    /// Why Kubernetes last could not create a pod, if an Event says so.
    pub refusal: Option<String>,
    /// Whether this controller may delete claims in the namespace (a right of its own).
    pub may_delete_claims: bool,
    /// What scales the workload by metrics; `None`: nobody has looked.
    pub autoscaler: Option<Autoscaler>,
}

/// What scales a workload by metrics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Autoscaler {
    /// Nothing does.
    Absent,
    /// The `HorizontalPodAutoscaler` of this name; KEDA makes one for each `ScaledObject`.
    Present(String),
    /// It can't be found out; the text says why and how to mend it.
    Unknown(String),
}

/// The projection of a StatefulSet.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Workload {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its UID.
    pub uid: Uid,
    /// The precondition of every write.
    pub resource_version: String,
    /// `metadata.generation`.
    pub generation: i64,
    /// `status.observedGeneration`.
    pub observed_generation: i64,
    /// It is being deleted.
    pub deleting: bool,
    /// Annotations under `siskin.dev/`, without the prefix.
    pub annotations: BTreeMap<String, String>,
    /// `spec.replicas`, 1 when absent.
    pub replicas: u32,
    /// `spec.ordinals.start`.
    pub ordinals_start: u32,
    /// `spec.updateStrategy.type`.
    pub update_strategy: UpdateStrategy,
    /// `spec.updateStrategy.rollingUpdate.partition`, 0 when absent.
    pub partition: u32,
    /// `spec.podManagementPolicy` is Parallel.
    pub parallel: bool,
    /// `spec.minReadySeconds`.
    pub min_ready_seconds: u32,
    /// `spec.revisionHistoryLimit`, 10 when absent.
    pub revision_history_limit: u32,
    /// The names of `spec.volumeClaimTemplates`.
    pub claim_templates: Vec<String>,
    /// `persistentVolumeClaimRetentionPolicy.whenScaled` is Delete.
    pub delete_claims_when_scaled: bool,
    /// `status.replicas`: every pod, terminating ones included.
    pub pods: u32,
    /// `status.readyReplicas`: pods that are Ready, terminating ones included.
    pub ready_pods: u32,
    /// `status.currentReplicas`: pods on the current revision that aren't terminating.
    pub current_pods: u32,
    /// `status.updatedReplicas`: pods on the update revision that aren't terminating.
    pub updated_pods: u32,
    /// `status.currentRevision`.
    pub current_revision: Option<Revision>,
    /// `status.updateRevision`.
    pub update_revision: Option<Revision>,
    /// `spec.template` as JSON.
    pub template: Value,
    /// Who wrote `spec.replicas` last, by managedFields.
    pub replicas_writer: Writer,
}

impl Workload {
    /// The annotation `siskin.dev/class`: which of several installations looks after it.
    pub fn class(&self) -> Option<&str> {
        self.annotations.get("class").map(String::as_str).filter(|class| !class.is_empty())
    }
}

/// `spec.updateStrategy.type`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum UpdateStrategy {
    /// `RollingUpdate`.
    #[default]
    RollingUpdate,
    /// `OnDelete`.
    OnDelete,
    /// One that came after this release.
    Other(String),
}

/// Who wrote a field.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Writer {
    /// Not known.
    #[default]
    Unknown,
    /// This controller.
    Siskin,
    /// Through the scale subresource, by something that scales by metrics.
    Autoscaler(String),
    /// A person, or a program that behaves like one.
    Person(String),
    /// A tool that applies manifests.
    Applier(String),
}

/// One `ControllerRevision`.
#[derive(Clone, Debug, PartialEq)]
pub struct RevisionFact {
    /// Its name.
    pub name: Revision,
    /// Its resourceVersion.
    pub resource_version: String,
    /// When it was made (API time): when its template came for the first time, unless it was pruned since.
    pub created: Wall,
    /// `.revision`: rises each time the template becomes the wanted one.
    pub number: i64,
    /// `data.spec.template` without `$patch`.
    pub template: Value,
    /// The annotation `siskin.dev/verdict`.
    pub verdict: Option<RevisionVerdict>,
    /// The annotation `siskin.dev/rollout`: the rollout that gave the verdict.
    pub rollout: Option<String>,
}

/// What a rollout found of a revision.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RevisionVerdict {
    /// Promoted.
    Stable,
    /// Rolled back because a check failed, or a person aborted.
    Rejected,
    /// A newer template, or the old one, took its place.
    Superseded,
}

impl RevisionVerdict {
    /// The annotation's value.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Stable => "stable",
            Self::Rejected => "rejected",
            Self::Superseded => "superseded",
        }
    }
}

/// One pod of the workload.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Pod {
    /// Its name.
    pub name: String,
    /// Its UID.
    pub uid: Uid,
    /// The number at the end of its name.
    pub ordinal: u32,
    /// When it was made (API time).
    pub created: Wall,
    /// The label `controller-revision-hash`.
    pub revision: Option<Revision>,
    /// The label `siskin.dev/role`.
    pub role: Option<String>,
    /// It has a deletionTimestamp.
    pub terminating: bool,
    /// `status.phase`.
    pub phase: Phase,
    /// The condition Ready is True.
    pub ready: bool,
    /// When Ready became True (API time).
    pub ready_since: Option<Wall>,
    /// `status.podIP`.
    pub ip: Option<String>,
    /// `spec.hostNetwork`.
    pub host_network: bool,
    /// Container ports by name.
    pub ports: BTreeMap<String, u16>,
    /// Of all containers.
    pub containers: Vec<Container>,
    /// The condition `PodScheduled` is False with reason Unschedulable; its message.
    pub unschedulable: Option<String>,
    /// `status.reason`, such as `Evicted`.
    pub reason: Option<String>,
}

impl Pod {
    /// The sum of its containers' restart counts.
    pub fn restarts(&self) -> u32 {
        self.containers.iter().map(|container| container.restarts).sum()
    }

    /// Exists and isn't on its way out.
    pub fn live(&self) -> bool {
        !self.terminating && !matches!(self.phase, Phase::Failed | Phase::Succeeded)
    }
}

/// `status.phase` of a pod.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Phase {
    /// Not yet running.
    #[default]
    Pending,
    /// At least one container runs.
    Running,
    /// All containers ended well.
    Succeeded,
    /// The pod ended, for example by eviction.
    Failed,
    /// The node is silent.
    Unknown,
}

/// A container's state, as far as it tells of failures.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Container {
    /// Its name.
    pub name: String,
    /// `restartCount`.
    pub restarts: u32,
    /// `state.waiting.reason`.
    pub waiting: Option<String>,
    /// `state.waiting.message`.
    pub waiting_message: Option<String>,
    /// `state.terminated.reason`, or that of `lastState`.
    pub terminated: Option<String>,
    /// The exit code that goes with `terminated`.
    pub exit_code: Option<i32>,
    /// An init container (a sidecar's restarts count as any other's; waiting `PodInitializing` is no failure).
    pub init: bool,
}

/// One `PersistentVolumeClaim`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// Its name.
    pub name: String,
    /// Its UID.
    pub uid: Uid,
    /// When it was made (API time).
    pub created: Wall,
    /// It has a deletionTimestamp.
    pub terminating: bool,
}
