//! Why a scenario failed.

use std::time::Duration;

use crate::{cluster, http};

/// A scenario's failure. What was going on is printed beside it: timeline, log, events, pods.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    #[error("awaited in vain for {within:?}: {what}")]
    Awaited { what: String, within: Duration },
    #[error("{0}")]
    Untrue(String),
    #[error("the API server: {0}")]
    Api(#[from] kube::Error),
    #[error(transparent)]
    Cluster(#[from] cluster::Error),
    #[error("{pod} at {path}: {source}")]
    Pod { pod: String, path: String, source: http::Error },
    #[error("an object of the bench is malformed: {0}")]
    Object(#[from] serde_json::Error),
}

/// Fails with `what` unless `truth`.
pub fn ensure(truth: bool, what: impl FnOnce() -> String) -> Result<(), Failure> {
    if truth { Ok(()) } else { Err(Failure::Untrue(what())) }
}
