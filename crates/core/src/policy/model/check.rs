//! The checks, and what they ask pods.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Mode, Query, ScrapeProbe};
use crate::policy::{GoDuration, Pattern};

/// The readiness check's parameters.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Readiness {
    /// From the first sight of a canary pod until it must have been Ready. Default 5m.
    pub within: GoDuration,
    /// Container restarts that are forgiven per pod. Default 0.
    pub max_restarts: u32,
    /// How long an image may fail to be pulled. Default 20s.
    pub pull_error_grace: GoDuration,
    /// How long a pod may stay unschedulable. Default 30s.
    pub unschedulable_grace: GoDuration,
}

impl Default for Readiness {
    fn default() -> Self {
        Self {
            within: GoDuration::from_secs(300),
            max_restarts: 0,
            pull_error_grace: GoDuration::from_secs(20),
            unschedulable_grace: GoDuration::from_secs(30),
        }
    }
}

/// One signal with its rule.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Check {
    /// Unique in the policy; never `readiness`.
    pub name: String,
    /// Whether it decides.
    pub mode: Mode,
    /// The probing interval; 1s or more.
    pub every: GoDuration,
    /// Time to establish a connection. Default 500ms for pods, 2s for sources.
    pub connect_timeout: GoDuration,
    /// Time for the whole probe. Default 2s for pods, 5s for sources; at most 30s.
    pub timeout: GoDuration,
    /// Who is asked what.
    #[serde(rename = "probe")]
    pub signal: Signal,
}

/// Who a check asks, with the rule for the answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Signal {
    /// The pods themselves.
    Pods(Probe),
    /// A source of the daemon's configuration, about all canary pods at once.
    Source(Query),
}

/// What a check asks each pod, with the rule for the answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type")]
pub enum Probe {
    /// An HTTP request to each canary pod.
    Http(HttpProbe),
    /// Counters read from each pod's metrics page.
    Scrape(ScrapeProbe),
}

impl Probe {
    /// Where the probe goes.
    pub fn endpoint(&self) -> &Endpoint {
        match self {
            Self::Http(http) => &http.endpoint,
            Self::Scrape(scrape) => &scrape.endpoint,
        }
    }
}

/// A container port by number or by its name in the pod template.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Port {
    /// 1 to 65535.
    Number(u16),
    /// A port name of a container.
    Name(String),
}

/// `http` or `https`. Certificates of pods are not verified, as the kubelet's probes don't.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Scheme {
    /// Plain.
    #[default]
    #[serde(rename = "HTTP")]
    Http,
    /// TLS without verification.
    #[serde(rename = "HTTPS")]
    Https,
}

/// Where on a pod a request goes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Endpoint {
    /// The port.
    pub port: Port,
    /// Begins with `/`.
    pub path: String,
    /// The scheme.
    pub scheme: Scheme,
    /// Extra request headers.
    pub headers: BTreeMap<String, String>,
    /// Whether pods with hostNetwork are probed (they answer with the node's address). Default false.
    pub allow_host_network: bool,
}

/// An HTTP health probe; each canary pod must answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HttpProbe {
    /// Where.
    pub endpoint: Endpoint,
    /// The answer's status must be one of these; empty: 200 to 399 (redirects are not followed).
    pub expected_status: Vec<u16>,
    /// The first 64 KiB of the body must match.
    pub body_match: Option<Pattern>,
    /// The n-th consecutive failure fails the check. Default 3.
    pub failure_threshold: u32,
}
