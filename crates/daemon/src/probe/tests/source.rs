//! Sources: what goes over the wire, and what becomes of answers that are none.

use std::{
    collections::BTreeSet,
    path::PathBuf,
    sync::{Arc, Mutex, Once},
    time::Duration,
};

use axum::{
    Router,
    body::Body,
    extract::State,
    http::{HeaderMap, Request, StatusCode, header::AUTHORIZATION},
    response::Redirect,
    routing::{any, get, post},
};
use siskin_core::{
    checks::{Origin, PlannedQuery, Reading, Value},
    configuration::{Credentials, Source, SourceKind},
    facts::Uid,
    policy::{GoDuration, QueryTemplate, Question},
};
use tokio::{net::TcpListener, sync::mpsc};

use super::{super::source, Prober, Reach, asker};

const ONE: &str = r#"{"status":"success","data":{"resultType":"scalar","result":[1,"1"]}}"#;

type Log = Arc<Mutex<Vec<String>>>;

/// A server that answers well, or not, and keeps what it was asked.
struct Server {
    url: String,
    log: Log,
}

impl Server {
    async fn start() -> Self {
        static PROVIDER: Once = Once::new();
        PROVIDER.call_once(|| drop(rustls::crypto::ring::default_provider().install_default()));
        let log = Log::default();
        let endless = || async {
            Body::from_stream(futures::stream::repeat_with(|| Ok::<_, std::io::Error>("[".repeat(1 << 16))))
        };
        let router = Router::new()
            .route(
                "/api/v1/query",
                post(|State(log): State<Log>, headers: HeaderMap, body: String| async move {
                    let secret = headers.get(AUTHORIZATION).map_or("", |value| value.to_str().unwrap());
                    log.lock().unwrap().push(format!("{secret} {body}"));
                    ONE
                }),
            )
            .route("/hang/api/v1/query", any(|| async { std::future::pending::<()>().await }))
            .route("/moved/api/v1/query", any(|| async { Redirect::temporary("/api/v1/query") }))
            .route("/endless/api/v1/query", any(endless))
            .route("/broken/api/v1/query", any(|| async { StatusCode::BAD_GATEWAY }))
            .route(
                "/lag",
                get(|request: Request<Body>| async move {
                    format!(r#"{{ "asked": {{ "for": {} }} }}"#, request.uri().query().unwrap().len())
                }),
            )
            .with_state(log.clone());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, log }
    }

    fn source(&self, below: &str) -> Source {
        Source {
            name: "main".into(),
            kind: SourceKind::Prometheus,
            url: format!("{}{below}", self.url),
            credentials: None,
            ca_file: None,
            timeout: GoDuration::from_secs(10),
        }
    }
}

fn query() -> PlannedQuery {
    let query = QueryTemplate::try_from("up".to_owned()).unwrap();
    PlannedQuery {
        check: "lag".into(),
        every: Duration::from_millis(20),
        connect_timeout: Duration::from_secs(5),
        timeout: Duration::from_secs(5),
        source: "main".into(),
        question: Question::Prometheus { query, accept_warnings: false },
        text: r#"up{pod=~"a|b"} & 1"#.into(),
        about: [Uid::from("p-1")].into(),
    }
}

fn one() -> Reading {
    Reading::Values(vec![Value { of: String::new(), value: 1.0 }])
}

async fn answer(source: Source) -> Reading {
    source::ask(&Reach::Network, &[source], &query()).await
}

fn unusable(reading: Reading) -> String {
    let Reading::Unusable(reason) = reading else { panic!("{reading:?} is an answer") };
    reason
}

/// A file that goes away with the test.
struct Secret(PathBuf);

impl Secret {
    fn new(name: &str, content: &str) -> Self {
        let path = std::env::temp_dir().join(format!("siskin-source-{name}-{}", std::process::id()));
        std::fs::write(&path, content).unwrap();
        Self(path)
    }

    fn path(&self) -> String {
        self.0.display().to_string()
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

#[tokio::test]
async fn a_query_is_a_form_that_wants_no_partial_answer() {
    let server = Server::start().await;
    assert_eq!(answer(server.source("")).await, one());
    assert_eq!(
        *server.log.lock().unwrap(),
        [" query=up%7Bpod%3D%7E%22a%7Cb%22%7D+%26+1&timeout=5000ms&partial_response=false"]
    );
}

#[tokio::test]
async fn a_number_is_read_from_a_json_document() {
    let server = Server::start().await;
    let source = Source { kind: SourceKind::Json, ..server.source("") };
    let path = QueryTemplate::try_from("/lag?of={{ workload.name }}".to_owned()).unwrap();
    let question = Question::Json { path, pointer: "/asked/for".into() };
    let reading = source::ask(
        &Reach::Network,
        &[source],
        &PlannedQuery { question, text: "/lag?of=db".into(), ..query() },
    )
    .await;
    assert_eq!(reading, Reading::Values(vec![Value { of: String::new(), value: 5.0 }]));
}

#[tokio::test]
async fn secrets_are_read_at_each_use_and_never_told() {
    let server = Server::start().await;
    let secret = Secret::new("token", "first\n");
    let token = Some(Credentials::BearerToken(secret.path()));
    let source = Source { credentials: token, ..server.source("") };
    answer(source.clone()).await;
    std::fs::write(&secret.0, "second").unwrap();
    answer(source.clone()).await;
    let basic = Credentials::Basic { username: "me".into(), password_file: secret.path() };
    answer(Source { credentials: Some(basic), ..server.source("") }).await;
    let seen: Vec<String> = server
        .log
        .lock()
        .unwrap()
        .iter()
        .map(|line| line.split(" query").next().unwrap().to_owned())
        .collect();
    assert_eq!(seen, ["Bearer first", "Bearer second", "Basic bWU6c2Vjb25k"]);
    std::fs::write(&secret.0, "two\nlines").unwrap();
    let reason = unusable(answer(source.clone()).await);
    assert!(reason.contains("no bearer token") && !reason.contains("lines"), "{reason}");
    std::fs::write(&secret.0, " \n").unwrap();
    assert!(unusable(answer(source.clone()).await).ends_with("is empty"));
    std::fs::remove_file(&secret.0).unwrap();
    assert!(unusable(answer(source).await).contains("can't be read"));
    assert_eq!(server.log.lock().unwrap().len(), 3, "without its secret no question is sent");
}

#[tokio::test]
async fn a_certificate_authority_that_is_no_pem_file_is_told() {
    let server = Server::start().await;
    let authority = Secret::new("ca", "no certificate");
    let source = Source {
        ca_file: Some(authority.path()),
        url: server.url.replace("http:", "https:"),
        ..server.source("")
    };
    let reason = unusable(answer(source.clone()).await);
    assert!(reason.contains(&authority.path()), "{reason}");
    let absent = unusable(answer(Source { ca_file: Some("/nonexistent/ca".into()), ..source }).await);
    assert!(absent.contains("/nonexistent/ca can't be read"), "{absent}");
}

#[tokio::test]
async fn a_source_that_hangs_costs_the_shorter_of_both_timeouts() {
    let server = Server::start().await;
    let hasty = Source { timeout: GoDuration::from_millis(100), ..server.source("/hang") };
    assert_eq!(unusable(answer(hasty).await), "no complete answer within 100ms");
    let patient = PlannedQuery { timeout: Duration::from_millis(150), ..query() };
    let reading = source::ask(&Reach::Network, &[server.source("/hang")], &patient).await;
    assert_eq!(unusable(reading), "no complete answer within 150ms");
}

#[tokio::test]
async fn a_source_that_is_not_there_refuses_the_connection() {
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let server = Server::start().await;
    let reason = unusable(answer(Source { url: format!("http://{gone}"), ..server.source("") }).await);
    assert!(reason.contains("refused"), "{reason}");
}

#[tokio::test]
async fn an_answer_without_end_is_cut() {
    let server = Server::start().await;
    let Reading::Refused(reason) = answer(server.source("/endless")).await else { panic!("it was read") };
    assert_eq!(reason, "the answer is longer than 1024 KiB: let the query aggregate");
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let server = Server::start().await;
    let Reading::Refused(reason) = answer(server.source("/moved")).await else { panic!("it was followed") };
    assert!(reason.contains("redirect"), "{reason}");
    assert_eq!(server.log.lock().unwrap().len(), 0);
    assert_eq!(unusable(answer(server.source("/broken")).await), "answered with status 502");
}

#[tokio::test]
async fn a_source_of_another_name_or_kind_is_not_asked() {
    let server = Server::start().await;
    for source in [
        Source { name: "other".into(), ..server.source("") },
        Source { kind: SourceKind::Json, ..server.source("") },
    ] {
        let Reading::Refused(reason) = answer(source).await else { panic!("it was asked") };
        assert_eq!(reason, "the configuration of siskin has no prometheus source of this name");
    }
    assert_eq!(server.log.lock().unwrap().len(), 0);
}

#[tokio::test]
async fn the_prober_asks_on_with_the_newest_question_and_ends_with_the_plan() {
    let server = Server::start().await;
    let (tell, mut samples) = mpsc::channel(100);
    let mut prober = Prober::new(asker(tell, [server.source("")].into()));
    prober.ask(vec![query()]);
    let task = prober.asking["lag"].task.id();
    let sample = samples.recv().await.unwrap();
    assert_eq!((sample.check.as_str(), sample.reading), ("lag", one()));
    let about = BTreeSet::from([Uid::from("p-1"), Uid::from("p-2")]);
    prober.ask(vec![PlannedQuery { about: about.clone(), ..query() }]);
    assert_eq!(prober.asking["lag"].task.id(), task, "it keeps its rhythm");
    while samples.recv().await.unwrap().origin != (Origin::Source { about: about.clone() }) {}
    prober.ask(Vec::new());
    assert!(prober.asking.is_empty());
}
