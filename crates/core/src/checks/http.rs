//! The rule of an HTTP probe: each canary pod answers well.

use std::{collections::BTreeMap, time::Duration};

use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    Outcome, Reading, Role,
    finding::Finding,
    pods::{Pods, Seen, Stopwatch},
};
use crate::{facts::Uid, time::Instant};

/// What each pod answered.
#[derive(Debug)]
pub(super) struct Http {
    threshold: u32,
    /// An answer older than this says nothing any more.
    fresh_for: Duration,
    pods: BTreeMap<Uid, Health>,
}

#[derive(Debug, Default)]
struct Health {
    /// Consecutive failures.
    failures: u32,
    /// The newest answer, with its reason if it wasn't good.
    newest: Option<(Instant, Result<(), String>)>,
    /// The newest answer that says something of the pod.
    usable: Option<Instant>,
}

impl Http {
    /// With the failures that an earlier process had counted. A checkpoint that doesn't read is none.
    pub fn new(threshold: u32, fresh_for: Duration, checkpoint: Option<&Value>) -> Self {
        let failures = checkpoint.and_then(|checkpoint| checkpoint.get("failures"));
        let failures = failures.and_then(|failures| BTreeMap::deserialize(failures).ok()).unwrap_or_default();
        let health = |(uid, failures)| (uid, Health { failures, ..Health::default() });
        Self { threshold, fresh_for, pods: failures.into_iter().map(health).collect() }
    }

    pub fn checkpoint(&self) -> Option<Value> {
        let failing = self.pods.iter().filter(|(_, health)| health.failures > 0);
        let failures: BTreeMap<&str, u32> =
            failing.map(|(uid, health)| (uid.0.as_str(), health.failures)).collect();
        (!failures.is_empty()).then(|| json!({ "failures": failures }))
    }

    pub fn forget_all_but(&mut self, pods: &Pods) {
        self.pods.retain(|uid, _| pods.get(uid).is_some());
    }

    pub fn take(&mut self, pod: &Uid, at: Instant, reading: Reading) {
        let health = self.pods.entry(pod.clone()).or_default();
        if health.newest.as_ref().is_some_and(|(newest, _)| at < *newest) {
            return;
        }
        match reading {
            Reading::Healthy => {
                *health = Health { failures: 0, newest: Some((at, Ok(()))), usable: Some(at) };
            }
            Reading::Unhealthy(reason) => {
                let failures = health.failures.saturating_add(1);
                *health = Health { failures, newest: Some((at, Err(reason))), usable: Some(at) };
            }
            Reading::Unusable(reason) | Reading::Refused(reason) => health.newest = Some((at, Err(reason))),
            Reading::Counts(_) | Reading::Values(_) => {}
        }
    }

    pub fn judge(&self, pods: &Pods, now: Instant) -> Finding {
        let canary = pods.probed(Role::Canary);
        let well = Finding::new(Outcome::Pass, format!("{0} of {0} canary pods answer well", canary.len()));
        if canary.is_empty() {
            return Finding::new(Outcome::Undecided, "no canary pod was Ready yet");
        }
        Finding::worst(canary.iter().filter_map(|seen| self.trouble(seen, now)).collect()).unwrap_or(well)
    }

    /// What keeps a pod from passing. An answer that can't be used, or none, is borne while the last usable one is
    /// fresh.
    fn trouble(&self, seen: &Seen, now: Instant) -> Option<Finding> {
        let never = Health::default();
        let Health { failures, newest, usable } = self.pods.get(&seen.pod.uid).unwrap_or(&never);
        let reason = match newest {
            Some((_, Err(reason))) => format!(": {reason}"),
            _ => String::new(),
        };
        let silent = now.since(usable.unwrap_or(seen.ready.map_or(now, Stopwatch::since)));
        let failed =
            || format!("consecutive failures: {failures}, {} fail the check{reason}", self.threshold);
        let (outcome, what) = match newest {
            _ if *failures >= self.threshold => (Outcome::Fail, failed()),
            _ if silent > self.fresh_for => {
                (Outcome::NoData, format!("no answer that can be used for {}s{reason}", silent.as_secs()))
            }
            None => (Outcome::Undecided, "not asked yet".to_owned()),
            Some((_, Ok(()))) => return None,
            Some((at, Err(_))) if *usable == Some(*at) => (Outcome::Undecided, failed()),
            Some((_, Err(reason))) => (Outcome::Undecided, reason.clone()),
        };
        Some(Finding::new(outcome, format!("pod {}: {what}", seen.pod.name)))
    }
}
