//! The durable state of one workload, kept in the annotation `siskin.dev/state`, and what is remembered beside it.
//!
//! The record is input from a stranger: whoever may patch the StatefulSet may edit it. It can narrow what the
//! engine does, never widen it; the engine checks it against the live objects wherever it matters.

mod ledger;
mod memory;
mod outbox;
mod phase;
mod read;
mod record;
mod rollout;
mod standstill;

pub use ledger::{ClaimLedger, OwnClaim};
pub use memory::{Contest, GuardMemory, Memory, Observed, Trial};
pub use outbox::{Message, OUTBOX, Outbox};
pub use phase::Phase;
pub use read::{MAX_BYTES, Unreadable};
pub use record::{HISTORY, Past, Record};
pub use rollout::{Back, Cause, Rollout};
pub use standstill::{Awaited, Obstacle, Pause, PauseReason, Waiting};

use crate::facts::{Revision, Workload};

/// What the engine knows of a workload between two steps.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct State {
    /// What survives a restart; `None`: not opted in, or nothing readable.
    pub record: Option<Record>,
    /// What doesn't.
    pub memory: Memory,
}

/// The rollout that is judged, and the stable revision: the open one, or one that is only observed.
pub(crate) fn judged<'a>(
    record: Option<&'a Record>,
    memory: &'a Memory,
) -> Option<(&'a Rollout, Option<&'a Revision>)> {
    if let Some(record) = record {
        return Some((record.rollout.as_ref()?, record.stable.as_ref()));
    }
    let Trial { rollout, stable } = memory.observed.as_ref()?.trial.as_ref()?;
    Some((rollout, Some(stable)))
}

impl State {
    /// The state as a new process finds it.
    pub fn load(workload: &Workload) -> (Self, Option<Unreadable>) {
        let (record, problem) = match Record::read(workload) {
            Ok(record) => (record, None),
            Err(problem) => (None, Some(problem)),
        };
        let saved_ms =
            record.as_ref().and_then(|record| record.rollout.as_ref()).map_or(0, Rollout::spent_ms);
        (Self { record, memory: Memory { saved_ms, ..Memory::default() } }, problem)
    }

    /// Takes over an annotation that this process doesn't know to be its own: a stranger may have written it.
    pub fn read_again(&mut self, workload: &Workload) -> Option<Unreadable> {
        let read = Record::read(workload);
        let problem = read.as_ref().err().cloned();
        self.record = read.ok().flatten();
        self.memory.pods_known = false;
        problem
    }

    /// The messages that not everybody is known to have got, oldest first.
    pub fn messages(&self) -> &[Message] {
        match (&self.record, &self.memory.observed) {
            (Some(record), _) => record.messages.messages(),
            (None, Some(observed)) => observed.messages.messages(),
            (None, None) => &[],
        }
    }

    /// The seq of the last message that `receiver` got, 0 for none.
    pub fn notified(&self, receiver: &str) -> u64 {
        let recorded = self.record.as_ref().and_then(|record| record.notified.get(receiver));
        recorded.max(self.memory.delivered.get(receiver)).copied().unwrap_or(0)
    }

    /// The rollout whose pods are judged, and the stable revision: the open one, or one that is only observed.
    pub fn judged(&self) -> Option<(&Rollout, Option<&Revision>)> {
        judged(self.record.as_ref(), &self.memory)
    }

    /// Tells the engine that a write of its came out different from what was sent.
    pub fn refused(&mut self, what: String) {
        self.memory.refusal = Some(what);
    }

    /// Tells the engine that `receiver` got (or will never get) the message of `seq`; the next step takes it over.
    pub fn delivered(&mut self, receiver: &str, seq: u64) {
        let last = self.memory.delivered.entry(receiver.to_owned()).or_default();
        *last = seq.max(*last);
    }
}
