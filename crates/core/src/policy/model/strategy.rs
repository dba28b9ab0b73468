//! Which pods get the canary revision, and when.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::policy::GoDuration;

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
    /// Whether a person must let the last batch begin: when every pod is on the canary revision, Kubernetes may forget
    /// the stable one. Default false.
    #[serde(default)]
    pub approval: bool,
}

impl Default for Batches {
    fn default() -> Self {
        Self { batch: Amount::Count(1), bake: GoDuration::from_secs(30), approval: false }
    }
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

impl Default for Bounds {
    fn default() -> Self {
        Self { max_unavailable: Amount::Count(1), progress_deadline: GoDuration::from_secs(3600) }
    }
}
