//! Messages to people: a queue per receiver, so that a slow one holds up nobody.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use siskin_core::{
    configuration::{Receiver, Slack},
    state::Message,
};
use tokio::{sync::mpsc, time::Instant};

use super::{
    metrics::{MESSAGES, Metrics},
    slack::{self, Failure},
};
use crate::watch::statefulsets::Key;

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
    metrics: Metrics,
}

impl Messenger {
    /// Starts a queue for each receiver.
    pub fn start(receivers: Vec<Receiver>, metrics: &Metrics) -> Self {
        let queues = receivers.into_iter().map(|Receiver { name, slack }| {
            let (queue, jobs) = mpsc::channel(QUEUE);
            tokio::spawn(work(name.clone(), slack, jobs, metrics.clone()));
            (name, queue)
        });
        Self { queues: Arc::new(queues.collect()), metrics: metrics.clone() }
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
            tracing::warn!(receiver, "the policy names a receiver that the configuration doesn't have");
            self.metrics.count(&MESSAGES, &[("receiver", receiver), ("result", "unknown")]);
            return done.try_send(Delivered { receiver: receiver.to_owned(), seq: message.seq }).is_ok();
        };
        let job = Job { workload: workload.clone(), message: message.clone(), done: done.clone() };
        let queued = queue.try_send(job).is_ok();
        if !queued {
            self.metrics.count(&MESSAGES, &[("receiver", receiver), ("result", "queue_full")]);
        }
        queued
    }
}

/// Delivers one message after the other, in their order.
async fn work(receiver: String, slack: Slack, mut jobs: mpsc::Receiver<Job>, metrics: Metrics) {
    while let Some(Job { workload, message, done }) = jobs.recv().await {
        let result = match deliver(&slack, &workload, &message).await {
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

async fn deliver(slack: &Slack, workload: &Key, message: &Message) -> Result<(), String> {
    let body = slack::payload(workload, message);
    let deadline = Instant::now() + GIVE_UP;
    let mut pause = FIRST_PAUSE;
    let mut last = String::new();
    for attempt in 1..=TRIES {
        match slack::post(slack, &body).await {
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
