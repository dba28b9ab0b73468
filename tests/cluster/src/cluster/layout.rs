//! Where the cluster keeps its files.

use std::env;
use std::path::{Path, PathBuf};

/// The folders of one cluster; there is one cluster per machine, since its addresses are fixed.
#[derive(Debug, Clone)]
pub struct Layout {
    cache: PathBuf,
    /// Everything a running cluster writes.
    pub run: PathBuf,
    /// Sockets and mounts. A path of a Unix socket has at most 107 bytes, hence not under `run`.
    pub sockets: PathBuf,
    /// The static binaries that images are made of.
    pub binaries: PathBuf,
    /// The folder of this crate in the repository.
    pub bench: PathBuf,
}

impl Layout {
    /// As the environment says, which `tests/cluster/run` sets; with its defaults otherwise.
    pub fn from_environment() -> Self {
        let bench = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
        let root = bench.ancestors().nth(2).unwrap_or(&bench).to_path_buf();
        let path = |name, default: PathBuf| env::var_os(name).map_or(default, PathBuf::from);
        let cache = path("SISKIN_BENCH_CACHE", root.join(".cache/bench"));
        let binaries = path("SISKIN_BENCH_BINARIES", root.join("target/x86_64-unknown-linux-gnu/release"));
        Self { run: cache.join("run"), sockets: PathBuf::from("/run/siskin-bench"), cache, binaries, bench }
    }

    /// A binary of Kubernetes.
    pub fn kubernetes(&self, name: &str) -> PathBuf {
        self.cache.join("kubernetes").join(name)
    }

    /// The binary of a tool that a scenario needs; `tool` is its folder in this crate.
    pub fn tool(&self, tool: &str, binary: &str) -> PathBuf {
        self.cache.join(tool).join(binary)
    }

    /// The etcd server.
    pub fn etcd(&self) -> PathBuf {
        self.cache.join("etcd/etcd")
    }

    /// The administrator's kubeconfig.
    pub fn kubeconfig(&self) -> PathBuf {
        self.run.join("kubeconfig")
    }

    /// The log of a daemon.
    pub fn log(&self, daemon: &str) -> PathBuf {
        self.run.join("log").join(format!("{daemon}.log"))
    }

    /// containerd's socket.
    pub fn containerd_socket(&self) -> PathBuf {
        self.sockets.join("containerd.sock")
    }

    /// Where plain-`kubectl rollout` figures are kept for the scenarios that compare with them.
    pub fn baseline(&self) -> PathBuf {
        self.cache.join("baseline.json")
    }

    /// The folder of the outcomes of scenarios on this kind of cluster.
    pub fn outcomes(&self, cluster: &str) -> PathBuf {
        self.cache.join("outcomes").join(cluster)
    }

    /// `template` with `{run}` and `{sockets}` filled in.
    pub fn fill(&self, template: &str) -> String {
        template
            .replace("{run}", &self.run.to_string_lossy())
            .replace("{sockets}", &self.sockets.to_string_lossy())
    }

    /// Whether `path` is under a folder that only this cluster uses.
    pub fn owns(&self, path: &Path) -> bool {
        path.starts_with(&self.run) || path.starts_with(&self.sockets)
    }
}
