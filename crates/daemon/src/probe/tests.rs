//! The prober against real sockets on the loopback.

mod source;

use std::{
    collections::BTreeMap,
    io::Write as _,
    sync::{
        Arc, Once,
        atomic::{AtomicU32, Ordering::SeqCst},
    },
    time::Duration,
};

use axum::{
    Router,
    body::Body,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Redirect, Response},
    routing::get,
};
use flate2::{Compression, write::GzEncoder};
use siskin_core::{
    checks::{Begun, Counts, Origin, PlannedProbe, ProbePlan, Reading, Role, Sample, Scraped, Target},
    facts::Uid,
    policy::{Endpoint, HttpProbe, Measure, Pattern, Port, Probe, Scheme, ScrapeProbe, Selector},
};
use tokio::{net::TcpListener, sync::mpsc};

use super::{Asker, Prober, Sources, ask};
use crate::{clock::Clock, reach::Reach, report::metrics::Metrics};

/// For a pod that answers, however busy the machine is.
const PATIENT: Duration = Duration::from_secs(20);
/// For one that never will.
const TIMEOUT: Duration = Duration::from_millis(400);

/// A pod that answers in many ways; counts how often `/redirected` was asked.
struct FakePod {
    port: u16,
    redirected: Arc<AtomicU32>,
}

fn typed(content_type: &'static str, page: &'static str) -> Response {
    ([(header::CONTENT_TYPE, content_type)], page).into_response()
}

/// OpenMetrics in gzip, if it is what is asked for first; other numbers in text otherwise.
async fn negotiated(headers: HeaderMap) -> Response {
    let asks =
        |name, first: &str| headers.get(name).is_some_and(|it| it.to_str().unwrap().starts_with(first));
    if !asks(header::ACCEPT, "application/openmetrics-text;version=1.0.0;") {
        return typed("text/plain; version=0.0.4", "r_total{code=\"200\"} 1\n");
    }
    assert!(asks(header::ACCEPT_ENCODING, "gzip"));
    let page =
        "# TYPE r counter\nr_total{code=\"200\"} 10 # {id=\"x\"} 1\nr_created{code=\"200\"} 1.5\n# EOF\n";
    let mut body = GzEncoder::new(Vec::new(), Compression::default());
    body.write_all(page.as_bytes()).unwrap();
    let headers = [
        (header::CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8"),
        (header::CONTENT_ENCODING, "gzip"),
    ];
    (headers, body.finish().unwrap()).into_response()
}

/// Asks over the network.
fn asker(samples: mpsc::Sender<Sample>, sources: Sources) -> Asker {
    Asker { reach: Reach::Network, sources, clock: Clock::Machine, samples, metrics: Metrics::default() }
}

impl FakePod {
    async fn start() -> Self {
        static PROVIDER: Once = Once::new();
        PROVIDER.call_once(|| drop(rustls::crypto::ring::default_provider().install_default()));
        let redirected = Arc::new(AtomicU32::new(0));
        let seen = redirected.clone();
        let endless = |chunk: &'static str| {
            let chunk = chunk.repeat(400);
            Body::from_stream(futures::stream::repeat_with(move || Ok::<_, std::io::Error>(chunk.clone())))
        };
        let router = Router::new()
            .route("/ok", get(|| async { "all is well" }))
            .route("/broken", get(|| async { StatusCode::INTERNAL_SERVER_ERROR }))
            .route("/hang", get(|| async { std::future::pending::<()>().await }))
            .route("/redirect", get(|| async { Redirect::temporary("/redirected") }))
            .route(
                "/redirected",
                get(move || async move {
                    seen.fetch_add(1, SeqCst);
                }),
            )
            .route(
                "/endless",
                get(move || async move { endless("# nothing but comments, line after line\n") }),
            )
            .route("/endless-line", get(move || async move { endless("xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx") }))
            .route("/garbage", get(|| async { "<html>not metrics</html>\n" }))
            .route("/negotiated", get(negotiated))
            .route("/protobuf", get(|| async { typed("application/vnd.google.protobuf", "\n\u{1}x") }))
            .route(
                "/brotli",
                get(|| async { ([(header::CONTENT_ENCODING, "br")], "not looked at").into_response() }),
            )
            .route("/metrics", get(|| async { "r_total{code=\"200\"} 10\nr_total{code=\"500\"} 2\n" }))
            .route(
                "/header",
                get(|headers: HeaderMap| async move {
                    let known = headers.get("x-probe").is_some_and(|value| value == "siskin");
                    if known { StatusCode::NO_CONTENT } else { StatusCode::FORBIDDEN }.into_response()
                }),
            );
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { port, redirected }
    }

    fn endpoint(&self, path: &str) -> Endpoint {
        Endpoint {
            port: Port::Number(self.port),
            path: path.to_owned(),
            scheme: Scheme::Http,
            headers: BTreeMap::from([("X-Probe".to_owned(), "siskin".to_owned())]),
            allow_host_network: false,
        }
    }

    fn http(&self, path: &str) -> HttpProbe {
        HttpProbe {
            endpoint: self.endpoint(path),
            expected_status: Vec::new(),
            body_match: None,
            failure_threshold: 1,
        }
    }

    fn scrape(&self, path: &str) -> Probe {
        let selector = |text: &str| Selector::try_from(text.to_owned()).unwrap();
        let measure = Measure::Ratio { bad: selector("r_total{code=~\"5..\"}"), total: selector("r_total") };
        Probe::Scrape(ScrapeProbe { endpoint: self.endpoint(path), measure, limit: None, compare: None })
    }
}

fn planned(probe: Probe) -> PlannedProbe {
    PlannedProbe {
        check: "health".into(),
        every: Duration::from_millis(50),
        connect_timeout: PATIENT,
        timeout: PATIENT,
        probe,
        stable_too: false,
    }
}

fn target() -> Target {
    Target {
        pod: Uid::from("p-1"),
        name: "db-0".into(),
        role: Role::Canary,
        ip: Some("127.0.0.1".into()),
        host_network: false,
        ports: BTreeMap::new(),
        restarts: 0,
    }
}

async fn answer(probe: Probe, target: &Target) -> Option<Reading> {
    let probe = planned(probe);
    ask::ask(&ask::client(&Reach::Network, &probe).unwrap(), &probe, target).await
}

async fn health(probe: HttpProbe) -> Reading {
    answer(Probe::Http(probe), &target()).await.unwrap()
}

fn unhealthy(reading: &Reading) -> &str {
    match reading {
        Reading::Unhealthy(reason) => reason,
        other => panic!("{other:?} is no failure of the pod"),
    }
}

fn unusable(reading: &Reading) -> &str {
    match reading {
        Reading::Unusable(reason) => reason,
        other => panic!("{other:?} is an answer"),
    }
}

#[tokio::test]
async fn a_good_answer_is_healthy_and_headers_are_sent() {
    let pod = FakePod::start().await;
    assert_eq!(health(pod.http("/ok")).await, Reading::Healthy);
    assert_eq!(
        health(HttpProbe { expected_status: vec![204], ..pod.http("/header") }).await,
        Reading::Healthy
    );
    assert_eq!(unhealthy(&health(pod.http("/broken")).await), "answered with status 500");
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_is_not_followed() {
    let pod = FakePod::start().await;
    assert_eq!(health(pod.http("/redirect")).await, Reading::Healthy);
    let strict = health(HttpProbe { expected_status: vec![200], ..pod.http("/redirect") }).await;
    assert_eq!(unhealthy(&strict), "answered with status 307");
    assert_eq!(pod.redirected.load(SeqCst), 0);
}

#[tokio::test]
async fn a_pod_that_hangs_costs_the_timeout() {
    let pod = FakePod::start().await;
    let probe = PlannedProbe { timeout: TIMEOUT, ..planned(Probe::Http(pod.http("/hang"))) };
    let reading = ask::ask(&ask::client(&Reach::Network, &probe).unwrap(), &probe, &target()).await.unwrap();
    assert_eq!(unhealthy(&reading), "no complete answer within 400ms");
}

#[tokio::test]
async fn a_refused_connection_is_unhealthy() {
    let pod = FakePod::start().await;
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let mut http = pod.http("/ok");
    http.endpoint.port = Port::Number(closed);
    assert!(unhealthy(&health(http).await).contains("refused"));
}

#[tokio::test]
async fn a_request_that_can_t_be_made_is_no_failure_of_the_pod() {
    let pod = FakePod::start().await;
    let mut http = pod.http("/ok");
    http.endpoint.path = "no-slash:x".to_owned();
    assert!(unusable(&health(http).await).contains("can't be made"));
}

#[tokio::test]
async fn the_body_of_a_health_answer_is_read_up_to_a_bound() {
    let pod = FakePod::start().await;
    let matching = |path, text| HttpProbe { body_match: Some(Pattern::new(text).unwrap()), ..pod.http(path) };
    assert_eq!(health(matching("/ok", "is w.ll")).await, Reading::Healthy);
    assert!(unhealthy(&health(matching("/ok", "ill")).await).contains("doesn't match `ill`"));
    assert!(unhealthy(&health(matching("/endless", "never there")).await).contains("doesn't match"));
}

#[tokio::test]
async fn a_metrics_page_becomes_counts() {
    let pod = FakePod::start().await;
    let reading = answer(pod.scrape("/metrics"), &target()).await;
    assert_eq!(reading, Some(Reading::Counts(Counts::Ratio { bad: 2, total: 12 }.into())));
}

#[tokio::test]
async fn openmetrics_in_gzip_is_asked_for_unless_the_policy_says_otherwise() {
    let pod = FakePod::start().await;
    let begun = Some(Begun { oldest: 1.5, newest: 1.5 });
    let page = Scraped { counts: Counts::Ratio { bad: 0, total: 10 }, begun };
    assert_eq!(answer(pod.scrape("/negotiated"), &target()).await, Some(Reading::Counts(page)));

    let mut plain = pod.scrape("/negotiated");
    if let Probe::Scrape(scrape) = &mut plain {
        scrape.endpoint.headers.insert("accept".to_owned(), "text/plain".to_owned());
    }
    let page = Counts::Ratio { bad: 0, total: 1 };
    assert_eq!(answer(plain, &target()).await, Some(Reading::Counts(page.into())));
}

#[tokio::test]
async fn what_is_no_metrics_page_is_unusable_with_the_reason() {
    let pod = FakePod::start().await;
    let reason = |path: &'static str| {
        let probe = pod.scrape(path);
        async move { unusable(&answer(probe, &target()).await.unwrap()).to_owned() }
    };
    assert!(reason("/garbage").await.contains("line 1 of the metrics page"));
    assert!(reason("/protobuf").await.starts_with("the metrics page is protobuf, although"));
    assert_eq!(reason("/brotli").await, "the metrics page is encoded by `br`; gzip or none is needed");
    assert!(reason("/endless-line").await.contains("longer than"));
    assert_eq!(reason("/broken").await, "the metrics page answered with status 500");
    assert!(reason("/endless").await.contains("larger than"));
}

#[tokio::test]
async fn only_a_pod_s_own_address_is_contacted() {
    let pod = FakePod::start().await;
    let ask = |target: Target| {
        let probe = Probe::Http(pod.http("/ok"));
        async move { answer(probe, &target).await }
    };
    assert_eq!(ask(Target { ip: None, ..target() }).await, None);
    let named = ask(Target { ip: Some("localhost".into()), ..target() }).await.unwrap();
    assert!(unusable(&named).contains("is not an IP address"));
    let shared = ask(Target { host_network: true, ..target() }).await.unwrap();
    assert!(unusable(&shared).contains("allowHostNetwork"));
}

#[tokio::test]
async fn a_port_is_found_by_its_name() {
    let pod = FakePod::start().await;
    let probe = |name: &str| {
        let mut http = pod.http("/ok");
        http.endpoint.port = Port::Name(name.into());
        Probe::Http(http)
    };
    let target = Target { ports: BTreeMap::from([("web".to_owned(), pod.port)]), ..target() };
    assert_eq!(answer(probe("web"), &target).await, Some(Reading::Healthy));
    let missing = answer(probe("wbe"), &target).await.unwrap();
    assert_eq!(unusable(&missing), "no container has a port named `wbe`; there are: web");
}

async fn next(samples: &mut mpsc::Receiver<Sample>) -> Sample {
    tokio::time::timeout(Duration::from_secs(10), samples.recv()).await.unwrap().unwrap()
}

#[tokio::test]
async fn a_plan_is_followed_and_a_changed_pod_keeps_its_rhythm() {
    let pod = FakePod::start().await;
    let (tell, mut samples) = mpsc::channel(64);
    let mut prober = Prober::new(asker(tell, [].into()));
    let stable = Target { pod: Uid::from("p-2"), role: Role::Stable, ..target() };
    let mut plan =
        ProbePlan { targets: vec![target(), stable], probes: vec![planned(Probe::Http(pod.http("/ok")))] };
    prober.follow(&plan);
    assert_eq!(prober.running.len(), 1, "the stable pod is not asked");
    let task = prober.running.values().next().unwrap().task.id();
    assert_eq!(next(&mut samples).await.reading, Reading::Healthy);
    plan.targets[0].restarts = 3;
    prober.follow(&plan);
    assert_eq!(prober.running.values().next().unwrap().task.id(), task);
    let after = |sample: &Sample| matches!(sample.origin, Origin::Pod { restarts: 3, .. });
    while !after(&next(&mut samples).await) {}
    plan.probes[0].every = Duration::from_millis(60);
    prober.follow(&plan);
    assert_ne!(prober.running.values().next().unwrap().task.id(), task);
    prober.follow(&ProbePlan::default());
    assert!(prober.running.is_empty());
}
