//! From samples to counts.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
};

use super::{
    Format, Problem, excerpt,
    family::{Begins, Open, Part, not_counted},
    line::Sample,
};
use crate::{
    checks::{Begun, Counts, Scraped},
    policy::{MatchOp, Matcher, Measure, Selector},
};

/// Every whole number up to here is exact as a floating point number, which is what samples are.
const MAX_COUNT: f64 = 9_007_199_254_740_992.0;

/// Labels by name, without empty ones.
type Labels<'a> = BTreeMap<Cow<'a, str>, Cow<'a, str>>;

/// What one measure needs of the page so far.
#[derive(Debug)]
pub(super) struct Tally<'m> {
    format: Format,
    counts: Sums<'m>,
    open: Open,
    /// Every series of the families that are asked for.
    seen: BTreeSet<String>,
}

#[derive(Debug)]
enum Sums<'m> {
    Ratio {
        bad: Sum<'m>,
        total: Sum<'m>,
    },
    /// Buckets by series, each without `le`.
    Histogram {
        family: &'m Selector,
        series: BTreeMap<String, BTreeMap<Edge, u64>>,
        begins: Begins,
    },
}

/// The sum over the series of a selector.
#[derive(Debug)]
struct Sum<'m> {
    selector: &'m Selector,
    series: usize,
    count: u64,
    begins: Begins,
}

/// A bucket's upper edge; never NaN, and never the negative zero.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Edge(f64);

impl<'m> Tally<'m> {
    pub fn new(measure: &'m Measure, format: Format) -> Self {
        let sum = |selector| Sum { selector, series: 0, count: 0, begins: Begins::default() };
        let counts = match measure {
            Measure::Ratio { bad, total } => Sums::Ratio { bad: sum(bad), total: sum(total) },
            Measure::Histogram { family } => {
                Sums::Histogram { family, series: BTreeMap::new(), begins: Begins::default() }
            }
        };
        Self { format, counts, open: Open::default(), seen: BTreeSet::new() }
    }

    /// A `TYPE` line.
    pub fn family(&mut self, line: u32, family: &str, kind: &str) -> Result<(), Problem> {
        let (asked, expected) = match &self.counts {
            Sums::Ratio { bad, total } => ([bad.metric(), total.metric()], "counter"),
            Sums::Histogram { family, .. } => ([family.metric.as_str(); 2], "histogram"),
        };
        self.open.open(self.format, family, kind, asked.into_iter());
        let suffix = |metric: &'m str| metric.strip_prefix(family);
        if asked.into_iter().filter_map(suffix).any(|suffix| not_counted(kind, expected).contains(&suffix)) {
            return Err(Problem::WrongType { line, family: excerpt(family), found: excerpt(kind), expected });
        }
        Ok(())
    }

    /// A sample line.
    pub fn sample(&mut self, line: u32, sample: &Sample<'_>) -> Result<(), Problem> {
        let name = sample.name.value();
        match &mut self.counts {
            Sums::Ratio { bad, total } => {
                let parts = [&*bad, &*total].map(|sum| self.open.part(sum.metric(), &name));
                if parts == [None; 2] {
                    return Ok(());
                }
                let labels = labels(line, sample)?;
                see(&mut self.seen, line, series(&name, &labels))?;
                for (sum, part) in [bad, total].into_iter().zip(parts) {
                    sum.add(line, part, sample.value, &labels)?;
                }
                Ok(())
            }
            Sums::Histogram { family, series: all, begins } => {
                if name.strip_suffix("_bucket") == Some(family.metric.as_str()) {
                    let mut labels = labels(line, sample)?;
                    let edge = labels
                        .remove("le")
                        .and_then(|le| Edge::parse(&le))
                        .ok_or(Problem::NoEdge { line })?;
                    let of = series(&family.metric, &labels);
                    if !matches(&family.matchers, &labels) {
                        return see(&mut self.seen, line, bucket(&of, edge));
                    }
                    let count = count(line, sample.value)?;
                    match all.get_mut(&of) {
                        Some(buckets) if buckets.contains_key(&edge) => {
                            let series = excerpt(&bucket(&of, edge));
                            return Err(Problem::DuplicateSeries { line, series });
                        }
                        Some(buckets) => drop(buckets.insert(edge, count)),
                        None => drop(all.insert(of, BTreeMap::from([(edge, count)]))),
                    }
                } else if self.open.part(&family.metric, &name) == Some(Part::Created) {
                    let labels = labels(line, sample)?;
                    see(&mut self.seen, line, series(&name, &labels))?;
                    if matches(&family.matchers, &labels) {
                        begins.add(sample.value);
                    }
                }
                Ok(())
            }
        }
    }

    /// The counts of the whole page.
    pub fn finish(self) -> Result<Scraped, Problem> {
        match self.counts {
            Sums::Ratio { total, .. } if total.series == 0 => {
                Err(Problem::NoSeries { selector: total.selector.to_string() })
            }
            Sums::Ratio { bad, total } => {
                let begun = match (bad.series, bad.begun(), total.begun()) {
                    (0, _, begun) => begun,
                    (_, Some(bad), Some(total)) => Some(Begun::both(Some(bad), total)),
                    _ => None,
                };
                // Counters of failures often appear with the first failure only.
                Ok(Scraped { counts: Counts::Ratio { bad: bad.count, total: total.count }, begun })
            }
            Sums::Histogram { family, series, .. } if series.is_empty() => {
                let mut buckets = family.clone();
                buckets.metric.push_str("_bucket");
                Err(Problem::NoSeries { selector: buckets.to_string() })
            }
            Sums::Histogram { series, begins, .. } => {
                Ok(Scraped { counts: add_buckets(&series)?, begun: begins.of(series.len()) })
            }
        }
    }
}

fn bucket(series: &str, edge: Edge) -> String {
    format!("{series} le={:?}", edge.0)
}

fn see(seen: &mut BTreeSet<String>, line: u32, series: String) -> Result<(), Problem> {
    if seen.contains(&series) {
        return Err(Problem::DuplicateSeries { line, series: excerpt(&series) });
    }
    seen.insert(series);
    Ok(())
}

/// Adds the series edge by edge. Edges that not all series have are left out: a cumulative count at an edge that
/// all have is exact, and the page only loses resolution.
fn add_buckets(all: &BTreeMap<String, BTreeMap<Edge, u64>>) -> Result<Counts, Problem> {
    let mut sums: BTreeMap<Edge, (usize, u64)> = BTreeMap::new();
    for (series, buckets) in all {
        let broken = |reason| Err(Problem::BrokenHistogram { series: excerpt(series), reason });
        if buckets.last_key_value().is_none_or(|(edge, _)| edge.0 != f64::INFINITY) {
            return broken("there is no bucket le=\"+Inf\"");
        }
        if !buckets.values().is_sorted() {
            return broken("a bucket holds less than the one below it, but buckets are cumulative");
        }
        for (edge, count) in buckets {
            let (series_count, sum) = sums.entry(*edge).or_default();
            *series_count += 1;
            *sum = sum.checked_add(*count).ok_or(Problem::Overflow)?;
        }
    }
    let common = sums.into_iter().filter(|(_, (series_count, _))| *series_count == all.len());
    Ok(Counts::Histogram { buckets: common.map(|(edge, (_, sum))| (edge.0, sum)).collect() })
}

impl<'m> Sum<'m> {
    fn metric(&self) -> &'m str {
        &self.selector.metric
    }

    fn add(
        &mut self,
        line: u32,
        part: Option<Part>,
        value: &str,
        labels: &Labels<'_>,
    ) -> Result<(), Problem> {
        let Some(part) = part.filter(|_| matches(&self.selector.matchers, labels)) else { return Ok(()) };
        match part {
            Part::Count => {
                self.series += 1;
                self.count = self.count.checked_add(count(line, value)?).ok_or(Problem::Overflow)?;
            }
            Part::Created => self.begins.add(value),
        }
        Ok(())
    }

    fn begun(&self) -> Option<Begun> {
        self.begins.of(self.series)
    }
}

impl Edge {
    fn parse(text: &str) -> Option<Self> {
        let edge: f64 = text.parse().ok()?;
        (!edge.is_nan()).then_some(Self(edge + 0.0))
    }
}

impl Eq for Edge {}

impl PartialOrd for Edge {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Edge {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.total_cmp(&other.0)
    }
}

fn labels<'a>(line: u32, sample: &Sample<'a>) -> Result<Labels<'a>, Problem> {
    let mut labels = Labels::new();
    for label in sample.labels() {
        if labels.insert(label.name.value(), label.value.value()).is_some() {
            return Err(Problem::DuplicateLabel { line, label: excerpt(&label.name.value()) });
        }
    }
    labels.retain(|_, value| !value.is_empty());
    Ok(labels)
}

fn matches(matchers: &[Matcher], labels: &Labels<'_>) -> bool {
    matchers.iter().all(|matcher| {
        let value = labels.get(matcher.label.as_str()).map_or("", |value| value.as_ref());
        match &matcher.op {
            MatchOp::Equal(wanted) => value == wanted,
            MatchOp::NotEqual(unwanted) => value != unwanted,
            MatchOp::Matches(pattern) => pattern.matches_whole(value),
            MatchOp::NotMatches(pattern) => !pattern.matches_whole(value),
        }
    })
}

/// The one way to write a series: labels by name, values quoted.
fn series(name: &str, labels: &Labels<'_>) -> String {
    let labels: Vec<String> = labels.iter().map(|(label, value)| format!("{label}={value:?}")).collect();
    if labels.is_empty() { name.to_owned() } else { format!("{name}{{{}}}", labels.join(",")) }
}

fn count(line: u32, text: &str) -> Result<u64, Problem> {
    let value: f64 = text.parse().unwrap_or(f64::NAN);
    if (0.0..=MAX_COUNT).contains(&value) && value.fract() == 0.0 {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a whole number up to 2^53"
        )]
        return Ok(value as u64);
    }
    Err(Problem::NotACount { line, value: excerpt(text) })
}
