//! The sample application, and the policies that it can be under.

use serde_json::{Value, json};
use siskin_core::{
    policy::{self, AfterCompletion, Amount, Batches, GoDuration, Library, Policy, Strategy},
    yaml::Errors,
};

use crate::scenario::PolicyKind;

/// Its namespace.
pub const NAMESPACE: &str = "default";
/// The name of its StatefulSet, its Service and its container.
pub const NAME: &str = "visits";
/// What it runs at first.
pub const FIRST: &str = "v1";
/// Its pods.
pub const REPLICAS: u32 = 4;
/// Requests a second, of all clients together.
pub const RATE: u64 = 200;

/// The policies by name.
///
/// # Errors
/// The file has a mistake.
pub fn policies() -> Result<Library, Errors> {
    let mut canary = policy::parse("canary.yaml", include_str!("../policies/canary.yaml"))?;
    let Some(canary) = canary.pop() else { return Ok(Library::default()) };
    let mut library = Library::default();
    library.policies =
        PolicyKind::ALL.map(|kind| (kind.name().to_owned(), of_kind(kind, canary.clone()))).into();
    Ok(library)
}

fn of_kind(kind: PolicyKind, mut policy: Policy) -> Policy {
    kind.name().clone_into(&mut policy.name);
    match (kind, &mut policy.strategy) {
        (PolicyKind::Approval, Strategy::Canary(canary)) => {
            canary.steps.iter_mut().take(1).for_each(|step| step.approval = true);
        }
        (PolicyKind::Batches, strategy) => {
            let bake = GoDuration::from_secs(40);
            *strategy =
                Strategy::RollingUpdate(Batches { batch: Amount::Percent(50), bake, approval: false });
            policy.outcome.after_completion = AfterCompletion::Undo;
        }
        (PolicyKind::Canary | PolicyKind::Approval, _) => {}
    }
    policy
}

/// The Service that clients ask.
pub fn service() -> Value {
    json!({
        "metadata": { "name": NAME, "labels": { "app": NAME } },
        "spec": { "selector": { "app": NAME }, "ports": [{ "name": "web", "port": 80, "targetPort": "web" }] },
    })
}

/// The StatefulSet under a policy.
pub fn statefulset(policy: PolicyKind) -> Value {
    let container = json!({
        "name": NAME, "image": image(FIRST),
        "ports": [{ "name": "web", "containerPort": 8000 }],
        "readinessProbe": { "periodSeconds": 1, "httpGet": { "path": "/healthz", "port": "web" } },
        "resources": { "limits": { "memory": "256Mi" } },
        "volumeMounts": [{ "name": "data", "mountPath": "/data" }],
    });
    json!({
        "metadata": { "name": NAME, "labels": { "app": NAME }, "annotations": { "siskin.dev/policy": policy.name() } },
        "spec": {
            "serviceName": NAME, "replicas": REPLICAS, "selector": { "matchLabels": { "app": NAME } },
            "template": {
                "metadata": { "labels": { "app": NAME } },
                "spec": { "terminationGracePeriodSeconds": 10, "containers": [container] },
            },
            "volumeClaimTemplates": [{ "metadata": { "name": "data" },
                "spec": { "accessModes": ["ReadWriteOnce"], "resources": { "requests": { "storage": "1Gi" } } } }],
        },
    })
}

/// The image with a tag.
pub fn image(tag: &str) -> String {
    format!("{NAME}:{tag}")
}
