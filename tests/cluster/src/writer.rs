//! The other writers of a StatefulSet: real tools, and loops that do to the API server what Argo CD and Flux do.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::task::{JoinHandle, block_in_place};
use tokio::time::{MissedTickBehavior, interval, timeout};

use crate::bench::Bench;
use crate::cluster;
use crate::failure::Failure;
use crate::observer::Timeline;
use crate::world::World;

/// The StatefulSet of `deploy/examples/visits`, and the release of the chart.
pub const NAME: &str = "visits";

/// A loop heals this often; Argo CD and Flux do so every few seconds to minutes.
const EVERY: Duration = Duration::from_secs(1);

/// A loop writes at least once within this, also on a busy machine.
const COMES_BY_WITHIN: Duration = Duration::from_secs(30);

/// How a manifest reaches the API server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tool {
    /// `kubectl apply`.
    Apply,
    /// `kubectl apply --server-side`.
    ServerSide,
    /// `kubectl apply --server-side --force-conflicts`.
    Forced,
    /// `helm upgrade --install` of Helm 3: a three-way merge of the last release, the chart and the live object.
    Helm3,
    /// The same of Helm 4: server-side apply that stops at conflicts.
    Helm4,
    /// A sync of Argo CD: a three-way apply under its name.
    ArgoCd,
    /// A reconciliation of Flux: a forced server-side apply under the name of its controller.
    Flux,
}

/// What the example's manifest says in a scenario.
#[derive(Debug, Clone)]
pub struct Manifest {
    pub version: &'static str,
    pub policy: &'static str,
    /// `None`: the field isn't there.
    pub replicas: Option<u32>,
    /// `None`: the field isn't there.
    pub partition: Option<u32>,
}

impl Manifest {
    /// v1 with four replicas, as in the example.
    pub fn new(policy: &'static str) -> Self {
        Self { version: "v1", policy, replicas: Some(4), partition: None }
    }

    pub fn version(self, version: &'static str) -> Self {
        Self { version, ..self }
    }

    /// What is different from the file of the example, as a strategic merge patch.
    fn patch(&self) -> Value {
        let container = json!({
            "name": "visits",
            "image": crate::images::visits(self.version),
            "env": [{ "name": "VERSION", "value": self.version }],
        });
        json!({
            "metadata": { "annotations": { "siskin.dev/policy": self.policy } },
            "spec": {
                "replicas": self.replicas,
                "updateStrategy": self.partition.map(|partition| json!({ "rollingUpdate": { "partition": partition } })),
                "template": { "spec": { "containers": [container] } },
            },
        })
    }

    /// The values for the chart.
    fn values(&self) -> Vec<String> {
        let replicas = self.replicas.map_or("null".into(), |replicas| replicas.to_string());
        let partition =
            self.partition.map(|partition| format!("updateStrategy.rollingUpdate.partition={partition}"));
        [
            format!("version={}", self.version),
            format!("policy={}", self.policy),
            format!("replicas={replicas}"),
        ]
        .into_iter()
        .chain(partition)
        .collect()
    }
}

/// What came of a write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// The API server has it.
    Taken,
    /// Siskin owns a field that the manifest names.
    Conflict,
}

/// One tool in the namespace of a scenario.
#[derive(Clone)]
pub struct Writer {
    pub tool: Tool,
    bench: Bench,
    namespace: String,
    timeline: Timeline,
}

impl Writer {
    pub fn new(world: &World, tool: Tool) -> Self {
        let (namespace, timeline) = (world.namespace.clone(), world.timeline.clone());
        Self { tool, bench: world.bench.clone(), namespace, timeline }
    }

    /// Writes the manifest once.
    pub fn write(&self, manifest: &Manifest) -> Result<Answer, Failure> {
        let answer = self.answer(manifest)?;
        self.timeline.mark(format!("{:?} of {manifest:?}: {answer:?}", self.tool));
        Ok(answer)
    }

    fn answer(&self, manifest: &Manifest) -> Result<Answer, Failure> {
        let written = match self.tool {
            Tool::Helm3 | Tool::Helm4 => self.helm_upgrade(manifest),
            _ => self.kubectl_write(manifest),
        };
        match written {
            Ok(_) => Ok(Answer::Taken),
            Err(failure) if is_conflict(&failure.to_string()) => Ok(Answer::Conflict),
            Err(failure) => Err(failure),
        }
    }

    /// `helm rollback` to the release of this number.
    pub fn helm_rollback(&self, release: u32) -> Result<(), Failure> {
        self.timeline.mark(format!("{:?} rolls back to release {release}", self.tool));
        self.helm(&["rollback".into(), NAME.into(), release.to_string()]).map(drop)
    }

    fn helm_upgrade(&self, manifest: &Manifest) -> Result<String, Failure> {
        let chart = example(&self.bench, "visits-chart");
        let mut arguments: Vec<String> = vec![
            "upgrade".into(),
            "--install".into(),
            "--history-max=0".into(),
            NAME.into(),
            chart.display().to_string(),
        ];
        for value in manifest.values() {
            arguments.extend(["--set".into(), value]);
        }
        self.helm(&arguments)
    }

    fn helm(&self, arguments: &[String]) -> Result<String, Failure> {
        let folder = if self.tool == Tool::Helm3 { "helm3" } else { "helm4" };
        let program = self.bench.layout.tool(folder, "helm");
        let kubeconfig = self.bench.kubeconfig();
        let all = [arguments, &["-n".into(), self.namespace.clone(), format!("--kubeconfig={kubeconfig}")]]
            .concat();
        Ok(block_in_place(|| cluster::output(program, &all))?)
    }

    fn kubectl_write(&self, manifest: &Manifest) -> Result<String, Failure> {
        let [services, set] = self.rendered(manifest)?;
        let verb: &[&str] = match self.tool {
            Tool::Apply => &["apply"],
            Tool::ServerSide => &["apply", "--server-side"],
            Tool::Forced => &["apply", "--server-side", "--force-conflicts"],
            Tool::ArgoCd => &["apply", "--field-manager=argocd-controller"],
            Tool::Flux => {
                &["apply", "--server-side", "--force-conflicts", "--field-manager=kustomize-controller"]
            }
            Tool::Helm3 | Tool::Helm4 => unreachable!("Helm doesn't write through kubectl"),
        };
        let (services, set) = (services.to_string_lossy(), set.to_string_lossy());
        let files = ["-n", &self.namespace, "-f", &set, "-f", &services];
        self.bench.kubectl(&[verb, &files].concat())
    }

    /// The Services and the StatefulSet of the example as files, the latter with what this manifest says instead.
    fn rendered(&self, manifest: &Manifest) -> Result<[PathBuf; 2], Failure> {
        let folder =
            example(&self.bench, if manifest.replicas.is_some() { "visits" } else { "visits-scaled" });
        let all = self.bench.kubectl(&["kustomize", &folder.to_string_lossy()])?;
        let (sets, services): (Vec<&str>, Vec<&str>) =
            all.split("\n---\n").partition(|object| object.contains("kind: StatefulSet"));
        let services = self.file("services.yaml", &services.join("\n---\n"))?;
        let set = self.file("statefulset.yaml", &sets.join("\n---\n"))?;
        let set = patched(&self.bench, &set, "strategic", &manifest.patch())?;
        Ok([services, self.file("statefulset.json", &set.to_string())?])
    }

    fn file(&self, name: &str, text: &str) -> Result<PathBuf, Failure> {
        written(&self.bench, &format!("{}-{:?}-{name}", self.namespace, self.tool), text)
    }
}

/// kubectl says `conflict with "siskin"`, Helm the same with escaped quotes.
fn is_conflict(text: &str) -> bool {
    [r#"with "siskin""#, r#"with \"siskin\""#].iter().any(|with| text.contains(with))
}

fn example(bench: &Bench, file: &str) -> PathBuf {
    bench.layout.bench.join("../../deploy/examples").join(file)
}

/// A manifest as JSON, with a patch of this kind.
fn patched(bench: &Bench, file: &Path, kind: &str, patch: &Value) -> Result<Value, Failure> {
    let (file, kind, patch) = (file.to_string_lossy(), format!("--type={kind}"), patch.to_string());
    let text = bench.kubectl(&["patch", "--local", "-f", &file, &kind, "-p", &patch, "-o", "json"])?;
    Ok(serde_json::from_str(&text)?)
}

/// A file that goes with the cluster.
fn written(bench: &Bench, name: &str, text: &str) -> Result<PathBuf, Failure> {
    let path = bench.layout.run.join(name);
    let unwritten = |error| Failure::Untrue(format!("{} can't be written: {error}", path.display()));
    fs::write(&path, text).map_err(unwritten)?;
    Ok(path)
}

impl World {
    /// Applies a file of `deploy/examples` with a merge patch.
    pub fn apply_example(&self, file: &str, patch: &Value) -> Result<(), Failure> {
        let object = patched(&self.bench, &example(&self.bench, file), "merge", patch)?;
        let applied = written(&self.bench, &format!("{}-example.json", self.namespace), &object.to_string())?;
        self.timeline.mark(format!("applies {file} with {patch}"));
        self.bench.kubectl(&["apply", "-n", &self.namespace, "-f", &applied.to_string_lossy()]).map(drop)
    }
}

/// A writer that heals what differs from Git again and again, until it is dropped.
pub struct Loop {
    git: watch::Sender<Manifest>,
    written: watch::Receiver<u64>,
    task: JoinHandle<()>,
    timeline: Timeline,
}

impl Loop {
    /// Writes `manifest` every second from now on.
    pub fn start(writer: Writer, manifest: Manifest) -> Self {
        let (git, seen) = watch::channel(manifest);
        let (count, written) = watch::channel(0);
        let timeline = writer.timeline.clone();
        let task = tokio::spawn(async move {
            let mut ticks = interval(EVERY);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                ticks.tick().await;
                let manifest = seen.borrow().clone();
                if let Err(failure) = writer.answer(&manifest) {
                    writer.timeline.mark(format!("{:?} failed: {failure}", writer.tool));
                }
                count.send_modify(|count| *count += 1);
            }
        });
        Self { git, written, task, timeline }
    }

    /// Waits for a whole write from now on: the end of the one that may be going on, and of the next.
    pub async fn comes_by(&self) -> Result<(), Failure> {
        let mut written = self.written.clone();
        let enough = *written.borrow() + 2;
        match timeout(COMES_BY_WITHIN, written.wait_for(|written| *written >= enough)).await {
            Ok(Ok(_)) => Ok(()),
            _ => Err(Failure::Awaited { what: "the loop comes by".into(), within: COMES_BY_WITHIN }),
        }
    }

    /// What Git says from now on.
    pub fn commit(&self, manifest: Manifest) {
        self.timeline.mark(format!("Git has {manifest:?}"));
        self.git.send_replace(manifest);
    }
}

impl Drop for Loop {
    fn drop(&mut self) {
        self.task.abort();
    }
}
