//! The rules of a scrape: a limit on the canary pods, a comparison with the stable ones, or both.

use std::{collections::BTreeMap, time::Duration};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    Outcome, Reading, Role,
    compare::{Compared, Counted},
    finding::{Finding, subject},
    increments::{Cumulative, Increments},
    limit::Limited,
    pods::{Pods, Seen, Stopwatch},
};
use crate::{facts::Uid, policy::ScrapeProbe, time::Instant};

/// A scrape's rules with what they have counted.
#[derive(Debug)]
pub(super) struct Scrape {
    limit: Option<Limited>,
    compare: Option<Compared>,
    /// Counts older than this say nothing any more.
    fresh_for: Duration,
    increments: Increments,
    answers: BTreeMap<Uid, Answers>,
}

/// How well a pod answers.
#[derive(Debug, Default)]
struct Answers {
    newest: Option<Instant>,
    usable: Option<Instant>,
    /// Why the newest can't be used.
    problem: Option<String>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Checkpoint {
    /// Consecutive ticks over the limit.
    #[serde(skip_serializing_if = "is_zero")]
    over: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    compare: Option<Counted>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

impl Scrape {
    /// With what an earlier process had counted. A checkpoint that doesn't read is none.
    pub fn new(probe: &ScrapeProbe, fresh_for: Duration, checkpoint: Option<&Value>) -> Self {
        let Checkpoint { over, compare } =
            checkpoint.and_then(|v| Checkpoint::deserialize(v).ok()).unwrap_or_default();
        let counted = compare.unwrap_or_default();
        Self {
            limit: probe.limit.clone().map(|limit| Limited::new(limit, over)),
            compare: probe.compare.clone().map(|compare| Compared { compare, counted }),
            fresh_for,
            increments: Increments::default(),
            answers: BTreeMap::new(),
        }
    }

    pub fn checkpoint(&self) -> Option<Value> {
        let over = self.limit.as_ref().map_or(0, Limited::over);
        let compare = self.compare.as_ref().map(|compared| compared.counted);
        if over == 0 && compare.is_none() {
            return None;
        }
        serde_json::to_value(Checkpoint { over, compare }).ok()
    }

    /// How long a canary pod's first counts are left out of the comparison.
    pub fn warm_up(&self) -> Duration {
        self.compare.as_ref().map_or(Duration::ZERO, |compared| compared.compare.warm_up.0)
    }

    pub fn forget_all_but(&mut self, pods: &Pods) {
        self.answers.retain(|uid, _| pods.get(uid).is_some());
        self.increments.forget(|uid| pods.get(uid).is_some());
    }

    /// `last` is when the pod answered, and the restarts it had then.
    pub fn take(&mut self, last: (Instant, u32), reading: Reading, seen: &Seen, pods: &Pods) {
        let (at, _) = last;
        let counts = match reading {
            Reading::Counts(scraped) => {
                Cumulative::read(&scraped, self.limit.as_ref().map(|limited| &limited.limit))
            }
            Reading::Unusable(reason) | Reading::Refused(reason) => Err(reason),
            Reading::Healthy | Reading::Unhealthy(_) | Reading::Values(_) => return,
        };
        let answers = self.answers.entry(seen.pod.uid.clone()).or_default();
        if answers.newest.is_some_and(|newest| at < newest) {
            return;
        }
        answers.newest = Some(at);
        match counts {
            Ok(counts) => {
                answers.usable = Some(at);
                answers.problem = None;
                self.count(seen, last, counts, pods);
            }
            Err(reason) => answers.problem = Some(reason),
        }
    }

    fn count(&mut self, seen: &Seen, read: (Instant, u32), counts: Cumulative, pods: &Pods) {
        let (at, _) = read;
        let pod = &seen.pod.uid;
        // A canary pod is younger than the rollout; a stable pod's counts began long before it.
        let counted_before = seen.counted_before || seen.role == Role::Stable;
        let added = self.increments.take(pod, read, counts, counted_before);
        let warm_up = self.warm_up();
        if seen.role == Role::Canary
            && let Some(limited) = &mut self.limit
        {
            limited.take(pod, at, added.events, counts.edge);
        }
        if let Some(compared) = &mut self.compare {
            // Counts from before the end of the warm-up are left out whole, also where they reach beyond it; and
            // stable pods count from then on, so that both sides see the same weather.
            let Some(since) = added.since.or(seen.ready.map(Stopwatch::since)) else { return };
            let warm = |seen: &Seen| seen.ready.is_some_and(|ready| ready.read(since) >= warm_up);
            match seen.role {
                Role::Canary if warm(seen) => compared.counted.canary.add(added.events),
                Role::Stable if pods.of(Role::Canary).into_iter().any(warm) => {
                    compared.counted.stable.add(added.events);
                }
                Role::Canary | Role::Stable => {}
            }
        }
    }

    pub fn judge(&self, pods: &Pods, now: Instant) -> Finding {
        let canary = pods.probed(Role::Canary);
        if canary.is_empty() {
            return Finding::new(Outcome::Undecided, "no canary pod was Ready yet");
        }
        let mut findings: Vec<Finding> =
            self.limit.iter().map(|limited| limited.judge(&subject(&canary))).collect();
        findings.extend(self.compare.as_ref().map(Compared::judge));
        findings.extend(canary.iter().filter_map(|seen| self.trouble(seen, now)));
        if self.compare.is_some() {
            // One stable pod is enough to compare with.
            let stable = pods.probed(Role::Stable);
            let silent = stable.iter().filter_map(|seen| self.trouble(seen, now));
            let silent: Vec<_> = silent.filter(|finding| finding.outcome == Outcome::NoData).collect();
            if silent.len() == stable.len() {
                findings.extend(silent);
            }
        }
        Finding::worst(findings).unwrap_or(Finding::new(Outcome::Undecided, "there is no rule"))
    }

    /// What keeps a pod's counts from being used. An answer that can't be used, or none, is borne while the last
    /// usable one is fresh.
    fn trouble(&self, seen: &Seen, now: Instant) -> Option<Finding> {
        let never = Answers::default();
        let Answers { newest: _, usable, problem } = self.answers.get(&seen.pod.uid).unwrap_or(&never);
        let silent = now.since(usable.unwrap_or(seen.ready.map_or(now, Stopwatch::since)));
        let (outcome, what) = match problem {
            Some(reason) if silent > self.fresh_for => {
                (Outcome::NoData, format!("no counts that can be used for {}s: {reason}", silent.as_secs()))
            }
            None if silent > self.fresh_for => {
                (Outcome::NoData, format!("no counts came in for {}s", silent.as_secs()))
            }
            Some(reason) => (Outcome::Undecided, reason.clone()),
            None if usable.is_none() => (Outcome::Undecided, "not asked yet".to_owned()),
            None => return None,
        };
        Some(Finding::new(outcome, format!("pod {}: {what}", seen.pod.name)))
    }
}
