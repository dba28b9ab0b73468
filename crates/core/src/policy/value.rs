//! Single values of the schema: durations, amounts, shares, numbers, names.

use std::{cell::RefCell, collections::HashMap};

use super::{Amount, GoDuration};
use crate::yaml::{Reader, Scalar};

/// A month: a rollout that takes longer was forgotten.
pub const MAX_DURATION: GoDuration = GoDuration::from_secs(720 * 3600);

/// From 0s to [`MAX_DURATION`].
pub fn duration(reader: &Reader<'_>) -> Option<GoDuration> {
    between(reader, GoDuration::from_secs(0), MAX_DURATION)
}

/// At least a second: no check is asked more often, so less time would show nothing.
pub fn positive(reader: &Reader<'_>) -> Option<GoDuration> {
    between(reader, GoDuration::from_secs(1), MAX_DURATION)
}

/// A duration from `least` to `most`.
pub fn between(reader: &Reader<'_>, least: GoDuration, most: GoDuration) -> Option<GoDuration> {
    let parsed = match reader.scalar() {
        Some(Scalar::Text(text)) => text.parse::<GoDuration>().ok(),
        _ => None,
    };
    match parsed {
        Some(duration) if (least..=most).contains(&duration) => return Some(duration),
        Some(_) => reader.expected(format_args!("a duration from `{least}` to `{most}`")),
        None => reader.expected("a duration with the units h, m, s or ms, such as `90s` or `1h30m`"),
    }
    None
}

/// A count or a share of the replicas.
pub fn amount(reader: &Reader<'_>) -> Option<Amount> {
    let amount = match reader.scalar() {
        Some(Scalar::Number(text)) => Amount::try_from(text.to_owned()).ok(),
        Some(Scalar::Text(text)) if text.ends_with('%') => Amount::try_from(text.to_owned()).ok(),
        _ => None,
    };
    if amount.is_none() {
        reader.expected("a number of pods: a count of at least 1, or a share from `1%` to `100%`");
    }
    amount
}

/// A share of events from `0%` to below `100%`, with decimals, as a number from 0 to 1.
pub fn share(reader: &Reader<'_>) -> Option<f64> {
    let share = match reader.scalar() {
        Some(Scalar::Text(text)) => text.strip_suffix('%').and_then(percent),
        _ => None,
    };
    if share.is_none() {
        reader.expected("a share of at least `0%` and below `100%`, such as `0.5%`");
    }
    share
}

fn percent(digits: &str) -> Option<f64> {
    let plain = digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let starts = digits.starts_with(|first: char| first.is_ascii_digit());
    // The decimal is shifted before it is rounded to binary: 7% is the number nearest to 0.07.
    let share = format!("{digits}e-2").parse::<f64>().ok().filter(|_| plain && starts)?;
    (share < 1.0).then_some(share)
}

/// A share as [`share`] reads it.
pub fn percent_text(share: f64) -> String {
    let decimal = share.to_string();
    let (whole, fraction) = decimal.split_once('.').unwrap_or((&decimal, ""));
    let padded = format!("{fraction:0<2}");
    let (cents, rest) = padded.split_at_checked(2).unwrap_or((&padded, ""));
    let digits = format!("{whole}{cents}");
    let digits = match digits.trim_start_matches('0') {
        "" => "0",
        digits => digits,
    };
    if rest.is_empty() { format!("{digits}%") } else { format!("{digits}.{rest}%") }
}

/// A whole number from `least` to `most`.
pub fn number<T: TryFrom<u64>>(reader: &Reader<'_>, least: u64, most: u64) -> Option<T> {
    let number = match reader.scalar() {
        Some(Scalar::Number(text)) => {
            text.parse::<u64>().ok().filter(|number| (least..=most).contains(number))
        }
        _ => None,
    };
    let number = number.and_then(|number| T::try_from(number).ok());
    if number.is_none() {
        reader.expected(format_args!("a whole number from {least} to {most}"));
    }
    number
}

/// A number that `accepts` takes.
pub fn real(reader: &Reader<'_>, expected: &str, accepts: impl Fn(f64) -> bool) -> Option<f64> {
    let number = match reader.scalar() {
        Some(Scalar::Number(text)) => text.parse().ok().filter(|number| accepts(*number)),
        _ => None,
    };
    if number.is_none() {
        reader.expected(expected);
    }
    number
}

/// A name that fits into annotations, metric labels and object names.
pub fn name(reader: &Reader<'_>, longest: usize) -> Option<String> {
    let expected = format!(
        "a name of at most {longest} lower-case letters, digits and `-`, with a letter or digit at both ends"
    );
    let text = reader.text(&expected)?;
    let letter = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let good = text.len() <= longest
        && text.bytes().all(|byte| letter(byte) || byte == b'-')
        && text.bytes().next().is_some_and(letter)
        && text.bytes().next_back().is_some_and(letter);
    if !good {
        reader.expected(expected);
    }
    good.then(|| text.to_owned())
}

/// Names that may occur once.
#[derive(Default)]
pub struct Distinct(RefCell<HashMap<String, usize>>);

impl Distinct {
    /// A [`name`] that none of the others has.
    pub fn name(&self, reader: &Reader<'_>, longest: usize, what: &str) -> Option<String> {
        let name = name(reader, longest)?;
        let line = reader.place().line;
        if let Some(first) = self.0.borrow_mut().insert(name.clone(), line) {
            reader.expected(format_args!("another name: the {what} on line {first} has this one"));
            return None;
        }
        Some(name)
    }
}

/// Refuses a member next to a `type` that it doesn't belong to.
pub fn none(member: Option<&Reader<'_>>, chosen: &str, owner: &str) {
    if let Some(member) = member {
        member.refuse(format!("found with `type: {chosen}`, expected with `type: {owner}` only"));
    }
}
