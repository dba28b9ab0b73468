//! The controllers over a store, in virtual time.

mod deletion;
mod failures;
mod policies;
mod rollouts;

use std::{net::Ipv4Addr, sync::Arc};

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use siskin_embedded::chance::Chance;
use siskin_embedded_api::{
    kinds::{self, CLAIM, EVENT, Kind, POD, SERVICE, STATEFUL_SET},
    store::{Call, DeleteOptions, Part, Patch, Propagation, Query, Store, Target},
};

use super::run;
use crate::{
    Memory,
    seen::all,
    translate::{items, text},
};

struct World {
    store: Store,
    memory: Memory,
    chance: Chance,
    now: Timestamp,
}

impl World {
    fn new() -> Self {
        let now = Timestamp::from_second(1_800_000_000).unwrap();
        let memory = Memory::new(Ipv4Addr::new(127, 9, 0, 0));
        Self { store: Store::new(1, now), memory, chance: Chance::new(1), now }
    }

    /// One with a StatefulSet `db`, its Service and its claims, that has come up.
    fn with_set(replicas: u32) -> Self {
        let mut world = Self::new();
        world.create(SERVICE, json!({ "metadata": { "name": "db" },
            "spec": { "selector": { "app": "db" }, "ports": [{ "name": "web", "port": 80, "targetPort": "web" }] } }));
        world.create(STATEFUL_SET, set(replicas));
        world.until(60, |world| world.ready() == replicas as usize);
        world.pass_time(5);
        world
    }

    fn call(&self) -> Call {
        Call::new("person", self.now)
    }

    fn create(&mut self, kind: &'static Kind, object: Value) -> Arc<Value> {
        let call = self.call();
        self.store.create(kind, "default", object, &call).unwrap()
    }

    fn patch(&mut self, kind: &'static Kind, name: &str, patch: Value) {
        let call = self.call();
        let target = Target::new(kind, "default", name);
        self.store.patch(&target, Part::Whole, &Patch::Strategic(patch), &call).unwrap();
    }

    fn set_image(&mut self, image: &str) {
        let container = json!({ "name": "db", "image": image });
        self.patch(
            STATEFUL_SET,
            "db",
            json!({ "spec": { "template": { "spec": { "containers": [container] } } } }),
        );
    }

    fn delete(&mut self, kind: &'static Kind, name: &str, propagation: Propagation) {
        let call = self.call();
        let options = DeleteOptions { propagation, ..DeleteOptions::default() };
        self.store.delete(&Target::new(kind, "default", name), &options, &call).unwrap();
    }

    fn get(&self, kind: &'static Kind, name: &str) -> Arc<Value> {
        self.store.get(&Target::new(kind, "default", name)).unwrap()
    }

    fn all(&self, kind: &'static Kind) -> Vec<Arc<Value>> {
        all(&self.store, &Query::namespaced(kind, "default"))
    }

    fn names(&self, kind: &'static Kind) -> Vec<String> {
        self.all(kind).iter().map(|object| text(object, "/metadata/name").to_owned()).collect()
    }

    /// How many pods are ready and not on their way out.
    fn ready(&self) -> usize {
        self.all(POD).iter().filter(|pod| is_ready(pod)).count()
    }

    fn images(&self) -> Vec<String> {
        self.all(POD).iter().map(|pod| text(pod, "/spec/containers/0/image").to_owned()).collect()
    }

    /// The Events about an object, as `reason: message`.
    fn events(&self, name: &str) -> Vec<String> {
        let about = |event: &&Arc<Value>| text(event, "/involvedObject/name") == name;
        let told = |event: &Arc<Value>| format!("{}: {}", text(event, "/reason"), text(event, "/message"));
        self.all(EVENT).iter().filter(about).map(told).collect()
    }

    /// Runs for this many seconds, and looks after each pass.
    fn watch(&mut self, seconds: i64, mut look: impl FnMut(&Self) -> bool) -> bool {
        let end = self.now + SignedDuration::from_secs(seconds);
        while self.now < end {
            let wake = run(&mut self.store, &mut self.memory, self.now, &mut self.chance);
            if look(self) {
                return true;
            }
            self.now = wake.unwrap_or(end).min(end);
        }
        false
    }

    fn pass_time(&mut self, seconds: i64) {
        self.watch(seconds, |_| false);
    }

    fn until(&mut self, seconds: i64, condition: impl FnMut(&Self) -> bool) {
        assert!(self.watch(seconds, condition), "not within {seconds} s: {:#?}", self.all(POD));
    }
}

fn is_ready(pod: &Value) -> bool {
    let ready = |condition: &Value| condition["type"] == "Ready" && condition["status"] == "True";
    text(pod, "/metadata/deletionTimestamp").is_empty() && items(pod, "/status/conditions").iter().any(ready)
}

fn set(replicas: u32) -> Value {
    let probe = json!({ "periodSeconds": 1, "httpGet": { "path": "/healthz", "port": "web" } });
    json!({
        "metadata": { "name": "db" },
        "spec": {
            "serviceName": "db", "replicas": replicas, "selector": { "matchLabels": { "app": "db" } },
            "template": {
                "metadata": { "labels": { "app": "db" }, "annotations": { "team": "payments" } },
                "spec": {
                    "terminationGracePeriodSeconds": 5,
                    "nodeSelector": { "disk": "fast" },
                    "containers": [{ "name": "db", "image": "visits:v1", "readinessProbe": probe,
                        "ports": [{ "name": "web", "containerPort": 8000 }] }],
                },
            },
            "volumeClaimTemplates": [{ "metadata": { "name": "data" },
                "spec": { "accessModes": ["ReadWriteOnce"], "resources": { "requests": { "storage": "1Gi" } } } }],
        },
    })
}
