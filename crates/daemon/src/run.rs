//! `siskin run`: the daemon.

use std::{collections::BTreeSet, net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use siskin_core::{
    configuration::{self, Configuration, LeaderElection},
    policy::Library,
    references::Kind,
};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::{mpsc, watch},
    task::{JoinError, JoinHandle, JoinSet},
};
use tracing::Instrument;

use crate::{
    act::{Act, Kill},
    admission::policies::follow_identity,
    cluster::{Access, AccessError, Cluster, FIELD_MANAGER, Resource, Scope},
    drive::{Context, Fleet, Members, Seen},
    lease::{self, Election, Leadership},
    policies,
    report::{events::Events, logs, messages::Messenger, metrics::Metrics},
    server::{self, Pages, health::Health},
    watch::{
        configuration::{self as configuration_watch, Board, Configuring},
        follow,
        guards::{self, GuardList, Guards},
        statefulsets::{Key, StatefulSet},
    },
};

/// Longer than any write under way can take is not waited for at the end; Kubernetes kills after 30 s.
const LAST_WRITES: Duration = Duration::from_millis(4500);

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
    let configuration = configuration(config)?;
    let Configuration {
        listen: configured,
        log,
        pod_guard,
        watch_configuration,
        class,
        leader_election,
        receivers,
        rules,
        sources,
    } = configuration;
    logs::start(log);
    let (health, metrics) = (Health::default(), Metrics::default());
    let cluster = Cluster::new(access, FIELD_MANAGER, metrics.clone()).await?;
    let address = listen.unwrap_or(configured);
    let listener = server::bind(address).await.map_err(|source| RunError::Listen { address, source })?;
    let mut terminate = signal(SignalKind::terminate()).map_err(RunError::Signal)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(RunError::Signal)?;

    let (stopping, stop) = watch::channel(false);
    let pages = Pages { health: health.clone(), metrics: metrics.clone() };
    tokio::spawn(server::serve(listener, pages, stop.clone()));

    let knowing_who = follow_identity(cluster.clone(), health.clone(), health.identity().clone());
    tokio::spawn(knowing_who.instrument(tracing::info_span!("admission")));

    let (library, in_force) = watch::channel(Arc::new(Library::default()));
    let mut loaded = in_force.clone();
    tokio::spawn(policies::follow(policies, library, health.clone(), metrics.clone()));
    // A workload must not be told that its policy is unknown only because it isn't read yet.
    let _ = loaded.changed().await;

    let elects = leader_elect.unwrap_or(leader_election.enabled);
    let elected = elects.then(|| stand(&cluster, &health, &metrics, &leader_election, class.as_deref()));
    let (mut election, leadership) =
        elected.map_or((None, Leadership::Always), |(one, led)| (Some(one), led));
    let cluster = cluster.led_by(leadership.clone());

    let (saw, changes) = mpsc::unbounded_channel();
    let mut watches = JoinSet::new();
    let scopes = scopes(namespaces);
    let members = Members::new(rules.max_parallel_rollouts, &scopes);
    let guards = pod_guard.then(Guards::default);
    let left_lists = if pod_guard { BTreeSet::new() } else { guard_lists(&cluster, &scopes).await };
    let board = watch_configuration.then(|| follow_board(&cluster, &health, &scopes, &mut watches));
    for namespace in scopes {
        if let Some(guards) = &guards {
            watches.spawn(follow_guards(&cluster, &health, namespace.clone(), guards.clone()));
        }
        let scope = Scope {
            resource: Resource::StatefulSets,
            namespace: namespace.clone(),
            selector: None,
            name: None,
        };
        let of = namespace
            .as_ref()
            .map_or_else(|| "statefulsets".to_owned(), |name| format!("statefulsets of {name}"));
        let age = health.watch(of, true);
        let saw = saw.clone();
        let watching = follow::<StatefulSet>(cluster.clone(), scope, age, move |change| {
            let _ = saw.send(Seen { namespace: namespace.clone(), change });
        });
        watches.spawn(watching.instrument(tracing::info_span!("statefulsets")));
    }

    let fleet = Fleet::new(Context {
        act: Act::new(cluster.clone(), metrics.clone(), Kill::from_env()),
        policies: in_force,
        members,
        rules,
        sources: sources.into(),
        events: Events::start(cluster.clone(), metrics.clone()),
        messenger: Messenger::start(receivers, &metrics),
        cluster,
        metrics,
        health,
        guards,
        left_lists,
        board,
        stop,
        class,
        leadership,
    });
    tracing::info!(version = env!("CARGO_PKG_VERSION"), %address, "siskin runs");
    let mut working = tokio::spawn(fleet.run(changes));
    let end = tokio::select! {
        _ = terminate.recv() => Ok(()),
        _ = interrupt.recv() => Ok(()),
        defect = defect(&mut working, &mut watches, election.as_mut()) => Err(defect),
    };
    match &end {
        Ok(()) => tracing::info!("siskin ends"),
        Err(error) => tracing::error!(%error, "siskin ends, to be started again"),
    }
    stopping.send_replace(true);
    if !working.is_finished() && tokio::time::timeout(LAST_WRITES, working).await.is_err() {
        tracing::warn!("a write is still under way; it will be read back by the next process");
    } else if let Some(election) = election {
        election.release().await;
    }
    end
}

/// Stands for election by the Lease of this installation.
fn stand(
    cluster: &Cluster,
    health: &Health,
    metrics: &Metrics,
    election: &LeaderElection,
    class: Option<&str>,
) -> (Election, Leadership) {
    let namespace = election.namespace.clone().unwrap_or_else(|| cluster.default_namespace().to_owned());
    let (name, identity) = (election.lease(class), lease::identity());
    tracing::info!(lease = format!("{namespace}/{name}"), identity, "stands for election");
    Election::start(cluster, health, metrics, (namespace, name), identity, election.timing)
}

/// The workloads that have a list of released revisions, as far as they can be seen.
async fn guard_lists(cluster: &Cluster, scopes: &[Option<String>]) -> BTreeSet<Key> {
    let mut found = BTreeSet::new();
    for namespace in scopes {
        let selector = Some(guards::SELECTOR.to_owned());
        let scope =
            Scope { resource: Resource::ConfigMaps, namespace: namespace.clone(), selector, name: None };
        match cluster.list::<GuardList>(&scope).await {
            Ok(listed) => found.extend(listed.items.into_iter().map(|list| list.key)),
            // The rights to it come with `podGuard: true`.
            Err(error) => {
                tracing::debug!(%error, "whether there are lists of released revisions is not seen");
            }
        }
    }
    found
}

/// Watches the lists of released revisions in one namespace, or in all.
fn follow_guards(
    cluster: &Cluster,
    health: &Health,
    namespace: Option<String>,
    guards: Guards,
) -> impl Future<Output = ()> + use<> {
    let selector = Some(guards::SELECTOR.to_owned());
    let scope = Scope { resource: Resource::ConfigMaps, namespace: namespace.clone(), selector, name: None };
    let of = namespace
        .as_ref()
        .map_or_else(|| "pod guard lists".to_owned(), |name| format!("pod guard lists of {name}"));
    let age = health.watch(of, true);
    follow::<GuardList>(cluster.clone(), scope, age, move |change| guards.see(namespace.as_ref(), change))
        .instrument(tracing::info_span!("guards"))
}

/// Watches the versions of ConfigMaps and Secrets. Without the right to it everything else works.
fn follow_board(
    cluster: &Cluster,
    health: &Health,
    scopes: &[Option<String>],
    watches: &mut JoinSet<()>,
) -> Board {
    let board = Board::default();
    for (namespace, kind) in scopes.iter().flat_map(|scope| [(scope, Kind::ConfigMap), (scope, Kind::Secret)])
    {
        let resource = configuration_watch::resource(kind);
        let scope = Scope { resource, namespace: namespace.clone(), selector: None, name: None };
        let plural = resource.plural();
        let of = namespace.as_ref().map_or_else(|| plural.to_owned(), |name| format!("{plural} of {name}"));
        let (age, namespace, seen) = (health.watch(of, false), namespace.clone(), board.clone());
        let watching = follow::<Configuring>(cluster.clone(), scope, age, move |change| {
            seen.see(kind, namespace.as_deref(), change);
        });
        watches.spawn(watching.instrument(tracing::info_span!("configuration", kind = plural)));
    }
    board
}

/// Waits for the end of a task that should have none.
async fn defect(
    working: &mut JoinHandle<()>,
    watches: &mut JoinSet<()>,
    election: Option<&mut Election>,
) -> RunError {
    let why = |ended: Result<(), JoinError>| {
        ended.map_or_else(|error| error.to_string(), |()| "it returned".to_owned())
    };
    let elected = async {
        match election {
            Some(election) => election.ended().await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        ended = working => RunError::Ended { task: "the work on all workloads", why: why(ended) },
        Some(ended) = watches.join_next() => RunError::Ended { task: "a watch of StatefulSets", why: why(ended) },
        ended = elected => RunError::Ended { task: "the election of a leader", why: why(ended) },
    }
}

fn configuration(file: Option<PathBuf>) -> Result<Configuration, RunError> {
    let Some(path) = file else { return Ok(Configuration::default()) };
    let file = path.display().to_string();
    let text = std::fs::read_to_string(&path)
        .map_err(|source| RunError::Unreadable { file: file.clone(), source })?;
    Ok(configuration::parse(&file, &text)?)
}

/// One watch of everything, or one per namespace.
fn scopes(mut namespaces: Vec<String>) -> Vec<Option<String>> {
    namespaces.sort();
    namespaces.dedup();
    if namespaces.is_empty() { vec![None] } else { namespaces.into_iter().map(Some).collect() }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use super::*;

    #[test]
    fn a_namespace_is_watched_once_however_often_it_is_named() {
        let named = ["b", "a", "b"].map(str::to_owned).to_vec();
        assert_eq!(scopes(named), [Some("a".to_owned()), Some("b".to_owned())]);
        assert_eq!(scopes(Vec::new()), [None]);
    }

    #[tokio::test]
    async fn the_end_of_the_work_is_a_defect() {
        let (mut working, mut watches) = (tokio::spawn(async {}), JoinSet::new());
        watches.spawn(pending());
        let error = defect(&mut working, &mut watches, None).await.to_string();
        assert!(error.contains("all workloads") && error.contains("it returned"), "{error}");
    }

    #[tokio::test]
    async fn a_watch_that_panics_is_a_defect() {
        let (mut working, mut watches) = (tokio::spawn(pending()), JoinSet::new());
        watches.spawn(pending());
        watches.spawn(async { panic!("out of luck") });
        let error = defect(&mut working, &mut watches, None).await.to_string();
        assert!(error.contains("a watch of StatefulSets") && error.contains("out of luck"), "{error}");
    }
}
