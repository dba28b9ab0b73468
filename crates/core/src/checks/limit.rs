//! The rule on the canary pods alone: a share of bad events over a sliding window.

use std::collections::{BTreeSet, VecDeque};

use super::{
    Outcome,
    finding::{Finding, float, percent, plain},
    increments::Events,
};
use crate::{
    facts::Uid,
    policy::{Bound, Limit},
    time::Instant,
};

/// A limit with its window.
///
/// A *tick* is a round in which each pod answered at most once: it ends when a pod answers again. It is over the
/// bound if the window was so at the tick's latest answer; the answers that are still out are not waited for, so a
/// hanging pod delays no failure. A tick with too few events neither adds to the ticks over the bound nor ends their
/// row.
#[derive(Debug)]
pub(super) struct Limited {
    pub limit: Limit,
    /// What each tick added, the current one last; as many as fit in the window.
    window: VecDeque<(Instant, Events)>,
    sum: Events,
    /// The edge that the last histogram was judged at.
    edge: Option<f64>,
    /// Pods that answered in the current tick.
    answered: BTreeSet<Uid>,
    /// Consecutive ticks over the bound, without the current one.
    over_before: u32,
    /// The current tick; `None`: too few events.
    over_now: Option<bool>,
}

impl Limited {
    pub fn new(limit: Limit, over_before: u32) -> Self {
        Self {
            limit,
            window: VecDeque::new(),
            sum: Events::default(),
            edge: None,
            answered: BTreeSet::new(),
            over_before,
            over_now: None,
        }
    }

    pub fn take(&mut self, pod: &Uid, at: Instant, added: Events, edge: Option<f64>) {
        if !self.answered.insert(pod.clone()) {
            self.over_before = self.over();
            self.answered = BTreeSet::from([pod.clone()]);
            self.window.push_back((at, Events::default()));
        }
        if self.window.is_empty() {
            self.window.push_back((at, Events::default()));
        }
        if let Some((time, events)) = self.window.back_mut() {
            *time = (*time).max(at);
            events.add(added);
        }
        while self.window.front().is_some_and(|(time, _)| at.since(*time) >= self.limit.window.0) {
            self.window.pop_front();
        }
        self.edge = edge;
        self.sum = Events::default();
        self.window.iter().for_each(|(_, events)| self.sum.add(*events));
        self.over_now = (self.sum.total >= self.limit.min_count).then(|| exceeds(self.sum, self.max_share()));
    }

    /// Consecutive ticks over the bound, as of the latest answer.
    pub fn over(&self) -> u32 {
        match self.over_now {
            Some(true) => self.over_before.saturating_add(1),
            Some(false) => 0,
            None => self.over_before,
        }
    }

    pub fn judge(&self, subject: &str) -> Finding {
        let (over, threshold) = (self.over(), self.limit.failure_threshold);
        let sentence = format!("{subject}: {}", self.sentence());
        if over >= threshold {
            return Finding::new(Outcome::Fail, sentence);
        }
        match self.over_now {
            None => Finding::new(
                Outcome::Undecided,
                format!("{sentence}; at least {} events are needed", self.limit.min_count),
            ),
            Some(true) => {
                Finding::new(Outcome::Undecided, format!("{sentence}; {over} of {threshold} ticks over it"))
            }
            Some(false) => Finding::new(Outcome::Pass, sentence),
        }
    }

    fn max_share(&self) -> f64 {
        match self.limit.bound {
            Bound::MaxShare { max } => max,
            Bound::Quantile { quantile, .. } => 1.0 - quantile,
        }
    }

    fn sentence(&self) -> String {
        let Events { bad, total } = self.sum;
        let share =
            if total == 0 { String::new() } else { format!(" ({})", percent(float(bad) / float(total))) };
        let window = self.limit.window;
        match self.limit.bound {
            Bound::MaxShare { max } => {
                format!("{bad} of {total} events bad{share} in {window}, limit {}%", plain(max * 100.0))
            }
            Bound::Quantile { quantile, max_latency } => {
                let edge =
                    self.edge.map_or_else(|| max_latency.to_string(), |edge| format!("bucket edge {edge}s"));
                format!(
                    "{bad} of {total} events above {edge}{share} in {window}, limit p{} at {max_latency}",
                    plain(quantile * 100.0)
                )
            }
        }
    }
}

/// Whether the share is above `max`. A share of exactly `max` isn't, also where `max` is no binary fraction.
fn exceeds(events: Events, max: f64) -> bool {
    float(events.bad) > float(events.total) * (max + 1e-12)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exactly_the_bound_is_within_it_whatever_the_rounding() {
        for percent in 0..100_u32 {
            let max = f64::from(percent) / 100.0;
            let events = |bad: u32| Events { bad: bad.into(), total: 100 };
            assert!(!exceeds(events(percent), max), "{percent}");
            assert!(exceeds(events(percent + 1), max), "{percent}");
            let quantile = f64::from(100 - percent) / 100.0;
            assert!(!exceeds(events(percent), 1.0 - quantile), "{percent}");
        }
    }
}
