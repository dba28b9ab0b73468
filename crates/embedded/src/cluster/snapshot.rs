//! The cluster as it is, and as it was: what a reader with an old view sees.

use std::sync::Arc;

use super::{Cluster, Store};
use crate::object::{Claim, ControllerRevision, EndpointSlice, Pod, Service, StatefulSet};

impl Cluster {
    /// The StatefulSet of this name.
    pub fn statefulset(&self, name: &str) -> Option<&Arc<StatefulSet>> {
        self.sets.get(name)
    }

    /// `StatefulSets`.
    pub fn statefulsets(&self) -> &Store<StatefulSet> {
        &self.sets
    }

    /// Pods.
    pub fn pods(&self) -> &Store<Pod> {
        &self.pods
    }

    /// Claims.
    pub fn claims(&self) -> &Store<Claim> {
        &self.claims
    }

    /// `ControllerRevisions`.
    pub fn revisions(&self) -> &Store<ControllerRevision> {
        &self.revisions
    }

    /// Services.
    pub fn services(&self) -> &Store<Service> {
        &self.services
    }

    /// What Services lead to; each slice has its Service's name.
    pub fn slices(&self) -> &Store<EndpointSlice> {
        &self.slices
    }

    /// The cluster as it was after write number `version`, as far as there has been one.
    pub fn view_at(&self, version: u64) -> Snapshot<'_> {
        Snapshot { cluster: self, version: version.min(self.version) }
    }
}

/// The cluster as it was after some write.
#[derive(Clone, Copy)]
pub struct Snapshot<'a> {
    cluster: &'a Cluster,
    version: u64,
}

impl<'a> Snapshot<'a> {
    /// The number of that write.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// The StatefulSet of this name, as it was.
    pub fn statefulset(&self, name: &str) -> Option<&'a Arc<StatefulSet>> {
        self.statefulsets().find(|set| &*set.metadata.name == name)
    }

    /// `StatefulSets`, as they were.
    pub fn statefulsets(&self) -> impl Iterator<Item = &'a Arc<StatefulSet>> + use<'a> {
        self.cluster.sets.at(self.version)
    }

    /// Pods, as they were.
    pub fn pods(&self) -> impl Iterator<Item = &'a Arc<Pod>> + use<'a> {
        self.cluster.pods.at(self.version)
    }

    /// Claims, as they were.
    pub fn claims(&self) -> impl Iterator<Item = &'a Arc<Claim>> + use<'a> {
        self.cluster.claims.at(self.version)
    }

    /// `ControllerRevisions`, as they were.
    pub fn revisions(&self) -> impl Iterator<Item = &'a Arc<ControllerRevision>> + use<'a> {
        self.cluster.revisions.at(self.version)
    }

    /// Services, as they were.
    pub fn services(&self) -> impl Iterator<Item = &'a Arc<Service>> + use<'a> {
        self.cluster.services.at(self.version)
    }

    /// Endpoints, as they were.
    pub fn slices(&self) -> impl Iterator<Item = &'a Arc<EndpointSlice>> + use<'a> {
        self.cluster.slices.at(self.version)
    }
}
