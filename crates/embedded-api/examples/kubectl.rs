//! Runs a real kubectl against the embedded API server and checks what it says:
//! `cargo run -p siskin-embedded-api --example kubectl -- PATH_OF_KUBECTL`.
//!
//! Exit code 1 if anything is amiss. It is a command rather than a test because it needs a kubectl.

use std::{
    error::Error,
    io::Write,
    path::PathBuf,
    process::{Command, ExitCode, Stdio},
};

use serde_json::{Value, json};
use siskin_embedded_api::{
    kinds::{self, POD, STATEFUL_SET},
    serve::{ApiServer, kubeconfig, listen},
    store::{Call, Part, Patch, Store, Target},
};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// A command, what it reads, and what its output has to contain.
struct Step {
    arguments: &'static str,
    input: String,
    says: &'static [&'static str],
    fails: bool,
}

fn step(arguments: &'static str, says: &'static [&'static str]) -> Step {
    Step { arguments, input: String::new(), says, fails: false }
}

fn with(input: &Value, arguments: &'static str, says: &'static [&'static str]) -> Step {
    Step { input: input.to_string(), ..step(arguments, says) }
}

fn refused(arguments: &'static str, says: &'static [&'static str]) -> Step {
    Step { fails: true, ..step(arguments, says) }
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

fn run(kubectl: &std::path::Path) -> Result<usize> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0"))?;
    let address = listener.local_addr()?;
    let server = ApiServer::new(Store::new(1, now()), now, |of| Ok(format!("visits of {}\n", of.pod)));
    runtime.spawn(listen(server.clone(), listener));

    let home = std::env::temp_dir().join(format!("siskin-kubectl-{}", std::process::id()));
    std::fs::create_dir_all(&home)?;
    let config = home.join("config");
    std::fs::write(&config, kubeconfig(address))?;

    let mut amiss = 0;
    let mut go = |steps: Vec<Step>| -> Result<()> {
        for step in steps {
            let mut child = Command::new(kubectl)
                .args(step.arguments.split(' '))
                .env("KUBECONFIG", &config)
                .env("HOME", &home)
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()?;
            if let Some(mut stdin) = child.stdin.take() {
                stdin.write_all(step.input.as_bytes())?;
            }
            let output = child.wait_with_output()?;
            let said = format!(
                "{}{}",
                String::from_utf8_lossy(&output.stdout),
                String::from_utf8_lossy(&output.stderr)
            );
            let missing: Vec<_> = step.says.iter().filter(|wanted| !said.contains(**wanted)).collect();
            let is_good = missing.is_empty() && output.status.success() != step.fails;
            println!("{} kubectl {}", if is_good { "ok  " } else { "FAIL" }, step.arguments);
            if !is_good {
                amiss += 1;
                println!("     {}, missing {missing:?}, said:\n{said}", output.status);
            }
        }
        Ok(())
    };
    go(making())?;
    server.store(pods_run)?;
    go(changing())?;
    std::fs::remove_dir_all(&home)?;
    Ok(amiss)
}

fn set(image: &str, server_side: bool) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "StatefulSet",
        "metadata": { "name": if server_side { "side" } else { "db" } },
        "spec": {
            "serviceName": "db", "replicas": 1, "selector": { "matchLabels": { "app": "db" } },
            "template": {
                "metadata": { "labels": { "app": "db" } },
                "spec": { "containers": [{ "name": "db", "image": image, "ports": [{ "containerPort": 80 }] }] },
            },
        },
    })
}

fn making() -> Vec<Step> {
    let service = json!({ "apiVersion": "v1", "kind": "Service", "metadata": { "name": "db" },
        "spec": { "clusterIP": "None", "selector": { "app": "db" }, "ports": [{ "port": 80 }] } });
    let settings = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "settings" }, "data": { "a": "b" } });
    vec![
        step("version", &["Server Version: v1.35.4+embedded"]),
        step("api-resources", &["statefulsets", "sts", "apps/v1", "StatefulSet"]),
        step("get namespaces", &["NAME", "STATUS", "AGE", "kube-system", "Active"]),
        step("get pods", &["No resources found in default namespace."]),
        with(&set("db:1", false), "apply -f -", &["statefulset.apps/db created"]),
        with(&set("db:1", false), "apply -f -", &["statefulset.apps/db unchanged"]),
        with(&set("db:2", false), "apply -f -", &["statefulset.apps/db configured"]),
        with(
            &set("db:3", false),
            "apply --dry-run=server -f -",
            &["statefulset.apps/db configured (server dry run)"],
        ),
        with(&service, "apply -f -", &["service/db created"]),
        with(&set("db:1", true), "apply --server-side -f -", &["statefulset.apps/side serverside-applied"]),
        step(
            "get sts,svc",
            &["NAME", "READY", "AGE", "statefulset.apps/db", "0/1", "CLUSTER-IP", "service/db"],
        ),
        step("get sts db -o wide", &["CONTAINERS", "IMAGES", "db:2"]),
        with(&settings, "create -f -", &["configmap/settings created"]),
        // kubectl sends some bodies in protobuf, which isn't read.
        refused(
            "create configmap more --from-literal=a=b",
            &["accepted media types include: application/json"],
        ),
        step("get cm settings -o jsonpath={.data.a}", &["b"]),
    ]
}

/// What controllers and a kubelet would do.
fn pods_run(store: &mut Store) -> Result<()> {
    let call = Call::new("controllers", now());
    let set = Target::new(STATEFUL_SET, "default", "db");
    let live = store.get(&set)?;
    let (uid, generation) = (live.pointer("/metadata/uid"), live.pointer("/metadata/generation"));
    let owner = json!({ "apiVersion": "apps/v1", "kind": "StatefulSet", "name": "db", "uid": uid, "controller": true });
    let labels = json!({ "app": "db", "controller-revision-hash": "db-1" });
    let container = json!({ "name": "db", "image": "db:2" });
    let pod = json!({ "metadata": { "name": "db-0", "labels": labels, "ownerReferences": [owner] },
        "spec": { "nodeName": "node", "containers": [container] } });
    store.create(POD, "default", pod, &call)?;
    let status = json!({
        "phase": "Running",
        "conditions": [{ "type": "Ready", "status": "True" }],
        "containerStatuses": [{ "name": "db", "image": "db:2", "imageID": "", "ready": true, "restartCount": 0,
            "state": { "running": { "startedAt": "2026-01-01T00:00:00Z" } } }],
    });
    let running = Patch::Merge(json!({ "status": status }));
    store.patch(&Target::new(POD, "default", "db-0"), Part::Status, &running, &call)?;
    let status = json!({
        "observedGeneration": generation, "replicas": 1, "readyReplicas": 1, "availableReplicas": 1,
        "currentReplicas": 1, "updatedReplicas": 1, "currentRevision": "db-1", "updateRevision": "db-1",
    });
    store.patch(&set, Part::Status, &Patch::Merge(json!({ "status": status })), &call)?;
    let event = json!({ "metadata": { "generateName": "db-" }, "reason": "SuccessfulCreate", "note": "create Pod db-0",
        "type": "Normal", "regarding": { "kind": "StatefulSet", "name": "db", "namespace": "default",
            "uid": uid } });
    store.create(kinds::NEW_EVENT, "default", event, &call)?;
    Ok(())
}

fn changing() -> Vec<Step> {
    let patch = "patch sts db --type=merge -p {\"metadata\":{\"labels\":{\"a\":\"b\"}}}";
    let json_patch = "patch sts db --type=json -p [{\"op\":\"remove\",\"path\":\"/metadata/labels/a\"}]";
    let apply = "apply --server-side --force-conflicts -f -";
    vec![
        step("get pods", &["db-0", "1/1", "Running"]),
        step("get pods -w --request-timeout=1s", &["db-0"]),
        step(
            "rollout status sts/db --timeout=10s",
            &["partitioned roll out complete: 1 new pods have been updated..."],
        ),
        step(
            "describe sts db",
            &["Name:", "Pods Status:", "1 Running", "SuccessfulCreate", "create Pod db-0"],
        ),
        step("describe pod db-0", &["Name:", "db-0", "Running"]),
        step("get events", &["SuccessfulCreate", "statefulset/db", "create Pod db-0"]),
        step("logs db-0", &["visits of db-0"]),
        step("scale sts db --replicas=3", &["statefulset.apps/db scaled"]),
        step("set image sts/db db=db:4", &["statefulset.apps/db image updated"]),
        step("annotate sts db siskin.dev/policy=careful", &["statefulset.apps/db annotated"]),
        step("label sts db team=a", &["statefulset.apps/db labeled"]),
        step(patch, &["statefulset.apps/db patched"]),
        step(json_patch, &["statefulset.apps/db patched"]),
        step(
            "get sts db -o jsonpath={.spec.replicas}{.spec.template.spec.containers[0].image}{.metadata.annotations}",
            &["3db:4", "careful"],
        ),
        with(&set("db:5", false), apply, &["statefulset.apps/db serverside-applied"]),
        Step {
            input: set("db:6", true).to_string(),
            ..refused(
                "apply --server-side --field-manager=other -f -",
                &["Apply failed with 1 conflict", ".spec.template.spec.containers[name=\"db\"].image"],
            )
        },
        refused(
            "patch sts db --type=merge -p {\"spec\":{\"serviceName\":\"x\"}}",
            &["updates to statefulset spec for fields other than"],
        ),
        refused("get gizmos", &["the server doesn't have a resource type"]),
        refused("get pod gone", &["Error from server (NotFound): pods \"gone\" not found"]),
        refused("exec db-0 -- ls", &["the server could not find the requested resource"]),
        step("delete pod db-0 --wait=false", &["pod \"db-0\" deleted"]),
        step("get pod db-0", &["Terminating"]),
        step("delete pod db-0 --grace-period=0 --force", &["pod \"db-0\" force deleted"]),
        step("delete sts db", &["statefulset.apps \"db\" deleted"]),
        step("delete cm --all", &["configmap \"settings\" deleted"]),
    ]
}

#[expect(
    clippy::disallowed_methods,
    reason = "the server has no clock of its own; this is the one of this command"
)]
fn now() -> jiff::Timestamp {
    jiff::Timestamp::now()
}
