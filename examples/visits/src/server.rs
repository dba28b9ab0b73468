//! The HTTP server: what each path answers, under which faults, and how it ends.

use std::convert::Infallible;
use std::future::{Future, pending};
use std::process;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::map_response_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::serve::ListenerExt;
use axum::{Json, Router};
use futures::stream;
use serde::Serialize;
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::task::spawn_blocking;
use tokio::time::sleep;

use crate::faults::{Change, Faults, Health, Metrics, Refused, Spread};
use crate::metrics::{Format, RequestMetrics, accepts_gzip, gzip};
use crate::store::Store;

/// Served on after SIGTERM, so that endpoints and clients can turn away first.
const LINGER: Duration = Duration::from_secs(2);
/// Open requests have this long to finish after that; one that hangs must not outlast the grace period.
const FINISH: Duration = Duration::from_secs(5);
/// A slow `/healthz`: longer than probes wait.
const SLOW_HEALTH: Duration = Duration::from_secs(10);
/// Lets the answer to `crash=now` leave before the process does.
const LAST_WORDS: Duration = Duration::from_millis(50);

/// The server's parts, shared by its requests.
#[derive(Debug, Clone)]
pub struct App(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    pod: String,
    version: String,
    store: Mutex<Store>,
    /// As the store says; readable while a write waits for a slow volume.
    on_disk: AtomicU64,
    write_failure: Mutex<Option<String>>,
    faulty: Mutex<Faulty>,
    metrics: Mutex<RequestMetrics>,
    closing: AtomicBool,
}

#[derive(Debug, Default)]
struct Faulty {
    faults: Faults,
    spread: Spread,
    memory: Vec<Vec<u8>>,
}

#[derive(Serialize)]
struct Count<'a> {
    pod: &'a str,
    version: &'a str,
    visits: u64,
}

impl App {
    /// A server without faults.
    #[expect(clippy::disallowed_methods, reason = "its counters' begin is told as a date")]
    pub fn new(pod: String, version: String, store: Store) -> Self {
        Self(Arc::new(Shared {
            pod,
            version,
            on_disk: AtomicU64::new(store.visits()),
            store: Mutex::new(store),
            write_failure: Mutex::default(),
            faulty: Mutex::default(),
            metrics: Mutex::new(RequestMetrics::new(SystemTime::now())),
            closing: AtomicBool::new(false),
        }))
    }

    /// Changes the faults in force, except for `crash` and `start`, and returns the new ones.
    pub async fn apply(&self, change: &Change) -> Faults {
        // Only written memory counts against a limit, and writing takes too long for an async thread.
        let grown = match change.memory {
            Some(size) => spawn_blocking(move || vec![1; size]).await.ok(),
            None => None,
        };
        let mut faulty = lock(&self.0.faulty);
        faulty.memory.extend(grown);
        if change.errors.is_some() {
            faulty.spread = Spread::default();
        }
        faulty.faults = change.of(&faulty.faults);
        faulty.faults.clone()
    }

    fn faults(&self) -> Faults {
        lock(&self.0.faulty).faults.clone()
    }

    fn visits(&self, visits: u64) -> Response {
        Json(Count { pod: &self.0.pod, version: &self.0.version, visits }).into_response()
    }
}

/// No value is left half-changed under a lock here, so one that a panic poisoned is still good.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Ends the process with 1 after `delay`.
pub fn crash_after(delay: Duration) {
    tokio::spawn(async move {
        sleep(delay.max(LAST_WORDS)).await;
        eprintln!("visits: crashed, as a fault asked for");
        process::exit(1);
    });
}

/// Serves until `terminated`; then `/healthz` fails at once, the rest is served for 2 s more, and open
/// requests are finished.
pub async fn run(
    listener: TcpListener,
    app: App,
    terminated: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    let closed = Arc::new(Notify::new());
    let (closing, closed_to_new) = (app.clone(), closed.clone());
    let listener = listener.tap_io(|connection| {
        // An answer that waits for the client's acknowledgement would show as latency that isn't there.
        let _ = connection.set_nodelay(true);
    });
    let serving = axum::serve(listener, routes(app)).with_graceful_shutdown(async move {
        terminated.await;
        closing.0.closing.store(true, Ordering::Relaxed);
        sleep(LINGER).await;
        closed_to_new.notify_one();
    });
    tokio::select! {
        ended = serving => ended,
        () = async { closed.notified().await; sleep(FINISH).await } => Ok(()),
    }
}

fn routes(app: App) -> Router {
    Router::new()
        .route("/", get(visit))
        .route("/visits", get(visits))
        .route("/healthz", get(healthz))
        .route("/metrics", get(metrics))
        .route("/admin/fault", get(fault).post(fault))
        .layer(map_response_with_state(app.clone(), send_clients_away))
        .with_state(app)
}

/// While closing, kept-alive connections end with their next answer, before they would be cut.
async fn send_clients_away(State(app): State<App>, mut response: Response) -> Response {
    if app.0.closing.load(Ordering::Relaxed) {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

async fn visit(State(app): State<App>) -> Response {
    let began = Instant::now();
    let (latency, fails) = {
        let faulty = &mut *lock(&app.0.faulty);
        (faulty.faults.latency, faulty.spread.fails(faulty.faults.errors))
    };
    if !latency.is_zero() {
        sleep(latency).await;
    }
    let response = if fails {
        // Tells who it is, so that a client knows whose fault it was.
        let visits = app.visits(app.0.on_disk.load(Ordering::Relaxed));
        (StatusCode::INTERNAL_SERVER_ERROR, visits).into_response()
    } else {
        count(&app).await
    };
    lock(&app.0.metrics).record(response.status().as_u16(), began.elapsed());
    response
}

async fn count(app: &App) -> Response {
    let shared = app.0.clone();
    // A slow volume must not hold up anything else, /healthz least of all.
    let counted = spawn_blocking(move || {
        let mut store = lock(&shared.store);
        let counted = store.count().map_err(|error| error.to_string());
        shared.on_disk.store(store.visits(), Ordering::Relaxed);
        *lock(&shared.write_failure) = counted.as_ref().err().cloned();
        counted
    })
    .await;
    match counted {
        Ok(Ok(visits)) => app.visits(visits),
        Ok(Err(failure)) => internal_error(&failure),
        Err(failure) => internal_error(&failure.to_string()),
    }
}

fn internal_error(why: &str) -> Response {
    (StatusCode::INTERNAL_SERVER_ERROR, format!("{why}\n")).into_response()
}

async fn visits(State(app): State<App>) -> Response {
    app.visits(app.0.on_disk.load(Ordering::Relaxed))
}

async fn healthz(State(app): State<App>) -> Response {
    let health = app.faults().health;
    let closing = || app.0.closing.load(Ordering::Relaxed);
    if health == Health::Slow && !closing() {
        sleep(SLOW_HEALTH).await;
    }
    let failure = if closing() {
        Some("shutting down".into())
    } else if health == Health::Fail {
        Some("injected failure".into())
    } else {
        lock(&app.0.write_failure).clone()
    };
    match failure {
        Some(why) => (StatusCode::SERVICE_UNAVAILABLE, why).into_response(),
        None => "ok".into_response(),
    }
}

async fn metrics(State(app): State<App>, headers: HeaderMap) -> Response {
    let asked = |name: HeaderName| {
        let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
        values.collect::<Vec<_>>().join(",")
    };
    let body = match app.faults().metrics {
        Metrics::Ok => {
            let format = Format::accepted(&asked(header::ACCEPT));
            let compressed = accepts_gzip(&asked(header::ACCEPT_ENCODING));
            let visits = app.0.on_disk.load(Ordering::Relaxed);
            let page = lock(&app.0.metrics).page(visits, format, compressed);
            return sent(page, format, compressed);
        }
        Metrics::Garbage => Body::from("<html><body>this } is { no \"metrics\n\u{0}\n</body></html>\n"),
        Metrics::Endless => endless(),
        Metrics::Hang => pending().await,
    };
    ([(header::CONTENT_TYPE, Format::Text.content_type())], body).into_response()
}

fn sent(page: String, format: Format, compressed: bool) -> Response {
    let content_type = (header::CONTENT_TYPE, format.content_type());
    if !compressed {
        return ([content_type], page).into_response();
    }
    match gzip(&page) {
        Ok(body) => ([content_type, (header::CONTENT_ENCODING, "gzip")], body).into_response(),
        Err(error) => internal_error(&error.to_string()),
    }
}

/// Well-formed series without end, in pieces of some kilobytes.
fn endless() -> Body {
    let mut series = 0..;
    Body::from_stream(stream::repeat_with(move || {
        let piece = series
            .by_ref()
            .take(256)
            .fold(String::new(), |piece, n: u64| piece + &format!("endless{{series=\"{n}\"}} 1\n"));
        Ok::<_, Infallible>(piece)
    }))
}

async fn fault(State(app): State<App>, RawQuery(query): RawQuery) -> Response {
    let change = Change::parse(&query.unwrap_or_default())
        .and_then(|change| if change.start.is_some() { Err(Refused::AlreadyStarted) } else { Ok(change) });
    match change {
        Ok(change) => {
            let faults = app.apply(&change).await;
            if let Some(delay) = change.crash {
                crash_after(delay);
            }
            Json(faults).into_response()
        }
        Err(refused) => (StatusCode::BAD_REQUEST, format!("{refused}\n")).into_response(),
    }
}
