//! Siskin in the cluster: installed from `deploy/` with the bench's image and policies, under its own rights.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{ConfigMap, Pod};
use kube::api::{DeleteParams, ListParams, LogParams, Patch, PatchParams};
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

/// Its pods: one leads, the other stands by.
pub const REPLICAS: usize = 2;

/// A time in which one process leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Term {
    /// The pod that leads; nothing if nobody does.
    pub pod: String,
    since: String,
}

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

    /// Its configuration's `ConfigMap`, whose name has a hash.
    async fn config_map(&self) -> Result<String, Failure> {
        let deployment = self.deployments().get(NAME).await?;
        let volumes = deployment.spec.and_then(|spec| spec.template.spec?.volumes).unwrap_or_default();
        let mut names = volumes.into_iter().filter_map(|volume| Some(volume.config_map?.name));
        names
            .find(|name| name.starts_with("siskin-config"))
            .ok_or_else(|| Failure::Untrue("Siskin's Deployment has no configuration".into()))
    }

    /// Starts it anew with these lines beside the bench's own configuration, or without them.
    pub async fn configure(&self, more: Option<&str>) -> Result<(), Failure> {
        let own = self.bench.layout.bench.join("kustomize/config.yaml");
        let unreadable = |error| Failure::Untrue(format!("{} can't be read: {error}", own.display()));
        let mut text = fs::read_to_string(&own).map_err(unreadable)?;
        text.push_str(more.unwrap_or_default());
        let configs: Api<ConfigMap> = Api::namespaced(self.bench.client.clone(), NAMESPACE);
        let patch = json!({ "data": { "config.yaml": text } });
        configs.patch(&self.config_map().await?, &PatchParams::default(), &Patch::Merge(patch)).await?;
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

    /// All its pods, ready, with the one that leads first.
    async fn ready_pods(&self) -> Result<Vec<Pod>, Failure> {
        let deadline = Instant::now() + READY_WITHIN;
        loop {
            let mut pods = self.running().await?;
            let leader = self.term().await?.pod;
            pods.sort_by_key(|pod| pod.name_any() != leader);
            // One that is about to go must not be taken for the one that comes, nor one that was killed for a leader.
            if pods.len() == REPLICAS
                && pods.iter().all(is_ready)
                && let Some(first) = pods.first().filter(|pod| pod.name_any() == leader)
                && self.leads(first).await.unwrap_or(false)
            {
                return Ok(pods);
            }
            if Instant::now() > deadline {
                let what = format!(
                    "Siskin's {REPLICAS} pods are ready, and {leader:?}, which holds the Lease, leads; the end of their logs:\n{}",
                    self.log(30).await
                );
                return Err(Failure::Awaited { what, within: READY_WITHIN });
            }
            sleep(Duration::from_millis(100)).await;
        }
    }

    /// Waits until all its pods are ready, and one of them leads.
    pub async fn ready(&self) -> Result<(), Failure> {
        self.ready_pods().await.map(drop)
    }

    /// Who leads, as the Lease says.
    pub async fn term(&self) -> Result<Term, Failure> {
        let leases: Api<Lease> = Api::namespaced(self.bench.client.clone(), NAMESPACE);
        let spec = leases.get_opt(NAME).await?.and_then(|lease| lease.spec).unwrap_or_default();
        let holder = spec.holder_identity.unwrap_or_default();
        let pod = holder.split('_').next().unwrap_or_default().to_owned();
        Ok(Term { pod, since: spec.acquire_time.map(|time| time.0.to_string()).unwrap_or_default() })
    }

    /// Waits until nobody leads any more in `term`; returns when.
    pub async fn without_leader(&self, term: &Term) -> Result<Instant, Failure> {
        while self.term().await? == *term {
            sleep(Duration::from_millis(20)).await;
        }
        Ok(Instant::now())
    }

    /// Waits until somebody leads after `term`; returns when, and who.
    pub async fn next_term(&self, term: &Term) -> Result<(Instant, Term), Failure> {
        let deadline = Instant::now() + READY_WITHIN;
        loop {
            let now = self.term().await?;
            if !now.pod.is_empty() && now != *term {
                return Ok((Instant::now(), now));
            }
            if Instant::now() > deadline {
                let what = format!("somebody leads after {}", term.pod);
                return Err(Failure::Awaited { what, within: READY_WITHIN });
            }
            sleep(Duration::from_millis(20)).await;
        }
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
                return Err(Failure::Awaited { what: "Siskin's pods are gone".into(), within: READY_WITHIN });
            }
            sleep(Duration::from_millis(100)).await;
        }
        Ok(())
    }

    /// Starts it again and waits until it is ready.
    pub async fn start(&self) -> Result<(), Failure> {
        self.merge(json!({ "spec": { "replicas": REPLICAS } })).await?;
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

    /// Ends the leader's process with SIGKILL; the kubelet starts it again in the same pod.
    pub async fn kill(&self) -> Result<Instant, Failure> {
        self.process().await?.kill(false);
        Ok(Instant::now())
    }

    /// Bytes of memory that the leader's process has now, and the other's.
    pub async fn memory(&self) -> Result<(u64, u64), Failure> {
        let pods = self.ready_pods().await?;
        let mut memory = Vec::new();
        for pod in &pods {
            let unknown = || Failure::Untrue(format!("the memory of {} can't be read", pod.name_any()));
            memory.push(self.process_of(pod)?.memory().ok_or_else(unknown)?);
        }
        Ok((memory.first().copied().unwrap_or_default(), memory.get(1).copied().unwrap_or_default()))
    }

    /// The leader's process.
    pub async fn process(&self) -> Result<Process, Failure> {
        let pods = self.ready_pods().await?;
        pods.first()
            .map_or_else(|| Err(Failure::Untrue("Siskin has no pod".into())), |pod| self.process_of(pod))
    }

    /// The pod that holds the Lease, and its process, which may lead before the kubelet has told of it.
    pub async fn holder(&self) -> Result<(Pod, Process), Failure> {
        let deadline = Instant::now() + READY_WITHIN;
        loop {
            let leader = self.term().await?.pod;
            if let Some(pod) = self.pods().get_opt(&leader).await?
                && let Ok(process) = self.process_of(&pod)
            {
                return Ok((pod, process));
            }
            if Instant::now() > deadline {
                let what = format!("the process of {leader:?}, which holds the Lease");
                return Err(Failure::Awaited { what, within: READY_WITHIN });
            }
            sleep(Duration::from_millis(50)).await;
        }
    }

    /// Takes a pod away with its process, without notice; the Deployment makes another.
    pub async fn remove(&self, pod: &str) -> Result<(), Failure> {
        let at_once = DeleteParams { grace_period_seconds: Some(0), ..DeleteParams::default() };
        match self.pods().delete(pod, &at_once).await {
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
            result => Ok(result.map(drop)?),
        }
    }

    fn process_of(&self, pod: &Pod) -> Result<Process, Failure> {
        let id = container_status(pod).and_then(|status| status.container_id.as_deref()).unwrap_or_default();
        let id = id.strip_prefix("containerd://").unwrap_or(id);
        let process = cluster::task(&self.bench.layout, id)?;
        process.ok_or_else(|| Failure::Untrue(format!("Siskin's container {id} has no process")))
    }

    /// Replaces all its pods as an upgrade does, and waits for the end of it.
    pub async fn roll(&self) -> Result<(), Failure> {
        let annotations = json!({ "rolled": format!("{:?}", Instant::now()) });
        self.merge(json!({ "spec": { "template": { "metadata": { "annotations": annotations } } } })).await?;
        let deployment = format!("deployment/{NAME}");
        self.bench.kubectl(&["rollout", "status", "-n", NAMESPACE, &deployment, "--timeout=60s"])?;
        self.ready().await
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
                let _ = writeln!(log, "{}{}:", pod.name_any(), if previous { " before" } else { "" });
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

    /// The leader's `/metrics`.
    pub async fn metrics(&self) -> Result<String, Failure> {
        let [leader, _] = self.all_metrics().await?;
        Ok(leader)
    }

    /// `/metrics` of the leader, and of the other.
    pub async fn all_metrics(&self) -> Result<[String; REPLICAS], Failure> {
        let mut all = Vec::new();
        for pod in self.ready_pods().await? {
            all.push(self.metrics_of(&pod).await?);
        }
        all.try_into().map_err(|_| Failure::Untrue(format!("Siskin hasn't {REPLICAS} pods")))
    }

    /// Whether a pod says that it leads.
    pub async fn leads(&self, pod: &Pod) -> Result<bool, Failure> {
        Ok(self.metrics_of(pod).await?.lines().any(|line| line == "siskin_leader 1"))
    }

    /// The writes of a pod's process so far, those that were refused too.
    pub async fn writes_of(&self, pod: &Pod) -> Result<Vec<String>, Failure> {
        let metrics = self.metrics_of(pod).await?;
        Ok(metrics.lines().filter(|line| line.starts_with("siskin_writes_total")).map(String::from).collect())
    }

    async fn metrics_of(&self, pod: &Pod) -> Result<String, Failure> {
        Ok(page(pod, "/metrics").await?.body)
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
