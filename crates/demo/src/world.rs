//! The cluster with the sample application, its clients, and the daemon.

use std::{
    future::pending,
    net::Ipv4Addr,
    sync::{Arc, Mutex, PoisonError},
};

use jiff::Timestamp;
use serde_json::{Value, json};
use siskin_core::{
    checks::Verdicts, command::Command, configuration::Configuration, decision::PREFIX, policy::Library,
    state::Record, yaml::Errors,
};
use siskin_daemon::{
    act::Kill,
    clock::{Clock, ServerClock, TokioClock},
    cluster::{Cluster as Api, FIELD_MANAGER},
    drive::Witness,
    reach::{Reach, Service},
    report::metrics::Metrics,
    run::{Daemon, RunError},
    server::health::Health,
};
use siskin_embedded::model::traffic::Clients;
use siskin_embedded_api::{
    kinds::{Kind, SERVICE, STATEFUL_SET},
    refusal::Refusal,
    store::{Call, Part, Patch, Target},
};
use siskin_embedded_cluster::Cluster;
use tokio::{sync::watch, task::JoinSet};

use crate::{
    application::{self, NAME, NAMESPACE, RATE, image},
    scenario::{Deed, PolicyKind},
    scene::Scene,
};

/// Who writes what people do.
const PERSON: &str = "kubectl";

/// The state after the daemon's last step, and what the checks said in it.
pub type Step = (Option<Record>, Verdicts);
type Judged = Arc<Mutex<Option<Step>>>;

/// All that there is.
pub struct World {
    /// The cluster.
    pub cluster: Cluster,
    start: Timestamp,
    policies: watch::Sender<Arc<Library>>,
    /// Pods and controllers.
    running: JoinSet<()>,
    daemon: JoinSet<Result<(), RunError>>,
    /// How many daemons there were.
    daemons: u32,
    judged: Judged,
}

impl World {
    /// Begins a cluster whose clock says `start`, with the application under a policy, and a daemon. Pods get addresses
    /// after `network`.
    ///
    /// # Errors
    /// See [`WorldError`].
    pub fn begin(
        seed: u64,
        start: Timestamp,
        network: Ipv4Addr,
        policy: PolicyKind,
    ) -> Result<Self, WorldError> {
        let cluster = Cluster::new(seed, start, network);
        let policies = watch::Sender::new(Arc::new(application::policies()?));
        let (running, daemon) = (JoinSet::new(), JoinSet::new());
        let mut world =
            Self { cluster, start, policies, running, daemon, daemons: 0, judged: Judged::default() };
        world.create(SERVICE, application::service())?;
        world.create(STATEFUL_SET, application::statefulset(policy))?;
        world.running.spawn(world.cluster.clone().run());
        world.start_daemon()?;
        Ok(world)
    }

    /// Lets clients send requests from now on.
    pub fn open_traffic(&self) {
        self.cluster.open_traffic(NAMESPACE, Clients::new(NAME, RATE));
    }

    /// What the cluster shows now.
    pub fn scene(&self) -> Scene {
        let judged = self.judged.lock().unwrap_or_else(PoisonError::into_inner);
        Scene::of(&self.cluster, self.start, judged.as_ref())
    }

    /// Says whether cluster and daemon still run.
    ///
    /// # Errors
    /// How one of them ended.
    pub fn check(&mut self) -> Result<(), WorldError> {
        let how = match (self.running.try_join_next(), self.daemon.try_join_next()) {
            (None, None) => return Ok(()),
            (Some(Err(error)), _) => format!("the cluster: {error}"),
            (Some(Ok(())), _) => "the cluster".to_owned(),
            (None, Some(Ok(Ok(())))) => "the daemon".to_owned(),
            (None, Some(Ok(Err(error)))) => format!("the daemon: {error}"),
            (None, Some(Err(error))) => format!("the daemon: {error}"),
        };
        Err(WorldError::Ended(how))
    }

    /// Does what a person does.
    ///
    /// # Errors
    /// See [`WorldError`]; a write that is refused.
    pub fn act(&mut self, deed: Deed, scene: &Scene) -> Result<(), WorldError> {
        match deed {
            Deed::Release(tag) => {
                let container = json!({ "name": NAME, "image": image(tag) });
                self.patch(json!({ "spec": { "template": { "spec": { "containers": [container] } } } }))
            }
            Deed::Approve => self.order(|| {
                let rollout = scene.rollout()?;
                let step = scene.plan()?.steps.get(rollout.step)?.name.clone();
                Some(Command::Approve { revision: rollout.canary.clone(), step, user: "you".to_owned() })
            }),
            Deed::Abort => self.order(|| Some(Command::Abort(scene.rollout()?.id.clone()))),
            Deed::Kill => {
                // As the end of its process: nothing is waited for.
                self.daemon = JoinSet::new();
                self.start_daemon()
            }
        }
    }

    fn order(&self, command: impl FnOnce() -> Option<Command>) -> Result<(), WorldError> {
        let Some(command) = command() else { return Ok(()) };
        let name = format!("{PREFIX}{}", command.name());
        self.patch(json!({ "metadata": { "annotations": { name: command.value() } } }))
    }

    fn patch(&self, patch: Value) -> Result<(), WorldError> {
        let target = Target::new(STATEFUL_SET, NAMESPACE, NAME);
        let call = Call::new(PERSON, self.cluster.server().now());
        let patch = Patch::Strategic(patch);
        self.cluster.server().store(|store| store.patch(&target, Part::Whole, &patch, &call))?;
        Ok(())
    }

    fn create(&self, kind: &'static Kind, object: Value) -> Result<(), WorldError> {
        let call = Call::new(PERSON, self.cluster.server().now());
        self.cluster.server().store(|store| store.create(kind, NAMESPACE, object, &call))?;
        Ok(())
    }

    fn start_daemon(&mut self) -> Result<(), WorldError> {
        self.daemons += 1;
        self.judged = Judged::default();
        let judged = self.judged.clone();
        let witness: Witness = Arc::new(move |key, state, verdicts| {
            if (key.namespace.as_str(), key.name.as_str()) == (NAMESPACE, NAME) {
                let mut judged = judged.lock().unwrap_or_else(PoisonError::into_inner);
                let said = said(judged.take(), state.record.as_ref(), verdicts);
                *judged = Some((state.record.clone(), said));
            }
        });
        let name = format!("siskin-{}", self.daemons);
        let clock = Clock::Tokio(TokioClock::new(self.cluster.server().now()));
        let metrics = Metrics::default();
        let client = kube::Client::new(self.cluster.server().clone(), NAMESPACE);
        let pods = self.cluster.clone();
        let answer = tower::service_fn(move |request| {
            let pods = pods.clone();
            async move { pods.answer(request).await }
        });
        let daemon = Daemon {
            cluster: Api::with(client, FIELD_MANAGER, metrics.clone())
                .told_by(ServerClock::new(clock.clone())),
            configuration: Configuration::default(),
            policies: self.policies.subscribe(),
            namespaces: Vec::new(),
            reach: Reach::in_process(Service::new(answer))?,
            instance: name.clone(),
            identity: name,
            health: Health::new(clock),
            metrics,
            kill: Kill::default(),
            witness: Some(witness),
        };
        self.daemon.spawn(daemon.run(pending()));
        Ok(())
    }
}

/// What the checks say. Where a rollout doesn't go forward any more, it is what they said when that was decided: its pods
/// go, and there is nothing to be judged.
fn said(before: Option<Step>, now: Option<&Record>, verdicts: &Verdicts) -> Verdicts {
    let rollout = |record: &Record| record.rollout.as_ref().map(|rollout| rollout.id.clone());
    match (before, now) {
        (Some((Some(before), said)), Some(now))
            if !before.goes_forward() && rollout(now).is_some() && rollout(&before) == rollout(now) =>
        {
            said
        }
        _ => verdicts.clone(),
    }
}

/// Why the cluster with the application isn't there, or not any more.
#[derive(Debug, thiserror::Error)]
pub enum WorldError {
    /// The demo's own policy has a mistake.
    #[error(transparent)]
    Policy(#[from] Errors),
    /// The API server refused a write.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The client of probes can't be made.
    #[error("pods can't be probed: {0}")]
    Probe(#[from] reqwest::Error),
    /// What should run for ever ended.
    #[error("it ended by a defect: {0}")]
    Ended(String),
}
