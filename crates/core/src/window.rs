//! When rollouts may go forward: the windows of a policy and the freezes of the whole installation.
//!
//! Time zones come with the program, not from the machine, so that the same policy means the same everywhere.

use std::fmt;

use jiff::{
    Timestamp, ToSpan, Zoned,
    civil::Time,
    tz::{TimeZone, TimeZoneDatabase},
};
use serde::{Deserialize, Serialize};

use crate::time::Wall;

/// A window that opens every week does so within this many days, also when summer time skips it once.
const LOOK_AHEAD: i32 = 15;

/// Closed by freezes and windows in turns more often than this: nobody can say when it opens.
const MOST_TURNS: usize = 100;

/// A part of the week in which rollouts may start and steps may open.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Window {
    /// The days on which it opens, sorted; at least one.
    pub days: Vec<Weekday>,
    /// When it opens.
    pub from: TimeOfDay,
    /// When it closes: on the next day if that is not later than `from`.
    pub to: TimeOfDay,
    /// The time zone's name in the IANA database.
    pub time_zone: String,
}

/// A day of the week.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Weekday {
    /// Monday.
    Mon,
    /// Tuesday.
    Tue,
    /// Wednesday.
    Wed,
    /// Thursday.
    Thu,
    /// Friday.
    Fri,
    /// Saturday.
    Sat,
    /// Sunday.
    Sun,
}

impl Weekday {
    /// The whole week, in its order.
    pub const ALL: [Self; 7] = [Self::Mon, Self::Tue, Self::Wed, Self::Thu, Self::Fri, Self::Sat, Self::Sun];

    fn of(day: jiff::civil::Weekday) -> Self {
        use jiff::civil::Weekday as Day;
        match day {
            Day::Monday => Self::Mon,
            Day::Tuesday => Self::Tue,
            Day::Wednesday => Self::Wed,
            Day::Thursday => Self::Thu,
            Day::Friday => Self::Fri,
            Day::Saturday => Self::Sat,
            Day::Sunday => Self::Sun,
        }
    }
}

/// A time on the clock on the wall, in minutes since midnight: `00:00` to `24:00`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct TimeOfDay(u16);

impl TimeOfDay {
    /// The end of the day.
    pub const MIDNIGHT: Self = Self(24 * 60);
}

impl fmt::Display for TimeOfDay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}:{:02}", self.0 / 60, self.0 % 60)
    }
}

impl From<TimeOfDay> for String {
    fn from(time: TimeOfDay) -> Self {
        time.to_string()
    }
}

impl TryFrom<String> for TimeOfDay {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let two = |digits: &str| {
            let plain = digits.len() == 2 && digits.bytes().all(|byte| byte.is_ascii_digit());
            plain.then(|| digits.parse::<u16>().ok())?
        };
        let time = text.split_once(':').and_then(|(hours, minutes)| {
            let (hours, minutes) = (two(hours)?, two(minutes)?);
            (minutes < 60).then_some(Self(hours * 60 + minutes))
        });
        time.filter(|time| *time <= Self::MIDNIGHT)
            .ok_or_else(|| format!("`{text}` is no time of day: expected `00:00` to `24:00`"))
    }
}

/// A time in which no rollout of any workload goes forward.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Freeze {
    /// Its first second.
    pub from: Wall,
    /// The first second after it.
    pub to: Wall,
    /// What people are told.
    pub reason: String,
}

/// Whether something may begin now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Opening {
    /// It may.
    Open,
    /// It has to wait.
    Closed {
        /// Why, and until when, for people; the same text until `changes`.
        why: String,
        /// When it opens, if that can be said.
        until: Option<Wall>,
        /// When a window opens or a freeze ends, if that can be said: by then `why` may be another.
        changes: Option<Wall>,
    },
}

/// Whether the time zone is known.
pub fn is_time_zone(name: &str) -> bool {
    zone(name).is_some()
}

/// A time as RFC 3339 has it, in whole seconds.
pub fn parse_time(text: &str) -> Option<Wall> {
    text.parse::<Timestamp>().ok().map(|time| Wall(time.as_second()))
}

/// Whether windows and freezes let something begin at `now`. No windows: at any time.
pub fn opening(windows: &[Window], freezes: &[Freeze], now: Wall) -> Opening {
    let frozen = |at: Wall| freezes.iter().filter(move |freeze| freeze.from <= at && at < freeze.to);
    let mut at = Some(now);
    let mut changes = None;
    for _ in 0..MOST_TURNS {
        let Some(time) = at else { break };
        at = match frozen(time).map(|freeze| freeze.to).max() {
            Some(end) => Some(end),
            None if windows.is_empty() || windows.iter().any(|window| window.is_open(time)) => break,
            None => windows.iter().filter_map(|window| window.next(time)).min(),
        };
        changes = changes.or(at);
    }
    if at == Some(now) {
        return Opening::Open;
    }
    let zone = windows.first().map_or("UTC", |window| &window.time_zone);
    let until =
        at.and_then(|at| told(at, zone)).map_or_else(String::new, |at| format!("; it goes on at {at}"));
    let why = match frozen(now).max_by_key(|freeze| freeze.to) {
        Some(freeze) => format!("frozen: {}{until}", freeze.reason),
        None => format!("outside the windows of the policy{until}"),
    };
    Opening::Closed { why, until: at, changes }
}

impl Window {
    fn is_open(&self, at: Wall) -> bool {
        self.around(at, -1..=0).any(|(from, to)| from <= at && at < to)
    }

    /// When it opens next.
    fn next(&self, at: Wall) -> Option<Wall> {
        self.around(at, -1..=LOOK_AHEAD).map(|(from, _)| from).find(|from| *from > at)
    }

    /// The times at which it opens and closes, for days counted from the day of `at`. A time that the clock skips is as
    /// much later as the clock jumps; of one that comes twice the first counts.
    fn around(
        &self,
        at: Wall,
        days: std::ops::RangeInclusive<i32>,
    ) -> impl Iterator<Item = (Wall, Wall)> + use<'_> {
        let here = zoned(at, &self.time_zone);
        days.filter_map(move |day| {
            let here = here.as_ref()?;
            let date = here.date().checked_add(day.days()).ok()?;
            if !self.days.contains(&Weekday::of(date.weekday())) {
                return None;
            }
            let moment = |day: i32, TimeOfDay(minutes): TimeOfDay| {
                let (day, minutes) = (day + i32::from(minutes / (24 * 60)), minutes % (24 * 60));
                let time =
                    Time::new(i8::try_from(minutes / 60).ok()?, i8::try_from(minutes % 60).ok()?, 0, 0);
                let moment = date.checked_add(day.days()).ok()?.to_datetime(time.ok()?);
                let moment = moment.to_zoned(here.time_zone().clone()).ok()?;
                Some(Wall(moment.timestamp().as_second()))
            };
            let (from, to) = (moment(0, self.from)?, moment(i32::from(self.to <= self.from), self.to)?);
            (from < to).then_some((from, to))
        })
    }
}

fn zone(name: &str) -> Option<TimeZone> {
    TimeZoneDatabase::bundled().get(name).ok()
}

fn zoned(at: Wall, name: &str) -> Option<Zoned> {
    Some(Timestamp::from_second(at.0).ok()?.to_zoned(zone(name)?))
}

/// For people: `Mon 2026-11-23 09:00 Europe/Berlin`.
fn told(at: Wall, name: &str) -> Option<String> {
    zoned(at, name).map(|at| at.strftime("%a %Y-%m-%d %H:%M %Q").to_string())
}

#[cfg(test)]
mod tests;
