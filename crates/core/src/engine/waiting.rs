//! What a rollout waits for without anybody having to act: its window, and its turn among others. A way back never
//! waits.

use std::time::Duration;

use super::turn::Turn;
use crate::{
    decision::Note,
    group::{Admission, admit},
    policy::Policy,
    state::{Awaited, Record, Waiting},
    window::{Opening, opening},
};

/// What waits for a time looks at the clock at least this often: somebody may set it.
const CLOCK_LOOK: Duration = Duration::from_mins(1);

impl Turn<'_> {
    /// Whether something may begin at this time, by the windows of `policy` and the freezes of the installation.
    pub(super) fn may_go_on(&mut self, policy: &Policy) -> bool {
        match opening(&policy.windows, &self.facts.rules.freezes, self.now.wall) {
            Opening::Open => true,
            Opening::Closed { why, changes, .. } => {
                let seconds = changes.and_then(|at| u64::try_from(at.0 - self.now.wall.0).ok());
                self.wake_in(seconds.map_or(CLOCK_LOOK, Duration::from_secs).min(CLOCK_LOOK));
                self.wait(Awaited::Window, why);
                false
            }
        }
    }

    /// Whether there is a place for one more rollout. One that is open has its place, also when a newer template takes
    /// it over.
    pub(super) fn has_a_place(&mut self) -> bool {
        let limits = self.facts.rules.max_parallel_rollouts;
        if limits.is_unlimited() || self.before.record.as_ref().is_some_and(Record::in_rollout) {
            return true;
        }
        let since = self.waited_for(Awaited::Turn).map_or(self.now.wall, |waiting| waiting.since);
        let me = format!("{}/{}", self.workload.namespace, self.workload.name);
        match admit(&me, since, self.peers, limits) {
            Admission::MayStart => true,
            Admission::Hold(why) => {
                self.wait(Awaited::Turn, why);
                false
            }
        }
    }

    /// What the last step left waiting.
    fn waited_for(&self, awaited: Awaited) -> Option<&Waiting> {
        self.before.record.as_ref()?.waiting.as_ref().filter(|waiting| waiting.awaited == awaited)
    }

    /// Waits, and tells so when it begins. Who is ahead changes too often to write it down each time.
    fn wait(&mut self, awaited: Awaited, detail: String) {
        let before = self.waited_for(awaited).cloned();
        let waiting = match before {
            Some(before) if awaited == Awaited::Turn || before.detail == detail => before,
            before => {
                self.say(Note::Waiting(match awaited {
                    Awaited::Window => format!("waits: {detail}"),
                    Awaited::Turn => format!("waits for its turn: {detail}"),
                }));
                let since = before.map_or(self.now.wall, |before| before.since);
                Waiting { awaited, detail, since }
            }
        };
        self.record_mut().waiting = Some(waiting);
    }
}
