//! Sources: a Prometheus that counts what the pods do, a JSON document, and what goes wrong with them.

use std::{collections::BTreeMap, fmt::Write as _};

use siskin_core::{
    answer,
    checks::{PlannedQuery, Reading},
    policy::Question,
};
use siskin_embedded::{Millis, cluster::Cluster, object::Uid};

use crate::project;

/// More series than are judged.
const TOO_MANY: u32 = 1_001;

/// What is wrong with a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ill {
    /// It answers with NaN, or `null`.
    Nan,
    /// No series matches, or there is nothing in the document.
    Empty,
    /// It answers with more series than are judged.
    ManySeries,
    /// It answers with this status.
    Status(u16),
    /// It doesn't answer in time.
    Timeout,
    /// It answers with a warning: something may be missing.
    Partial,
    /// It answers with half of a document.
    CutOff,
}

/// The sources of a story.
#[derive(Debug, Default)]
pub struct Sources {
    /// What is wrong with them, and until when.
    pub ill: Option<(Ill, Millis)>,
    /// Bad requests and all of them, by pod, when it was asked about last.
    counted: BTreeMap<Uid, (u64, u64)>,
}

impl Sources {
    /// The answer to a question about pods: their share of bad requests since the last one.
    pub fn answer(&mut self, cluster: &mut Cluster, query: &PlannedQuery) -> Reading {
        let now = cluster.now();
        let ill = self.ill.filter(|(_, until)| now < *until).map(|(ill, _)| ill);
        let shares = self.shares(cluster, query);
        let (status, body) = match (&query.question, ill) {
            (_, Some(Ill::Timeout)) => return Reading::Unusable("no answer within 5s".to_owned()),
            (_, Some(Ill::Status(status))) => {
                (status, "{\"status\":\"error\",\"error\":\"busy\"}".to_owned())
            }
            (Question::Prometheus { .. }, ill) => (200, vector(&shares, ill)),
            (Question::Json { .. }, ill) => (200, document(&shares, ill)),
        };
        let cut = if ill == Some(Ill::CutOff) { body.len() / 2 } else { body.len() };
        answer::read(&query.question, status, body.get(..cut).unwrap_or(&body).as_bytes())
    }

    fn shares(&mut self, cluster: &mut Cluster, query: &PlannedQuery) -> BTreeMap<String, f64> {
        let pods: Vec<(Uid, String)> = cluster
            .pods()
            .iter()
            .filter(|pod| query.about.contains(&project::uid(pod.metadata.uid)))
            .map(|pod| (pod.metadata.uid, pod.metadata.name.to_string()))
            .collect();
        let mut shares = BTreeMap::new();
        for (uid, name) in pods {
            let Some(reading) = cluster.ask(&name) else { continue };
            let (bad, all) = (reading.counters.failed, reading.counters.ok + reading.counters.failed);
            let before = self.counted.insert(uid, (bad, all)).filter(|(_, before)| *before <= all);
            let (bad_before, all_before) = before.unwrap_or_default();
            // As with Prometheus, nothing of nothing is not a number.
            let share = number(bad.saturating_sub(bad_before)) / number(all - all_before);
            shares.insert(name, share);
        }
        shares
    }
}

fn number(count: u64) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}

fn vector(shares: &BTreeMap<String, f64>, ill: Option<Ill>) -> String {
    let mut series = Vec::new();
    let mut add = |name: &str, share: f64| {
        series.push(format!("{{\"metric\":{{\"pod\":\"{name}\"}},\"value\":[1.5,\"{share}\"]}}"));
    };
    match ill {
        Some(Ill::Empty) => {}
        Some(Ill::ManySeries) => (0..TOO_MANY).for_each(|number| add(&number.to_string(), 0.0)),
        _ => shares
            .iter()
            .for_each(|(name, share)| add(name, if ill == Some(Ill::Nan) { f64::NAN } else { *share })),
    }
    let warnings = if ill == Some(Ill::Partial) { ",\"warnings\":[\"a store is away\"]" } else { "" };
    let mut text = String::from("{\"status\":\"success\",\"data\":{\"resultType\":\"vector\",\"result\":[");
    // Writing to a String cannot fail.
    let _ = write!(text, "{}]}}{warnings}}}", series.join(","));
    text
}

fn document(shares: &BTreeMap<String, f64>, ill: Option<Ill>) -> String {
    let worst = shares.values().copied().fold(f64::NAN, f64::max);
    match ill {
        Some(Ill::Empty | Ill::ManySeries | Ill::Partial) => "{\"errors\":{}}".to_owned(),
        Some(Ill::Nan) => "{\"errors\":{\"share\":null}}".to_owned(),
        _ if worst.is_finite() => format!("{{\"errors\":{{\"share\":{worst}}}}}"),
        _ => "{\"errors\":{\"share\":null}}".to_owned(),
    }
}
