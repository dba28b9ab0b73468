//! A real Kubernetes on this machine: one control plane, one node, no Docker.

mod command;
mod control_plane;
mod daemons;
mod layout;
mod network;
mod node;
mod pki;
mod tool;

use std::fmt;
use std::future::Future;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use kube::{Client, Config, config::KubeConfigOptions, config::Kubeconfig};
use tokio::time::{Instant, sleep};

pub use command::output;
pub use daemons::Process;
pub use layout::Layout;
pub use node::{import, task};
pub use tool::Tool;

/// Why the cluster doesn't run.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{line} failed: {output}")]
    Command { line: String, output: String },
    #[error("{}: {source}", path.display())]
    File { path: PathBuf, source: io::Error },
    #[error("{name} ({}) can't be started: {source}", program.display())]
    Start { name: &'static str, program: PathBuf, source: io::Error },
    #[error("{name} ended; the end of its log:\n{log}")]
    Died { name: &'static str, log: String },
    #[error("{what} not within {within:?} ({last}); the end of the log of {daemon}:\n{log}")]
    Late { what: &'static str, within: Duration, last: String, daemon: &'static str, log: String },
    #[error("the kubeconfig can't be used: {0}")]
    Kubeconfig(#[from] kube::config::KubeconfigError),
    #[error("the API server: {0}")]
    Api(#[from] kube::Error),
}

impl Error {
    fn file(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_path_buf();
        |source| Self::File { path, source }
    }
}

/// Starts the cluster, or takes the one that runs; returns when its node is ready. Before a start, what an
/// earlier run left is taken down.
pub async fn up(layout: &Layout) -> Result<Client, Error> {
    if running(layout) {
        return client(layout).await;
    }
    down(layout);
    network::up()?;
    pki::make(layout)?;
    control_plane::start_api(layout)?;
    node::start_containerd(layout)?;
    let client = client(layout).await?;
    control_plane::await_api(layout, &client).await?;
    control_plane::start_controllers(layout)?;
    node::start(layout).await?;
    control_plane::make_storage_class(&client).await?;
    control_plane::await_controllers(layout, &client).await?;
    node::await_ready(layout, &client).await?;
    Ok(client)
}

/// Whether a whole cluster runs from an earlier `up`.
pub fn running(layout: &Layout) -> bool {
    let running = daemons::running(layout);
    control_plane::DAEMONS
        .iter()
        .chain(node::DAEMONS)
        .all(|name| running.iter().any(|(other, _)| other == name))
}

/// Takes everything down that a cluster of this layout has started, made or mounted. Does what it can.
pub fn down(layout: &Layout) {
    let (last, first): (Vec<_>, Vec<_>) =
        daemons::running(layout).into_iter().partition(|(name, _)| name == node::CONTAINERD);
    let processes =
        |list: Vec<(String, Process)>| list.into_iter().map(|(_, process)| process).collect::<Vec<_>>();
    // SIGKILL: on SIGTERM the API server drains for a minute and keeps its port. Nothing here is to be kept.
    daemons::end(&processes(first), true);
    daemons::end(&processes(last), true);
    node::clean(layout);
    network::down();
    let keep = layout.run.join("log");
    for folder in [&layout.run, &layout.sockets] {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path != keep {
                let _ =
                    if path.is_dir() { std::fs::remove_dir_all(&path) } else { std::fs::remove_file(&path) };
            }
        }
    }
}

async fn client(layout: &Layout) -> Result<Client, Error> {
    let kubeconfig = Kubeconfig::read_from(layout.kubeconfig())?;
    let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?;
    Ok(Client::try_from(config)?)
}

/// Asks again and again until the answer is `Ok`, at most `within`; then tells the last answer and the log of
/// `daemon`.
async fn until<E: fmt::Display, F: Future<Output = Result<(), E>>>(
    layout: &Layout,
    what: &'static str,
    daemon: &'static str,
    within: Duration,
    mut ask: impl FnMut() -> F,
) -> Result<(), Error> {
    let deadline = Instant::now() + within;
    loop {
        let Err(error) = ask().await else { return Ok(()) };
        if Instant::now() >= deadline {
            let log = daemons::tail(layout, daemon, 30);
            return Err(Error::Late { what, within, last: error.to_string(), daemon, log });
        }
        sleep(Duration::from_millis(100)).await;
    }
}
