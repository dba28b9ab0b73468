//! Whether the hold protects a workload: asked of the API server itself, by a write that changes nothing.

use serde_json::json;
use siskin_core::facts::{Revision, Workload};

use crate::{
    cluster::{Cluster, Error, Resource},
    watch::statefulsets::Whole,
};

/// No revision has such a name: they begin with the name of their StatefulSet.
const NO_REVISION: &str = "-siskin-asks-whether-this-is-held";

/// Whether a write of `status.currentRevision` would leave it as it is, as the hold does while `siskin.dev/stable`
/// names it.
pub async fn held(cluster: &Cluster, workload: &Workload) -> Result<bool, Error> {
    if workload.current_revision.is_none() {
        return Ok(false);
    }
    let Workload { namespace, name, .. } = workload;
    let body = json!({ "status": { "currentRevision": NO_REVISION } });
    let Whole(reply) = cluster.try_patch_status(Resource::StatefulSets, namespace, name, &body).await?;
    Ok(reply.workload.current_revision != Some(Revision::from(NO_REVISION)))
}
