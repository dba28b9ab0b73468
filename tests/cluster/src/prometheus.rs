//! A Prometheus that scrapes the pods of one namespace every second, as `kustomize/config.yaml` names it.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use tokio::task::block_in_place;
use tokio::time::sleep;

use crate::cluster::Tool;
use crate::failure::Failure;
use crate::http;
use crate::world::World;

const NODE: Ipv4Addr = Ipv4Addr::new(10, 250, 0, 1);
const READY_WITHIN: Duration = Duration::from_secs(30);

/// Runs until it is dropped.
pub struct Prometheus {
    _process: Tool,
}

impl Prometheus {
    /// Starts it under the name of its source, with what it knew before under this name in this namespace.
    pub async fn start(world: &World, source: &'static str) -> Result<Self, Failure> {
        Self::with(world, source, &configuration(world)).await
    }

    /// The same, but it scrapes nobody.
    pub async fn start_blind(world: &World, source: &'static str) -> Result<Self, Failure> {
        Self::with(world, source, "scrape_configs: []\n").await
    }

    async fn with(world: &World, source: &'static str, configuration: &str) -> Result<Self, Failure> {
        let port = match source {
            "promote" => 9101,
            "back" => 9102,
            "down" => 9103,
            "empty" => 9104,
            "nan" => 9105,
            "stale" => 9106,
            other => return Err(Failure::Untrue(format!("no port is kept for the source {other}"))),
        };
        let address = SocketAddr::from((NODE, port));
        let folder = world.bench.layout.run.join("prometheus").join(&world.namespace);
        let written =
            fs::create_dir_all(&folder).and_then(|()| fs::write(folder.join("config.yaml"), configuration));
        written.map_err(|error| Failure::Untrue(format!("{}: {error}", folder.display())))?;
        let argument = |name: &str, path: PathBuf| format!("--{name}={}", path.display());
        let arguments = [
            argument("config.file", folder.join("config.yaml")),
            argument("storage.tsdb.path", folder.join("data")),
            format!("--web.listen-address={address}"),
        ];
        let program = world.bench.layout.tool("prometheus", "prometheus");
        let process = block_in_place(|| Tool::start(&world.bench.layout, source, &program, &arguments))?;
        let deadline = Instant::now() + READY_WITHIN;
        while !http::get(address, "/-/ready", Duration::from_secs(1)).await.is_ok_and(|a| a.status == 200) {
            if Instant::now() > deadline {
                return Err(Failure::Awaited { what: "Prometheus is ready".into(), within: READY_WITHIN });
            }
            sleep(Duration::from_millis(100)).await;
        }
        Ok(Self { _process: process })
    }
}

/// The labels of a pod are put on its series, as a `PodMonitor` with `podTargetLabels` does.
fn configuration(world: &World) -> String {
    format!(
        "global: {{ scrape_interval: 1s, scrape_timeout: 1s }}
scrape_configs:
- job_name: pods
  kubernetes_sd_configs:
  - {{ role: pod, kubeconfig_file: '{}', namespaces: {{ names: ['{}'] }} }}
  relabel_configs:
  - {{ source_labels: [__meta_kubernetes_pod_container_port_name], regex: web, action: keep }}
  - {{ source_labels: [__meta_kubernetes_namespace], target_label: namespace }}
  - {{ source_labels: [__meta_kubernetes_pod_name], target_label: pod }}
  - {{ regex: '__meta_kubernetes_pod_label_(.+)', action: labelmap }}
",
        world.bench.kubeconfig(),
        world.namespace
    )
}
