//! The Lease as an object of the API.

use std::time::Duration;

use serde::Deserialize;
use serde_json::{Map, Value, json};
use siskin_core::lease::{Claim, Lease};

use crate::watch::{Watched, meta::Meta};

/// A Lease of `coordination.k8s.io/v1`, as far as it is read.
#[derive(Clone, Debug, Deserialize)]
#[serde(from = "Raw")]
pub struct Held(pub Lease);

impl Watched for Held {
    fn resource_version(&self) -> &str {
        &self.0.version
    }
}

#[derive(Deserialize)]
struct Raw {
    metadata: Meta,
    #[serde(default)]
    spec: Spec,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Spec {
    holder_identity: Option<String>,
    lease_duration_seconds: Option<u32>,
    lease_transitions: Option<u32>,
}

impl From<Raw> for Held {
    fn from(Raw { metadata, spec }: Raw) -> Self {
        Self(Lease {
            version: metadata.resource_version,
            holder: spec.holder_identity.filter(|holder| !holder.is_empty()),
            duration: Duration::from_secs(spec.lease_duration_seconds.unwrap_or(0).into()),
            transitions: spec.lease_transitions.unwrap_or(0),
        })
    }
}

/// The body of the request that carries a claim out: a merge patch over a version, or a new Lease.
pub fn body(name: &str, claim: &Claim, duration: Duration, at: jiff::Timestamp) -> Value {
    let at = format!("{at:.6}");
    let begins = claim.begins.then(|| ("acquireTime".to_owned(), json!(at)));
    let spec = json!({
        "holderIdentity": claim.holder.as_deref().unwrap_or(""),
        "leaseDurationSeconds": duration.as_secs(),
        "leaseTransitions": claim.transitions,
        "renewTime": at,
    });
    // Only who begins to hold it says since when.
    let spec: Map<String, Value> = spec.as_object().cloned().into_iter().flatten().chain(begins).collect();
    match &claim.over {
        Some(version) => json!({ "metadata": { "resourceVersion": version }, "spec": spec }),
        None => json!({
            "apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": { "name": name }, "spec": spec,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claim(over: Option<&str>, holder: Option<&str>, begins: bool) -> Value {
        let claim = Claim {
            over: over.map(str::to_owned),
            holder: holder.map(str::to_owned),
            transitions: 4,
            begins,
        };
        body("siskin", &claim, Duration::from_secs(15), jiff::Timestamp::UNIX_EPOCH)
    }

    #[test]
    fn a_renewal_replaces_only_the_version_it_knows() {
        let body = claim(Some("7"), Some("a"), false);
        assert_eq!(body["metadata"], json!({ "resourceVersion": "7" }));
        assert_eq!(body["spec"]["renewTime"], "1970-01-01T00:00:00.000000Z");
        assert_eq!(body["spec"]["leaseDurationSeconds"], 15);
        assert_eq!(body["spec"].get("acquireTime"), None);
    }

    #[test]
    fn a_new_lease_has_a_name_and_no_version() {
        let body = claim(None, Some("a"), true);
        assert_eq!(body["metadata"], json!({ "name": "siskin" }));
        assert_eq!(body["spec"]["acquireTime"], body["spec"]["renewTime"]);
    }

    #[test]
    fn a_lease_that_was_given_back_has_no_holder() {
        let body = claim(Some("7"), None, false);
        let lease = json!({ "metadata": { "resourceVersion": "8" }, "spec": body["spec"] });
        let Held(read) = serde_json::from_value(lease).unwrap();
        let duration = Duration::from_secs(15);
        assert_eq!(read, Lease { version: "8".into(), holder: None, duration, transitions: 4 });
    }
}
