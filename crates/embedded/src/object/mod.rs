//! The objects that the models look at: lean, typed, with Kubernetes' names. All of a view are of one namespace.

mod claim;
mod metadata;
mod pod;
mod revision;
mod service;
mod statefulset;
mod template;

pub use claim::{Claim, ClaimPhase, ClaimTemplate};
pub use metadata::{Deletion, Kind, Labels, Metadata, Name, Owner, Uid, labels, selects};
pub use pod::{Container, ContainerState, Phase, Pod, PodStatus, Terminated, ordinal, parent};
pub use revision::ControllerRevision;
pub use service::{Endpoint, EndpointSlice, Service};
pub use statefulset::{
    ClaimPolicy, ClaimRetention, PodManagement, StatefulSet, StatefulSetSpec, StatefulSetStatus,
    UpdateStrategy,
};
pub use template::{Probe, Template};

/// The pod label with the full name of the pod's `ControllerRevision`.
pub const REVISION_LABEL: &str = "controller-revision-hash";
/// The pod label with the pod's own name.
pub const POD_NAME_LABEL: &str = "statefulset.kubernetes.io/pod-name";
/// The pod label with the pod's ordinal (Kubernetes says index).
pub const POD_INDEX_LABEL: &str = "apps.kubernetes.io/pod-index";
