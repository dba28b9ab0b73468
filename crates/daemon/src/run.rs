//! `siskin run`: the daemon as a process, with its files, signals and pages.

mod daemon;

use std::{net::SocketAddr, path::PathBuf, sync::Arc};

use siskin_core::{
    configuration::{self, Configuration},
    policy::Library,
};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::watch,
};

pub use self::daemon::Daemon;
use crate::{
    act::Kill,
    cluster::{Access, AccessError, Cluster, FIELD_MANAGER},
    lease, policies,
    reach::Reach,
    report::{events, logs, metrics::Metrics},
    server::{self, Pages, health::Health},
};

/// Looks after every StatefulSet that carries `siskin.dev/policy`, until it is told to end
#[derive(Debug, clap::Args)]
pub struct Run {
    /// The configuration: where to listen, how to log, whom to tell
    #[arg(long, value_name = "FILE", env = "SISKIN_CONFIG")]
    pub config: Option<PathBuf>,
    /// A folder of policies (*.yaml, *.yml); read again when they change. The policies `standard` and `careful` are built in
    #[arg(long, value_name = "DIR", env = "SISKIN_POLICIES")]
    pub policies: Option<PathBuf>,
    /// Look only at these namespaces; by default at all
    #[arg(long = "namespace", short = 'n', value_name = "NS", num_args = 1.., value_delimiter = ',')]
    pub namespaces: Vec<String>,
    /// Where /healthz, /readyz and /metrics are; goes before the configuration
    #[arg(long, value_name = "ADDRESS", env = "SISKIN_LISTEN")]
    pub listen: Option<SocketAddr>,
    /// Whether to work only as the leader of several processes; goes before the configuration. With `false` this must be
    /// the only process, as on a developer's machine
    #[arg(long, value_name = "BOOL")]
    pub leader_elect: Option<bool>,
}

/// Why the daemon can't start.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The configuration isn't there.
    #[error("{file}: can't be read: {source}")]
    Unreadable {
        /// Its path.
        file: String,
        /// Why.
        source: std::io::Error,
    },
    /// The configuration has mistakes.
    #[error(transparent)]
    Configuration(#[from] siskin_core::yaml::Errors),
    /// There is no cluster.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// The port is taken.
    #[error("can't listen on {address}: {source}")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// Signals can't be received.
    #[error("signals can't be received: {0}")]
    Signal(#[source] std::io::Error),
    /// A task that works as long as the process ended before it.
    #[error("{task} ended by a defect, so nothing would be looked after any more: {why}")]
    Ended {
        /// Which.
        task: &'static str,
        /// Its last words.
        why: String,
    },
}

/// Runs the daemon until SIGTERM or SIGINT, or until it is of no use any more.
pub async fn run(access: &Access, run: Run) -> Result<(), RunError> {
    let Run { config, policies, namespaces, listen, leader_elect } = run;
    let mut configuration = configuration(config)?;
    if let Some(elects) = leader_elect {
        configuration.leader_election.enabled = elects;
    }
    logs::start(configuration.log);
    let (health, metrics) = (Health::default(), Metrics::default());
    let cluster = Cluster::new(access, FIELD_MANAGER, metrics.clone()).await?;
    let address = listen.unwrap_or(configuration.listen);
    let listener = server::bind(address).await.map_err(|source| RunError::Listen { address, source })?;
    let mut terminate = signal(SignalKind::terminate()).map_err(RunError::Signal)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(RunError::Signal)?;

    let (stopping, stop) = watch::channel(false);
    let pages = Pages { health: health.clone(), metrics: metrics.clone() };
    tokio::spawn(server::serve(listener, pages, stop));

    let (library, mut loaded) = watch::channel(Arc::new(Library::default()));
    let in_force = loaded.clone();
    tokio::spawn(policies::follow(policies, library, health.clone(), metrics.clone()));
    let _ = loaded.changed().await;

    let daemon = Daemon {
        configuration,
        policies: in_force,
        namespaces,
        reach: Reach::Network,
        instance: events::instance(),
        identity: lease::identity(cluster.clock().machine()),
        cluster,
        health,
        metrics,
        kill: Kill::from_env(),
        witness: None,
    };
    tracing::info!(version = env!("CARGO_PKG_VERSION"), %address, "siskin runs");
    let end = daemon.run(async {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    });
    let end = end.await;
    stopping.send_replace(true);
    end
}

fn configuration(file: Option<PathBuf>) -> Result<Configuration, RunError> {
    let Some(path) = file else { return Ok(Configuration::default()) };
    let file = path.display().to_string();
    let text = std::fs::read_to_string(&path)
        .map_err(|source| RunError::Unreadable { file: file.clone(), source })?;
    Ok(configuration::parse(&file, &text)?)
}
