//! The validated policy: every default filled in, every value in range.
//!
//! These types are what the engine and the checks read. They are made by [`super::parse`] (from YAML) or read
//! back from a rollout's state, where the policy a rollout started with is kept whole ([`crate::state`]).

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};

use super::{GoDuration, Pattern, QueryTemplate};
use crate::window::Window;

/// How a rollout of one workload is done, under one name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Policy {
    /// The name that the annotation `siskin.dev/policy` refers to.
    pub name: String,
    /// Whether it decides, or only says what it would have decided.
    #[serde(default)]
    pub mode: Mode,
    /// Which pods get the canary revision, and when.
    pub strategy: Strategy,
    /// When rollouts may start and steps may open; none: at any time.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub windows: Vec<Window>,
    /// Limits that hold for every strategy.
    pub bounds: Bounds,
    /// The check that is always on.
    pub readiness: Readiness,
    /// The checks of the policy, in the order of the file; names are unique.
    pub checks: Vec<Check>,
    /// What follows from a verdict.
    pub outcome: Outcome,
    /// Who is told what.
    pub notify: Vec<Notify>,
    /// Whether pods carry the label `siskin.dev/role` during a rollout. Default false.
    #[serde(default)]
    pub pod_labels: bool,
}

/// The strategy and its parameters.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type")]
pub enum Strategy {
    /// A few pods first, judged at each step, then the remainder.
    Canary(Canary),
    /// All pods in batches from the highest index down.
    RollingUpdate(Batches),
}

/// Parameters of [`Strategy::Canary`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Canary {
    /// Where canary pods run.
    pub placement: Placement,
    /// At least one; exposures never fall.
    pub steps: Vec<Step>,
    /// How the pods that no step covers follow.
    pub remainder: Batches,
}

/// Where canary pods run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type")]
pub enum Placement {
    /// The highest ordinals of the workload itself.
    InPlace,
    /// Extra pods above the user's replicas first, then in place.
    Surge(Surge),
}

/// The extra pods of a canary rollout.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Surge {
    /// How many extra pods; `None`: as many as the first step exposes.
    pub pods: Option<Amount>,
    /// What the data of extra pods is worth. `None` only fits a workload without claim templates.
    pub claims: Option<ClaimUse>,
    /// What if something scales the workload by metrics.
    #[serde(default)]
    pub autoscaler: AutoscalerUse,
}

/// Extra pods of a workload that an autoscaler targets: it counts them, and takes them away or adds others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum AutoscalerUse {
    /// No rollout starts.
    #[default]
    Refuse,
    /// The autoscaler decides how many pods there are with the extra ones; the others are the user's replicas.
    Follow,
}

/// What happens to the claims of surge ordinals.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ClaimUse {
    /// Deleted after the surge pod is gone; left-over claims refuse the rollout.
    Discard,
    /// Left as they are; left-over claims refuse the next rollout.
    Keep,
    /// Left as they are, and left-over claims are used by surge pods.
    Reuse,
}

/// One exposure of a canary rollout.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Step {
    /// Stable id for approvals, state and metrics; unique in the policy.
    pub name: String,
    /// How many pods run the canary revision.
    pub exposure: Amount,
    /// How long every check must pass.
    pub bake: GoDuration,
    /// How long the step may stay without a verdict, counted from the start of the bake.
    pub decide_within: Option<GoDuration>,
    /// Whether a person must let the rollout go on after the bake.
    pub approval: bool,
}

/// Pods in batches, each judged before the next.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Batches {
    /// Pods per batch.
    pub batch: Amount,
    /// How long every check must pass after each batch.
    pub bake: GoDuration,
}

/// A number of pods: a count (at least 1) or a share of the user's replicas.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum Amount {
    /// That many pods.
    Count(u32),
    /// Percent of the replicas, 1 to 100, rounded up, at least one pod.
    Percent(u32),
}

impl Amount {
    /// The number of pods out of `replicas`: at least 1, at most `replicas` (0 only of 0).
    pub fn of(self, replicas: u32) -> u32 {
        let wanted = match self {
            Self::Count(count) => count,
            Self::Percent(percent) => {
                let exact = u64::from(replicas) * u64::from(percent);
                u32::try_from(exact.div_ceil(100)).unwrap_or(u32::MAX)
            }
        };
        wanted.max(1).min(replicas)
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Count(count) => write!(f, "{count}"),
            Self::Percent(percent) => write!(f, "{percent}%"),
        }
    }
}

impl From<Amount> for String {
    fn from(amount: Amount) -> Self {
        amount.to_string()
    }
}

impl TryFrom<String> for Amount {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let wrong = || {
            format!(
                "`{text}` is not a number of pods: expected a count of at least 1 or a share from 1% to 100%"
            )
        };
        let (digits, percent) =
            text.strip_suffix('%').map_or((text.as_str(), false), |digits| (digits, true));
        if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(wrong());
        }
        match (digits.parse::<u32>(), percent) {
            (Ok(percent @ 1..=100), true) => Ok(Self::Percent(percent)),
            (Ok(count @ 1..), false) => Ok(Self::Count(count)),
            _ => Err(wrong()),
        }
    }
}

/// Limits for every strategy.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Bounds {
    /// How many ready pods may be taken down at once by a way back. Default 1.
    pub max_unavailable: Amount,
    /// The longest time without progress. Default 1h.
    pub progress_deadline: GoDuration,
}

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

/// Whether a check decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Mode {
    /// Its verdict counts.
    #[default]
    Enforce,
    /// Evaluated and reported only.
    Observe,
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

/// A number from a source, and the rule for it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Query {
    /// The source's name in the daemon's configuration.
    pub source: String,
    /// What it is asked.
    pub question: Question,
    /// The bounds for each value of the answer.
    pub limit: Range,
    /// A canary pod is asked about from this long after its first Ready on. Default 60s.
    pub warm_up: GoDuration,
}

/// What a source is asked; each kind of source has its own.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all_fields = "camelCase")]
pub enum Question {
    /// An instant query.
    Prometheus {
        /// In `PromQL`.
        query: QueryTemplate,
        /// Whether an answer with warnings is taken: it may be incomplete. Default false.
        accept_warnings: bool,
    },
    /// A number in a JSON document.
    Json {
        /// Put behind the source's URL; begins with `/`.
        path: QueryTemplate,
        /// Where the number stands in the document, as RFC 6901 says; empty for the whole document.
        pointer: String,
    },
}

/// Bounds for values; at least one is there, and a value that equals one is within it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Range {
    /// The lowest good value.
    pub min: Option<f64>,
    /// The highest good value; not below `min`.
    pub max: Option<f64>,
    /// The n-th consecutive answer outside fails the check. Default 1.
    pub failure_threshold: u32,
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

/// What follows from verdicts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Outcome {
    /// A check failed. Default `RollBack`.
    pub on_failure: OnFailure,
    /// A step found no verdict in time. Default `Pause`.
    pub on_undecided: OnFailure,
    /// A check has no data. Default `Hold`.
    pub on_no_data: OnNoData,
    /// A failure after Kubernetes has completed. Default `Pause`.
    pub after_completion: AfterCompletion,
    /// Kubernetes has forgotten the stable revision. Default `Hold`.
    pub on_forgotten: OnForgotten,
    /// Extra pods are not let in. Default `Pause`.
    #[serde(default)]
    pub on_surge_refused: OnSurgeRefused,
    /// A ConfigMap or Secret that pods refer to changed while a rollout goes forward. Default `Warn`.
    #[serde(default)]
    pub on_config_change: OnConfigChange,
}

/// See [`Outcome::on_failure`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum OnFailure {
    /// Back to stable.
    RollBack,
    /// Stop and ask.
    Pause,
}

/// See [`Outcome::on_no_data`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum OnNoData {
    /// The bake stands still until there is data or a deadline runs out.
    Hold,
    /// Stop and ask.
    Pause,
    /// Back to stable.
    RollBack,
}

/// See [`Outcome::after_completion`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum AfterCompletion {
    /// Write the stable template back.
    Undo,
    /// Stop and ask.
    Pause,
}

/// See [`Outcome::on_surge_refused`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum OnSurgeRefused {
    /// Take them away, stop and ask.
    #[default]
    Pause,
    /// Go on without them, on the workload's own pods.
    InPlace,
    /// Back to stable.
    RollBack,
}

/// See [`Outcome::on_forgotten`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum OnForgotten {
    /// Say so, start no rollout.
    Hold,
    /// Write the stable template back: at zero replicas once per revision, with pods by an undo.
    Restore,
}

/// See [`Outcome::on_config_change`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum OnConfigChange {
    /// Say so, and mark the evidence where pods are configured differently.
    #[default]
    Warn,
    /// Also stop and ask.
    Pause,
}

/// Who is told what.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Notify {
    /// A receiver's name in the daemon's configuration.
    pub receiver: String,
    /// Which events; empty in the file: all.
    pub events: Vec<Topic>,
}

/// What a message is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Topic {
    /// A rollout began.
    Started,
    /// A step waits for approval.
    WaitingForApproval,
    /// The rollout stands still until a person acts.
    Paused,
    /// A check failed; with evidence.
    Failed,
    /// Every pod is back on the stable revision and ready.
    RolledBack,
    /// The canary revision is stable.
    Promoted,
    /// A ConfigMap or Secret that pods refer to changed.
    ConfigChanged,
}

impl Question {
    /// The text that is filled in.
    pub fn template(&self) -> &QueryTemplate {
        match self {
            Self::Prometheus { query, .. } => query,
            Self::Json { path, .. } => path,
        }
    }
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

impl Policy {
    /// Whether any check needs samples of stable pods.
    pub fn probes_stable(&self) -> bool {
        self.checks.iter().any(
            |check| matches!(&check.signal, Signal::Pods(Probe::Scrape(scrape)) if scrape.compare.is_some()),
        )
    }

    /// The checks that ask a source, in the order of the file.
    pub fn queries(&self) -> impl Iterator<Item = (&Check, &Query)> {
        self.checks.iter().filter_map(|check| match &check.signal {
            Signal::Pods(_) => None,
            Signal::Source(query) => Some((check, query)),
        })
    }
}

impl Default for Canary {
    fn default() -> Self {
        let first = Step {
            name: "first".to_owned(),
            exposure: Amount::Percent(25),
            bake: GoDuration::from_secs(300),
            decide_within: None,
            approval: false,
        };
        Self { placement: Placement::InPlace, steps: vec![first], remainder: Batches::default() }
    }
}

impl Default for Batches {
    fn default() -> Self {
        Self { batch: Amount::Count(1), bake: GoDuration::from_secs(30) }
    }
}

impl Default for Bounds {
    fn default() -> Self {
        Self { max_unavailable: Amount::Count(1), progress_deadline: GoDuration::from_secs(3600) }
    }
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

impl Default for Outcome {
    fn default() -> Self {
        Self {
            on_failure: OnFailure::RollBack,
            on_undecided: OnFailure::Pause,
            on_no_data: OnNoData::Hold,
            after_completion: AfterCompletion::Pause,
            on_forgotten: OnForgotten::Hold,
            on_surge_refused: OnSurgeRefused::Pause,
            on_config_change: OnConfigChange::Warn,
        }
    }
}
