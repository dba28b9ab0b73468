//! The daemon itself: everything between the API server, pods and receivers, whoever starts it.

use std::{collections::BTreeSet, future::Future, time::Duration};

use siskin_core::{
    configuration::{Configuration, LeaderElection},
    references::Kind,
};
use tokio::{
    sync::{mpsc, watch},
    task::{JoinError, JoinSet},
};
use tracing::Instrument;

use super::RunError;
use crate::{
    act::{Act, Kill},
    admission::policies::follow_identity,
    cluster::{Cluster, Resource, Scope},
    drive::{Context, Fleet, Members, Seen, Witness},
    lease::{Election, Leadership},
    policies::Policies,
    reach::Reach,
    report::{events::Events, messages::Messenger, metrics::Metrics},
    server::health::Health,
    watch::{
        configuration::{self as configuration_watch, Board, Configuring},
        follow,
        guards::{self, GuardList, Guards},
        statefulsets::{Key, StatefulSet},
    },
};

/// Longer than any write under way can take is not waited for at the end; Kubernetes kills after 30 s.
const LAST_WRITES: Duration = Duration::from_millis(4500);

/// A daemon that can be run: all that connects it with the world. Several may run in one process.
pub struct Daemon {
    /// The API server, and the clock.
    pub cluster: Cluster,
    /// What the platform team says. Where to listen and how to log is for who starts it.
    pub configuration: Configuration,
    /// The policies in force. A workload must not be told that its policy is unknown only because it isn't read yet.
    pub policies: Policies,
    /// The namespaces that are looked at; none: all.
    pub namespaces: Vec<String>,
    /// How pods, sources and receivers are reached.
    pub reach: Reach,
    /// What it is called in Events.
    pub instance: String,
    /// What it is called in the Lease: another than any other process.
    pub identity: String,
    /// Where it shows that it lives.
    pub health: Health,
    /// Where it counts.
    pub metrics: Metrics,
    /// The test hook that ends the process.
    pub kill: Kill,
    /// Who looks on, if anybody does.
    pub witness: Option<Witness>,
}

impl Daemon {
    /// Works until `stop`, or until a defect. Dropping this ends the daemon as the end of its process would: nothing is
    /// waited for, and the Lease isn't given back.
    ///
    /// # Errors
    /// A task that works as long as the daemon ended before it.
    pub async fn run(self, stop: impl Future<Output = ()>) -> Result<(), RunError> {
        let Self {
            cluster,
            configuration,
            policies,
            namespaces,
            reach,
            instance,
            identity,
            health,
            metrics,
            kill,
            witness,
        } = self;
        let Configuration {
            listen: _,
            log: _,
            pod_guard,
            watch_configuration,
            class,
            leader_election,
            receivers,
            rules,
            sources,
        } = configuration;
        let (stopping, stopped) = watch::channel(false);
        let mut tasks = JoinSet::new();

        let knowing_who = follow_identity(cluster.clone(), health.clone(), health.identity().clone());
        tasks.spawn(knowing_who.instrument(tracing::info_span!("admission")));

        let elected = leader_election
            .enabled
            .then(|| elect(&cluster, &health, &metrics, identity, &leader_election, class.as_deref()));
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
            watches.spawn(follow_sets(&cluster, &health, namespace, saw.clone()));
        }

        let fleet = Fleet::new(Context {
            act: Act::new(cluster.clone(), metrics.clone(), kill),
            policies,
            members,
            rules,
            sources: sources.into(),
            events: Events::start(cluster.clone(), metrics.clone(), instance, &mut tasks),
            messenger: Messenger::start(receivers, &reach, &metrics, &mut tasks),
            reach,
            cluster,
            metrics,
            health,
            guards,
            left_lists,
            board,
            stop: stopped,
            class,
            leadership,
            witness,
        });
        let mut working = JoinSet::new();
        working.spawn(fleet.run(changes));
        let end = tokio::select! {
            biased;
            () = stop => Ok(()),
            defect = defect(&mut working, &mut watches, election.as_mut()) => Err(defect),
        };
        match &end {
            Ok(()) => tracing::info!("siskin ends"),
            Err(error) => tracing::error!(%error, "siskin ends, to be started again"),
        }
        stopping.send_replace(true);
        if tokio::time::timeout(LAST_WRITES, working.join_next()).await.is_err() {
            tracing::warn!("a write is still under way; it will be read back by the next process");
        } else if let Some(election) = election {
            election.release().await;
        }
        end
    }
}

/// Stands for election by the Lease of this installation.
fn elect(
    cluster: &Cluster,
    health: &Health,
    metrics: &Metrics,
    identity: String,
    election: &LeaderElection,
    class: Option<&str>,
) -> (Election, Leadership) {
    let namespace = election.namespace.clone().unwrap_or_else(|| cluster.default_namespace().to_owned());
    let name = election.lease(class);
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

/// Watches the `StatefulSets` in one namespace, or in all.
fn follow_sets(
    cluster: &Cluster,
    health: &Health,
    namespace: Option<String>,
    saw: mpsc::UnboundedSender<Seen>,
) -> impl Future<Output = ()> + use<> {
    let scope =
        Scope { resource: Resource::StatefulSets, namespace: namespace.clone(), selector: None, name: None };
    let of = namespace
        .as_ref()
        .map_or_else(|| "statefulsets".to_owned(), |name| format!("statefulsets of {name}"));
    let age = health.watch(of, true);
    follow::<StatefulSet>(cluster.clone(), scope, age, move |change| {
        let _ = saw.send(Seen { namespace: namespace.clone(), change });
    })
    .instrument(tracing::info_span!("statefulsets"))
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
    working: &mut JoinSet<()>,
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
        biased;
        Some(ended) = working.join_next() => RunError::Ended { task: "the work on all workloads", why: why(ended) },
        Some(ended) = watches.join_next() => RunError::Ended { task: "a watch of StatefulSets", why: why(ended) },
        ended = elected => RunError::Ended { task: "the election of a leader", why: why(ended) },
    }
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
        let (mut working, mut watches) = (JoinSet::new(), JoinSet::new());
        working.spawn(async {});
        watches.spawn(pending());
        let error = defect(&mut working, &mut watches, None).await.to_string();
        assert!(error.contains("all workloads") && error.contains("it returned"), "{error}");
    }

    #[tokio::test]
    async fn a_watch_that_panics_is_a_defect() {
        let (mut working, mut watches) = (JoinSet::new(), JoinSet::new());
        working.spawn(pending());
        watches.spawn(pending());
        watches.spawn(async { panic!("out of luck") });
        let error = defect(&mut working, &mut watches, None).await.to_string();
        assert!(error.contains("a watch of StatefulSets") && error.contains("out of luck"), "{error}");
    }
}
