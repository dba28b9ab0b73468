//! Messages to people, until everybody got them.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::policy::Topic;

/// How many messages are kept: a rollout that fails has three within a second.
pub const OUTBOX: usize = 4;

/// A message to people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Message {
    /// The seq it came with; rises from message to message.
    pub seq: u64,
    /// What it is about.
    pub topic: Topic,
    /// The text.
    pub text: String,
    /// Who gets it.
    pub receivers: BTreeSet<String>,
    /// It only would have happened.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub observed: bool,
}

impl Message {
    /// All its receivers got it.
    fn is_over(&self, notified: &BTreeMap<String, u64>) -> bool {
        let got = |receiver: &String| notified.get(receiver).is_some_and(|last| *last >= self.seq);
        self.receivers.iter().all(got)
    }
}

/// The last messages, oldest first, at most [`OUTBOX`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Outbox(Vec<Message>);

impl Outbox {
    /// Adds a message that somebody is to get. One that everybody got makes room, then the oldest.
    pub fn post(&mut self, message: Message, notified: &BTreeMap<String, u64>) {
        self.forget(notified);
        if message.receivers.is_empty() {
            return;
        }
        self.0.push(message);
        let excess = self.0.len().saturating_sub(OUTBOX);
        self.0.drain(..excess);
    }

    /// Takes those out that all their receivers got; `notified` has the seq of the last one by receiver.
    pub fn forget(&mut self, notified: &BTreeMap<String, u64>) {
        self.0.retain(|message| !message.is_over(notified));
    }

    /// How many all their receivers got.
    pub fn arrived(&self, notified: &BTreeMap<String, u64>) -> usize {
        self.0.iter().filter(|message| message.is_over(notified)).count()
    }

    /// There are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Oldest first.
    pub fn messages(&self) -> &[Message] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(seq: u64, receivers: &[&str]) -> Message {
        let receivers = receivers.iter().map(|&receiver| receiver.to_owned()).collect();
        Message { seq, topic: Topic::Failed, text: "failed".to_owned(), receivers, observed: false }
    }

    fn seqs(outbox: &Outbox) -> Vec<u64> {
        outbox.messages().iter().map(|message| message.seq).collect()
    }

    #[test]
    fn what_everybody_got_makes_room_before_what_somebody_did_not() {
        let (mut outbox, mut notified) = (Outbox::default(), BTreeMap::new());
        for seq in 1..=4 {
            outbox.post(message(seq, &["team", "boss"]), &notified);
        }
        notified.insert("team".to_owned(), 3);
        notified.insert("boss".to_owned(), 1);
        outbox.post(message(5, &["team"]), &notified);
        assert_eq!(seqs(&outbox), [2, 3, 4, 5]);
        outbox.post(message(6, &["team"]), &notified);
        assert_eq!(seqs(&outbox), [3, 4, 5, 6]);
    }
}
