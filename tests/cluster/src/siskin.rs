//! Siskin in the cluster: installed from `deploy/` with the bench's image and policies, under its own rights.

use std::collections::BTreeMap;
use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ConfigMap, Pod};
use kube::api::{ListParams, LogParams, Patch, PatchParams};
use kube::{Api, ResourceExt};
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::bench::Bench;
use crate::cluster::{self, Process};
use crate::failure::Failure;
use crate::http;
use crate::view::is_ready;

const NAMESPACE: &str = "siskin-system";
const NAME: &str = "siskin";
const PORT: u16 = 8080;
const READY_WITHIN: Duration = Duration::from_mins(1);

/// The daemon of this cluster.
#[derive(Clone)]
pub struct Siskin {
    bench: Bench,
}

impl Siskin {
    /// Installs it, or brings an installed one up to date, and waits until it is ready.
    pub async fn install(bench: &Bench) -> Result<Self, Failure> {
        let siskin = Self { bench: bench.clone() };
        let overlay = bench.layout.bench.join("kustomize");
        bench.kubectl(&["apply", "-k", &overlay.to_string_lossy()])?;
        let policies: Api<ConfigMap> = Api::namespaced(bench.client.clone(), NAMESPACE);
        let patch = json!({ "data": siskin.policies()? });
        policies.patch("siskin-policies", &PatchParams::default(), &Patch::Merge(patch)).await?;
        // An image of the same name and a changed ConfigMap reach a running pod late or never.
        siskin.stop().await?;
        siskin.start().await?;
        Ok(siskin)
    }

    /// Starts it anew with this configuration, or with the bench's own.
    pub async fn configure(&self, text: Option<&str>) -> Result<(), Failure> {
        let own = self.bench.layout.bench.join("kustomize/config.yaml");
        let unreadable = |error| Failure::Untrue(format!("{} can't be read: {error}", own.display()));
        let text =
            text.map_or_else(|| fs::read_to_string(&own).map_err(unreadable), |text| Ok(text.to_owned()))?;
        let configs: Api<ConfigMap> = Api::namespaced(self.bench.client.clone(), NAMESPACE);
        let patch = json!({ "data": { "config.yaml": text } });
        configs.patch("siskin-config", &PatchParams::default(), &Patch::Merge(patch)).await?;
        self.stop().await?;
        self.start().await
    }

    /// Writes a policy file while it runs, or takes it away.
    pub async fn set_policy(&self, file: &str, text: Option<&str>) -> Result<(), Failure> {
        let policies: Api<ConfigMap> = Api::namespaced(self.bench.client.clone(), NAMESPACE);
        let patch = json!({ "data": { file: text } });
        policies.patch("siskin-policies", &PatchParams::default(), &Patch::Merge(patch)).await?;
        Ok(())
    }

    fn policies(&self) -> Result<BTreeMap<String, String>, Failure> {
        let folder = self.bench.layout.bench.join("policies");
        let unreadable = |error| Failure::Untrue(format!("{} can't be read: {error}", folder.display()));
        let mut policies = BTreeMap::new();
        for entry in fs::read_dir(&folder).map_err(unreadable)? {
            let path = entry.map_err(unreadable)?.path();
            if path.extension().is_some_and(|extension| extension == "yaml") {
                let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
                policies.insert(name, fs::read_to_string(&path).map_err(unreadable)?);
            }
        }
        Ok(policies)
    }

    fn deployments(&self) -> Api<Deployment> {
        Api::namespaced(self.bench.client.clone(), NAMESPACE)
    }

    fn pods(&self) -> Api<Pod> {
        Api::namespaced(self.bench.client.clone(), NAMESPACE)
    }

    /// Its pods, dying ones included.
    async fn running(&self) -> Result<Vec<Pod>, Failure> {
        let label = ListParams::default().labels("app.kubernetes.io/name=siskin");
        Ok(self.pods().list(&label).await?.items)
    }

    /// Its pod, ready.
    async fn pod(&self) -> Result<Pod, Failure> {
        let deadline = Instant::now() + READY_WITHIN;
        loop {
            let pods = self.running().await?;
            // One that is about to go must not be taken for the one that comes.
            if let [pod] = pods.as_slice()
                && is_ready(pod)
            {
                return Ok(pod.clone());
            }
            if Instant::now() > deadline {
                let what = format!("Siskin's pod is ready; the end of its log:\n{}", self.log(30).await);
                return Err(Failure::Awaited { what, within: READY_WITHIN });
            }
            sleep(Duration::from_millis(100)).await;
        }
    }

    /// Waits until it is ready.
    pub async fn ready(&self) -> Result<(), Failure> {
        self.pod().await.map(drop)
    }

    async fn merge(&self, patch: Value) -> Result<(), Failure> {
        self.deployments().patch(NAME, &PatchParams::default(), &Patch::Strategic(patch)).await?;
        Ok(())
    }

    /// Ends it in good order and waits until it is gone.
    pub async fn stop(&self) -> Result<(), Failure> {
        self.merge(json!({ "spec": { "replicas": 0 } })).await?;
        let deadline = Instant::now() + READY_WITHIN;
        while !self.running().await?.is_empty() {
            if Instant::now() > deadline {
                return Err(Failure::Awaited { what: "Siskin's pod is gone".into(), within: READY_WITHIN });
            }
            sleep(Duration::from_millis(100)).await;
        }
        Ok(())
    }

    /// Starts it again and waits until it is ready.
    pub async fn start(&self) -> Result<(), Failure> {
        self.merge(json!({ "spec": { "replicas": 1 } })).await?;
        self.ready().await
    }

    /// Starts it anew with these variables in its environment, or without those that have no value.
    pub async fn restart_with(&self, variables: &[(&str, Option<&str>)]) -> Result<(), Failure> {
        self.stop().await?;
        let environment: Vec<Value> = variables
            .iter()
            .map(|(name, value)| match value {
                Some(value) => json!({ "name": name, "value": value }),
                None => json!({ "name": name, "$patch": "delete" }),
            })
            .collect();
        let container = json!({ "name": NAME, "env": environment });
        self.merge(json!({ "spec": { "template": { "spec": { "containers": [container] } } } })).await?;
        self.start().await
    }

    /// Ends its process with SIGKILL; the kubelet starts it again in the same pod.
    pub async fn kill(&self) -> Result<Instant, Failure> {
        self.process().await?.kill(false);
        Ok(Instant::now())
    }

    /// Bytes of memory that its process has now.
    pub async fn memory(&self) -> Result<u64, Failure> {
        let unknown = || Failure::Untrue("the memory of Siskin's process can't be read".into());
        self.process().await?.memory().ok_or_else(unknown)
    }

    async fn process(&self) -> Result<Process, Failure> {
        let pod = self.pod().await?;
        let id = container_status(&pod).and_then(|status| status.container_id.as_deref()).unwrap_or_default();
        let id = id.strip_prefix("containerd://").unwrap_or(id);
        let process = cluster::task(&self.bench.layout, id)?;
        process.ok_or_else(|| Failure::Untrue(format!("Siskin's container {id} has no process")))
    }

    /// How often its process was started again in its pod.
    pub async fn restarts(&self) -> Result<i32, Failure> {
        let pods = self.running().await?;
        Ok(pods.iter().filter_map(container_status).map(|status| status.restart_count).sum())
    }

    /// The end of its log, that of a process that was killed before included.
    pub async fn log(&self, lines: i64) -> String {
        let mut log = String::new();
        for pod in self.running().await.unwrap_or_default() {
            for previous in [true, false] {
                let parameters = LogParams { previous, tail_lines: Some(lines), ..LogParams::default() };
                log += &self.pods().logs(&pod.name_any(), &parameters).await.unwrap_or_default();
            }
        }
        log
    }

    /// Waits until its process was started again for the `count`th time and is ready; returns when.
    pub async fn restarted(&self, count: i32) -> Result<Instant, Failure> {
        let deadline = Instant::now() + READY_WITHIN;
        while self.restarts().await? < count {
            if Instant::now() > deadline {
                return Err(Failure::Awaited {
                    what: format!("Siskin's restart {count}"),
                    within: READY_WITHIN,
                });
            }
            sleep(Duration::from_millis(50)).await;
        }
        self.ready().await?;
        Ok(Instant::now())
    }

    /// Its `/metrics`.
    pub async fn metrics(&self) -> Result<String, Failure> {
        Ok(page(&self.pod().await?, "/metrics").await?.body)
    }

    /// Waits until `/readyz` of each of its pods answers with `status` and `text`.
    pub async fn until_readyz(&self, status: u16, text: &str) -> Result<(), Failure> {
        let deadline = Instant::now() + READY_WITHIN;
        for pod in self.running().await? {
            loop {
                let answer = page(&pod, "/readyz").await?;
                if answer.status == status && answer.body.contains(text) {
                    break;
                }
                if Instant::now() > deadline {
                    let what = format!("/readyz says {status} and {text}; it says {answer:?}");
                    return Err(Failure::Awaited { what, within: READY_WITHIN });
                }
                sleep(Duration::from_millis(100)).await;
            }
        }
        Ok(())
    }
}

async fn page(pod: &Pod, path: &str) -> Result<http::Answer, Failure> {
    let failed = |source| Failure::Pod { pod: pod.name_any(), path: path.into(), source };
    let address = pod.status.as_ref().and_then(|status| status.pod_ip.as_ref()?.parse::<IpAddr>().ok());
    let address = address.ok_or_else(|| Failure::Untrue("Siskin's pod has no address".into()))?;
    http::get(SocketAddr::new(address, PORT), path, Duration::from_secs(5)).await.map_err(failed)
}

fn container_status(pod: &Pod) -> Option<&k8s_openapi::api::core::v1::ContainerStatus> {
    pod.status.as_ref()?.container_statuses.as_ref()?.first()
}
