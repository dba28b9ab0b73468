//! Writes -> cluster: each with its precondition, none retried.

mod kill;
#[cfg(test)]
mod tests;

use serde_json::{Value, json};
use siskin_core::{
    checks::Role,
    decision::{PREFIX, Write},
    facts::{Uid, Workload},
};

pub use self::kill::Kill;
use crate::{
    cluster::{Cluster, Error, Precondition, Resource},
    report::metrics::{Metrics, WRITES},
    watch::{
        guards::GuardList,
        statefulsets::{Managed, Whole},
    },
};

/// Why a write didn't happen, or may not have happened.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The API server's answer, or none.
    #[error(transparent)]
    Api(#[from] Error),
    /// Pods are labelled by an optional right.
    #[error(
        "{0}; the policy says `podLabels: true`, which needs the component `pod-labels`; the rollout goes on without labels"
    )]
    MayNotLabelPods(#[source] Error),
    /// Claims are deleted by an optional right.
    #[error(
        "{0}; the policy says `claims: Discard`, which needs the Role `siskin-claim-deletion` in this namespace"
    )]
    MayNotDeleteClaims(#[source] Error),
    /// The name of the list of released revisions is taken.
    #[error(
        "the ConfigMap {0} is not Siskin's: it has no label siskin.dev/guard=true. The list of released revisions needs this name, so nothing new is released; rename or delete it"
    )]
    ForeignGuard(String),
}

/// What a write that succeeded gives.
#[derive(Debug)]
pub enum Reply {
    /// Nothing that isn't seen otherwise.
    Nothing,
    /// The StatefulSet as it is now.
    Anchor(Box<Managed>),
    /// The list of released revisions as it is now.
    Guard(GuardList),
    /// There is no list of released revisions any more.
    NoGuard,
}

impl WriteError {
    /// The API server said no, so that nothing was written; a conflict is decided anew.
    pub fn is_refusal(&self) -> bool {
        match self {
            Self::Api(error) => error.is_refusal(),
            Self::MayNotDeleteClaims(_) | Self::MayNotLabelPods(_) | Self::ForeignGuard(_) => true,
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

    /// Carries out one write.
    pub async fn carry_out(&self, workload: &Workload, write: &Write) -> Result<Reply, WriteError> {
        let result = self.send(workload, write).await;
        let label = match &result {
            Ok(_) => "ok",
            Err(
                WriteError::Api(error)
                | WriteError::MayNotDeleteClaims(error)
                | WriteError::MayNotLabelPods(error),
            ) => error.category(),
            Err(WriteError::ForeignGuard(_)) => "conflict",
        };
        self.metrics.count(&WRITES, &[("kind", kind(write)), ("result", label)]);
        if result.is_ok() {
            self.kill.written();
        }
        result
    }

    async fn send(&self, workload: &Workload, write: &Write) -> Result<Reply, WriteError> {
        let Workload { namespace, name: set, .. } = workload;
        match write {
            Write::Anchor(patch) => {
                let reply = self.cluster.patch(Resource::StatefulSets, namespace, set, &patch.body()).await?;
                let Whole(managed) = reply;
                Ok(Reply::Anchor(Box::new(managed)))
            }
            Write::Verdict { revision, resource_version, verdict, rollout } => {
                let annotations = json!({ format!("{PREFIX}verdict"): verdict.as_str(), format!("{PREFIX}rollout"): rollout });
                let body = json!({ "metadata": { "resourceVersion": resource_version, "annotations": annotations } });
                let revisions = Resource::ControllerRevisions;
                self.cluster.patch::<serde::de::IgnoredAny>(revisions, namespace, &revision.0, &body).await?;
                Ok(Reply::Nothing)
            }
            Write::DeletePod { name, uid } => {
                self.delete(Resource::Pods, namespace, name, uid).await?;
                Ok(Reply::Nothing)
            }
            Write::LabelPod { name, uid, role } => {
                // Another UID in the body is refused, so a pod that came after is left alone.
                let labels = json!({ format!("{PREFIX}role"): role.map(Role::as_str) });
                let body = json!({ "metadata": { "uid": uid.0, "labels": labels } });
                match self
                    .cluster
                    .patch::<serde::de::IgnoredAny>(Resource::Pods, namespace, name, &body)
                    .await
                {
                    Err(error) if error.is_forbidden() => Err(WriteError::MayNotLabelPods(error)),
                    Err(error) if error.is_not_found() || error.is_invalid() => Ok(Reply::Nothing),
                    result => Ok(result.map(|_| Reply::Nothing)?),
                }
            }
            Write::DeleteClaim { name, uid } => {
                match self.delete(Resource::Claims, namespace, name, uid).await {
                    Err(error) if error.is_forbidden() => Err(WriteError::MayNotDeleteClaims(error)),
                    result => Ok(result.map(|()| Reply::Nothing)?),
                }
            }
            Write::Guard { resource_version, allowed } => {
                let body = GuardList::body(workload, resource_version.as_deref(), allowed);
                let name = GuardList::name(set);
                let list = match resource_version {
                    Some(_) => self.cluster.patch(Resource::ConfigMaps, namespace, &name, &body).await?,
                    None => self.create_guard(namespace, name, &body).await?,
                };
                Ok(Reply::Guard(list))
            }
            Write::DeleteGuard { resource_version } => {
                let precondition = Precondition::Version(resource_version);
                match self
                    .cluster
                    .delete(Resource::ConfigMaps, namespace, &GuardList::name(set), precondition)
                    .await
                {
                    Err(error) if !error.is_not_found() => Err(error.into()),
                    _ => Ok(Reply::NoGuard),
                }
            }
        }
    }

    /// A `ConfigMap` of this name that isn't a list of ours is left alone.
    async fn create_guard(
        &self,
        namespace: &str,
        name: String,
        body: &Value,
    ) -> Result<GuardList, WriteError> {
        match self.cluster.create(Resource::ConfigMaps, namespace, body).await {
            Err(error) if error.is_conflict() => {
                match self.cluster.get::<GuardList>(Resource::ConfigMaps, namespace, &name).await {
                    Ok(list) if !list.ours => Err(WriteError::ForeignGuard(name)),
                    _ => Err(error.into()),
                }
            }
            result => Ok(result?),
        }
    }

    /// An object that isn't there, or has another UID by now, is gone as wanted.
    async fn delete(&self, resource: Resource, namespace: &str, name: &str, uid: &Uid) -> Result<(), Error> {
        match self.cluster.delete(resource, namespace, name, Precondition::Uid(uid)).await {
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
        Write::LabelPod { .. } => "label",
        Write::DeleteClaim { .. } => "claim",
        Write::Guard { .. } | Write::DeleteGuard { .. } => "guard",
    }
}
