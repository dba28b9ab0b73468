//! A daemon as a process: it can be ended at any moment, frozen, and its clock set.

use std::{future::pending, sync::Arc};

use jiff::Timestamp;
use siskin_core::{configuration::Configuration, policy::Library};
use siskin_daemon::{
    act::Kill,
    clock::{Clock, ServerClock, TokioClock},
    cluster::{Cluster, FIELD_MANAGER},
    reach::Reach,
    report::metrics::Metrics,
    run::{Daemon, RunError},
    server::health::Health,
};
use tokio::{sync::watch, task::JoinSet, time::Instant};
use tower::{ServiceBuilder, util::MapResponseLayer};

use crate::{
    NAMESPACE,
    way::{Cuts, Ways},
};

/// A process. Dropping it ends it.
pub struct Process {
    /// Which it is.
    pub number: u64,
    /// Its machine's clock.
    pub clock: TokioClock,
    frozen: watch::Sender<Instant>,
    cuts: Arc<Cuts>,
    running: JoinSet<Result<(), RunError>>,
}

/// What every process of an installation gets.
pub struct Installation {
    /// To the API server.
    pub ways: Ways,
    /// The policies.
    pub policies: watch::Sender<Arc<Library>>,
    /// To the pods.
    pub reach: Reach,
    /// Its processes stand for election.
    pub elects: bool,
}

impl Installation {
    /// Starts the process of this pod, whose machine's clock says `now`.
    pub fn start(&self, number: u64, pod: usize, now: Timestamp) -> Process {
        let (frozen, cuts) = (watch::Sender::new(Instant::now()), Arc::<Cuts>::default());
        let way = self.ways.of(number, frozen.subscribe(), cuts.clone());
        let told = TokioClock::new(now);
        let clock = Clock::Tokio(told.clone());
        let server = ServerClock::new(clock.clone());
        let heard = server.clone();
        let hearing = MapResponseLayer::new(move |answer: http::Response<axum::body::Body>| {
            heard.hear(answer.headers());
            answer
        });
        let passing = tower::service_fn(move |request| way.clone().pass(request));
        let client = kube::Client::new(ServiceBuilder::new().layer(hearing).service(passing), NAMESPACE);
        let metrics = Metrics::default();
        let mut configuration = Configuration::default();
        configuration.leader_election.enabled = self.elects;
        let name = format!("siskin-{pod}");
        let daemon = Daemon {
            cluster: Cluster::with(client, FIELD_MANAGER, metrics.clone()).told_by(server),
            configuration,
            policies: self.policies.subscribe(),
            namespaces: Vec::new(),
            reach: self.reach.clone(),
            instance: name.clone(),
            // A pod is one process at a time, so a new one goes on where the last was.
            identity: name,
            health: Health::new(clock),
            metrics,
            kill: Kill::default(),
            witness: None,
        };
        let mut running = JoinSet::new();
        running.spawn(daemon.run(pending()));
        Process { number, clock: told, frozen, cuts, running }
    }
}

impl Process {
    /// It stands still until then: nothing that it sends leaves, and nothing that it is sent arrives.
    pub fn freeze(&self, until: Instant) {
        self.frozen.send_replace(until);
    }

    /// Whether it stands still.
    pub fn is_frozen(&self) -> bool {
        *self.frozen.borrow() > Instant::now()
    }

    /// The connections of its watches break.
    pub fn cut(&self) {
        self.cuts.0.notify_waiters();
    }

    /// How it ended by itself, if it did.
    pub fn ended(&mut self) -> Option<String> {
        Some(match self.running.try_join_next()? {
            Ok(Ok(())) => "it returned".to_owned(),
            Ok(Err(error)) => error.to_string(),
            Err(error) => error.to_string(),
        })
    }
}
