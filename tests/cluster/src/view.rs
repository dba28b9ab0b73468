//! The objects of a namespace at one moment, and questions about a StatefulSet that conditions are made of.

use std::collections::BTreeMap;

use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Pod, PodSpec};
use kube::ResourceExt;
use serde_json::Value;

/// The partition at which nothing rolls.
pub const PARKED: i32 = 1_000_000;

/// Everything that the bench looks at in a namespace, by name.
#[derive(Debug, Clone, Default)]
pub struct View {
    pub sets: BTreeMap<String, StatefulSet>,
    pub pods: BTreeMap<String, Pod>,
    pub claims: BTreeMap<String, PersistentVolumeClaim>,
}

/// One StatefulSet with its pods and claims.
#[derive(Debug, Clone, Copy)]
pub struct Workload<'a> {
    set: &'a StatefulSet,
    view: &'a View,
}

impl View {
    /// The StatefulSet `name`, if it is there.
    pub fn workload(&self, name: &str) -> Option<Workload<'_>> {
        self.sets.get(name).map(|set| Workload { set, view: self })
    }
}

impl<'a> Workload<'a> {
    pub fn replicas(self) -> i32 {
        self.set.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(1)
    }

    pub fn first_ordinal(self) -> i32 {
        self.set.spec.as_ref().and_then(|spec| spec.ordinals.as_ref()?.start).unwrap_or(0)
    }

    pub fn partition(self) -> i32 {
        partition(self.set)
    }

    pub fn parked(self) -> bool {
        self.partition() >= PARKED
    }

    /// Whether the StatefulSet controller has seen the newest template.
    pub fn observed(self) -> bool {
        self.observed_generation().is_some() && self.observed_generation() == self.set.metadata.generation
    }

    /// What the StatefulSet controller has acted on.
    pub fn observed_generation(self) -> Option<i64> {
        self.set.status.as_ref().and_then(|status| status.observed_generation)
    }

    /// Whether the StatefulSet controller counts every pod as updated and Ready: what it takes for a completion.
    pub fn counted_as_completed(self) -> bool {
        let status = self.set.status.as_ref();
        status.is_some_and(|status| {
            let counts = [Some(status.replicas), status.ready_replicas, status.updated_replicas];
            counts.iter().all(|count| *count == Some(self.replicas()))
        })
    }

    /// The pods that the StatefulSet controller counts, dying ones included.
    pub fn counted(self) -> i32 {
        self.set.status.as_ref().map_or(0, |status| status.replicas)
    }

    pub fn current_revision(self) -> &'a str {
        self.set.status.as_ref().and_then(|status| status.current_revision.as_deref()).unwrap_or_default()
    }

    pub fn update_revision(self) -> &'a str {
        self.set.status.as_ref().and_then(|status| status.update_revision.as_deref()).unwrap_or_default()
    }

    /// The annotation `siskin.dev/<name>`.
    pub fn annotation(self, name: &str) -> Option<&'a str> {
        self.set.annotations().get(&format!("siskin.dev/{name}")).map(String::as_str)
    }

    /// Siskin's state, if there is one that can be read.
    pub fn state(self) -> Option<Value> {
        serde_json::from_str(self.annotation("state")?).ok()
    }

    /// The text at `pointer` in Siskin's state, or empty.
    pub fn state_text(self, pointer: &str) -> String {
        self.state().and_then(|state| Some(state.pointer(pointer)?.as_str()?.to_owned())).unwrap_or_default()
    }

    /// The id of the last rollout that ended, or empty.
    pub fn last_rollout(&self) -> String {
        let id =
            |state: Value| Some(state.get("history")?.as_array()?.last()?.get("id")?.as_str()?.to_owned());
        self.state().and_then(id).unwrap_or_default()
    }

    /// Whether Siskin's phase is `phase`.
    pub fn in_phase(self, phase: &str) -> bool {
        self.state_text("/phase") == phase
    }

    /// Why Siskin pauses, or empty.
    pub fn pause(self) -> String {
        self.state_text("/pause/reason")
    }

    /// Whether Siskin rests, parked, with `version` on every pod.
    pub fn at_rest_on(self, version: &str) -> bool {
        self.in_phase("Idle") && self.parked() && self.all_ready_on(version)
    }

    /// Its pods, dying ones included, by ordinal.
    pub fn pods(self) -> Vec<&'a Pod> {
        let uid = self.set.metadata.uid.as_deref();
        let owned = |pod: &&Pod| pod.owner_references().iter().any(|owner| Some(owner.uid.as_str()) == uid);
        let mut pods: Vec<&Pod> = self.view.pods.values().filter(owned).collect();
        pods.sort_by_key(|pod| ordinal(pod));
        pods
    }

    /// The pod with this ordinal.
    pub fn pod(self, wanted: i32) -> Option<&'a Pod> {
        self.pods().into_iter().find(|pod| ordinal(pod) == wanted)
    }

    /// Its live pods that are ready and of `version`.
    pub fn ready_on(self, wanted: &str) -> usize {
        let good = |pod: &&Pod| is_ready(pod) && version(pod.spec.as_ref()) == Some(wanted);
        self.pods().into_iter().filter(good).count()
    }

    /// Whether it has just the pods it should have, all of `version` and ready.
    pub fn all_ready_on(self, version: &str) -> bool {
        let replicas = usize::try_from(self.replicas()).unwrap_or_default();
        self.observed() && self.pods().len() == replicas && self.ready_on(version) == replicas
    }

    /// The UID of the claim of this ordinal.
    pub fn claim_uid(self, ordinal: i32) -> Option<String> {
        self.view.claims.get(&format!("data-{}-{ordinal}", self.set.name_any())).and_then(ResourceExt::uid)
    }

    /// The names of its claims.
    pub fn claims(self) -> Vec<&'a str> {
        let prefix = format!("data-{}-", self.set.name_any());
        let of_set =
            |name: &&str| name.strip_prefix(&prefix).is_some_and(|ordinal| ordinal.parse::<u32>().is_ok());
        self.view.claims.keys().map(String::as_str).filter(of_set).collect()
    }
}

/// The partition of a StatefulSet; Kubernetes takes an absent one for 0.
pub fn partition(set: &StatefulSet) -> i32 {
    let strategy = set.spec.as_ref().and_then(|spec| spec.update_strategy.as_ref());
    strategy.and_then(|strategy| strategy.rolling_update.as_ref()?.partition).unwrap_or(0)
}

/// Whether a pod is Ready and not on its way out.
pub fn is_ready(pod: &Pod) -> bool {
    let mut conditions = pod.status.iter().flat_map(|status| status.conditions.iter().flatten());
    pod.metadata.deletion_timestamp.is_none()
        && conditions.any(|condition| condition.type_ == "Ready" && condition.status == "True")
}

/// The `VERSION` in the environment of a pod.
pub fn version(pod: Option<&PodSpec>) -> Option<&str> {
    let environment = pod?.containers.first()?.env.as_ref()?;
    environment.iter().find(|variable| variable.name == "VERSION")?.value.as_deref()
}

/// The number at the end of a pod's name.
pub fn ordinal(pod: &Pod) -> i32 {
    let name = pod.metadata.name.as_deref().unwrap_or_default();
    name.rsplit('-').next().and_then(|number| number.parse().ok()).unwrap_or(-1)
}
