//! Traffic on a Service: requests at a steady rate, whether or not earlier ones were answered.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};

use crate::http;

/// A request has this long, connecting included.
const TIMEOUT: Duration = Duration::from_secs(2);
/// A load ends by itself after this, whatever its scenario does.
const LONGEST: Duration = Duration::from_mins(15);

/// What became of one request.
#[derive(Debug, Clone)]
pub struct Request {
    pub sent: Instant,
    pub outcome: Outcome,
}

/// How a request ended.
#[derive(Debug, Clone)]
pub enum Outcome {
    /// Answered and counted by `pod`.
    Counted { pod: String, version: String, visits: u64 },
    /// Answered with another status than 200, by `version` if the answer tells it.
    Refused { version: Option<String>, status: u16 },
    /// Not answered: refused connection, reset, timeout.
    Lost(String),
}

/// Requests that are being sent, until it is dropped.
#[derive(Debug)]
pub struct Load {
    requests: Arc<Mutex<Vec<Request>>>,
    /// Ends with the load, and with it the requests that are under way.
    tasks: JoinSet<()>,
}

impl Load {
    /// Sends `rate` requests per second to `address`.
    pub fn start(address: SocketAddr, rate: u32) -> Self {
        let requests = Arc::<Mutex<Vec<Request>>>::default();
        let (log, mut tasks) = (requests.clone(), JoinSet::new());
        tasks.spawn(async move {
            let mut ticks = interval(Duration::from_secs(1) / rate.max(1));
            ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
            let (end, mut open) = (Instant::now() + LONGEST, JoinSet::new());
            while Instant::now() < end {
                ticks.tick().await;
                while open.try_join_next().is_some() {}
                let log = log.clone();
                open.spawn(async move {
                    let sent = Instant::now();
                    let outcome = Outcome::of(http::get(address, "/", TIMEOUT).await);
                    log.lock().unwrap_or_else(PoisonError::into_inner).push(Request { sent, outcome });
                });
            }
        });
        Self { requests, tasks }
    }

    /// The requests that have ended so far.
    pub fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Stops sending; requests under way are forgotten.
    pub async fn stop(mut self) -> Vec<Request> {
        self.tasks.shutdown().await;
        self.requests()
    }
}

impl Outcome {
    fn of(answer: Result<http::Answer, http::Error>) -> Self {
        match answer {
            Ok(http::Answer { status: 200, body }) => {
                Self::counted(&body).unwrap_or_else(|| Self::Lost(format!("unexpected answer {body:?}")))
            }
            Ok(http::Answer { status, body }) => {
                let answer: Option<Value> = serde_json::from_str(&body).ok();
                let version = answer.and_then(|answer| Some(answer.get("version")?.as_str()?.to_owned()));
                Self::Refused { version, status }
            }
            Err(error) => Self::Lost(error.to_string()),
        }
    }

    fn counted(body: &str) -> Option<Self> {
        let answer: Value = serde_json::from_str(body).ok()?;
        let text = |name| Some(answer.get(name)?.as_str()?.to_owned());
        Some(Self::Counted {
            pod: text("pod")?,
            version: text("version")?,
            visits: answer.get("visits")?.as_u64()?,
        })
    }
}

/// Requests in numbers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Summary {
    pub sent: usize,
    /// Answered 200, by version.
    pub counted: BTreeMap<String, usize>,
    /// Answered otherwise, by version, if that is known, and status.
    pub refused: BTreeMap<(Option<String>, u16), usize>,
    /// Not answered, by reason.
    pub lost: BTreeMap<String, usize>,
    /// The longest time without a 200, between two of them.
    pub longest_gap: Duration,
}

impl Summary {
    /// Sums up requests in any order.
    pub fn of(requests: &[Request]) -> Self {
        let mut summary = Self { sent: requests.len(), ..Self::default() };
        let mut good = Vec::new();
        for request in requests {
            match &request.outcome {
                Outcome::Counted { version, .. } => {
                    good.push(request.sent);
                    *summary.counted.entry(version.clone()).or_default() += 1;
                }
                Outcome::Refused { version, status } => {
                    *summary.refused.entry((version.clone(), *status)).or_default() += 1;
                }
                Outcome::Lost(why) => *summary.lost.entry(why.clone()).or_default() += 1,
            }
        }
        good.sort_unstable();
        let gaps = good.iter().zip(good.iter().skip(1)).map(|(from, to)| to.duration_since(*from));
        summary.longest_gap = gaps.max().unwrap_or_default();
        summary
    }

    /// Requests without an answer.
    pub fn lost(&self) -> usize {
        self.lost.values().sum()
    }

    /// Requests with a bad answer.
    pub fn refused(&self) -> usize {
        self.refused.values().sum()
    }

    /// Those of them that came from none of `versions`, or from nobody knows whom.
    pub fn refused_by_others_than(&self, versions: &BTreeSet<String>) -> usize {
        let others = self
            .refused
            .iter()
            .filter(|((version, _), _)| version.as_ref().is_none_or(|version| !versions.contains(version)));
        others.map(|(_, count)| count).sum()
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} requests, {} lost, {} refused", self.sent, self.lost(), self.refused())?;
        for (version, count) in &self.counted {
            write!(f, ", {count} by {version}")?;
        }
        write!(f, ", longest gap {:.2} s", self.longest_gap.as_secs_f64())?;
        for (why, count) in &self.lost {
            write!(f, "; {count} x {why}")?;
        }
        self.refused.iter().try_for_each(|((version, status), count)| {
            write!(f, "; {count} x {status} by {}", version.as_deref().unwrap_or("an unknown version"))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(version: Option<&str>) -> Outcome {
        Outcome::Refused { version: version.map(String::from), status: 500 }
    }

    #[test]
    fn a_refusal_is_its_versions_if_the_answer_tells_it() {
        let sent = Instant::now();
        let of = |body: &str| Outcome::of(Ok(http::Answer { status: 500, body: body.into() }));
        let bodies = [r#"{"pod":"db-2","version":"v2","visits":7}"#, r#"{"version":"v1"}"#, "disk full"];
        let requests: Vec<Request> = bodies.map(|body| Request { sent, outcome: of(body) }).into();
        let summary = Summary::of(&requests);
        assert_eq!(summary.refused_by_others_than(&BTreeSet::new()), 3);
        assert_eq!(summary.refused_by_others_than(&BTreeSet::from(["v2".into()])), 2);
    }

    #[test]
    fn a_summary_counts_and_finds_the_longest_gap() {
        let start = Instant::now();
        let counted =
            |version: &str| Outcome::Counted { pod: "db-0".into(), version: version.into(), visits: 1 };
        let at = |ms, outcome| Request { sent: start + Duration::from_millis(ms), outcome };
        let summary = Summary::of(&[
            at(900, counted("v2")),
            at(0, counted("v1")),
            at(100, counted("v1")),
            at(300, Outcome::Lost("refused".into())),
            at(500, refused(Some("v2"))),
        ]);
        assert_eq!(
            summary.to_string(),
            "5 requests, 1 lost, 1 refused, 2 by v1, 1 by v2, longest gap 0.80 s; 1 x refused; 1 x 500 by v2"
        );
    }
}
