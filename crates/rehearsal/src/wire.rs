//! What lies between a daemon and its cluster.

use siskin_core::{
    checks::{PlannedQuery, Reading, Verdicts},
    decision::{AnchorPatch, Decision, Note, PREFIX, Write},
    exposition::{Encoding, Format, Scraper},
    facts::{Autoscaler, Facts, Guard, PolicyFact, Rules, Writer},
    policy::Measure,
    time::Wall,
};
use siskin_embedded::{
    cluster::{self, Cluster, Precondition, Refused},
    object::{Labels, Template, UpdateStrategy},
};

use crate::project;

/// The name that the daemon writes under.
pub const ACTOR: &str = "siskin";

/// A watch of the daemon's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Watch {
    /// Of the StatefulSet.
    Workload,
    /// Of its pods.
    Pods,
}

/// A write on its way.
pub struct Request<'a> {
    /// The StatefulSet's name.
    pub set: &'a str,
    /// What is to be written.
    pub write: &'a Write,
}

/// What became of a write, as far as the daemon can tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sent {
    /// It is done.
    Done,
    /// Nothing was written, or nobody knows.
    Failed,
    /// The process ended over it.
    Died,
}

/// The daemon's process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Died;

/// The way from a daemon to its cluster and back. Without faults everything gets through at once.
pub trait Wire {
    /// The policy of a name, as it is loaded now.
    fn policy(&self, name: &str) -> PolicyFact;

    /// The number of the last write that a watch has shown; `None`: it has shown nothing yet.
    fn shown(&self, _watch: Watch, cluster: &Cluster) -> Option<u64> {
        Some(cluster.version())
    }

    /// Whether a read is answered.
    fn reads(&mut self, _cluster: &Cluster) -> bool {
        true
    }

    /// Sends a write.
    fn send(&mut self, cluster: &mut Cluster, request: &Request<'_>) -> Sent {
        carry_out(cluster, request.set, request.write).map_or(Sent::Failed, |()| Sent::Done)
    }

    /// What a pod's metrics page says of a measure.
    fn counts(&self, measure: &Measure, pod: &cluster::Reading) -> Reading {
        let mut scraper = Scraper::new(measure, Format::Text, Encoding::Identity);
        let read = scraper.feed(pod.metrics().as_bytes()).and_then(|()| scraper.finish());
        read.map_or_else(|problem| Reading::Unusable(problem.to_string()), Reading::Counts)
    }

    /// What comes back of a pod's answer to a check.
    fn answer(&mut self, _cluster: &Cluster, _check: &str, _pod: &str, reading: Reading) -> Reading {
        reading
    }

    /// What a source answers to a question.
    fn source(&mut self, _cluster: &mut Cluster, query: &PlannedQuery) -> Reading {
        Reading::Refused(format!("there is no source {}", query.source))
    }

    /// The rules of the installation.
    fn rules(&self) -> Rules {
        Rules::default()
    }

    /// The list of released revisions; `None`: this installation keeps none.
    fn guard(&self) -> Option<Guard> {
        None
    }

    /// The API server's clock, as the daemon has it.
    fn wall(&self, cluster: &Cluster) -> Wall {
        project::wall(cluster.now())
    }

    /// Whether an admission policy holds `currentRevision`.
    fn holds(&self) -> bool {
        false
    }

    /// What scales the workload by metrics.
    fn autoscaler(&self) -> Autoscaler {
        Autoscaler::Absent
    }

    /// May change what the checks say before the engine hears it; a sound way doesn't.
    fn verdicts(&mut self, _verdicts: &mut Verdicts) {}

    /// May change what the engine decided before it is carried out; a sound way doesn't.
    fn decided(&mut self, _decision: &mut Decision, _facts: &Facts) {}

    /// Hears what happened.
    fn told(&mut self, _cluster: &Cluster, _notes: &[Note]) {}
}

/// What kind of writer a name of the model is: `hpa` scales by metrics, `gitops` applies manifests.
pub fn writer(name: Option<&str>) -> Writer {
    match name {
        None => Writer::Unknown,
        Some(ACTOR) => Writer::Siskin,
        Some("hpa") => Writer::Autoscaler("hpa".to_owned()),
        Some("gitops") => Writer::Applier("gitops".to_owned()),
        Some(name) => Writer::Person(name.to_owned()),
    }
}

/// Carries a write out, with its precondition.
pub fn carry_out(cluster: &mut Cluster, set: &str, write: &Write) -> Result<(), Refused> {
    let number =
        |version: &str| Precondition { resource_version: Some(version.parse().unwrap_or(0)), uid: None };
    let gone = |result: Result<(), Refused>| match result {
        Err(Refused::NotFound { .. } | Refused::Conflict { .. }) => Ok(()),
        result => result,
    };
    match write {
        Write::Anchor(patch) => patch_anchor(cluster, set, number(&patch.resource_version), patch),
        Write::Verdict { revision, resource_version, verdict, rollout } => {
            cluster.update_revision(ACTOR, &revision.0, number(resource_version), |_, annotations| {
                set_label(annotations, "verdict", Some(verdict.as_str()));
                set_label(annotations, "rollout", Some(rollout));
            })
        }
        Write::DeletePod { name, uid } => gone(cluster.delete_pod(ACTOR, name, this(&uid.0), None)),
        Write::LabelPod { name, uid, role } => {
            gone(cluster.update_pod(ACTOR, name, this(&uid.0), |labels, _| {
                set_label(labels, "role", role.map(siskin_core::checks::Role::as_str));
            }))
        }
        Write::DeleteClaim { name, uid } => gone(cluster.delete_claim(ACTOR, name, this(&uid.0))),
        // The model keeps no ConfigMaps: whoever keeps lists does so on the way.
        Write::Guard { .. } | Write::DeleteGuard { .. } => Ok(()),
    }
}

/// Writes the anchor.
pub fn patch_anchor(
    cluster: &mut Cluster,
    set: &str,
    precondition: Precondition,
    patch: &AnchorPatch,
) -> Result<(), Refused> {
    cluster.update_statefulset(ACTOR, set, precondition, |set| {
        for (name, value) in &patch.annotations {
            set_label(&mut set.metadata.annotations, name, value.as_deref());
        }
        if let Some(replicas) = patch.replicas {
            set.spec.replicas = replicas;
        }
        if let Some(partition) = patch.partition {
            set.spec.update_strategy = UpdateStrategy::RollingUpdate { partition: Some(partition) };
        }
        if let Some(template) = &patch.template {
            let mut json = set.spec.template.json().clone();
            merge(&mut json, &template.patch);
            set.spec.template = Template::new(json);
        }
    })
}

fn this(uid: &str) -> Precondition {
    Precondition::uid(uid.parse().unwrap_or_default())
}

fn set_label(labels: &mut Labels, name: &str, value: Option<&str>) {
    let mut changed = (**labels).clone();
    match value {
        Some(value) => changed.insert(format!("{PREFIX}{name}"), value.to_owned()),
        None => changed.remove(&format!("{PREFIX}{name}")),
    };
    *labels = Labels::new(changed);
}

/// A JSON merge patch (RFC 7396).
fn merge(target: &mut serde_json::Value, patch: &serde_json::Value) {
    let serde_json::Value::Object(patch) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = serde_json::json!({});
    }
    let Some(members) = target.as_object_mut() else { return };
    for (key, value) in patch {
        if value.is_null() {
            members.remove(key);
        } else {
            merge(members.entry(key.clone()).or_insert(serde_json::Value::Null), value);
        }
    }
}
