//! A StatefulSet.

use super::{ClaimTemplate, Labels, Metadata, Name, Template};

/// A StatefulSet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatefulSet {
    /// `metadata`.
    pub metadata: Metadata,
    /// `spec`.
    pub spec: StatefulSetSpec,
    /// `status`.
    pub status: StatefulSetStatus,
}

/// What is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatefulSetSpec {
    /// `replicas`.
    pub replicas: u32,
    /// `ordinals.start`.
    pub ordinals_start: u32,
    /// `selector.matchLabels`; expressions are not modelled.
    pub selector: Labels,
    /// `template`.
    pub template: Template,
    /// `volumeClaimTemplates`.
    pub claim_templates: Vec<ClaimTemplate>,
    /// `serviceName`.
    pub service_name: Name,
    /// `podManagementPolicy`.
    pub pod_management: PodManagement,
    /// `updateStrategy`.
    pub update_strategy: UpdateStrategy,
    /// `minReadySeconds`.
    pub min_ready_seconds: u32,
    /// `revisionHistoryLimit`.
    pub revision_history_limit: u32,
    /// `persistentVolumeClaimRetentionPolicy`.
    pub claim_retention: ClaimRetention,
}

impl StatefulSetSpec {
    /// One with Kubernetes' defaults: one replica, `OrderedReady`, `RollingUpdate` with partition 0, a history of
    /// ten revisions, claims retained.
    pub fn new(selector: Labels, template: Template) -> Self {
        Self {
            replicas: 1,
            ordinals_start: 0,
            selector,
            template,
            claim_templates: Vec::new(),
            service_name: Name::from(""),
            pod_management: PodManagement::default(),
            update_strategy: UpdateStrategy::RollingUpdate { partition: Some(0) },
            min_ready_seconds: 0,
            revision_history_limit: 10,
            claim_retention: ClaimRetention::default(),
        }
    }

    /// Whether a pod of this ordinal is wanted.
    pub fn wants(&self, ordinal: u32) -> bool {
        ordinal.checked_sub(self.ordinals_start).is_some_and(|index| index < self.replicas)
    }
}

/// `podManagementPolicy`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PodManagement {
    /// One pod after the other, each waiting for those below it.
    #[default]
    OrderedReady,
    /// All at once, but for updates.
    Parallel,
}

/// `updateStrategy`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UpdateStrategy {
    /// `RollingUpdate`; no partition: `rollingUpdate` is absent, which isn't quite partition 0.
    RollingUpdate {
        /// An index into the replicas, not an ordinal.
        partition: Option<u32>,
    },
    /// `OnDelete`.
    OnDelete,
}

impl UpdateStrategy {
    /// The lowest index that is updated.
    pub fn partition(self) -> u32 {
        match self {
            Self::RollingUpdate { partition } => partition.unwrap_or(0),
            Self::OnDelete => 0,
        }
    }
}

/// `persistentVolumeClaimRetentionPolicy`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClaimRetention {
    /// `whenDeleted`.
    pub when_deleted: ClaimPolicy,
    /// `whenScaled`.
    pub when_scaled: ClaimPolicy,
}

/// What becomes of a claim.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClaimPolicy {
    /// It stays.
    #[default]
    Retain,
    /// It goes with its owner.
    Delete,
}

/// What was seen. Counts are signed, as in Kubernetes, where one can fall below zero before the API refuses it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StatefulSetStatus {
    /// `observedGeneration`.
    pub observed_generation: i64,
    /// `replicas`: every pod, terminating ones included.
    pub replicas: i64,
    /// `readyReplicas`: terminating ones included.
    pub ready_replicas: i64,
    /// `availableReplicas`: terminating ones included.
    pub available_replicas: i64,
    /// `currentReplicas`: pods of the current revision, without terminating ones.
    pub current_replicas: i64,
    /// `updatedReplicas`: pods of the update revision, without terminating ones.
    pub updated_replicas: i64,
    /// `currentRevision`; empty: not written yet.
    pub current_revision: Name,
    /// `updateRevision`; empty: not written yet.
    pub update_revision: Name,
    /// `collisionCount`.
    pub collision_count: u32,
}
