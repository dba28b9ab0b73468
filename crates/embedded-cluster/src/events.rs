//! Events, as Kubernetes' controllers and kubelets record them: one that repeats is counted.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use siskin_embedded::{
    Millis,
    chance::Chance,
    object::{Container, ContainerState, PodStatus},
};
use siskin_embedded_api::{
    kinds::EVENT,
    store::{Call, Part, Patch, Store, Target},
};

use crate::translate::{text, written};

/// What happened to an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// `Warning` rather than `Normal`.
    pub warning: bool,
    /// `reason`.
    pub reason: &'static str,
    /// `message`.
    pub message: String,
}

impl Told {
    /// A normal one.
    pub fn normal(reason: &'static str, message: impl Into<String>) -> Self {
        Self { warning: false, reason, message: message.into() }
    }

    /// A warning.
    pub fn warning(reason: &'static str, message: impl Into<String>) -> Self {
        Self { warning: true, reason, message: message.into() }
    }
}

/// The Events that were recorded: their names and counts, by UID, reason and message.
#[derive(Debug, Default)]
pub struct Recorded(BTreeMap<(String, &'static str, String), (String, u64)>);

impl Recorded {
    /// Records what happened to an object. What can't be recorded, as in a namespace that ends, is left out, as
    /// Kubernetes does.
    pub fn record(
        &mut self,
        store: &mut Store,
        about: &Value,
        told: &Told,
        component: &str,
        (call, now): (&Call, Millis),
        chance: &mut Chance,
    ) {
        let namespace = text(about, "/metadata/namespace");
        let key = (text(about, "/metadata/uid").to_owned(), told.reason, told.message.clone());
        if let Some((name, count)) = self.0.get_mut(&key) {
            let repeated = json!({ "count": *count + 1, "lastTimestamp": written(now) });
            let target = Target::new(EVENT, namespace, name);
            if store.patch(&target, Part::Whole, &Patch::Merge(repeated), call).is_ok() {
                *count += 1;
                return;
            }
        }
        let name = format!("{}.{:016x}", text(about, "/metadata/name"), chance.draw());
        let event = json!({
            "metadata": { "name": name },
            "involvedObject": { "apiVersion": about["apiVersion"], "kind": about["kind"], "namespace": namespace,
                "name": text(about, "/metadata/name"), "uid": text(about, "/metadata/uid"),
                "resourceVersion": text(about, "/metadata/resourceVersion") },
            "type": if told.warning { "Warning" } else { "Normal" },
            "reason": told.reason, "message": told.message,
            "source": { "component": component }, "reportingComponent": component, "reportingInstance": "",
            "firstTimestamp": written(now), "lastTimestamp": written(now), "count": 1,
        });
        if store.create(EVENT, namespace, event, call).is_ok() {
            self.0.insert(key, (name, 1));
        }
    }

    /// Forgets what happened to objects that are gone.
    pub fn keep(&mut self, is_there: impl Fn(&str) -> bool) {
        self.0.retain(|(uid, ..), _| is_there(uid));
    }
}

/// What the kubelet tells of a pod whose status goes from one to the next.
pub fn of_pod(pod: &Value, before: &PodStatus, after: &PodStatus) -> Vec<Told> {
    let Some(container) = &after.container else { return Vec::new() };
    let last = before.container.as_ref();
    let mut told = Vec::new();
    if last.map(|last| &last.state) != Some(&container.state) {
        told.extend(of_container(pod, last, container));
    }
    let runs = matches!(container.state, ContainerState::Running { .. });
    if runs && before.ready_since.is_some() && after.ready_since.is_none() {
        told.push(Told::warning(
            "Unhealthy",
            "Readiness probe failed: HTTP probe failed with statuscode: 503",
        ));
    }
    told
}

fn of_container(pod: &Value, before: Option<&Container>, now: &Container) -> Vec<Told> {
    let image = text(pod, "/spec/containers/0/image");
    let name = text(pod, "/spec/containers/0/name");
    let started = || {
        vec![
            Told::normal("Pulled", format!("Container image \"{image}\" already present on machine")),
            Told::normal("Created", format!("Created container: {name}")),
        ]
    };
    match &now.state {
        ContainerState::Running { since } => {
            let old = before.is_some_and(|before| {
                matches!(&before.state, ContainerState::Running { since: old } if old / 1000 == since / 1000)
            });
            if old {
                return Vec::new();
            }
            let mut told = started();
            told.push(Told::normal("Started", format!("Started container {name}")));
            told
        }
        ContainerState::Waiting { reason } => match &**reason {
            "ErrImagePull" => vec![
                Told::normal("Pulling", format!("Pulling image \"{image}\"")),
                Told::warning("Failed", format!("Failed to pull image \"{image}\": not found")),
                Told::warning("Failed", "Error: ErrImagePull"),
            ],
            "ImagePullBackOff" => vec![
                Told::normal("BackOff", format!("Back-off pulling image \"{image}\"")),
                Told::warning("Failed", "Error: ImagePullBackOff"),
            ],
            "CrashLoopBackOff" => {
                let of = |field: &str| text(pod, &format!("/metadata/{field}"));
                vec![Told::warning(
                    "BackOff",
                    format!(
                        "Back-off restarting failed container {name} in pod {}_{}({})",
                        of("name"),
                        of("namespace"),
                        of("uid")
                    ),
                )]
            }
            "RunContainerError" => {
                let mut told = started();
                told.push(Told::warning("Failed", "Error: the container's command can't be run"));
                told
            }
            "CreateContainerConfigError" => {
                vec![Told::warning("Failed", "Error: a ConfigMap or Secret of its environment was not found")]
            }
            _ => Vec::new(),
        },
        ContainerState::Terminated(_) => Vec::new(),
    }
}
