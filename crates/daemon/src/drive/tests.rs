//! A worker against an API server that refuses.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
    time::Duration,
};

use http::{Method, Request, Response};
use kube::{Client, client::Body};
use serde_json::{Value, json};
use siskin_core::{
    decision::Observe,
    facts::{Revision, Rules},
    group::MaxParallelRollouts,
    policy::{Library, builtin},
    state::Rollout,
    time::{Instant, Wall},
};
use tokio::{
    sync::{mpsc, watch},
    task::JoinSet,
};

use super::{Context, Fleet, Members, Seen, driver::Driver, observation::Observation};
use crate::{
    act::{Act, Kill},
    clock::Clock,
    cluster::Cluster,
    lease::Leadership,
    reach::Reach,
    report::{events::Events, messages::Messenger, metrics::Metrics},
    server::health::Health,
    watch::{
        Change,
        guards::Guards,
        statefulsets::{Key, Managed, Whole},
    },
};

/// Shows one StatefulSet without pods, refuses every patch, and keeps what it was sent.
#[derive(Clone, Default)]
struct Refusing {
    patches: Arc<Mutex<u32>>,
    /// The paths of what was to be patched.
    patched: Arc<Mutex<Vec<String>>>,
    /// What it shows instead of [`statefulset`].
    shown: Option<Value>,
    events: Arc<Mutex<Vec<Value>>>,
}

impl Refusing {
    fn cluster(&self, metrics: &Metrics) -> Cluster {
        let server = self.clone();
        let service = tower::service_fn(move |request: Request<Body>| {
            let server = server.clone();
            async move { server.answer(request).await }
        });
        Cluster::with(Client::new(service, "default"), "test", metrics.clone())
    }

    async fn answer(&self, request: Request<Body>) -> Result<Response<Body>, http::Error> {
        let (parts, body) = request.into_parts();
        let (status, answer) = match parts.method {
            Method::PATCH => {
                *self.patches.lock().unwrap() += 1;
                self.patched.lock().unwrap().push(parts.uri.path().to_owned());
                (403, json!({ "kind": "Status", "status": "Failure", "code": 403, "message": "not allowed" }))
            }
            Method::POST => {
                let body = body.collect_bytes().await.unwrap();
                self.events.lock().unwrap().push(serde_json::from_slice(&body).unwrap());
                (201, json!({}))
            }
            _ if parts.uri.query().is_some_and(|query| query.contains("watch=true")) => {
                return std::future::pending().await;
            }
            _ if parts.uri.path().ends_with("/db") => (200, self.shown.clone().unwrap_or_else(statefulset)),
            _ => (200, json!({ "metadata": { "resourceVersion": "9" }, "items": [] })),
        };
        Response::builder().status(status).body(Body::from(answer.to_string().into_bytes()))
    }
}

fn statefulset() -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "StatefulSet",
        "metadata": {
            "name": "db", "namespace": "payments", "uid": "u-1", "resourceVersion": "7", "generation": 1,
            "annotations": { "siskin.dev/policy": "standard" },
        },
        "spec": { "replicas": 0, "selector": { "matchLabels": { "app": "db" } }, "template": {} },
        "status": { "observedGeneration": 1 },
    })
}

fn managed() -> Managed {
    serde_json::from_value::<Whole>(statefulset()).unwrap().0
}

fn key() -> Key {
    Key { namespace: "payments".into(), name: "db".into() }
}

/// What a worker needs; the sender ends it.
fn context(server: &Refusing, metrics: &Metrics, guards: Option<Guards>) -> (Context, watch::Sender<bool>) {
    let cluster = server.cluster(metrics);
    let (stopping, stop) = watch::channel(false);
    let (_library, policies) = watch::channel(Arc::new(Library::default()));
    let mut tasks = JoinSet::new();
    let context = Context {
        act: Act::new(cluster.clone(), metrics.clone(), Kill::default()),
        policies,
        rules: Rules::default(),
        members: Members::new(MaxParallelRollouts::default(), &[None]),
        sources: [].into(),
        reach: Reach::Network,
        events: Events::start(cluster.clone(), metrics.clone(), "test".to_owned(), &mut tasks),
        messenger: Messenger::start(Vec::new(), &Reach::Network, metrics, &mut tasks),
        cluster,
        metrics: metrics.clone(),
        health: Health::default(),
        guards,
        left_lists: BTreeSet::new(),
        board: None,
        stop,
        class: None,
        leadership: Leadership::Always,
        witness: None,
    };
    tasks.detach_all();
    (context, stopping)
}

#[tokio::test(start_paused = true)]
async fn nothing_is_done_before_the_lists_of_released_revisions_are_listed() {
    let (server, metrics, guards) = (Refusing::default(), Metrics::default(), Guards::default());
    let (context, _stopping) = context(&server, &metrics, Some(guards.clone()));
    let (_inbox, seen) = watch::channel(Arc::new(managed()));
    let working = tokio::spawn(Driver::new(Arc::new(context), key(), seen).run());
    tokio::time::sleep(Duration::from_mins(5)).await;
    assert_eq!(*server.patches.lock().unwrap(), 0);
    guards.see(None, Change::All(Vec::new()));
    tokio::time::sleep(Duration::from_mins(1)).await;
    assert!(*server.patches.lock().unwrap() > 0);
    working.abort();
}

#[tokio::test(start_paused = true)]
async fn a_write_that_is_refused_again_and_again_is_told_once() {
    let (server, metrics) = (Refusing::default(), Metrics::default());
    let (context, _stopping) = context(&server, &metrics, None);
    let (_inbox, seen) = watch::channel(Arc::new(managed()));
    let working = tokio::spawn(Driver::new(Arc::new(context), key(), seen).run());
    tokio::time::sleep(Duration::from_mins(5)).await;
    assert!(*server.patches.lock().unwrap() > 5);
    let events = server.events.lock().unwrap().clone();
    let told = events.iter().filter(|event| event["reason"] == "WriteFailed").collect::<Vec<_>>();
    assert_eq!(told.len(), 1, "{events:?}");
    assert!(told[0]["note"].as_str().unwrap().contains("not allowed"));
    let problem = "siskin_workload_problem{namespace=\"payments\",workload=\"db\",reason=\"WriteFailed\"} 1";
    assert!(metrics.render(&[]).contains(problem));
    working.abort();
}

#[tokio::test(start_paused = true)]
async fn a_worker_writes_no_more_once_it_reads_that_the_class_is_another() {
    let (server, metrics) = (Refusing::default(), Metrics::default());
    let (context, _stopping) = context(&server, &metrics, None);
    let context = Context { class: Some("blue".to_owned()), ..context };
    let (_inbox, seen) = watch::channel(Arc::new(managed()));
    let working = tokio::spawn(Driver::new(Arc::new(context), key(), seen).run());
    tokio::time::sleep(Duration::from_mins(5)).await;
    assert_eq!(*server.patches.lock().unwrap(), 1, "what was refused is read before it is tried again");
    working.abort();
}

/// A fleet that has seen the workload `db` of this class, and what tells it until when it leads.
fn fleet(server: &Refusing, metrics: &Metrics, class: Option<&str>) -> watch::Sender<Instant> {
    let (tell, until) = watch::channel(Instant::default());
    let leadership = Leadership::Elected { until, grace: Duration::from_secs(5), clock: Clock::Machine };
    let mut set = statefulset();
    if let Some(class) = class {
        set["metadata"]["annotations"]["siskin.dev/class"] = json!(class);
    }
    let (saw, changes) = mpsc::unbounded_channel();
    let change = Change::All(vec![serde_json::from_value(set).unwrap()]);
    saw.send(Seen { namespace: None, change }).unwrap();
    let (context, stopping) = context(server, metrics, None);
    let fleet = Fleet::new(Context { leadership, ..context });
    tokio::spawn(async move {
        fleet.run(changes).await;
        drop((saw, stopping));
    });
    tell
}

#[tokio::test(start_paused = true)]
async fn a_standby_writes_nothing_and_works_only_as_long_as_it_leads() {
    let (server, metrics) = (Refusing::default(), Metrics::default());
    let tell = fleet(&server, &metrics, None);
    let patches = || *server.patches.lock().unwrap();
    tokio::time::sleep(Duration::from_mins(5)).await;
    assert_eq!(patches(), 0);
    tell.send_replace(Clock::Machine.mono() + Duration::from_hours(1));
    tokio::time::sleep(Duration::from_mins(5)).await;
    assert!(patches() > 5);
    tell.send_replace(Instant::default());
    tokio::time::sleep(Duration::from_millis(1)).await;
    let written = patches();
    assert!(!metrics.render(&[]).contains("workload=\"db\""), "its series are the leader's");
    tokio::time::sleep(Duration::from_mins(5)).await;
    assert_eq!(patches(), written);
}

#[tokio::test(start_paused = true)]
async fn a_workload_of_another_class_is_none_of_our_business() {
    let (server, metrics) = (Refusing::default(), Metrics::default());
    let tell = fleet(&server, &metrics, Some("blue"));
    tell.send_replace(Clock::Machine.mono() + Duration::from_hours(1));
    tokio::time::sleep(Duration::from_mins(5)).await;
    assert_eq!(*server.patches.lock().unwrap(), 0);
}

#[tokio::test]
async fn what_stays_unseen_for_ten_seconds_is_worth_telling() {
    let (server, metrics) = (Refusing::default(), Metrics::default());
    let cluster = server.cluster(&metrics);
    let managed = managed();
    let mut observation = Observation::start(&cluster, &Health::default(), &key(), &managed);
    assert!(
        observation.detail(&cluster, &managed, Observe::default()).await.is_none(),
        "nothing is listed yet"
    );
    let later = |seconds| Clock::Machine.mono() + Duration::from_secs(seconds);
    assert_eq!(observation.missing(later(5)), None);
    assert_eq!(observation.missing(later(10)), Some("its pods can't be listed"));
    observation.changed().await;
    assert!(observation.detail(&cluster, &managed, Observe::default()).await.is_some());
    assert_eq!(observation.missing(later(10)), None);
}

/// A workload of two pods on `db-1`, with this state.
fn with_state(resource_version: &str, state: &Value) -> Value {
    let mut set = statefulset();
    set["metadata"]["resourceVersion"] = json!(resource_version);
    set["metadata"]["annotations"]["siskin.dev/stable"] = json!("db-1");
    set["metadata"]["annotations"]["siskin.dev/state"] = json!(state.to_string());
    set["spec"]["replicas"] = json!(2);
    set["spec"]["updateStrategy"] = json!({ "rollingUpdate": { "partition": 1_000_000 } });
    set["status"] = json!({ "observedGeneration": 1, "currentRevision": "db-1", "updateRevision": "db-1" });
    set
}

#[tokio::test(start_paused = true)]
async fn a_new_leader_narrows_no_list_by_an_old_view_of_a_workload_at_rest() {
    let mut state = json!({
        "version": 1, "workloadUID": "u-1", "seq": 3, "stable": "db-1", "userReplicas": 2, "userPartition": 0,
        "phase": "Idle",
    });
    let old = serde_json::from_value::<Whole>(with_state("7", &state)).unwrap().0;
    let policy = builtin("standard").unwrap();
    let rollout = Rollout::new("4-2".to_owned(), Revision::from("db-2"), policy, Wall(0));
    (state["seq"], state["phase"], state["rollout"]) = (json!(4), json!("Opening"), json!(rollout));
    let mut newer = with_state("8", &state);
    newer["status"]["updateRevision"] = json!("db-2");
    let (server, metrics) = (Refusing { shown: Some(newer), ..Refusing::default() }, Metrics::default());
    let guards = Guards::default();
    let list = json!({
        "metadata": {
            "name": "siskin-guard-db", "namespace": "payments", "resourceVersion": "9",
            "labels": { "siskin.dev/guard": "true" },
        },
        "data": { "workload": "db", "allowed": "db-1,db-2" },
    });
    guards.see(None, Change::All(vec![serde_json::from_value(list).unwrap()]));
    let (context, _stopping) = context(&server, &metrics, Some(guards));
    let (_inbox, seen) = watch::channel(Arc::new(old));
    let working = tokio::spawn(Driver::new(Arc::new(context), key(), seen).run());
    tokio::time::sleep(Duration::from_mins(5)).await;
    let patched = server.patched.lock().unwrap().clone();
    assert!(!patched.iter().any(|path| path.contains("configmaps")), "{patched:?}");
    working.abort();
}

#[tokio::test(start_paused = true)]
async fn a_list_that_is_left_is_told() {
    let (server, metrics) = (Refusing::default(), Metrics::default());
    let (context, _stopping) = context(&server, &metrics, None);
    let context = Context { left_lists: [key()].into(), ..context };
    let (_inbox, seen) = watch::channel(Arc::new(managed()));
    let working = tokio::spawn(Driver::new(Arc::new(context), key(), seen).run());
    tokio::time::sleep(Duration::from_mins(1)).await;
    let events = server.events.lock().unwrap().clone();
    let told = events.iter().filter(|event| event["reason"] == "GuardListLeft").collect::<Vec<_>>();
    assert!(told.len() == 1 && told[0]["note"].as_str().unwrap().contains("siskin-guard-db"), "{events:?}");
    working.abort();
}
