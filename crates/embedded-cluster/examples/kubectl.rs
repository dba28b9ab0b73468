//! Runs a real kubectl against an embedded cluster and checks what happens:
//! `cargo run -p siskin-embedded-cluster --example kubectl -- PATH_OF_KUBECTL`.
//!
//! Exit code 1 if anything is amiss. It is a command rather than a test because it needs a kubectl, and takes as long
//! as pods take: about a minute.

use std::{
    error::Error,
    io::Write,
    net::Ipv4Addr,
    path::{Path, PathBuf},
    process::{Command, ExitCode, Stdio},
};

use serde_json::{Value, json};
use siskin_embedded_api::serve::{kubeconfig, listen};
use siskin_embedded_cluster::Cluster;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// A command, what it reads, and what its output has to contain.
struct Step {
    arguments: &'static str,
    input: String,
    says: &'static [&'static str],
}

fn step(arguments: &'static str, says: &'static [&'static str]) -> Step {
    Step { arguments, input: String::new(), says }
}

fn main() -> ExitCode {
    let Some(kubectl) = std::env::args_os().nth(1).map(PathBuf::from) else {
        eprintln!("which kubectl? give its path");
        return ExitCode::from(2);
    };
    match run(&kubectl) {
        Ok(0) => ExitCode::SUCCESS,
        Ok(amiss) => {
            eprintln!("{amiss} steps are amiss");
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the cluster has no clock of its own; this is the one of this command"
)]
fn run(kubectl: &Path) -> Result<usize> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let _inside = runtime.enter();
    let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0"))?;
    let address = listener.local_addr()?;
    let network = Ipv4Addr::from_bits(0x7f00_0000 | (std::process::id() << 8 & 0x00ff_ff00));
    let cluster = Cluster::new(1, jiff::Timestamp::now(), network);
    runtime.spawn(listen(cluster.server().clone(), listener));
    runtime.spawn(cluster.run());

    let home = std::env::temp_dir().join(format!("siskin-kubectl-{}", std::process::id()));
    std::fs::create_dir_all(&home)?;
    std::fs::write(home.join("config"), kubeconfig(address))?;
    let mut amiss = 0;
    for step in story() {
        amiss += usize::from(!follow(kubectl, &home, &step)?);
    }
    std::fs::remove_dir_all(&home)?;
    Ok(amiss)
}

/// Takes a step. False: it is amiss.
fn follow(kubectl: &Path, home: &Path, step: &Step) -> Result<bool> {
    let mut child = Command::new(kubectl)
        .args(step.arguments.split(' '))
        .env("KUBECONFIG", home.join("config"))
        .env("HOME", home)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(step.input.as_bytes())?;
    }
    let output = child.wait_with_output()?;
    let said =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let missing: Vec<_> = step.says.iter().filter(|wanted| !said.contains(**wanted)).collect();
    let is_good = missing.is_empty() && output.status.success();
    println!("{} kubectl {}", if is_good { "ok  " } else { "FAIL" }, step.arguments);
    if !is_good {
        println!("     {}, missing {missing:?}, said:\n{said}", output.status);
    }
    Ok(is_good)
}

fn manifest() -> Value {
    let probe = json!({ "periodSeconds": 1, "httpGet": { "path": "/healthz", "port": "web" } });
    let container = json!({ "name": "db", "image": "visits:v1", "readinessProbe": probe,
        "ports": [{ "name": "web", "containerPort": 8000 }],
        "volumeMounts": [{ "name": "data", "mountPath": "/data" }] });
    let service = json!({ "apiVersion": "v1", "kind": "Service", "metadata": { "name": "db" },
        "spec": { "selector": { "app": "db" }, "ports": [{ "name": "web", "port": 80, "targetPort": "web" }] } });
    let set = json!({ "apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": { "name": "db" }, "spec": {
        "serviceName": "db", "replicas": 3, "selector": { "matchLabels": { "app": "db" } },
        "template": { "metadata": { "labels": { "app": "db" } },
            "spec": { "terminationGracePeriodSeconds": 5, "containers": [container] } },
        "volumeClaimTemplates": [{ "metadata": { "name": "data" },
            "spec": { "accessModes": ["ReadWriteOnce"], "resources": { "requests": { "storage": "1Gi" } } } }],
    } });
    json!({ "apiVersion": "v1", "kind": "List", "items": [service, set] })
}

fn story() -> Vec<Step> {
    const IMAGES: &str = "get pods -o jsonpath={.items[*].spec.containers[0].image}";
    let apply = Step {
        input: manifest().to_string(),
        ..step("apply -f -", &["service/db created", "statefulset.apps/db created"])
    };
    vec![
        step("get nodes", &["embedded", "Ready"]),
        apply,
        step(
            "rollout status sts/db --timeout=60s",
            &["partitioned roll out complete: 3 new pods have been updated..."],
        ),
        step("get pods", &["db-0", "db-1", "db-2", "1/1", "Running"]),
        step("get pvc", &["data-db-0", "data-db-2", "Bound", "1Gi"]),
        step("get endpointslices", &["db-", "8000"]),
        step(
            "describe pod db-0",
            &["Successfully assigned default/db-0 to embedded", "Started container db", "data-db-0"],
        ),
        step("describe sts db", &["3 Running", "create Pod db-2 in StatefulSet db successful"]),
        step("logs db-0", &["starting visits:v1", "listening on"]),
        step("set image sts/db db=visits:v2", &["image updated"]),
        step("rollout status sts/db --timeout=60s", &["partitioned roll out complete: 3 new pods"]),
        step(IMAGES, &["visits:v2 visits:v2 visits:v2"]),
        step("rollout history sts/db", &["REVISION", "1", "2"]),
        step(
            "patch sts db -p {\"spec\":{\"updateStrategy\":{\"rollingUpdate\":{\"partition\":2}}}}",
            &["patched"],
        ),
        step("set image sts/db db=visits:v3", &["image updated"]),
        step("rollout status sts/db --timeout=60s", &["partitioned roll out complete: 1 new pods"]),
        step(IMAGES, &["visits:v2 visits:v2 visits:v3"]),
        step("delete pod db-1 --wait=false", &["pod \"db-1\" deleted"]),
        step("get pods -w --request-timeout=6s", &["Terminating", "ContainerCreating", "1/1     Running"]),
        step("rollout status sts/db --timeout=60s", &["partitioned roll out complete: 1 new pods"]),
        step(IMAGES, &["visits:v2 visits:v2 visits:v3"]),
        step("scale sts db --replicas=0", &["scaled"]),
        step("wait --for=delete pod --all --timeout=60s", &["condition met"]),
        step("get pvc", &["data-db-0", "data-db-1", "data-db-2"]),
        step("scale sts db --replicas=2", &["scaled"]),
        step("wait --for=jsonpath={.status.readyReplicas}=2 sts/db --timeout=60s", &["condition met"]),
        step("set image sts/db db=visits:v4-crash", &["image updated"]),
        step(
            "patch sts db -p {\"spec\":{\"updateStrategy\":{\"rollingUpdate\":{\"partition\":1}}}}",
            &["patched"],
        ),
        step(
            "wait --for=jsonpath={.status.containerStatuses[0].state.waiting.reason}=CrashLoopBackOff pod/db-1 --timeout=60s",
            &["condition met"],
        ),
        step("get pods", &["CrashLoopBackOff"]),
        step("describe pod db-1", &["Back-off restarting failed container db", "Exit Code:    1"]),
        step("logs db-1 --previous", &["exit code 1"]),
        step("get events", &["BackOff", "SuccessfulDelete"]),
        step("delete sts db", &["statefulset.apps \"db\" deleted"]),
        step("wait --for=delete pod --all --timeout=60s", &[]),
        step("delete pvc --all", &["data-db-0"]),
    ]
}
