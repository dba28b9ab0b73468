//! The rule of a source: each value of its answer is within the bounds.

use std::{collections::BTreeSet, time::Duration};

use serde::{Deserialize, Serialize};

use super::{
    Outcome, Reading, Role, Value,
    finding::{Finding, listed},
    pods::{Pods, Seen, Stopwatch},
};
use crate::{
    facts::{Revision, Uid},
    policy::{Check, Form, GoDuration, Query, Question, Range, Side, Subject},
    time::Instant,
};

/// What a source is to be asked from now on.
#[derive(Clone, Debug, PartialEq)]
pub struct PlannedQuery {
    /// The check's name.
    pub check: String,
    /// The interval.
    pub every: Duration,
    /// Time for a connection.
    pub connect_timeout: Duration,
    /// Time for everything.
    pub timeout: Duration,
    /// The source's name.
    pub source: String,
    /// What it is names.
    pub question: Question,
    /// The text of the question with its variables filled in.
    pub text: String,
    /// The canary pods that it is asked about.
    pub about: BTreeSet<Uid>,
}

/// What a rollout is about, for the variables of a question.
#[derive(Clone, Copy, Debug)]
pub struct Names<'a> {
    /// The workload's namespace.
    pub namespace: &'a str,
    /// The workload's name.
    pub workload: &'a str,
    /// The revision that is judged.
    pub canary: &'a Revision,
    /// The stable one, if there is one.
    pub stable: Option<&'a Revision>,
}

/// The rule of one check with what it was answered.
#[derive(Debug)]
pub(super) struct Values {
    query: Query,
    every: Duration,
    connect_timeout: Duration,
    timeout: Duration,
    /// Values older than this say nothing any more.
    fresh_for: Duration,
    newest: Option<Instant>,
    /// When there were values last.
    usable: Option<Instant>,
    /// What they said.
    last: Option<Judged>,
    /// Why the newest answer says nothing.
    problem: Option<Problem>,
    /// Consecutive answers outside the bounds; those that say nothing neither add to them nor end their row.
    outside: u32,
    /// The last answer with values was within the bounds, in this process or in an earlier one.
    passed: bool,
}

#[derive(Debug)]
struct Judged {
    within: bool,
    sentence: String,
    about: BTreeSet<Uid>,
}

#[derive(Debug)]
struct Problem {
    reason: String,
    /// Asking again leads to the same.
    lasting: bool,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Checkpoint {
    outside: u32,
    passed: bool,
}

impl Values {
    /// With what an earlier process had counted. A checkpoint that doesn't read is none.
    pub fn new(
        check: &Check,
        query: &Query,
        fresh_for: Duration,
        checkpoint: Option<&serde_json::Value>,
    ) -> Self {
        let Checkpoint { outside, passed } =
            checkpoint.and_then(|v| Checkpoint::deserialize(v).ok()).unwrap_or_default();
        Self {
            query: query.clone(),
            every: check.every.0,
            connect_timeout: check.connect_timeout.0,
            timeout: check.timeout.0,
            fresh_for,
            newest: None,
            usable: None,
            last: None,
            problem: None,
            outside,
            passed,
        }
    }

    pub fn checkpoint(&self) -> Option<serde_json::Value> {
        let Self { outside, passed, .. } = *self;
        if outside == 0 && !passed {
            return None;
        }
        serde_json::to_value(Checkpoint { outside, passed }).ok()
    }

    pub fn warm_up(&self) -> Duration {
        self.query.warm_up.0
    }

    /// The question as it stands now; `None` if there is nothing to ask about.
    pub fn plan(&self, check: &str, names: &Names<'_>, pods: &Pods, now: Instant) -> Option<PlannedQuery> {
        let canary = self.warm(pods, now);
        if canary.is_empty() || self.lacks_stable(pods) {
            return None;
        }
        let stable = pods.of(Role::Stable);
        let subject = Subject {
            namespace: names.namespace,
            workload: names.workload,
            canary: Side {
                revision: &names.canary.0,
                pods: canary.iter().map(|seen| seen.pod.name.as_str()).collect(),
            },
            stable: Side {
                revision: names.stable.map_or("", |stable| &stable.0),
                pods: stable.iter().map(|seen| seen.pod.name.as_str()).collect(),
            },
        };
        let text = match &self.query.question {
            Question::Prometheus { query, .. } => query.fill(&subject, Form::PromQl),
            Question::Json { path, .. } => path.fill(&subject, Form::Url),
        };
        Some(PlannedQuery {
            check: check.to_owned(),
            every: self.every,
            connect_timeout: self.connect_timeout,
            timeout: self.timeout,
            source: self.query.source.clone(),
            question: self.query.question.clone(),
            text,
            about: canary.iter().map(|seen| seen.pod.uid.clone()).collect(),
        })
    }

    /// The canary pods that are asked about: those that were Ready for long enough.
    fn warm<'a>(&self, pods: &'a Pods, now: Instant) -> Vec<&'a Seen> {
        let mut canary = pods.probed(Role::Canary);
        canary.retain(|seen| seen.ready.is_some_and(|ready| ready.read(now) >= self.query.warm_up.0));
        canary
    }

    /// The question is about stable pods, and there are none any more.
    fn lacks_stable(&self, pods: &Pods) -> bool {
        self.query.question.template().names_stable_pods() && pods.of(Role::Stable).is_empty()
    }

    pub fn take(&mut self, at: Instant, about: BTreeSet<Uid>, reading: Reading) {
        if self.newest.is_some_and(|newest| at < newest) {
            return;
        }
        let (judged, lasting) = match reading {
            Reading::Values(values) => (self.query.limit.judge(&values), false),
            Reading::Unusable(reason) => (Err(reason), false),
            Reading::Refused(reason) => (Err(reason), true),
            Reading::Healthy | Reading::Unhealthy(_) | Reading::Counts(_) => return,
        };
        self.newest = Some(at);
        self.problem = None;
        match judged {
            Ok((within, sentence)) => {
                self.usable = Some(at);
                self.outside = if within { 0 } else { self.outside.saturating_add(1) };
                self.passed = within;
                self.last = Some(Judged { within, sentence, about });
            }
            Err(reason) => self.problem = Some(Problem { reason, lasting }),
        }
    }

    pub fn judge(&self, pods: &Pods, now: Instant) -> Finding {
        let canary = pods.probed(Role::Canary);
        let threshold = self.query.limit.failure_threshold;
        let sentence = self.last.as_ref().map_or("before a restart of siskin", |last| &last.sentence);
        let row = format!("{sentence}; {} of {threshold} answers in a row", self.outside);
        if canary.is_empty() {
            return Finding::new(Outcome::Undecided, "no canary pod was Ready yet");
        }
        if self.outside >= threshold {
            return Finding::new(Outcome::Fail, row);
        }
        if self.lacks_stable(pods) {
            return if self.passed {
                let text = format!("no pod is left on the stable revision to compare with; last: {sentence}");
                Finding::new(Outcome::Pass, text)
            } else {
                Finding::new(Outcome::Undecided, "no pod runs the stable revision, so nothing can be asked")
            };
        }
        let warm = self.warm(pods, now);
        if warm.is_empty() {
            return Finding::new(Outcome::Undecided, self.cold(&canary));
        }
        if let Some(finding) = self.trouble(&warm, now) {
            return finding;
        }
        match &self.last {
            None => Finding::new(Outcome::Undecided, "not asked yet"),
            Some(last) if !last.within => Finding::new(Outcome::Undecided, row),
            Some(last) => {
                let left_out: Vec<&Seen> =
                    canary.into_iter().filter(|seen| !last.about.contains(&seen.pod.uid)).collect();
                if left_out.is_empty() {
                    return Finding::new(Outcome::Pass, sentence);
                }
                Finding::new(Outcome::Undecided, format!("{sentence}; {}", self.cold(&left_out)))
            }
        }
    }

    fn cold(&self, pods: &[&Seen]) -> String {
        let names: Vec<String> = pods.iter().map(|seen| format!("pod {}", seen.pod.name)).collect();
        let GoDuration(warm_up) = self.query.warm_up;
        if warm_up.is_zero() {
            return format!("not asked yet about {}", listed(&names));
        }
        format!("not asked before {}s of being Ready about {}", warm_up.as_secs(), listed(&names))
    }

    /// What keeps the answers from being used. One that says nothing, or none, is borne while the last one with values
    /// is fresh.
    fn trouble(&self, warm: &[&Seen], now: Instant) -> Option<Finding> {
        let since = |ready: Stopwatch| {
            now.since(ready.since()).min(ready.read(now).saturating_sub(self.query.warm_up.0))
        };
        let askable = warm.iter().filter_map(|seen| seen.ready.map(since)).max().unwrap_or_default();
        let silent = self.usable.map_or(askable, |usable| now.since(usable));
        let why = |reason: &str| format!("source {}: {reason}", self.query.source);
        match &self.problem {
            Some(Problem { reason, lasting: true }) => Some(Finding::new(Outcome::NoData, why(reason))),
            Some(Problem { reason, lasting: false }) if silent > self.fresh_for => {
                let text = format!("no value for {}s: {}", silent.as_secs(), why(reason));
                Some(Finding::new(Outcome::NoData, text))
            }
            Some(Problem { reason, lasting: false }) => Some(Finding::new(Outcome::Undecided, why(reason))),
            None if silent > self.fresh_for => {
                Some(Finding::new(Outcome::NoData, format!("no answer for {}s", silent.as_secs())))
            }
            None => None,
        }
    }
}

impl Range {
    /// Whether all values are within, in a sentence with the worst one; `Err`: they don't say.
    ///
    /// A value outside is one whatever the others are. NaN, which a division of zero by zero gives, and an infinity on
    /// the good side say nothing.
    fn judge(&self, values: &[Value]) -> Result<(bool, String), String> {
        let bad = values.iter().filter(|value| self.excess(value.value) > 0.0).count();
        let worst = values.iter().max_by(|a, b| self.excess(a.value).total_cmp(&self.excess(b.value)));
        let worst =
            if bad > 0 { worst } else { values.iter().find(|value| !value.value.is_finite()).or(worst) };
        let Some(worst) = worst else {
            return Err("the answer is empty: no series matches, or none is fresh".to_owned());
        };
        let of = if worst.of.is_empty() { String::new() } else { format!(" for {}", worst.of) };
        let value = format!("{}{of}", number(worst.value));
        match (bad, worst.value.is_finite()) {
            (0, false) => Err(format!("the answer is {value}, which says nothing")),
            (0, true) if values.len() == 1 => Ok((true, format!("{value}, {}", self.bounds()))),
            (0, true) => Ok((true, format!("{} values, the worst {value}, {}", values.len(), self.bounds()))),
            (1.., _) if values.len() == 1 => Ok((false, format!("{value}, {}", self.bounds()))),
            (bad, _) => Ok((
                false,
                format!("{bad} of {} values outside, the worst {value}, {}", values.len(), self.bounds()),
            )),
        }
    }

    /// How far a value is outside; negative: within. NaN is nowhere.
    fn excess(&self, value: f64) -> f64 {
        let above = self.max.map_or(f64::NEG_INFINITY, |max| value - max);
        let below = self.min.map_or(f64::NEG_INFINITY, |min| min - value);
        if value.is_nan() { f64::NEG_INFINITY } else { above.max(below) }
    }

    fn bounds(&self) -> String {
        match (self.min, self.max) {
            (Some(min), Some(max)) => format!("limit {min} to {max}"),
            (Some(min), None) => format!("at least {min}"),
            (None, Some(max)) => format!("at most {max}"),
            (None, None) => "no limit".to_owned(),
        }
    }
}

/// A measured value with the six digits that people read.
fn number(value: f64) -> String {
    match value {
        f64::INFINITY => "+Inf".to_owned(),
        f64::NEG_INFINITY => "-Inf".to_owned(),
        _ if value.is_nan() => "NaN".to_owned(),
        _ if value != 0.0 && !(1e-4..1e15).contains(&value.abs()) => format!("{value:.5e}"),
        _ => format!("{value:.5e}").parse().unwrap_or(value).to_string(),
    }
}
