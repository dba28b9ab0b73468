//! Somebody else lowers the partition: a manifest that holds one, applied again. It is parked again at once, but
//! not in an endless fight with a tool that writes every few seconds.

use std::time::Duration;

use super::turn::Turn;
use crate::{facts::PARKED, state::Contest};

/// So many times it is parked again at once.
const AT_ONCE: u32 = 3;
/// Then no more often than this. A tool that writes a manifest every second opens it anyway; one that comes by every
/// few minutes is still answered.
const NO_MORE_OFTEN_THAN: Duration = Duration::from_secs(30);
/// After so long without such a write it is over.
const OVER: Duration = Duration::from_mins(10);

impl Turn<'_> {
    /// Notes whether somebody lowered the partition since the last step, and says so.
    pub(super) fn note_partition(&mut self) {
        let (now, live) = (self.now.mono, self.workload.partition);
        let contest = &mut self.memory.contest;
        if contest.last.is_some_and(|last| now.since(last) >= OVER) {
            *contest = Contest { left: contest.left, ..Contest::default() };
        }
        if contest.left.is_some_and(|left| live < left.min(PARKED)) {
            contest.times += 1;
            contest.last = Some(now);
            contest.open = true;
        }
        if let Some(last) = contest.last {
            self.wake_in(OVER.saturating_sub(now.since(last)));
            self.report(
                "PartitionContested",
                "somebody writes updateStrategy.rollingUpdate.partition, and pods of a template that nobody judged may start: leave the partition out of the manifest, and install the admission policies, which keep it".to_owned(),
            );
        }
    }

    /// Whether the partition may be raised to `wanted` now; if not, when to look again.
    pub(super) fn may_write_back(&mut self, wanted: u32) -> bool {
        let contest = &self.memory.contest;
        if wanted <= self.workload.partition || !contest.open || contest.times <= AT_ONCE {
            return true;
        }
        let since = contest.answered.map_or(NO_MORE_OFTEN_THAN, |answered| self.now.mono.since(answered));
        let left = NO_MORE_OFTEN_THAN.saturating_sub(since);
        if !left.is_zero() {
            self.wake_in(left);
        }
        left.is_zero()
    }

    /// Remembers what this step leaves behind.
    pub(super) fn leave_partition(&mut self, written: Option<u32>) {
        let contest = &mut self.memory.contest;
        contest.left = Some(written.unwrap_or(self.workload.partition));
        if written.is_some() && contest.open {
            contest.open = false;
            contest.answered = Some(self.now.mono);
        }
    }
}
