//! Durations in Go's grammar.

use std::{fmt, str::FromStr, time::Duration};

use serde::{Deserialize, Serialize};

/// A duration written as Go and Kubernetes write it: `1h30m`, `500ms`, `0s`. Whole milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct GoDuration(pub Duration);

/// Longest unit first; the order of [`GoDuration`]'s display.
const UNITS: [(&str, u64); 4] = [("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

/// A text that is not a duration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{text}` is not a duration: expected numbers with the units h, m, s or ms, such as `90s` or `1h30m`"
)]
pub struct DurationError {
    text: String,
}

impl GoDuration {
    /// That many seconds.
    pub const fn from_secs(seconds: u64) -> Self {
        Self(Duration::from_secs(seconds))
    }

    /// That many milliseconds.
    pub const fn from_millis(millis: u64) -> Self {
        Self(Duration::from_millis(millis))
    }

    /// Whether it is no time at all.
    pub const fn is_zero(self) -> bool {
        self.0.is_zero()
    }
}

impl FromStr for GoDuration {
    type Err = DurationError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        parse_millis(text).map(Self::from_millis).ok_or_else(|| DurationError { text: text.to_owned() })
    }
}

/// Over a century; keeps every sum of a duration and a clock far from overflow, wherever the text came from.
const MAX_MILLIS: u64 = 1_000_000 * 3_600_000;

/// `None`: not `([0-9]+(ms|s|m|h))+`, or more than [`MAX_MILLIS`].
fn parse_millis(text: &str) -> Option<u64> {
    let mut rest = text;
    let mut total = 0_u64;
    loop {
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (number, tail) = rest.split_at_checked(digits)?;
        let letters = tail.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(tail.len());
        let (unit, tail) = tail.split_at_checked(letters)?;
        let (_, millis) = UNITS.into_iter().find(|(name, _)| *name == unit)?;
        total = number.parse::<u64>().ok()?.checked_mul(millis)?.checked_add(total)?;
        if tail.is_empty() {
            return (total <= MAX_MILLIS).then_some(total);
        }
        rest = tail;
    }
}

impl fmt::Display for GoDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = u64::try_from(self.0.as_millis()).unwrap_or(u64::MAX);
        if rest == 0 {
            return f.write_str("0s");
        }
        for (unit, millis) in UNITS {
            if rest >= millis {
                write!(f, "{}{unit}", rest / millis)?;
                rest %= millis;
            }
        }
        Ok(())
    }
}

impl From<GoDuration> for String {
    fn from(duration: GoDuration) -> Self {
        duration.to_string()
    }
}

impl TryFrom<String> for GoDuration {
    type Error = DurationError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<GoDuration> for Duration {
    fn from(duration: GoDuration) -> Self {
        duration.0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn durations_are_written_as_go_writes_them() {
        for (text, millis, canonical) in [
            ("0s", 0, "0s"),
            ("0ms", 0, "0s"),
            ("500ms", 500, "500ms"),
            ("90s", 90_000, "1m30s"),
            ("1h30m", 5_400_000, "1h30m"),
            ("1s1s", 2_000, "2s"),
            ("24h", 86_400_000, "24h"),
        ] {
            let duration: GoDuration = text.parse().unwrap();
            assert_eq!(duration, GoDuration::from_millis(millis), "{text}");
            assert_eq!(duration.to_string(), canonical);
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for text in [
            "",
            "5",
            "1y",
            "-5s",
            "1.5s",
            "s",
            "5 s",
            " 5s",
            "5s ",
            "1d",
            "1us",
            "1S",
            "1000000h1ms",
            "99999999999999999999h",
        ] {
            assert!(text.parse::<GoDuration>().is_err(), "{text}");
        }
        assert_eq!(
            "5".parse::<GoDuration>().unwrap_err().to_string(),
            "`5` is not a duration: expected numbers with the units h, m, s or ms, such as `90s` or `1h30m`"
        );
    }

    proptest! {
        #[test]
        fn a_duration_survives_its_text(millis in 0..=MAX_MILLIS) {
            let duration = GoDuration::from_millis(millis);
            prop_assert_eq!(duration.to_string().parse::<GoDuration>(), Ok(duration));
        }
    }
}
