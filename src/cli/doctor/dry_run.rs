//! The dry runs: writes that a stranger might make, and what the API server would make of them.

use serde_json::{Value, json};
use siskin_core::{
    decision::PREFIX,
    facts::{PARKED, UpdateStrategy},
};

use super::diagnosis::{Answer, Known, Policy, Probe, Probed};
use siskin_daemon::{
    admission::hold,
    cluster::{Cluster, Error, Resource},
    watch::{
        guards::{self, GuardList},
        statefulsets::{Managed, Whole},
    },
};

/// The name of what is tried to be created.
const NAME: &str = "siskin-doctor";
const TRIED: &str = "tried by siskin doctor";

/// Tries whatever can be tried on the workload, or without one in the namespace.
pub async fn dry_runs(cluster: &Cluster, namespace: &str, workload: Option<&Managed>) -> Vec<Probed> {
    let looked_after = workload.filter(|managed| managed.workload.annotations.contains_key("policy"));
    let mut probes = vec![Probed { probe: Probe::OptIn, answer: opt_in(cluster, namespace).await }];
    probes.extend(match looked_after {
        Some(managed) => Tried { cluster, managed }.all().await,
        None if workload.is_some() => not_tried("it is not in Siskin's care"),
        None => not_tried("needs a workload in Siskin's care"),
    });
    probes.push(Probed { probe: Probe::GuardList, answer: make_list(cluster, namespace).await });
    probes
}

fn not_tried(why: &str) -> Vec<Probed> {
    use Probe::{Approve, Hold, Park, PodGuard, Stable, State, Type};
    let all = [Park, Hold, State, Stable, Approve, Type, PodGuard];
    all.map(|probe| Probed { probe, answer: unknown(why) }).into()
}

/// What the policies let Siskin do, they let you do if you are Siskin; that shows nothing.
pub fn as_siskin(probes: &mut [Probed], you: &Known<String>, policies: &Known<Vec<Policy>>) {
    let (Some(you), Some(policies)) = (you.get(), policies.get()) else { return };
    let takes_you = |name: &str| {
        policies.iter().any(|policy| policy.name == name && policy.siskin_user.as_ref() == Some(you))
    };
    for probed in probes {
        let Answer::LetThrough { .. } = probed.answer else { continue };
        if takes_you(probed.probe.policy()) {
            probed.answer = unknown(format!("{} takes you for Siskin", probed.probe.policy()));
        }
    }
}

fn unknown(why: impl Into<String>) -> Answer {
    Answer::Unknown { why: why.into() }
}

/// A new StatefulSet with a policy and a partition of 0.
pub async fn opt_in(cluster: &Cluster, namespace: &str) -> Answer {
    let labels = json!({ "app": NAME });
    let body = json!({
        "apiVersion": "apps/v1", "kind": "StatefulSet",
        "metadata": { "name": NAME, "annotations": { format!("{PREFIX}policy"): "standard" } },
        "spec": {
            "replicas": 0, "serviceName": NAME, "selector": { "matchLabels": labels },
            "updateStrategy": { "type": "RollingUpdate", "rollingUpdate": { "partition": 0 } },
            "template": { "metadata": { "labels": labels }, "spec": pod_spec() },
        },
    });
    match cluster.try_create::<Whole>(Resource::StatefulSets, namespace, &body).await {
        Ok(Whole(Managed { workload, .. })) if workload.partition >= PARKED => {
            Answer::Corrected { how: "a new StatefulSet with a policy came back parked".to_owned() }
        }
        Ok(_) => Answer::LetThrough { what: "a new StatefulSet with a policy came back unparked".to_owned() },
        Err(error) => refused(&error),
    }
}

/// A new list of released revisions.
async fn make_list(cluster: &Cluster, namespace: &str) -> Answer {
    let body = json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": { "name": GuardList::name(NAME), "labels": { guards::LABEL: "true" } },
        "data": { "workload": NAME, "allowed": TRIED },
    });
    match cluster.try_create::<Value>(Resource::ConfigMaps, namespace, &body).await {
        Ok(_) => Answer::LetThrough { what: "a list of released revisions could be made".to_owned() },
        Err(error) => refused(&error),
    }
}

/// A container that every level of pod security and most quotas let in.
fn pod_spec() -> Value {
    json!({
        "automountServiceAccountToken": false,
        "securityContext": { "runAsNonRoot": true, "runAsUser": 65532, "seccompProfile": { "type": "RuntimeDefault" } },
        "containers": [{
            "name": NAME, "image": "siskin.dev/doctor:none",
            "resources": {
                "requests": { "cpu": "1m", "memory": "1Mi" }, "limits": { "cpu": "1m", "memory": "1Mi" }
            },
            "securityContext": { "allowPrivilegeEscalation": false, "capabilities": { "drop": ["ALL"] } },
        }],
    })
}

/// A workload on which writes are tried.
struct Tried<'a> {
    cluster: &'a Cluster,
    managed: &'a Managed,
}

impl Tried<'_> {
    async fn all(&self) -> Vec<Probed> {
        let answers = [
            (Probe::Park, self.lower().await),
            (Probe::Hold, self.forget().await),
            (Probe::State, self.annotate("state", TRIED).await),
            (Probe::Stable, self.annotate("stable", TRIED).await),
            (Probe::Approve, self.annotate("approve", "no-revision/no-step/not-you").await),
            (Probe::Type, self.change_type().await),
            (Probe::PodGuard, self.make_pod().await),
        ];
        answers.map(|(probe, answer)| Probed { probe, answer }).into()
    }

    async fn patch(&self, body: &Value) -> Result<Managed, Error> {
        let workload = &self.managed.workload;
        let reply = self
            .cluster
            .try_patch::<Whole>(Resource::StatefulSets, &workload.namespace, &workload.name, body)
            .await;
        reply.map(|Whole(managed)| managed)
    }

    /// The partition is set to 0.
    async fn lower(&self) -> Answer {
        let workload = &self.managed.workload;
        if workload.partition == 0 {
            return unknown("the partition is 0 now, so nothing can be lowered");
        }
        let body = json!({ "spec": { "updateStrategy": { "rollingUpdate": { "partition": 0 } } } });
        match self.patch(&body).await {
            Ok(reply) if reply.workload.partition == 0 => {
                Answer::LetThrough { what: "a partition of 0 came back as it was sent".to_owned() }
            }
            Ok(reply) => Answer::Corrected {
                how: format!("a partition of 0 came back as {}", reply.workload.partition),
            },
            Err(error) => refused(&error),
        }
    }

    /// Kubernetes makes another revision the current one.
    async fn forget(&self) -> Answer {
        let workload = &self.managed.workload;
        let current = workload.current_revision.as_ref().map(|revision| revision.0.as_str());
        if current.is_none() || workload.annotations.get("stable").map(String::as_str) != current {
            return unknown("Kubernetes' current revision isn't the stable one now");
        }
        match hold::held(self.cluster, workload).await {
            Ok(true) => Answer::Corrected { how: "status.currentRevision was kept".to_owned() },
            Ok(false) => Answer::LetThrough { what: "status.currentRevision could be changed".to_owned() },
            Err(error) => refused(&error),
        }
    }

    /// One of Siskin's annotations is changed.
    async fn annotate(&self, name: &str, value: &str) -> Answer {
        let body = json!({ "metadata": { "annotations": { format!("{PREFIX}{name}"): value } } });
        match self.patch(&body).await {
            Ok(reply) if reply.workload.annotations.get(name).is_some_and(|kept| kept == value) => {
                Answer::LetThrough { what: format!("{PREFIX}{name} could be written") }
            }
            Ok(_) => Answer::Corrected { how: format!("{PREFIX}{name} was kept") },
            Err(error) => refused(&error),
        }
    }

    /// The type of the update strategy is changed.
    async fn change_type(&self) -> Answer {
        if self.managed.workload.update_strategy == UpdateStrategy::OnDelete {
            return unknown("it is OnDelete now");
        }
        let body = json!({ "spec": { "updateStrategy": { "type": "OnDelete", "rollingUpdate": null } } });
        match self.patch(&body).await {
            Ok(reply) if reply.workload.update_strategy == UpdateStrategy::OnDelete => {
                Answer::LetThrough { what: "it could become OnDelete".to_owned() }
            }
            Ok(_) => Answer::Corrected { how: "it stayed as it was".to_owned() },
            Err(error) => refused(&error),
        }
    }

    /// A pod of the workload is made of a revision that nobody released.
    async fn make_pod(&self) -> Answer {
        let workload = &self.managed.workload;
        let name = format!("{}-{NAME}", workload.name);
        let owner = json!({
            "apiVersion": "apps/v1", "kind": "StatefulSet", "controller": true,
            "name": workload.name, "uid": workload.uid,
        });
        let body = json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": { "name": name, "labels": { "controller-revision-hash": NAME }, "ownerReferences": [owner] },
            "spec": pod_spec(),
        });
        match self.cluster.try_create::<Value>(Resource::Pods, &workload.namespace, &body).await {
            Ok(_) => Answer::LetThrough { what: "a pod of an unreleased revision could be made".to_owned() },
            Err(error) => refused(&error),
        }
    }
}

/// A refusal by a policy is a protection; any other shows nothing.
fn refused(error: &Error) -> Answer {
    if let Error::Refused { message, .. } = error
        && let Some(policy) = policy(message)
    {
        return Answer::Refused { by: policy.to_owned() };
    }
    unknown(error.to_string())
}

/// The policy that refused, from the API server's text.
fn policy(message: &str) -> Option<&str> {
    message.split_once("ValidatingAdmissionPolicy '")?.1.split_once('\'').map(|(policy, _)| policy)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(code: u16, message: &str) -> Error {
        Error::Refused { call: "try".to_owned(), code, message: message.to_owned() }
    }

    #[test]
    fn a_refusal_by_a_policy_names_it() {
        let message = "statefulsets.apps \"db\" is forbidden: ValidatingAdmissionPolicy 'siskin-guard' with binding \
                       'siskin-guard' denied request: only Siskin writes";
        assert_eq!(refused(&error(422, message)), Answer::Refused { by: "siskin-guard".to_owned() });
    }

    #[test]
    fn what_siskin_itself_may_write_shows_nothing() {
        let through = || Answer::LetThrough { what: "it".to_owned() };
        let mut probes = [Probe::Park, Probe::Hold].map(|probe| Probed { probe, answer: through() });
        let named = |name: &str, user: Option<&str>| Policy {
            name: name.into(),
            siskin_user: user.map(str::to_owned),
        };
        let policies = Known::Is(vec![named("siskin-park", Some("robin")), named("siskin-hold", None)]);
        as_siskin(&mut probes, &Known::Is("wren".into()), &policies);
        assert_eq!(probes.clone().map(|probed| probed.answer), [through(), through()]);
        as_siskin(&mut probes, &Known::Is("robin".into()), &policies);
        let why = "siskin-park takes you for Siskin".to_owned();
        assert_eq!(probes.map(|probed| probed.answer), [Answer::Unknown { why }, through()]);
    }

    #[test]
    fn a_missing_right_shows_nothing_about_the_policies() {
        let answer = refused(&error(403, "User \"ann\" cannot patch resource \"statefulsets/status\""));
        assert!(matches!(&answer, Answer::Unknown { why } if why.contains("ann")), "{answer:?}");
    }
}
