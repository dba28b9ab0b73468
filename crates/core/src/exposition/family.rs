//! Families of OpenMetrics: which of their samples are asked for, and since when they count.

use super::Format;
use crate::checks::Begun;

/// The family that the last TYPE line opened, if it is asked for; its samples follow it. In the text format families
/// are told apart by their names only, so there it is never open.
#[derive(Debug, Default)]
pub(super) struct Open(Option<Family>);

#[derive(Debug)]
struct Family {
    name: String,
    counter: bool,
}

/// What a sample is to a selector.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// What it counts.
    Count,
    /// Since when.
    Created,
}

impl Open {
    pub fn open<'s>(
        &mut self,
        format: Format,
        family: &str,
        kind: &str,
        mut asked: impl Iterator<Item = &'s str>,
    ) {
        let asked = format == Format::OpenMetrics && asked.any(|metric| counts_of(family, metric));
        self.0 = asked.then(|| Family { name: family.to_owned(), counter: kind == "counter" });
    }

    /// What the sample `name` is to a selector of `metric`.
    pub fn part(&self, metric: &str, name: &str) -> Option<Part> {
        if name == metric {
            return Some(Part::Count);
        }
        let family = self.0.as_ref()?;
        match name.strip_prefix(&family.name)? {
            "_total" if family.counter && family.name == metric => Some(Part::Count),
            "_created" if counts_of(&family.name, metric) => Some(Part::Created),
            _ => None,
        }
    }
}

/// Whether `metric` is the family itself or counts of it.
fn counts_of(family: &str, metric: &str) -> bool {
    matches!(metric.strip_prefix(family), Some("" | "_total" | "_count" | "_bucket"))
}

/// What a family of this type has that isn't counted up: the ends of such samples' names.
pub(super) fn not_counted(kind: &str, expected: &str) -> &'static [&'static str] {
    match kind {
        "untyped" | "unknown" => &[],
        _ if kind == expected => &[],
        "gaugehistogram" => &["", "_bucket", "_gcount", "_gsum"],
        "info" => &["", "_info"],
        _ => &[""],
    }
}

/// Since when the counted series count.
#[derive(Debug, Default)]
pub(super) struct Begins {
    /// How many told it.
    pub told: usize,
    begun: Option<Begun>,
}

impl Begins {
    /// Takes a series' `_created`. One that is no time is as none.
    pub fn add(&mut self, value: &str) {
        let Ok(at) = value.parse::<f64>() else { return };
        if at.is_finite() {
            self.told += 1;
            self.begun = Some(Begun::both(self.begun, Begun { oldest: at, newest: at }));
        }
    }

    /// Known only if each of so many series told it.
    pub fn of(&self, series: usize) -> Option<Begun> {
        self.begun.filter(|_| self.told == series)
    }
}
