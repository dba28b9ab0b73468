//! A Service and what it leads to.

use super::{Labels, Metadata, Name, Uid};

/// A Service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    /// `metadata`.
    pub metadata: Metadata,
    /// `spec.selector`; empty: nothing is selected.
    pub selector: Labels,
    /// `spec.publishNotReadyAddresses`.
    pub publish_not_ready: bool,
}

/// The endpoints of a Service, in one slice (Kubernetes makes another after each hundred).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndpointSlice {
    /// `metadata`; its name is the Service's.
    pub metadata: Metadata,
    /// By pod name.
    pub endpoints: Vec<Endpoint>,
}

/// One pod behind a Service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// `targetRef.name`.
    pub pod: Name,
    /// `targetRef.uid`.
    pub uid: Uid,
    /// `conditions.ready`: new connections go there.
    pub ready: bool,
    /// `conditions.serving`: it is ready, whether or not it terminates.
    pub serving: bool,
    /// `conditions.terminating`.
    pub terminating: bool,
}
