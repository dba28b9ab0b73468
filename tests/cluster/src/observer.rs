//! What is seen of one namespace through watches: its objects now, and when each thing about them changed.

use std::collections::BTreeMap;
use std::fmt;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures::{Stream, StreamExt, stream};
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Pod};
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, Client, Resource, ResourceExt};
use serde_json::Value;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::view::{View, is_ready, version};

/// One thing that became different.
#[derive(Debug, Clone)]
pub struct Change {
    pub at: Instant,
    /// The object, as `kind/name`.
    pub object: String,
    pub field: String,
    /// Empty when it is gone.
    pub value: String,
}

/// Watches a namespace until it is dropped.
#[derive(Debug)]
pub struct Observer {
    view: watch::Receiver<View>,
    timeline: Timeline,
    _tasks: JoinSet<()>,
}

/// The changes of a namespace, oldest first. Clones share it.
#[derive(Debug, Clone)]
pub struct Timeline {
    start: Instant,
    changes: Arc<Mutex<Vec<Change>>>,
}

impl Observer {
    /// Starts to watch `namespace`.
    pub fn start(client: &Client, namespace: &str) -> Self {
        let timeline = Timeline { start: Instant::now(), changes: Arc::default() };
        let (sender, view) = watch::channel(View::default());
        let sets = events(client, namespace).map(|event| {
            take(|timeline, view, at| timeline.take(at, "set", &mut view.sets, event, set_fields))
        });
        let pods = events(client, namespace).map(|event| {
            take(|timeline, view, at| timeline.take(at, "pod", &mut view.pods, event, pod_fields))
        });
        let claims = events(client, namespace).map(|event| {
            take(|timeline, view, at| timeline.take(at, "claim", &mut view.claims, event, claim_fields))
        });
        let seen = stream::select(sets, stream::select(pods, claims));
        let mut tasks = JoinSet::new();
        let record = timeline.clone();
        tasks.spawn(async move {
            let mut seen = pin!(seen);
            while let Some(take) = seen.next().await {
                let at = Instant::now();
                sender.send_modify(|view| take(&record, view, at));
            }
        });
        Self { view, timeline, _tasks: tasks }
    }

    /// What is there now, and word of every change.
    pub fn view(&self) -> watch::Receiver<View> {
        self.view.clone()
    }

    pub fn timeline(&self) -> Timeline {
        self.timeline.clone()
    }
}

/// What one event of any kind does.
type Take = Box<dyn FnOnce(&Timeline, &mut View, Instant) + Send>;

fn take(one: impl FnOnce(&Timeline, &mut View, Instant) + Send + 'static) -> Take {
    Box::new(one)
}

fn events<K>(client: &Client, namespace: &str) -> impl Stream<Item = Event<K>> + use<K>
where
    K: Resource<Scope = kube::core::NamespaceResourceScope, DynamicType = ()>,
    K: Clone + fmt::Debug + Send + serde::de::DeserializeOwned + 'static,
{
    // A watch that fails is begun again by the watcher; an end check that misses something says so.
    watcher(Api::namespaced(client.clone(), namespace), watcher::Config::default())
        .filter_map(|event| async { event.ok() })
}

type Fields = BTreeMap<String, String>;

impl Timeline {
    fn take<K: ResourceExt>(
        &self,
        at: Instant,
        kind: &str,
        objects: &mut BTreeMap<String, K>,
        event: Event<K>,
        fields: fn(&K) -> Fields,
    ) {
        let (name, object) = match event {
            Event::Apply(object) | Event::InitApply(object) => (object.name_any(), Some(object)),
            Event::Delete(object) => (object.name_any(), None),
            Event::Init | Event::InitDone => return,
        };
        let new = object.as_ref().map(fields).unwrap_or_default();
        let old = match object {
            Some(object) => objects.insert(name.clone(), object),
            None => objects.remove(&name),
        };
        let old = old.as_ref().map(fields).unwrap_or_default();
        self.add(at, &format!("{kind}/{name}"), &old, &new);
    }

    fn add(&self, at: Instant, object: &str, old: &Fields, new: &Fields) {
        let gone = old.keys().filter(|field| !new.contains_key(*field)).map(|field| (field, String::new()));
        let come = new.iter().filter(|(field, value)| old.get(*field) != Some(value));
        let changes = gone.chain(come.map(|(field, value)| (field, value.clone())));
        let changes =
            changes.map(|(field, value)| Change { at, object: object.into(), field: field.clone(), value });
        self.changes.lock().unwrap_or_else(PoisonError::into_inner).extend(changes);
    }

    /// Records something that the scenario did, and returns when.
    pub fn mark(&self, what: impl Into<String>) -> Instant {
        let at = Instant::now();
        let change = Change { at, object: "scenario".into(), field: "does".into(), value: what.into() };
        self.changes.lock().unwrap_or_else(PoisonError::into_inner).push(change);
        at
    }

    /// When, at `since` or later, `field` of `object` first became what `wanted` says.
    pub fn first(
        &self,
        since: Instant,
        object: &str,
        field: &str,
        wanted: impl Fn(&str) -> bool,
    ) -> Option<Instant> {
        let changes = self.changes.lock().unwrap_or_else(PoisonError::into_inner);
        let mut changes = changes.iter().filter(|change| change.at >= since);
        changes
            .find(|change| change.object == object && change.field == field && wanted(&change.value))
            .map(|change| change.at)
    }

    /// When `field` of `object` became what it is now.
    pub fn last(&self, object: &str, field: &str) -> Option<Instant> {
        let changes = self.changes.lock().unwrap_or_else(PoisonError::into_inner);
        let last = changes.iter().rev().find(|change| change.object == object && change.field == field);
        last.map(|change| change.at)
    }

    /// All changes.
    pub fn changes(&self) -> Vec<Change> {
        self.changes.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Since the start of the observation.
    pub fn elapsed(&self, at: Instant) -> Duration {
        at.saturating_duration_since(self.start)
    }
}

impl fmt::Display for Timeline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.changes().iter().try_for_each(|Change { at, object, field, value }| {
            let value = if value.is_empty() { "(gone)" } else { value };
            writeln!(f, "{:8.3}  {object:<16} {field:<18} {value}", self.elapsed(*at).as_secs_f64())
        })
    }
}

fn set_fields(set: &StatefulSet) -> Fields {
    let mut fields = Fields::new();
    let mut field = |name: &str, value: String| fields.insert(name.into(), value);
    if let Some(spec) = &set.spec {
        field("replicas", spec.replicas.unwrap_or(1).to_string());
        field("partition", crate::view::partition(set).to_string());
        field("version", version(spec.template.spec.as_ref()).unwrap_or_default().to_owned());
    }
    if let Some(status) = &set.status {
        field("currentRevision", status.current_revision.clone().unwrap_or_default());
        field("updateRevision", status.update_revision.clone().unwrap_or_default());
    }
    let state = set.annotations().get("siskin.dev/state");
    fields.extend(state.and_then(|state| Some(("ended".into(), last_end(state)?))));
    for (key, value) in set.annotations().iter().filter(|(key, _)| key.starts_with("siskin.dev/")) {
        fields
            .insert(key.clone(), if key == "siskin.dev/state" { brief_state(value) } else { value.clone() });
    }
    fields
}

/// Where the rollout stands; the whole state is too long for a line.
fn brief_state(state: &str) -> String {
    let state: Value = serde_json::from_str(state).unwrap_or_default();
    let parts = ["/phase", "/rollout/step", "/pause/reason", "/seq"].map(|pointer| {
        let name = pointer.rsplit('/').next().unwrap_or_default();
        state.pointer(pointer).map(|value| format!("{name}={value}"))
    });
    parts.into_iter().flatten().collect::<Vec<_>>().join(" ")
}

/// The id and the revision of the last rollout that ended, and how it did.
fn last_end(state: &str) -> Option<String> {
    let state: Value = serde_json::from_str(state).ok()?;
    let last = state.get("history")?.as_array()?.last()?;
    let text = |name| last.get(name).and_then(Value::as_str);
    Some(format!("{} {} {}", text("id")?, text("canary")?, text("end")?))
}

fn pod_fields(pod: &Pod) -> Fields {
    let mut fields = Fields::new();
    let mut field = |name: &str, value: String| fields.insert(name.into(), value);
    field("uid", pod.uid().unwrap_or_default());
    field("version", version(pod.spec.as_ref()).unwrap_or_default().to_owned());
    field("revision", pod.labels().get("controller-revision-hash").cloned().unwrap_or_default());
    field("ready", is_ready(pod).to_string());
    if pod.metadata.deletion_timestamp.is_some() {
        field("deleting", "true".into());
    }
    let containers = pod.status.iter().flat_map(|status| status.container_statuses.iter().flatten());
    for container in containers {
        field("restarts", container.restart_count.to_string());
        let waiting = container.state.as_ref().and_then(|state| state.waiting.as_ref());
        if let Some(reason) = waiting.and_then(|waiting| waiting.reason.clone()) {
            field("waiting", reason);
        }
    }
    fields
}

fn claim_fields(claim: &PersistentVolumeClaim) -> Fields {
    let mut fields = Fields::from([("uid".into(), claim.uid().unwrap_or_default())]);
    if claim.metadata.deletion_timestamp.is_some() {
        fields.insert("deleting".into(), "true".into());
    }
    fields
}
