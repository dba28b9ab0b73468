//! The workload that a command is about.

use siskin_core::state::{Record, Unreadable};

use siskin_daemon::report::metrics::Metrics;
use siskin_daemon::{
    cluster::{Access, AccessError, Cluster, Error, Resource},
    watch::statefulsets::{Managed, Whole},
};

/// The manager of the fields that the command line writes.
pub const CLI_MANAGER: &str = "siskin-cli";

/// A workload by name.
#[derive(Clone, Debug, clap::Args)]
pub struct Named {
    /// The StatefulSet: `db` or `sts/db`
    #[arg(value_name = "WORKLOAD", value_parser = workload_name)]
    pub workload: String,
    /// Its namespace; by default that of the kubeconfig's context
    #[arg(long, short, value_name = "NS")]
    pub namespace: Option<String>,
}

/// Why a workload can't be looked at.
#[derive(Debug, thiserror::Error)]
pub enum LookError {
    /// There is no cluster.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// There is no such StatefulSet.
    #[error("there is no StatefulSet {name} in namespace {namespace}")]
    Missing {
        /// The namespace.
        namespace: String,
        /// The name.
        name: String,
    },
    /// The API server's answer, or none.
    #[error(transparent)]
    Api(#[from] Error),
}

/// A workload and the way to it.
pub struct Found {
    /// The cluster.
    pub cluster: Cluster,
    /// The StatefulSet.
    pub managed: Managed,
}

impl Found {
    /// Siskin's state of the workload; `Ok(None)`: it has none.
    pub fn record(&self) -> Result<Option<Record>, Unreadable> {
        Record::read(&self.managed.workload)
    }
}

/// Reads the workload.
pub async fn find(access: &Access, named: &Named) -> Result<Found, LookError> {
    let cluster = Cluster::new(access, CLI_MANAGER, Metrics::default()).await?;
    let namespace = named.namespace.clone().unwrap_or_else(|| cluster.default_namespace().to_owned());
    let name = named.workload.clone();
    match cluster.get::<Whole>(Resource::StatefulSets, &namespace, &name).await {
        Ok(Whole(managed)) => Ok(Found { cluster, managed }),
        Err(error) if error.is_not_found() => Err(LookError::Missing { namespace, name }),
        Err(error) => Err(error.into()),
    }
}

/// Takes the forms that kubectl takes.
pub fn workload_name(text: &str) -> Result<String, String> {
    let name = match text.split_once('/') {
        None => text,
        Some(("sts" | "statefulset" | "statefulsets" | "statefulset.apps" | "statefulsets.apps", name)) => {
            name
        }
        Some((kind, _)) => {
            return Err(format!("`{kind}` is no kind that Siskin looks after; expected `sts/NAME`"));
        }
    };
    let good = !name.is_empty()
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-.".contains(&b));
    if good { Ok(name.to_owned()) } else { Err(format!("`{name}` is not the name of a StatefulSet")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_workload_is_named_as_for_kubectl() {
        assert_eq!(workload_name("db").as_deref(), Ok("db"));
        assert_eq!(workload_name("sts/db").as_deref(), Ok("db"));
        assert_eq!(workload_name("statefulset/db").as_deref(), Ok("db"));
        assert!(
            workload_name("deploy/db").is_err()
                && workload_name("sts/").is_err()
                && workload_name("DB").is_err()
        );
    }
}
