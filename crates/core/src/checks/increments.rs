//! From cumulative counts of a pod to what was added since the last look.

use std::collections::BTreeMap;

use super::{Begun, Counts, Scraped};
use crate::{
    facts::Uid,
    policy::{Bound, Limit},
    time::Instant,
};

/// Events and the bad ones among them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Events {
    pub bad: u64,
    pub total: u64,
}

impl Events {
    pub fn add(&mut self, more: Self) {
        self.bad = self.bad.saturating_add(more.bad);
        self.total = self.total.saturating_add(more.total);
    }

    /// What was added since `earlier`; `None`: a counter fell.
    fn since(self, earlier: Self) -> Option<Self> {
        let (bad, total) = (self.bad.checked_sub(earlier.bad)?, self.total.checked_sub(earlier.total)?);
        Some(Self { bad, total })
    }
}

/// Cumulative counts as a rule sees them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Cumulative {
    pub events: Events,
    /// Above this bucket edge an event is bad; `None` for ratios.
    pub edge: Option<f64>,
    /// Since when, if the page says so.
    pub begun: Option<Begun>,
}

impl Cumulative {
    /// Of a histogram, the events *surely* slower than the bound are bad: those above the smallest edge that is at
    /// or above it. Where an event lies inside its bucket is not known, and nothing is interpolated.
    pub fn read(scraped: &Scraped, limit: Option<&Limit>) -> Result<Self, String> {
        let begun = scraped.begun;
        match (&scraped.counts, limit.map(|limit| limit.bound)) {
            (Counts::Ratio { bad, total }, None | Some(Bound::MaxShare { .. })) => {
                Ok(Self { events: Events { bad: *bad, total: *total }, edge: None, begun })
            }
            (Counts::Histogram { buckets }, Some(Bound::Quantile { max_latency, .. })) => {
                let bound = max_latency.0.as_secs_f64();
                let total = buckets.last().map_or(0, |(_, count)| *count);
                match buckets.iter().find(|(edge, _)| *edge >= bound) {
                    Some((edge, within)) if edge.is_finite() => {
                        let bad = total.saturating_sub(*within);
                        Ok(Self { events: Events { bad, total }, edge: Some(*edge), begun })
                    }
                    _ => Err(format!("the histogram has no bucket edge at or above {max_latency}")),
                }
            }
            (Counts::Histogram { .. }, _) => {
                Err("a histogram says nothing without `limit: { quantile, maxLatency }`".to_owned())
            }
            (Counts::Ratio { .. }, Some(Bound::Quantile { .. })) => {
                Err("a quantile needs a histogram, not a ratio".to_owned())
            }
        }
    }
}

/// The last counts of each pod.
#[derive(Debug, Default)]
pub(super) struct Increments(BTreeMap<Uid, Last>);

#[derive(Debug)]
struct Last {
    at: Instant,
    restarts: u32,
    counts: Cumulative,
}

impl Last {
    /// Whether the counters began again at zero after this.
    fn ended_before(&self, (restarts, counts): (u32, &Cumulative)) -> bool {
        if let (Some(earlier), Some(now)) = (self.counts.begun, counts.begun) {
            return now.oldest > earlier.newest;
        }
        let fell = || counts.events.since(self.counts.events).is_none();
        self.restarts != restarts || (self.counts.edge == counts.edge && fell())
    }
}

/// What a pod added, and since when.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Increment {
    pub events: Events,
    /// `None`: since the pod began to count.
    pub since: Option<Instant>,
}

impl Increments {
    /// Takes a pod's counts. Counters begin at zero with the pod and again with every restart, so the first value
    /// after either is what was added. `counted_before` says that the pod's first value isn't news: it is the base.
    ///
    /// What a page says of its series' begin decides if it is known. Else a restart or a count that fell does.
    /// Restarts are known per pod: one of a container that isn't asked repeats the pod's earlier counts once, which
    /// is better than to lose what a crashing container counted.
    pub fn take(
        &mut self,
        pod: &Uid,
        last: (Instant, u32),
        counts: Cumulative,
        counted_before: bool,
    ) -> Increment {
        let (at, restarts) = last;
        let earlier = self.0.insert(pod.clone(), Last { at, restarts, counts });
        let events = match &earlier {
            None if counted_before => Events::default(),
            None => counts.events,
            Some(earlier) if earlier.ended_before((restarts, &counts)) => counts.events,
            // Another version of the histogram's layout can't be subtracted.
            Some(earlier) if earlier.counts.edge != counts.edge => Events::default(),
            // A series is gone or began again while others went on: what they added can't be told.
            Some(earlier) => counts.events.since(earlier.counts.events).unwrap_or_default(),
        };
        Increment { events, since: earlier.map(|earlier| earlier.at) }
    }

    pub fn forget(&mut self, keep: impl Fn(&Uid) -> bool) {
        self.0.retain(|uid, _| keep(uid));
    }
}
