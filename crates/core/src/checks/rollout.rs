//! The checks of one rollout.

use std::{collections::BTreeMap, time::Duration};

use serde::Deserialize;
use serde_json::Value;

use super::{
    Names, Origin, PlannedQuery, Sample, Verdict, Verdicts, finding::Finding, http::Http, pods::Pods,
    query::Values, readiness, scrape::Scrape,
};
use crate::{
    facts::Pod,
    policy::{self, Check, Mode, Policy, Probe, Readiness},
    time::Instant,
};

/// The name of the check that is always on.
pub const READINESS: &str = "readiness";

/// The rules of one rollout's policy with all they have seen. They know pods and samples only: steps, batches and
/// pauses don't matter to them, windows run on and nothing is reset.
///
/// Per tick: [`Checks::observe`] the pods, give each answer to [`Checks::sample`], ask for [`Checks::verdicts`].
/// A verdict is as of the latest evidence and may change again; what follows from a `Fail` is the engine's.
/// The memory is bounded by the pods there are and by each limit's window divided by its interval.
#[derive(Debug)]
pub struct Checks {
    readiness: Readiness,
    pods: Pods,
    rules: Vec<Rule>,
}

#[derive(Debug)]
struct Rule {
    name: String,
    enforced: bool,
    signal: Signal,
}

#[derive(Debug)]
enum Signal {
    Http(Http),
    Scrape(Box<Scrape>),
    Values(Box<Values>),
}

impl Checks {
    /// The checks of a rollout that begins.
    pub fn new(policy: &Policy) -> Self {
        Self::with(policy, Pods::default(), &BTreeMap::new())
    }

    /// The checks of a rollout that an earlier process began, from its [`Checks::checkpoint`]: no error budget is
    /// spent twice, no grace or deadline begins again, and counters of pods that run already are not counted from
    /// their beginning. Sliding windows begin empty. What doesn't read is left out.
    pub fn resume(policy: &Policy, checkpoint: &BTreeMap<String, Value>) -> Self {
        let marks = checkpoint.get(READINESS).and_then(|marks| BTreeMap::deserialize(marks).ok());
        Self::with(policy, Pods::resume(marks.unwrap_or_default()), checkpoint)
    }

    fn with(policy: &Policy, pods: Pods, checkpoint: &BTreeMap<String, Value>) -> Self {
        let rules = policy.checks.iter().map(|check| Rule::new(check, checkpoint.get(&check.name)));
        Self { readiness: policy.readiness.clone(), pods, rules: rules.collect() }
    }

    /// Takes note of the workload's pods: all that run the canary or the stable revision, those that ended
    /// included, because an evicted pod is evidence. Terminating pods are skipped here.
    pub fn observe(&mut self, canary: &[&Pod], stable: &[&Pod], now: Instant) {
        self.pods.observe(canary, stable, now);
        for rule in &mut self.rules {
            match &mut rule.signal {
                Signal::Http(http) => http.forget_all_but(&self.pods),
                Signal::Scrape(scrape) => scrape.forget_all_but(&self.pods),
                Signal::Values(_) => {}
            }
        }
    }

    /// What the sources are to be asked now, about the canary pods that are warm.
    pub fn queries(&self, names: &Names<'_>, now: Instant) -> Vec<PlannedQuery> {
        let values = self.rules.iter().filter_map(|rule| match &rule.signal {
            Signal::Values(values) => Some((rule.name.as_str(), values)),
            Signal::Http(_) | Signal::Scrape(_) => None,
        });
        values.filter_map(|(check, values)| values.plan(check, names, &self.pods, now)).collect()
    }

    /// Takes an answer. Those of pods that are gone, were never Ready, or have restarted since are dropped.
    pub fn sample(&mut self, sample: Sample) {
        let Sample { check, origin, at, reading } = sample;
        let Some(rule) = self.rules.iter_mut().find(|rule| rule.name == check) else { return };
        match (&mut rule.signal, origin) {
            (Signal::Values(values), Origin::Source { about }) => {
                if about.iter().any(|uid| self.pods.get(uid).is_some()) {
                    values.take(at, about, reading);
                }
            }
            (signal, Origin::Pod { pod, restarts }) => {
                let Some(seen) = self.pods.get(&pod) else { return };
                if seen.ready.is_none() || restarts < seen.pod.restarts() {
                    return;
                }
                match signal {
                    Signal::Http(http) => http.take(&pod, at, reading),
                    Signal::Scrape(scrape) => scrape.take((at, restarts), reading, seen, &self.pods),
                    Signal::Values(_) => {}
                }
            }
            (Signal::Http(_) | Signal::Scrape(_), Origin::Source { .. }) => {}
        }
    }

    /// What every check says now.
    pub fn verdicts(&self, now: Instant) -> Verdicts {
        let readiness = readiness::judge(&self.pods, &self.readiness, now);
        let mut verdicts = vec![verdict(READINESS, true, readiness)];
        verdicts.extend(self.rules.iter().map(|rule| {
            let finding = match &rule.signal {
                Signal::Http(http) => http.judge(&self.pods, now),
                Signal::Scrape(scrape) => scrape.judge(&self.pods, now),
                Signal::Values(values) => values.judge(&self.pods, now),
            };
            verdict(&rule.name, rule.enforced, finding)
        }));
        Verdicts(verdicts)
    }

    /// What a restart must know, by check; small, and empty when all is well and settled.
    pub fn checkpoint(&self, now: Instant) -> BTreeMap<String, Value> {
        let warm_up = self.rules.iter().map(Rule::warm_up).max().unwrap_or_default();
        let marks = self.pods.marks(warm_up, now);
        let marks = if marks.is_empty() { None } else { serde_json::to_value(marks).ok() };
        let rules = self.rules.iter().filter_map(|rule| {
            let checkpoint = match &rule.signal {
                Signal::Http(http) => http.checkpoint(),
                Signal::Scrape(scrape) => scrape.checkpoint(),
                Signal::Values(values) => values.checkpoint(),
            };
            checkpoint.map(|checkpoint| (rule.name.clone(), checkpoint))
        });
        marks.map(|marks| (READINESS.to_owned(), marks)).into_iter().chain(rules).collect()
    }
}

impl Rule {
    fn new(check: &Check, checkpoint: Option<&Value>) -> Self {
        let (every, timeout) = (check.every.0, check.timeout.0);
        // Two lost answers are bad luck; a slow one may take its whole timeout.
        let fresh_for = (every * 3).max(every + timeout + Duration::from_secs(1));
        let signal = match &check.signal {
            policy::Signal::Pods(Probe::Http(probe)) => {
                Signal::Http(Http::new(probe.failure_threshold, fresh_for, checkpoint))
            }
            policy::Signal::Pods(Probe::Scrape(probe)) => {
                Signal::Scrape(Box::new(Scrape::new(probe, fresh_for, checkpoint)))
            }
            policy::Signal::Source(query) => {
                Signal::Values(Box::new(Values::new(check, query, fresh_for, checkpoint)))
            }
        };
        Self { name: check.name.clone(), enforced: check.mode == Mode::Enforce, signal }
    }

    fn warm_up(&self) -> Duration {
        match &self.signal {
            Signal::Http(_) => Duration::ZERO,
            Signal::Scrape(scrape) => scrape.warm_up(),
            Signal::Values(values) => values.warm_up(),
        }
    }
}

fn verdict(check: &str, enforced: bool, finding: Finding) -> Verdict {
    Verdict { check: check.to_owned(), enforced, outcome: finding.outcome, evidence: finding.evidence }
}
