//! What is counted on a pod's metrics page, and the rules for the counts.

use serde::{Deserialize, Serialize};

use super::Endpoint;
use crate::policy::{GoDuration, Pattern};

/// Counters of a metrics page in the Prometheus text format.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ScrapeProbe {
    /// Where.
    pub endpoint: Endpoint,
    /// What is counted.
    pub measure: Measure,
    /// The rule on the canary pods alone.
    pub limit: Option<Limit>,
    /// The rule against the stable pods.
    pub compare: Option<Compare>,
}

/// What is counted on a metrics page.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type")]
pub enum Measure {
    /// `bad` of `total`; both are sums over all series that the selector matches.
    Ratio {
        /// The bad events.
        bad: Selector,
        /// All events.
        total: Selector,
    },
    /// A classic histogram.
    Histogram {
        /// The family's name without `_bucket`; labels narrow the series.
        family: Selector,
    },
}

/// A metric name with label matchers, as in `http_requests_total{code=~"5.."}`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Selector {
    /// The metric's name.
    pub metric: String,
    /// All must hold; a missing label reads as the empty string.
    pub matchers: Vec<Matcher>,
}

/// One label matcher.
#[derive(Clone, Debug, PartialEq)]
pub struct Matcher {
    /// The label.
    pub label: String,
    /// The comparison.
    pub op: MatchOp,
}

/// The comparison of a [`Matcher`].
#[derive(Clone, Debug, PartialEq)]
pub enum MatchOp {
    /// `=`
    Equal(String),
    /// `!=`
    NotEqual(String),
    /// `=~`, anchored at both ends.
    Matches(Pattern),
    /// `!~`, anchored at both ends.
    NotMatches(Pattern),
}

/// An absolute rule over a sliding window of canary counts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Limit {
    /// What may not be exceeded.
    pub bound: Bound,
    /// The sliding window. Default 10s.
    pub window: GoDuration,
    /// Fewer events in the window than this: Undecided. Default 50, at least 1.
    pub min_count: u64,
    /// The n-th consecutive tick over the bound fails the check. Default 1.
    pub failure_threshold: u32,
}

/// The bound of a [`Limit`]; `MaxShare` goes with [`Measure::Ratio`], `Quantile` with [`Measure::Histogram`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all_fields = "camelCase")]
pub enum Bound {
    /// `bad / total` at most this share, 0 to 1.
    MaxShare {
        /// The share.
        max: f64,
    },
    /// The quantile (0 to 1, exclusive) at most this latency.
    Quantile {
        /// The quantile.
        quantile: f64,
        /// The bound in the histogram's unit, seconds.
        max_latency: GoDuration,
    },
}

/// A rule against the stable pods.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Compare {
    /// The canary's bad share may be at most this multiple of the stable pods'. More than 1.
    pub max_ratio: f64,
    /// Counts of a canary pod in this time after its first Ready are left out. Default 60s.
    pub warm_up: GoDuration,
    /// Fewer canary or stable events than this: Undecided. Default 50.
    pub min_count: u64,
}
