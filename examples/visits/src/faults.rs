//! Faults: what they are, and their syntax `errors=0.2&latency=300ms&...`.

use std::time::Duration;

use serde::{Serialize, Serializer};

/// What is wrong with a fault that was asked for, and what would be right.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// A part without `=`.
    #[error("{0:?} is not KEY=VALUE; join several by '&', as in errors=0.2&latency=300ms")]
    NotAPair(String),
    /// No such fault.
    #[error(
        "unknown fault {0:?}: expected errors, latency, health, metrics, crash, memory or (in FAULT) start"
    )]
    UnknownKey(String),
    /// A value that doesn't fit its key.
    #[error("{key}={value:?} is not valid: expected {expected}")]
    Value {
        /// The fault.
        key: &'static str,
        /// The value found.
        value: String,
        /// The values there are.
        expected: &'static str,
    },
    /// A start delay for a server that runs.
    #[error("start delays the start of the process: give it in the environment variable FAULT")]
    AlreadyStarted,
}

/// A share in millionths: whole numbers, so that ten times 0.1 is exactly one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Share(u32);

const WHOLE: u32 = 1_000_000;

impl Share {
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // checked to be 0..=1
    fn parse(value: &str) -> Option<Self> {
        let share: f64 = value.parse().ok()?;
        (0.0..=1.0).contains(&share).then(|| Self((share * f64::from(WHOLE)).round() as u32))
    }
}

impl Serialize for Share {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(f64::from(self.0) / f64::from(WHOLE))
    }
}

/// Spreads errors evenly over requests: a share of 0.2 fails each fifth.
#[derive(Debug, Default)]
pub struct Spread {
    owed: u32,
}

impl Spread {
    /// Whether the next request fails.
    pub fn fails(&mut self, share: Share) -> bool {
        self.owed += share.0;
        let fails = self.owed >= WHOLE;
        if fails {
            self.owed -= WHOLE;
        }
        fails
    }
}

/// How `/healthz` answers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Health {
    /// 200, unless something is really wrong.
    #[default]
    Ok,
    /// 503.
    Fail,
    /// As `Ok`, but later than a probe waits.
    Slow,
}

/// How `/metrics` answers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Metrics {
    /// The metrics.
    #[default]
    Ok,
    /// 200 and a text that is no metrics.
    Garbage,
    /// Series without end.
    Endless,
    /// Never.
    Hang,
}

/// The faults in force.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Faults {
    /// The share of requests to `/` that fail.
    pub errors: Share,
    /// How much longer each request to `/` takes.
    #[serde(serialize_with = "milliseconds")]
    pub latency: Duration,
    /// How `/healthz` answers.
    pub health: Health,
    /// How `/metrics` answers.
    pub metrics: Metrics,
    /// Bytes taken so far.
    pub memory: usize,
}

fn milliseconds<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&format_args!("{}ms", duration.as_millis()))
}

/// What to change; what is not given stays.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// The share of requests to `/` that fail.
    pub errors: Option<Share>,
    /// How much longer each request to `/` takes.
    pub latency: Option<Duration>,
    /// How `/healthz` answers.
    pub health: Option<Health>,
    /// How `/metrics` answers.
    pub metrics: Option<Metrics>,
    /// Exit with 1 after this time.
    pub crash: Option<Duration>,
    /// Take this many bytes more.
    pub memory: Option<usize>,
    /// Don't listen before this time has passed.
    pub start: Option<Duration>,
}

impl Change {
    /// Reads `KEY=VALUE&...`; all of it or nothing. Of a key given twice the last value holds.
    pub fn parse(text: &str) -> Result<Self, Refused> {
        let mut change = Self::default();
        for pair in text.split('&').filter(|pair| !pair.is_empty()) {
            let (key, value) = pair.split_once('=').ok_or_else(|| Refused::NotAPair(pair.into()))?;
            match key {
                "errors" => {
                    let expected = "a share from 0 to 1, such as 0.2";
                    change.errors = Some(Share::parse(value).ok_or_else(refuse("errors", value, expected))?);
                }
                "latency" => change.latency = Some(duration("latency", value)?),
                "health" => {
                    change.health = Some(match value {
                        "ok" => Health::Ok,
                        "fail" => Health::Fail,
                        "slow" => Health::Slow,
                        _ => return Err(refuse("health", value, "ok, fail or slow")()),
                    });
                }
                "metrics" => {
                    change.metrics = Some(match value {
                        "ok" => Metrics::Ok,
                        "garbage" => Metrics::Garbage,
                        "endless" => Metrics::Endless,
                        "hang" => Metrics::Hang,
                        _ => return Err(refuse("metrics", value, "ok, garbage, endless or hang")()),
                    });
                }
                "crash" if value == "now" => change.crash = Some(Duration::ZERO),
                "crash" => {
                    let expected = "now, or a time such as 20s";
                    change.crash = Some(time(value).ok_or_else(refuse("crash", value, expected))?);
                }
                "memory" => {
                    let expected = "a size such as 64Mi (Ki, Mi or Gi)";
                    change.memory = Some(size(value).ok_or_else(refuse("memory", value, expected))?);
                }
                "start" => change.start = Some(duration("start", value)?),
                _ => return Err(Refused::UnknownKey(key.into())),
            }
        }
        Ok(change)
    }

    /// The faults after this change of `faults`.
    pub fn of(&self, faults: &Faults) -> Faults {
        Faults {
            errors: self.errors.unwrap_or(faults.errors),
            latency: self.latency.unwrap_or(faults.latency),
            health: self.health.unwrap_or(faults.health),
            metrics: self.metrics.unwrap_or(faults.metrics),
            memory: faults.memory.saturating_add(self.memory.unwrap_or(0)),
        }
    }
}

fn refuse(key: &'static str, value: &str, expected: &'static str) -> impl Fn() -> Refused {
    move || Refused::Value { key, value: value.into(), expected }
}

fn duration(key: &'static str, value: &str) -> Result<Duration, Refused> {
    time(value).ok_or_else(refuse(key, value, "a time such as 300ms, 2s or 1m"))
}

fn time(value: &str) -> Option<Duration> {
    let (number, unit) = number_and_unit(value)?;
    let milliseconds = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        _ => return None,
    };
    number.checked_mul(milliseconds).map(Duration::from_millis)
}

fn size(value: &str) -> Option<usize> {
    let (number, unit) = number_and_unit(value)?;
    let bytes = match unit {
        "Ki" => 1 << 10,
        "Mi" => 1 << 20,
        "Gi" => 1 << 30,
        _ => return None,
    };
    number.checked_mul(bytes)?.try_into().ok()
}

fn number_and_unit(value: &str) -> Option<(u64, &str)> {
    let (number, unit) = value.split_at(value.find(|c: char| !c.is_ascii_digit())?);
    Some((number.parse().ok()?, unit))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fails_of(share: &str, requests: usize) -> Vec<usize> {
        let share = Share::parse(share).unwrap();
        let mut spread = Spread::default();
        (1..=requests).filter(|_| spread.fails(share)).collect()
    }

    #[test]
    fn a_fifth_of_errors_is_each_fifth_request() {
        assert_eq!(fails_of("0.2", 20), [5, 10, 15, 20]);
    }

    #[test]
    fn shares_without_a_finite_binary_form_are_exact_too() {
        assert_eq!(fails_of("0.1", 10_000).len(), 1000);
        assert_eq!(fails_of("0.003", 10_000).len(), 30);
        assert_eq!(fails_of("0", 1000).len(), 0);
        assert_eq!(fails_of("1", 1000).len(), 1000);
    }

    #[test]
    fn a_change_changes_only_what_it_names() {
        let faults = Change::parse("errors=0.5&health=slow&memory=1Mi").unwrap().of(&Faults::default());
        let faults = Change::parse("latency=300ms&memory=64Ki").unwrap().of(&faults);
        let expected = Faults {
            errors: Share(500_000),
            latency: Duration::from_millis(300),
            health: Health::Slow,
            metrics: Metrics::Ok,
            memory: (1 << 20) + (64 << 10),
        };
        assert_eq!(faults, expected);
        assert_eq!(Change::parse("").unwrap().of(&faults), faults);
    }

    #[test]
    fn times_and_crashes_are_read_in_their_units() {
        let change = Change::parse("start=30s&crash=2m").unwrap();
        assert_eq!(
            (change.start, change.crash),
            (Some(Duration::from_secs(30)), Some(Duration::from_mins(2)))
        );
        assert_eq!(Change::parse("crash=now").unwrap().crash, Some(Duration::ZERO));
    }

    #[test]
    fn what_is_refused_says_what_is_expected() {
        for (text, says) in [
            ("errors", "not KEY=VALUE"),
            ("error=0.2", "unknown fault \"error\": expected errors, latency"),
            ("errors=1.5", "expected a share from 0 to 1"),
            ("errors=-0.1", "expected a share"),
            ("errors=NaN", "expected a share"),
            ("errors=20%", "expected a share"),
            ("latency=5", "expected a time such as 300ms"),
            ("latency=1y", "expected a time"),
            ("latency=ms", "expected a time"),
            ("latency=18446744073709551615m", "expected a time"),
            ("health=bad", "expected ok, fail or slow"),
            ("metrics=", "expected ok, garbage, endless or hang"),
            ("crash=later", "expected now, or a time"),
            ("memory=64MB", "expected a size such as 64Mi"),
            ("errors=0.2&latency=x", "latency=\"x\" is not valid"),
        ] {
            let refused = Change::parse(text).unwrap_err().to_string();
            assert!(refused.contains(says), "{text}: {refused}");
        }
    }
}
