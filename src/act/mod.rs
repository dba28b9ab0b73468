//! Writes -> cluster: each with its precondition, none retried.

mod kill;

use serde_json::json;
use siskin_core::{
    decision::{PREFIX, Write},
    facts::{Uid, Workload},
};

pub use self::kill::Kill;
use crate::{
    cluster::{Cluster, Error, Resource},
    report::metrics::{Metrics, WRITES},
    watch::statefulsets::{Managed, Whole},
};

/// Why a write didn't happen, or may not have happened.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The API server's answer, or none.
    #[error(transparent)]
    Api(#[from] Error),
    /// Claims are deleted by an optional right.
    #[error(
        "{0}; the policy says `claims: Discard`, which needs the Role `siskin-claim-deletion` in this namespace"
    )]
    MayNotDeleteClaims(#[source] Error),
    /// A list of released revisions was to be written.
    #[error("this release keeps no lists of released revisions for the pod guard")]
    NoGuard,
}

impl WriteError {
    /// The API server said no, so that nothing was written; a conflict is decided anew.
    pub fn is_refusal(&self) -> bool {
        match self {
            Self::Api(error) => error.is_refusal(),
            Self::MayNotDeleteClaims(_) | Self::NoGuard => true,
        }
    }
}

/// Carries writes out.
#[derive(Clone)]
pub struct Act {
    cluster: Cluster,
    metrics: Metrics,
    kill: Kill,
}

impl Act {
    /// Writes go to `cluster`.
    pub fn new(cluster: Cluster, metrics: Metrics, kill: Kill) -> Self {
        Self { cluster, metrics, kill }
    }

    /// Carries out one write; a write of the anchor gives the StatefulSet as it is then.
    pub async fn carry_out(&self, workload: &Workload, write: &Write) -> Result<Option<Managed>, WriteError> {
        let result = self.send(workload, write).await;
        let label = match &result {
            Ok(_) => "ok",
            Err(WriteError::Api(error) | WriteError::MayNotDeleteClaims(error)) => error.category(),
            Err(WriteError::NoGuard) => "unsupported",
        };
        self.metrics.count(&WRITES, &[("kind", kind(write)), ("result", label)]);
        if result.is_ok() {
            self.kill.written();
        }
        result
    }

    async fn send(&self, workload: &Workload, write: &Write) -> Result<Option<Managed>, WriteError> {
        let Workload { namespace, name: set, .. } = workload;
        match write {
            Write::Anchor(patch) => {
                let reply = self.cluster.patch(Resource::StatefulSets, namespace, set, &patch.body()).await?;
                let Whole(managed) = reply;
                Ok(Some(managed))
            }
            Write::Verdict { revision, resource_version, verdict, rollout } => {
                let annotations = json!({ format!("{PREFIX}verdict"): verdict.as_str(), format!("{PREFIX}rollout"): rollout });
                let body = json!({ "metadata": { "resourceVersion": resource_version, "annotations": annotations } });
                let revisions = Resource::ControllerRevisions;
                self.cluster.patch::<serde::de::IgnoredAny>(revisions, namespace, &revision.0, &body).await?;
                Ok(None)
            }
            Write::DeletePod { name, uid } => {
                self.delete(Resource::Pods, namespace, name, uid).await?;
                Ok(None)
            }
            Write::DeleteClaim { name, uid } => {
                match self.delete(Resource::Claims, namespace, name, uid).await {
                    Err(error) if error.is_forbidden() => Err(WriteError::MayNotDeleteClaims(error)),
                    result => Ok(result.map(|()| None)?),
                }
            }
            Write::Guard { .. } | Write::DeleteGuard { .. } => Err(WriteError::NoGuard),
        }
    }

    /// An object that isn't there, or has another UID by now, is gone as wanted.
    async fn delete(&self, resource: Resource, namespace: &str, name: &str, uid: &Uid) -> Result<(), Error> {
        match self.cluster.delete(resource, namespace, name, uid).await {
            Err(error) if error.is_not_found() || error.is_conflict() => Ok(()),
            result => result,
        }
    }
}

/// A metric label.
pub fn kind(write: &Write) -> &'static str {
    match write {
        Write::Anchor(_) => "anchor",
        Write::Verdict { .. } => "verdict",
        Write::DeletePod { .. } => "pod",
        Write::DeleteClaim { .. } => "claim",
        Write::Guard { .. } | Write::DeleteGuard { .. } => "guard",
    }
}
