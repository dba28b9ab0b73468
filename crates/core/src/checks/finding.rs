//! What a rule finds, and how its figures are written.

use super::{Outcome, pods::Seen};
use crate::facts::Pod;

/// An outcome with its evidence.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Finding {
    pub outcome: Outcome,
    pub evidence: String,
}

impl Finding {
    pub fn new(outcome: Outcome, evidence: impl Into<String>) -> Self {
        Self { outcome, evidence: evidence.into() }
    }

    /// The worst of several with the evidence of all that are as bad.
    pub fn worst(findings: Vec<Self>) -> Option<Self> {
        let outcome = findings.iter().map(|finding| finding.outcome).max_by_key(|outcome| rank(*outcome))?;
        let as_bad = findings.into_iter().filter(|finding| finding.outcome == outcome);
        let evidence: Vec<String> = as_bad.map(|finding| finding.evidence).collect();
        Some(Self { outcome, evidence: listed(&evidence) })
    }
}

/// A known failure outweighs missing data, which outweighs waiting for more of it.
fn rank(outcome: Outcome) -> u8 {
    match outcome {
        Outcome::Pass => 0,
        Outcome::Undecided => 1,
        Outcome::NoData => 2,
        Outcome::Fail => 3,
    }
}

/// Sentences about several pods as one that stays readable in a chat room.
pub(super) fn listed(sentences: &[String]) -> String {
    const SHOWN: usize = 3;
    let text = sentences.iter().take(SHOWN).map(String::as_str).collect::<Vec<_>>().join("; ");
    match sentences.len().saturating_sub(SHOWN) {
        0 => text,
        more => format!("{text}; and {more} more"),
    }
}

/// What the sum over these pods is said of.
pub(super) fn subject(pods: &[&Seen]) -> String {
    match pods {
        [Seen { pod: Pod { name, .. }, .. }] => format!("pod {name}"),
        pods => format!("{} canary pods", pods.len()),
    }
}

/// A count for division: exact up to 2^53, and what is compared are shares.
#[expect(clippy::cast_precision_loss, reason = "the loss is below a share of 10^-15")]
pub(super) fn float(count: u64) -> f64 {
    count as f64
}

/// A measured share, as `20.0%` or `0.04%`.
pub(super) fn percent(share: f64) -> String {
    let percent = share * 100.0;
    if percent > 0.0 && percent < 1.0 { format!("{percent:.2}%") } else { format!("{percent:.1}%") }
}

/// A share or a factor from a policy as a person would write it: `5`, `0.1`, `1.5`.
pub(super) fn plain(number: f64) -> String {
    let text = format!("{number:.4}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}
