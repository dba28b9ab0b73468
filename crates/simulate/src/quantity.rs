//! Quantities as people write them: shares, answer times, rates, and how they change from one revision to the next.

use std::{fmt, str::FromStr};

use siskin_core::policy::GoDuration;

/// Something that is written as one word.
pub trait Quantity: Copy + PartialEq + fmt::Display {
    /// What it should look like, for errors.
    const EXPECTED: &'static str;
    /// `None`: the text is something else, or out of range.
    fn read(text: &str) -> Option<Self>;
}

/// A text that isn't what it should be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("found `{found}`, expected {expected}")]
pub struct QuantityError {
    found: String,
    expected: String,
}

fn read<Q: Quantity>(text: &str) -> Result<Q, QuantityError> {
    Q::read(text).ok_or_else(|| QuantityError { found: text.to_owned(), expected: Q::EXPECTED.to_owned() })
}

/// A share of requests in millionths, at most a million.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Share(pub u32);

impl Quantity for Share {
    const EXPECTED: &'static str = "a share from `0%` to `100%` with at most four decimals, such as `0.1%`";

    fn read(text: &str) -> Option<Self> {
        let (whole, decimals) =
            text.strip_suffix('%').map(|number| number.split_once('.').unwrap_or((number, "0")))?;
        if !digits(whole) || !digits(decimals) || decimals.len() > 4 {
            return None;
        }
        let millionths = whole.parse::<u32>().ok()?.checked_mul(10_000)?;
        let share = millionths.checked_add(format!("{decimals:0<4}").parse().ok()?)?;
        (share <= 1_000_000).then_some(Self(share))
    }
}

fn digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = format!("{}.{:04}", self.0 / 10_000, self.0 % 10_000);
        write!(f, "{}%", text.trim_end_matches('0').trim_end_matches('.'))
    }
}

/// How long answers take: half of them at most the median, 99 % at most the 99th percentile, none more than twice that
/// ([`siskin_embedded::model::latency::Latency`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Times {
    /// The median.
    pub median: GoDuration,
    /// The 99th percentile; four times the median where nothing else is said.
    pub p99: GoDuration,
}

const SLOWEST: GoDuration = GoDuration::from_secs(3600);

impl Quantity for Times {
    const EXPECTED: &'static str = "a median of at most `1h`, such as `20ms`, or with a 99th percentile that isn't below it, such as `20ms/80ms`";

    fn read(text: &str) -> Option<Self> {
        let (median, p99) = text.split_once('/').map_or((text, None), |(median, p99)| (median, Some(p99)));
        let median: GoDuration = median.parse().ok()?;
        let p99 = p99.map_or(Some(GoDuration(median.0 * 4)), |p99| p99.parse().ok())?;
        (median <= p99 && median <= SLOWEST).then_some(Self { median, p99 })
    }
}

impl fmt::Display for Times {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.median, self.p99)
    }
}

/// How long a process takes until it listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StartUp(pub GoDuration);

impl Quantity for StartUp {
    const EXPECTED: &'static str = "a duration of at most `1h`, such as `500ms` or `1m30s`";

    fn read(text: &str) -> Option<Self> {
        text.parse().ok().filter(|time| *time <= SLOWEST).map(Self)
    }
}

impl fmt::Display for StartUp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// An age of a process: a time since its start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Age(pub GoDuration);

impl Quantity for Age {
    const EXPECTED: &'static str = "a time since the start of a pod's process, such as `0s` or `2m`";

    fn read(text: &str) -> Option<Self> {
        text.parse().ok().map(Self)
    }
}

impl fmt::Display for Age {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Age {
    type Err = QuantityError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        read(text)
    }
}

/// What the stable revision and the bad release have: `STABLE` for both, or `STABLE..CANARY`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pair<Q> {
    /// Of the stable revision and of the good release.
    pub stable: Q,
    /// Of the bad release.
    pub canary: Q,
}

impl<Q: Quantity> Pair<Q> {
    /// Whether the bad release differs.
    pub fn changes(&self) -> bool {
        self.stable != self.canary
    }
}

impl<Q: Quantity> FromStr for Pair<Q> {
    type Err = QuantityError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once("..") {
            Some((stable, canary)) => Ok(Self { stable: read(stable)?, canary: read(canary)? }),
            None => read(text).map(|both| Self { stable: both, canary: both }),
        }
    }
}

/// A [`Pair`] whose change may come late: `STABLE..CANARY@ONSET`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Course<Q> {
    /// Before and after.
    pub pair: Pair<Q>,
    /// The age of a process from which it is as the bad release has it; 0 from its start.
    pub onset: GoDuration,
}

impl<Q: Quantity> FromStr for Course<Q> {
    type Err = QuantityError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let Some((pair, onset)) = text.split_once('@') else {
            return text.parse().map(|pair| Self { pair, onset: GoDuration::default() });
        };
        if !pair.contains("..") {
            let expected = "STABLE..CANARY before an `@`: what is the same for both has no onset".to_owned();
            return Err(QuantityError { found: text.to_owned(), expected });
        }
        Ok(Self { pair: pair.parse()?, onset: read::<Age>(onset)?.0 })
    }
}

/// What clients send: whole requests in a second, a minute or an hour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Requests.
    pub requests: u32,
    /// In so many seconds: 1, 60 or 3600.
    pub seconds: u32,
}

/// More requests a second than these would take more time to draw than to send.
const FASTEST: u32 = 100_000;

impl Rate {
    /// Requests a second.
    pub fn per_second(self) -> f64 {
        f64::from(self.requests) / f64::from(self.seconds)
    }
}

impl FromStr for Rate {
    type Err = QuantityError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (number, unit) = text.split_once('/').unwrap_or((text, "s"));
        let seconds = match unit {
            "s" => Some(1),
            "m" => Some(60),
            "h" => Some(3600),
            _ => None,
        };
        let requests =
            Some(number).filter(|number| digits(number)).and_then(|number| number.parse::<u32>().ok());
        let rate = requests.zip(seconds).map(|(requests, seconds)| Self { requests, seconds });
        rate.filter(|rate| rate.requests > 0 && rate.requests / rate.seconds <= FASTEST).ok_or_else(|| QuantityError {
            found: text.to_owned(),
            expected: format!(
                "a whole number of requests a second from 1 to {FASTEST}, such as `50`, or fewer, such as `30/m` or `100/h`"
            ),
        })
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = match self.seconds {
            1 => "a second",
            60 => "a minute",
            _ => "an hour",
        };
        let plural = if self.requests == 1 { "" } else { "s" };
        write!(f, "{} request{plural} {unit}", self.requests)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal<T: FromStr<Err = QuantityError> + fmt::Debug>(text: &str) -> String {
        text.parse::<T>().unwrap_err().to_string()
    }

    #[test]
    fn shares_are_percent_with_decimals() {
        for (text, millionths, canonical) in [
            ("0%", 0, "0%"),
            ("0.1%", 1_000, "0.1%"),
            ("0.0001%", 1, "0.0001%"),
            ("12.50%", 125_000, "12.5%"),
            ("100%", 1_000_000, "100%"),
        ] {
            assert_eq!(Share::read(text), Some(Share(millionths)), "{text}");
            assert_eq!(Share(millionths).to_string(), canonical);
        }
        for text in [
            "",
            "%",
            "1",
            "0.01",
            "1.%",
            ".5%",
            "-1%",
            "+1%",
            "100.1%",
            "101%",
            "1e1%",
            "0.00001%",
            "1 %",
            "99999999999%",
        ] {
            assert_eq!(Share::read(text), None, "{text}");
        }
    }

    #[test]
    fn a_course_has_two_sides_and_an_onset() {
        let course: Course<Share> = "0.1%..0.3%@2m".parse().unwrap();
        assert_eq!(course.pair, Pair { stable: Share(1_000), canary: Share(3_000) });
        assert_eq!(course.onset, GoDuration::from_secs(120));
        let course: Course<Share> = "1%".parse().unwrap();
        assert!(!course.pair.changes() && course.onset.is_zero());
        let course: Course<Times> = "20ms..60ms/100ms".parse().unwrap();
        assert_eq!(course.pair.stable.p99, GoDuration::from_millis(80));
        assert_eq!(course.pair.canary.p99, GoDuration::from_millis(100));
    }

    #[test]
    fn a_wrong_part_is_named_with_what_was_expected() {
        assert_eq!(
            refusal::<Course<Share>>("0.1%..3"),
            "found `3`, expected a share from `0%` to `100%` with at most four decimals, such as `0.1%`"
        );
        assert_eq!(
            refusal::<Course<Share>>("0.1%..0.3%@2d"),
            "found `2d`, expected a time since the start of a pod's process, such as `0s` or `2m`"
        );
        assert_eq!(
            refusal::<Course<Share>>("1%@2m"),
            "found `1%@2m`, expected STABLE..CANARY before an `@`: what is the same for both has no onset"
        );
        let times = "expected a median of at most `1h`, such as `20ms`, or with a 99th percentile that isn't below it, \
                     such as `20ms/80ms`";
        for text in ["20", "20us", "80ms/20ms", "", "2h"] {
            assert_eq!(refusal::<Course<Times>>(text), format!("found `{text}`, {times}"));
        }
        assert_eq!(
            refusal::<Pair<StartUp>>("1s..1d"),
            "found `1d`, expected a duration of at most `1h`, such as `500ms` or `1m30s`"
        );
    }

    #[test]
    fn rates_are_whole_requests_in_a_unit_of_time() {
        assert_eq!("50".parse(), Ok(Rate { requests: 50, seconds: 1 }));
        assert_eq!("50/s".parse(), Ok(Rate { requests: 50, seconds: 1 }));
        assert_eq!("30/m".parse::<Rate>().unwrap().to_string(), "30 requests a minute");
        assert_eq!("1/h".parse::<Rate>().unwrap().to_string(), "1 request an hour");
        for text in
            ["0", "0/m", "-1", "+5", "1.5", "x", "", "5/d", "5/", "100001", "99999999999", "400000000/h"]
        {
            assert!(refusal::<Rate>(text).contains("from 1 to 100000"), "{text}");
        }
    }
}
