//! Messages to people: a receiver that is down at times, and what people got.

use std::collections::{BTreeMap, VecDeque};

use siskin_core::state::{Message, State};
use siskin_embedded::Millis;

/// A message takes so long, and so does the word that it arrived.
const ON_THE_WAY: Millis = 30;
/// A receiver that is down is tried again after this.
const AGAIN: Millis = 1_000;
/// After this the process has heard what arrived, and written it down.
const WRITTEN: Millis = 1_000;

/// What tells one message from another.
type Key = (u64, String);

/// A receiver, and what is sent to it.
#[derive(Debug, Default)]
pub struct Mail {
    /// The receiver is down before.
    pub down_until: Millis,
    /// What the present process has sent, in its order.
    on_the_way: VecDeque<Job>,
    /// The newest that was sent by the present process.
    queued: u64,
    /// What arrived when, and how many processes had ended by then.
    got: BTreeMap<Key, (Millis, u64)>,
    /// What has to arrive.
    owed: Vec<Key>,
    /// How many processes have ended.
    ended: u64,
    /// How many messages came twice for the end of the last of them, and how many may.
    repeated: (usize, usize),
    /// Something keeps the process from writing down what arrived.
    pub hindered: bool,
}

#[derive(Debug)]
struct Job {
    at: Millis,
    message: Key,
    arrived: bool,
}

impl Mail {
    /// A process that sent messages is no more. What stands in the state is sent by the next one.
    /// One that arrived may come again, besides those of the last moment.
    pub fn process_ended(&mut self, saved: &[Message], now: Millis) {
        self.on_the_way.clear();
        self.queued = 0;
        self.ended += 1;
        let just_now = self.got.values().filter(|(at, _)| at + WRITTEN > now).count();
        let may = if std::mem::take(&mut self.hindered) { usize::MAX } else { 1 + just_now };
        self.repeated = (0, may);
        self.forget(saved);
    }

    /// Nothing else is owed any more: somebody took the state away, or it had no room.
    pub fn forget(&mut self, saved: &[Message]) {
        self.owed.retain(|owed| saved.iter().any(|message| key(message) == *owed));
    }

    /// Sends what `state` holds for people who don't have it yet.
    pub fn send(&mut self, state: &State, receiver: &str, now: Millis) {
        if state.record.is_none() {
            // Whoever opts in again hears everything anew.
            self.got.clear();
        }
        let messages = state.messages();
        if messages.last().is_some_and(|newest| newest.seq < self.queued) {
            // The state is another one: messages are counted anew.
            self.queued = 0;
        }
        for message in messages.iter().filter(|message| message.receivers.contains(receiver)) {
            if state.notified(receiver).max(self.queued) >= message.seq {
                continue;
            }
            self.queued = message.seq;
            self.on_the_way.push_back(Job { at: now + ON_THE_WAY, message: key(message), arrived: false });
            if !self.owed.contains(&key(message)) {
                self.owed.push(key(message));
            }
        }
    }

    /// When the next thing happens.
    pub fn next(&self) -> Option<Millis> {
        self.on_the_way.front().map(|job| job.at)
    }

    /// Lets messages arrive, one after the other. The numbers of those of which the process hears now; `Err`: somebody
    /// got one that he had.
    pub fn deliver(&mut self, now: Millis) -> Result<Vec<u64>, String> {
        let mut heard = Vec::new();
        while let Some(job) = self.on_the_way.front_mut().filter(|job| job.at <= now) {
            if job.arrived {
                heard.push(job.message.0);
                self.on_the_way.pop_front();
            } else if now < self.down_until {
                job.at = now + AGAIN;
            } else {
                (job.arrived, job.at) = (true, now + ON_THE_WAY);
                let message = job.message.clone();
                self.arrives(message, now)?;
            }
        }
        Ok(heard)
    }

    fn arrives(&mut self, message: Key, now: Millis) -> Result<(), String> {
        self.owed.retain(|owed| *owed != message);
        let Some((_, before)) = self.got.insert(message.clone(), (now, self.ended)) else { return Ok(()) };
        let (repeated, may) = &mut self.repeated;
        *repeated += 1;
        let (seq, text) = message;
        if before == self.ended {
            return Err(format!("people got message {seq} twice from one process: {text}"));
        }
        if *repeated > *may {
            return Err(format!("people got {repeated} messages again for the end of one process: {text}"));
        }
        Ok(())
    }

    /// What never arrived.
    pub fn missing(&self) -> Option<&str> {
        self.owed.first().map(|(_, text)| text.as_str())
    }
}

fn key(message: &Message) -> Key {
    (message.seq, message.text.clone())
}
