//! The admission policies of `deploy/admission`, each acting in the namespaces that carry its label.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::time::sleep;

use crate::bench::Bench;
use crate::deployed::Deployed;
use crate::failure::{Failure, ensure};

/// The user that Siskin is here, and that deploy/admission takes it for.
pub const SISKIN: &str = "system:serviceaccount:siskin-system:siskin";
/// API servers look for new policies every second.
const IN_FORCE_WITHIN: Duration = Duration::from_secs(30);
/// Where policies are proven to be in force: in the second those that would hide behind the ones of the first.
const PROOFS: [(&str, &[Protection]); 2] =
    [("siskin-bench-proof", Protection::ALL), ("siskin-bench-proof-refuse", &[Protection::Refuse])];

/// What the API server does for the workloads of a namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protection {
    /// Corrects writes that would let an unjudged template roll.
    Park,
    /// Keeps the current revision in the status.
    Hold,
    /// Refuses what `Park` corrects, for API servers that can't.
    Refuse,
    /// Refuses others' changes of the state, the stable revision and the type, and others' approvals.
    Guard,
    /// Refuses pods of revisions that Siskin has not released, and others' changes of that list.
    PodGuard,
}

impl Protection {
    /// What is recommended where the API server has mutating policies.
    pub const RECOMMENDED: &[Self] = &[Self::Park, Self::Hold, Self::Guard];

    /// That, and the pod guard.
    pub const ALL: &[Self] = &[Self::Park, Self::Hold, Self::Guard, Self::PodGuard];

    /// The label of a namespace where it acts.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Park => "siskin.dev/bench-park",
            Self::Hold => "siskin.dev/bench-hold",
            Self::Refuse => "siskin.dev/bench-refuse",
            Self::Guard => "siskin.dev/bench-guard",
            Self::PodGuard => "siskin.dev/bench-pod-guard",
        }
    }
}

/// Installs every policy, or brings it up to date, and returns when each is seen in force. Policies are never taken
/// away: an API server would not follow the lists of a pod guard that came back.
pub async fn install(bench: &Bench) -> Result<(), Failure> {
    bench.kubectl(&["apply", "-k", &policies(bench)?.to_string_lossy()])?;
    let folder = bench.layout.bench.join("kustomize/admission");
    let objects = folder.join("proof.yaml").to_string_lossy().into_owned();
    for (namespace, protections) in PROOFS {
        remove(bench, namespace)?;
        // The objects come before the labels: the policies would refuse some of them.
        bench.kubectl(&["create", "namespace", namespace])?;
        bench.kubectl(&["apply", "-n", namespace, "-f", &objects])?;
        let revision = current_revision(bench, namespace).await?;
        let annotations = [format!("siskin.dev/stable={revision}"), "siskin.dev/policy=none".into()];
        bench.kubectl(&[
            "annotate",
            "statefulset/proof",
            "-n",
            namespace,
            &annotations[0],
            &annotations[1],
        ])?;
        for protection in protections {
            bench.kubectl(&["label", "namespace", namespace, &format!("{}=true", protection.label())])?;
        }
        for protection in protections {
            await_in_force(bench, namespace, *protection).await?;
        }
        remove(bench, namespace)?;
    }
    Ok(())
}

/// The folder of the policies in the version that the API server has.
fn policies(bench: &Bench) -> Result<PathBuf, Failure> {
    let served = bench.kubectl(&["get", "--raw", "/apis/admissionregistration.k8s.io/v1"])?;
    let version = if served.contains("\"mutatingadmissionpolicies\"") { "v1" } else { "v1beta1" };
    Ok(bench.layout.bench.join("kustomize/admission").join(version))
}

/// Installs the policies as if `user` were Siskin's.
pub fn take_for_siskin(bench: &Bench, user: &str) -> Result<(), Failure> {
    let rendered = bench.kubectl(&["kustomize", &policies(bench)?.to_string_lossy()])?;
    let manifest = bench.layout.run.join("policies.yaml");
    fs::write(&manifest, rendered.replace(SISKIN, user))
        .map_err(|error| Failure::Untrue(format!("{} can't be written: {error}", manifest.display())))?;
    bench.kubectl(&["apply", "-f", &manifest.to_string_lossy()]).map(drop)
}

/// An earlier run may have been interrupted.
fn remove(bench: &Bench, namespace: &str) -> Result<(), Failure> {
    bench.kubectl(&["delete", "namespace", namespace, "--ignore-not-found"]).map(drop)
}

async fn current_revision(bench: &Bench, namespace: &str) -> Result<String, Failure> {
    let deadline = Instant::now() + IN_FORCE_WITHIN;
    loop {
        let output = "-o=jsonpath={.status.currentRevision}";
        let revision = bench.kubectl(&["get", "statefulset/proof", "-n", namespace, output])?;
        if !revision.is_empty() {
            return Ok(revision);
        }
        ensure(Instant::now() < deadline, || format!("StatefulSet proof in {namespace} has no revision"))?;
        sleep(Duration::from_millis(100)).await;
    }
}

async fn await_in_force(bench: &Bench, namespace: &str, protection: Protection) -> Result<(), Failure> {
    let deadline = Instant::now() + IN_FORCE_WITHIN;
    while !in_force(bench, namespace, protection)? {
        if Instant::now() > deadline {
            let what = format!("the policies of {protection:?} are in force");
            return Err(Failure::Awaited { what, within: IN_FORCE_WITHIN });
        }
        sleep(Duration::from_millis(100)).await;
    }
    Ok(())
}

/// Whether a write that is not kept comes out as the policies of `protection` have it.
fn in_force(bench: &Bench, namespace: &str, protection: Protection) -> Result<bool, Failure> {
    let write = |object: &str, patch: Value, more: &[&str]| {
        let patch = format!("--patch={patch}");
        let words = ["patch", object, "-n", namespace, "--type=merge", "--dry-run=server", &patch];
        bench.kubectl(&[&words, more].concat())
    };
    let set = "statefulset/proof";
    let new_template = json!({ "spec": {
        "template": { "metadata": { "labels": { "proof": "new" } } },
        "updateStrategy": { "rollingUpdate": { "partition": 0 } },
    } });
    match protection {
        Protection::Park => {
            let output = "-o=jsonpath={.spec.updateStrategy.rollingUpdate.partition}";
            Ok(write(set, new_template, &[output])? == "1000000")
        }
        Protection::Refuse => refused_by("siskin-park", &write(set, new_template, &[])),
        Protection::Hold => {
            let status = json!({ "status": { "currentRevision": "proof-other" } });
            let output = "-o=jsonpath={.status.currentRevision}";
            Ok(write(set, status, &["--subresource=status", output])? != "proof-other")
        }
        Protection::Guard => {
            let state = json!({ "metadata": { "annotations": { "siskin.dev/state": "another" } } });
            refused_by("siskin-guard", &write(set, state, &[]))
        }
        Protection::PodGuard => {
            let list = json!({ "data": { "allowed": "proof-other" } });
            let list = write("configmap/siskin-guard-proof", list, &[]);
            let pod = bench.layout.bench.join("kustomize/admission/proof-pod.yaml");
            let pod = ["create", "-n", namespace, "--dry-run=server", "-f", &pod.to_string_lossy()];
            let pod = bench.kubectl(&pod);
            Ok(refused_by("siskin-pod-guard-list", &list)? && refused_by("siskin-pod-guard", &pod)?)
        }
    }
}

/// Whether an admission policy refused the write.
pub fn refused(failure: &Failure) -> bool {
    failure.to_string().contains("ValidatingAdmissionPolicy '")
}

/// Waits until Siskin's list for the pod guard has the stable revision of `deployed` and no other.
pub async fn until_released(bench: &Bench, deployed: &Deployed) -> Result<(), Failure> {
    let stable = deployed.look(|set| set.annotation("stable").map(String::from))?.unwrap_or_default();
    let selector = "--selector=siskin.dev/guard=true";
    let output = format!("-o=jsonpath={{.items[?(@.data.workload==\"{}\")].data.allowed}}", deployed.name);
    let list = ["get", "configmaps", "-n", deployed.namespace(), selector, &output];
    bench.await_that("only the stable revision is released", &list, |list| list == stable).await
}

/// Runs kubectl in `namespace` under Siskin's name, with every right.
pub fn as_siskin(bench: &Bench, namespace: &str, arguments: &[&str]) -> Result<(), Failure> {
    let user =
        ["-n", namespace, "--as=system:serviceaccount:siskin-system:siskin", "--as-group=system:masters"];
    bench.kubectl(&[arguments, &user].concat()).map(drop)
}

/// Whether a write was refused by `policy`; another failure is one.
fn refused_by<T>(policy: &str, write: &Result<T, Failure>) -> Result<bool, Failure> {
    match write {
        Ok(_) => Ok(false),
        Err(failure) => {
            let told = failure.to_string();
            ensure(told.contains(&format!("'{policy}'")), || format!("a write failed otherwise: {told}"))?;
            Ok(true)
        }
    }
}
