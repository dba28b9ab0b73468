//! The standing problem in the state: `siskin status` has nothing else to know it from.

use std::time::Duration;

use super::turn::{Turn, brief};
use crate::{decision::Problem, state::Obstacle};

/// Problems may come and go with every look. Another one is worth a write of its own no more often than this, and the
/// end of one only after it stayed away for so long.
const EVERY: Duration = Duration::from_secs(30);

impl Turn<'_> {
    /// Brings the problem in the record to that of this step, if that is worth a write by itself.
    pub(super) fn keep_problem(&mut self) {
        let now = self.now.mono;
        let gone = self.obstacle().is_none();
        self.memory.problem_gone = gone.then(|| self.memory.problem_gone.unwrap_or(now));
        let Some(record) = &self.record else { return };
        let saved = record.problem.as_ref().map(|obstacle| obstacle.reason.as_str());
        if saved == self.reason() || self.refused_lately() {
            return;
        }
        let last = if gone { self.memory.problem_gone } else { self.memory.problem_saved };
        let left = last.map_or(Duration::ZERO, |last| EVERY.saturating_sub(now.since(last)));
        if left.is_zero() {
            self.save_problem();
        } else {
            self.wake_in(left);
        }
    }

    /// A write that is made anyway takes the newest problem along.
    pub(super) fn save_problem(&mut self) {
        let newest = self.obstacle();
        let Some(record) = &mut self.record else { return };
        let before = record.problem.take();
        record.problem = match (before, newest) {
            (Some(before), Some(newest)) if before.reason == newest.reason => {
                Some(Obstacle { since: before.since, ..newest })
            }
            (None, None) => None,
            (_, newest) => {
                self.memory.problem_saved = Some(self.now.mono);
                newest
            }
        };
    }

    /// The problem of this step. A pause is in the record already.
    fn problem(&self) -> Option<&Problem> {
        self.problem.as_ref().filter(|problem| problem.reason != "Paused")
    }

    fn reason(&self) -> Option<&str> {
        self.problem().map(|problem| problem.reason)
    }

    fn obstacle(&self) -> Option<Obstacle> {
        let Problem { reason, detail } = self.problem()?;
        Some(Obstacle { reason: (*reason).to_owned(), detail: brief(detail.clone()), since: self.now.wall })
    }
}
