//! What the cluster shows at one moment.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde_json::Value;
use siskin_core::{
    checks::Verdict,
    facts::{Pod, Revision, Workload},
    state::{Record, Rollout},
    strategy::{self, Plan},
};
use siskin_daemon::watch::{pods::OwnedPod, statefulsets::Whole};
use siskin_embedded_api::{
    kinds::{CONTROLLER_REVISION, EVENT, Kind, POD, STATEFUL_SET},
    store::{Page, Query, Store, Target},
};
use siskin_embedded_cluster::{Cluster, translate::text};

use crate::{
    application::{NAME, NAMESPACE},
    world::Step,
};

/// The application, Siskin's view of it, and its clients.
#[derive(Clone, Debug, Default)]
pub struct Scene {
    /// Since the cluster began.
    pub passed: Duration,
    /// The StatefulSet; `None`: it is gone.
    pub workload: Option<Workload>,
    /// Siskin's state.
    pub record: Option<Record>,
    /// What the checks of the open rollout say.
    pub verdicts: Vec<Verdict>,
    /// The pods, by ordinal.
    pub pods: Vec<Shown>,
    /// The images of revisions.
    pub images: BTreeMap<Revision, String>,
    /// What clients met.
    pub traffic: Traffic,
    /// What Siskin told of the StatefulSet, oldest first.
    pub events: Vec<Told>,
}

/// A pod, and what its process has counted since it started.
#[derive(Clone, Debug, Default)]
pub struct Shown {
    /// The pod.
    pub pod: Pod,
    /// Its image.
    pub image: String,
    /// Requests answered; `None`: nothing answers there.
    pub answers: Option<Answers>,
}

/// Answers of one process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Answers {
    /// All.
    pub all: u64,
    /// With 500.
    pub failed: u64,
}

/// Requests of all clients so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Sent.
    pub sent: u64,
    /// Answered with an error.
    pub failed: u64,
    /// Answered by nobody.
    pub lost: u64,
}

impl Traffic {
    /// What came after `before`.
    pub fn since(self, before: Self) -> Self {
        Self {
            sent: self.sent - before.sent,
            failed: self.failed - before.failed,
            lost: self.lost - before.lost,
        }
    }
}

/// An Event of Siskin's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// Rises from one to the next.
    pub number: u64,
    /// Its reason.
    pub reason: String,
    /// Its text.
    pub note: String,
    /// It is a warning.
    pub warning: bool,
}

impl Scene {
    /// Looks at a cluster that began at `start`. The state that it keeps is a little behind that of the daemon's last
    /// step, if there is one.
    pub fn of(cluster: &Cluster, start: Timestamp, step: Option<&Step>) -> Self {
        let now = cluster.server().now();
        let mut scene = cluster.server().store(|store| Self::of_store(store, step));
        scene.passed = Duration::try_from(now.duration_since(start)).unwrap_or_default();
        cluster.look(|memory, now| {
            for shown in &mut scene.pods {
                let counters = shown.pod.uid.0.parse().ok().and_then(|uid| memory.counters(uid, now));
                shown.answers = counters
                    .map(|counters| Answers { all: counters.ok + counters.failed, failed: counters.failed });
            }
            for (_, clients) in memory.clients() {
                scene.traffic.sent += clients.sent;
                scene.traffic.failed += clients.failed;
                scene.traffic.lost += clients.refused;
            }
        });
        scene
    }

    fn of_store(store: &Store, step: Option<&Step>) -> Self {
        let set = store.get(&Target::new(STATEFUL_SET, NAMESPACE, NAME)).ok();
        let workload = set.and_then(|set| read::<Whole>(&set)).map(|Whole(managed)| managed.workload);
        let Some(workload) = workload else { return Self::default() };
        let (record, verdicts) =
            step.map_or_else(|| saved(&workload), |(record, verdicts)| (record.clone(), verdicts.0.clone()));
        let record = record.filter(|record| record.workload_uid == workload.uid);
        let mut pods: Vec<Shown> = all(store, POD).iter().filter_map(|pod| shown(pod, &workload)).collect();
        pods.sort_by_key(|shown| shown.pod.ordinal);
        let images = all(store, CONTROLLER_REVISION).iter().map(|it| revision(it)).collect();
        let mut events: Vec<Told> =
            all(store, EVENT).iter().filter_map(|event| told(event, &workload)).collect();
        events.sort_by_key(|told| told.number);
        Self { workload: Some(workload), record, verdicts, pods, images, events, ..Self::default() }
    }

    /// The rollout that is open.
    pub fn rollout(&self) -> Option<&Rollout> {
        self.record.as_ref()?.rollout.as_ref()
    }

    /// The steps of the open rollout.
    pub fn plan(&self) -> Option<Plan> {
        // Claims decide whether a plan fits, not what its steps are.
        strategy::compile_rollout(self.rollout()?, self.record.as_ref()?.user_replicas, false).ok()
    }

    /// The image of a revision, or its name.
    pub fn image<'a>(&'a self, revision: &'a Revision) -> &'a str {
        self.images.get(revision).map_or(&revision.0, String::as_str)
    }

    /// No rollout is open, and none is about to be: the template is the stable one, or was rejected.
    pub fn rests(&self) -> bool {
        let (Some(workload), Some(record)) = (&self.workload, &self.record) else { return false };
        let update = workload.update_revision.as_ref();
        record.phase == siskin_core::state::Phase::Idle
            && workload.generation == workload.observed_generation
            && update.is_some()
            && (update == record.stable.as_ref() || update == record.settled.as_ref())
    }
}

/// The state in the annotation, with what the checks said when it was written.
fn saved(workload: &Workload) -> (Option<Record>, Vec<Verdict>) {
    let record = Record::read(workload).ok().flatten();
    let rollout = record.as_ref().and_then(|record| record.rollout.as_ref());
    let verdicts = rollout.map(|rollout| rollout.verdicts.clone()).unwrap_or_default();
    (record, verdicts)
}

fn all(store: &Store, kind: &'static Kind) -> Vec<Arc<Value>> {
    // A list of now, in one page, is never refused.
    store
        .list(&Query::namespaced(kind, NAMESPACE), &Page::default())
        .map(|list| list.items)
        .unwrap_or_default()
}

fn read<T: DeserializeOwned>(object: &Value) -> Option<T> {
    T::deserialize(object).ok()
}

fn shown(pod: &Value, workload: &Workload) -> Option<Shown> {
    let owned = read::<OwnedPod>(pod).filter(|owned| owned.owned_by(&workload.uid))?;
    let image = text(pod, "/spec/containers/0/image").to_owned();
    Some(Shown { pod: owned.pod, image, answers: None })
}

fn revision(revision: &Value) -> (Revision, String) {
    let image = text(revision, "/data/spec/template/spec/containers/0/image");
    (Revision::from(text(revision, "/metadata/name")), image.to_owned())
}

/// Siskin's Events on the StatefulSet; those of Kubernetes' controllers tell of single pods, which are shown anyway.
fn told(event: &Value, workload: &Workload) -> Option<Told> {
    let ours = text(event, "/reportingComponent") == "siskin.dev/siskin"
        && text(event, "/involvedObject/uid") == workload.uid.0;
    ours.then(|| Told {
        number: text(event, "/metadata/resourceVersion").parse().unwrap_or_default(),
        reason: text(event, "/reason").to_owned(),
        note: text(event, "/message").to_owned(),
        warning: text(event, "/type") == "Warning",
    })
}
