//! Windows of a policy, and the freezes of the daemon's configuration.

use crate::{
    time::Wall,
    window::{Freeze, TimeOfDay, Weekday, Window, is_time_zone, parse_time},
    yaml::Reader,
};

/// A policy lives in an annotation; more windows than this are a calendar that belongs elsewhere.
const MAX_WINDOWS: usize = 20;
/// What people are told of a freeze.
const LONGEST_REASON: usize = 200;

/// The windows of a policy.
pub fn windows(reader: &Reader<'_>) -> Option<Vec<Window>> {
    let expected = format!("a list of 1 to {MAX_WINDOWS} windows");
    let windows = reader.list(&expected, window)?;
    if windows.is_empty() || windows.len() > MAX_WINDOWS {
        let found = windows.len();
        reader.refuse(format!("found {found} windows, expected {expected}; left out, it is always open"));
        return None;
    }
    Some(windows)
}

fn window(reader: &Reader<'_>) -> Option<Window> {
    let mut fields = reader.fields()?;
    let days = fields.or("days", Weekday::ALL.to_vec(), |it| {
        let choices = Weekday::ALL.map(|day| (day_name(day), day));
        let mut days = it.list("a list of days, such as `[Mon, Tue]`", |day| day.choice(&choices, &[]))?;
        if days.is_empty() {
            it.refuse("found no days, expected some; left out, it is every day");
            return None;
        }
        days.sort_unstable();
        days.dedup();
        Some(days)
    });
    let from = fields.required("from", "the time at which it opens, such as `\"09:00\"`", time_of_day);
    let to = fields.required("to", "the time at which it closes, such as `\"17:00\"`", time_of_day);
    let time_zone = fields.or("timeZone", "UTC".to_owned(), |it| {
        let expected = "a time zone of the IANA database, such as `Europe/Berlin`";
        let name = it.text(expected)?;
        let known = is_time_zone(name);
        if !known {
            it.expected(expected);
        }
        known.then(|| name.to_owned())
    });
    let (from, to) = (from?, to?);
    if from == TimeOfDay::MIDNIGHT {
        reader.refuse("found `from: \"24:00\"`, expected `\"00:00\"` and the day after in `days`");
        return None;
    }
    Some(Window { days: days?, from, to, time_zone: time_zone? })
}

fn day_name(day: Weekday) -> &'static str {
    match day {
        Weekday::Mon => "Mon",
        Weekday::Tue => "Tue",
        Weekday::Wed => "Wed",
        Weekday::Thu => "Thu",
        Weekday::Fri => "Fri",
        Weekday::Sat => "Sat",
        Weekday::Sun => "Sun",
    }
}

fn time_of_day(reader: &Reader<'_>) -> Option<TimeOfDay> {
    let expected = "a time from `\"00:00\"` to `\"24:00\"`";
    let time = TimeOfDay::try_from(reader.text(expected)?.to_owned()).ok();
    if time.is_none() {
        reader.expected(expected);
    }
    time
}

/// The freezes of an installation.
pub fn freezes(reader: &Reader<'_>) -> Option<Vec<Freeze>> {
    reader.list("a list of freezes", |reader| {
        let mut fields = reader.fields()?;
        let from = fields.required("from", "when it begins, such as `2026-12-20T00:00:00Z`", moment);
        let to = fields.required("to", "when it ends, such as `2027-01-03T00:00:00Z`", moment);
        let reason = fields.required("reason", "what people are told", |it| {
            let reason = it.text("a text")?.trim();
            let length = reason.chars().count();
            if !(1..=LONGEST_REASON).contains(&length) {
                it.refuse(format!("found {length} characters, expected 1 to {LONGEST_REASON}"));
                return None;
            }
            Some(reason.to_owned())
        });
        let (from, to) = (from?, to?);
        if to <= from {
            reader.refuse("found a freeze that ends before it begins, expected `to` after `from`");
            return None;
        }
        Some(Freeze { from, to, reason: reason? })
    })
}

fn moment(reader: &Reader<'_>) -> Option<Wall> {
    let expected = "a time with its offset from UTC, such as `2026-12-20T00:00:00+01:00`";
    let moment = parse_time(reader.text(expected)?);
    if moment.is_none() {
        reader.expected(expected);
    }
    moment
}
