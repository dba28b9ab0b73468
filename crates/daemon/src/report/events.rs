//! Kubernetes Events on the `StatefulSets`, from a queue: telling never holds up deciding.

use serde::de::IgnoredAny;
use serde_json::{Value, json};
use siskin_core::{decision::Note, facts::Uid};
use tokio::{sync::mpsc, task::JoinSet};

use super::metrics::{EVENTS, Metrics};
use crate::{
    clock::ServerClock,
    cluster::{Cluster, Resource},
    watch::statefulsets::Key,
};

/// A rollout has a dozen Events; more than this at once are not read by anybody.
const QUEUE: usize = 256;
/// The API server refuses longer notes.
const LONGEST_NOTE: usize = 1024;

/// Where Events go; cheap to clone.
#[derive(Clone)]
pub struct Events {
    queue: mpsc::Sender<(String, Value)>,
    metrics: Metrics,
    clock: ServerClock,
    instance: String,
}

/// What this process is called in its Events.
pub fn instance() -> String {
    // A pod with the network of its node has the node's HOSTNAME.
    let instance = ["POD_NAME", "HOSTNAME"]
        .into_iter()
        .find_map(|name| std::env::var(name).ok().filter(|value| !value.is_empty()));
    instance.unwrap_or_else(|| "siskin".to_owned())
}

impl Events {
    /// Starts the queue of the process `instance`, whose work is one of `tasks`. It ends when the last clone of this is
    /// gone.
    pub fn start(cluster: Cluster, metrics: Metrics, instance: String, tasks: &mut JoinSet<()>) -> Self {
        let clock = cluster.clock().clone();
        let (queue, mut queued) = mpsc::channel::<(String, Value)>(QUEUE);
        let counted = metrics.clone();
        tasks.spawn(async move {
            while let Some((namespace, event)) = queued.recv().await {
                let result = cluster.create::<IgnoredAny>(Resource::Events, &namespace, &event).await;
                if let Err(error) = &result {
                    tracing::warn!(%error, "an Event is lost");
                }
                counted.count(&EVENTS, &[("result", result.map_or_else(|error| error.category(), |_| "ok"))]);
            }
        });
        Self { queue, metrics, clock, instance }
    }

    /// Tells about a workload.
    pub fn tell(&self, key: &Key, uid: &Uid, note: &Note) {
        let event = event(key, uid, note, &self.instance, self.clock.timestamp());
        if self.queue.try_send((key.namespace.clone(), event)).is_err() {
            self.metrics.count(&EVENTS, &[("result", "dropped")]);
        }
    }
}

fn event(key: &Key, uid: &Uid, note: &Note, instance: &str, at: jiff::Timestamp) -> Value {
    json!({
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": { "generateName": format!("{}-", key.name), "namespace": key.namespace },
        "eventTime": format!("{at:.6}"),
        "reportingController": "siskin.dev/siskin",
        "reportingInstance": instance,
        "regarding": {
            "apiVersion": "apps/v1", "kind": "StatefulSet",
            "namespace": key.namespace, "name": key.name, "uid": uid,
        },
        "action": "Rollout",
        "reason": note.reason(),
        "type": if note.is_warning() { "Warning" } else { "Normal" },
        "note": shortened(&note.to_string()),
    })
}

fn shortened(text: &str) -> String {
    const MORE: &str = "...";
    if text.len() <= LONGEST_NOTE {
        return text.to_owned();
    }
    let end = text.floor_char_boundary(LONGEST_NOTE - MORE.len());
    format!("{}{MORE}", text.get(..end).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_about_the_stateful_set() {
        let key = Key { namespace: "payments".into(), name: "db".into() };
        let note = Note::RollingBack("check errors failed".into());
        let event = event(&key, &Uid::from("u-1"), &note, "pod-1", jiff::Timestamp::UNIX_EPOCH);
        assert_eq!(event["eventTime"], "1970-01-01T00:00:00.000000Z");
        assert_eq!((&event["reason"], &event["type"]), (&json!("RollingBack"), &json!("Warning")));
        assert_eq!(event["regarding"]["uid"], "u-1");
        assert_eq!(event["note"], "going back to stable: check errors failed");
    }

    #[test]
    fn a_long_note_is_cut_between_characters() {
        let cut = shortened(&"ä".repeat(600));
        assert!(cut.len() <= LONGEST_NOTE && cut.ends_with("ä..."));
        assert_eq!(shortened("short"), "short");
    }
}
