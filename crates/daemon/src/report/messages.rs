//! Messages to people: a queue per receiver, so that a slow one holds up nobody.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use siskin_core::{
    configuration::{Receiver, Slack},
    state::Message,
};
use tokio::{sync::mpsc, task::JoinSet, time::Instant};

use super::{
    metrics::{MESSAGES, Metrics},
    slack::{self, Failure},
};
use crate::{reach::Reach, watch::statefulsets::Key};

/// More than this wait for one receiver only if it is down.
const QUEUE: usize = 256;
const TRIES: u32 = 8;
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_mins(2);
/// A message that is older than this is no news.
const GIVE_UP: Duration = Duration::from_mins(10);

/// A message on its way.
struct Job {
    workload: Key,
    message: Message,
    queued: Instant,
    done: mpsc::Sender<Delivered>,
}

/// A receiver got a message, or never will.
#[derive(Debug, PartialEq, Eq)]
pub struct Delivered {
    /// The receiver.
    pub receiver: String,
    /// The message.
    pub seq: u64,
}

/// Where messages go; cheap to clone.
#[derive(Clone)]
pub struct Messenger {
    queues: Arc<BTreeMap<String, mpsc::Sender<Job>>>,
    /// Receivers that policies name in vain, each logged once.
    unknown: Arc<Mutex<BTreeSet<String>>>,
    metrics: Metrics,
}

impl Messenger {
    /// Starts a queue for each receiver, whose work is one of `tasks`.
    pub fn start(
        receivers: Vec<Receiver>,
        reach: &Reach,
        metrics: &Metrics,
        tasks: &mut JoinSet<()>,
    ) -> Self {
        let queues = receivers.into_iter().map(|Receiver { name, slack }| {
            let (queue, jobs) = mpsc::channel(QUEUE);
            tasks.spawn(work(name.clone(), slack, reach.clone(), jobs, metrics.clone()));
            (name, queue)
        });
        Self { queues: Arc::new(queues.collect()), unknown: Arc::default(), metrics: metrics.clone() }
    }

    /// Queues a message for one of its receivers; false: try again later. `done` is told when it is delivered, or
    /// given up.
    pub fn send(
        &self,
        receiver: &str,
        workload: &Key,
        message: &Message,
        done: &mpsc::Sender<Delivered>,
    ) -> bool {
        let Some(queue) = self.queues.get(receiver) else {
            if self.unknown.lock().unwrap_or_else(PoisonError::into_inner).insert(receiver.to_owned()) {
                tracing::warn!(receiver, "a policy names a receiver that the configuration doesn't have");
            }
            self.metrics.count(&MESSAGES, &[("receiver", receiver), ("result", "unknown")]);
            return done.try_send(Delivered { receiver: receiver.to_owned(), seq: message.seq }).is_ok();
        };
        let (workload, message, done) = (workload.clone(), message.clone(), done.clone());
        let job = Job { workload, message, queued: Instant::now(), done };
        let queued = queue.try_send(job).is_ok();
        if !queued {
            self.metrics.count(&MESSAGES, &[("receiver", receiver), ("result", "queue_full")]);
        }
        queued
    }
}

/// Delivers one message after the other, in their order.
async fn work(receiver: String, slack: Slack, reach: Reach, mut jobs: mpsc::Receiver<Job>, metrics: Metrics) {
    while let Some(Job { workload, message, queued, done }) = jobs.recv().await {
        let result = match deliver(&reach, &slack, &workload, &message, queued + GIVE_UP).await {
            Ok(()) => "ok",
            Err(reason) => {
                tracing::warn!(receiver, %workload, seq = message.seq, reason, "a message is given up");
                "given_up"
            }
        };
        metrics.count(&MESSAGES, &[("receiver", &receiver), ("result", result)]);
        let _ = done.send(Delivered { receiver: receiver.clone(), seq: message.seq }).await;
    }
}

async fn deliver(
    reach: &Reach,
    slack: &Slack,
    workload: &Key,
    message: &Message,
    deadline: Instant,
) -> Result<(), String> {
    let body = slack::payload(workload, message);
    let mut pause = FIRST_PAUSE;
    let mut last = "it waited too long behind others".to_owned();
    for attempt in 1..=TRIES {
        if Instant::now() > deadline {
            break;
        }
        match slack::post(reach, slack, &body).await {
            Ok(()) => return Ok(()),
            Err(Failure::Lasting(reason)) => return Err(reason),
            Err(Failure::Passing { reason, retry_after }) => {
                let wait = retry_after.unwrap_or(pause).max(pause);
                if attempt == TRIES || Instant::now() + wait > deadline {
                    return Err(reason);
                }
                tracing::debug!(%workload, attempt, reason, "a message is not delivered yet");
                last = reason;
                tokio::time::sleep(wait).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        }
    }
    Err(last)
}

#[cfg(test)]
mod tests {
    use siskin_core::{
        configuration::Address,
        policy::{GoDuration, Topic},
    };

    use super::*;

    fn key() -> Key {
        Key { namespace: "payments".into(), name: "db".into() }
    }

    fn message(seq: u64, receiver: &str) -> Message {
        let receivers = [receiver.to_owned()].into();
        Message { seq, topic: Topic::Failed, text: "failed".into(), receivers, observed: false }
    }

    #[tokio::test(start_paused = true)]
    async fn behind_a_dead_receiver_no_message_waits_longer_than_ten_minutes() {
        let slack =
            Slack { address: Address::File("/nonexistent/url".into()), timeout: GoDuration::from_secs(5) };
        let metrics = Metrics::default();
        let (receivers, mut tasks) = (vec![Receiver { name: "team".into(), slack }], JoinSet::new());
        let messenger = Messenger::start(receivers, &Reach::Network, &metrics, &mut tasks);
        let (done, mut over) = mpsc::channel(32);
        let began = Instant::now();
        for seq in 1..=20 {
            assert!(messenger.send("team", &key(), &message(seq, "team"), &done));
        }
        for seq in 1..=20 {
            assert_eq!(over.recv().await, Some(Delivered { receiver: "team".into(), seq }));
        }
        assert!(began.elapsed() <= GIVE_UP, "{:?}", began.elapsed());
        assert!(
            metrics.render(&[]).contains("siskin_messages_total{receiver=\"team\",result=\"given_up\"} 20")
        );
    }

    #[tokio::test]
    async fn a_message_to_an_unknown_receiver_is_over_at_once() {
        let messenger =
            Messenger::start(Vec::new(), &Reach::Network, &Metrics::default(), &mut JoinSet::new());
        let (done, mut over) = mpsc::channel(32);
        for seq in 1..=2 {
            assert!(messenger.send("nobody", &key(), &message(seq, "nobody"), &done));
            assert_eq!(over.recv().await, Some(Delivered { receiver: "nobody".into(), seq }));
        }
        assert_eq!(messenger.unknown.lock().unwrap().len(), 1);
    }
}
