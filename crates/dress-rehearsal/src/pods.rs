//! How the daemon's probes reach the pods: by their addresses, without sockets.

use std::{
    collections::BTreeMap,
    future::pending,
    io::{self, ErrorKind},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use axum::body::Body;
use http::{Request, Response, StatusCode};
use siskin_embedded::{Millis, model::application::Health, object::Uid};
use siskin_embedded_api::{
    kinds::POD,
    store::{Page, Query},
};
use siskin_embedded_cluster::{Cluster, translate};

/// The pods of a cluster, as probes find them; cheap to clone.
#[derive(Clone)]
pub struct Pods {
    cluster: Cluster,
    shared: Arc<Mutex<Shared>>,
}

#[derive(Default)]
struct Shared {
    /// No check gets a usable answer before.
    no_data_until: Millis,
    /// No health endpoint can be reached before.
    unreachable_until: Millis,
    /// When a check last had a usable answer.
    heard: BTreeMap<String, Millis>,
}

impl Pods {
    /// Those of a cluster.
    pub fn new(cluster: Cluster) -> Self {
        Self { cluster, shared: Arc::default() }
    }

    /// Answers are garbage until then.
    pub fn garble(&self, until: Millis) {
        self.shared().no_data_until = until;
    }

    /// Health endpoints can't be reached until then.
    pub fn cut_off(&self, until: Millis) {
        self.shared().unreachable_until = until;
    }

    /// All is well from now on.
    pub fn heal(&self) {
        let mut shared = self.shared();
        (shared.no_data_until, shared.unreachable_until) = (0, 0);
    }

    /// When each check last had a usable answer.
    pub fn heard(&self) -> BTreeMap<String, Millis> {
        self.shared().heard.clone()
    }

    fn shared(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Answers a probe that is sent `now`.
    ///
    /// # Errors
    /// Nothing listens there.
    pub async fn answer(self, request: Request<Body>, now: Millis) -> io::Result<Response<Body>> {
        let Some(pod) = request.uri().host().and_then(|ip| self.at(ip)) else {
            // An address that nobody has takes no connection.
            return pending().await;
        };
        let asks_for_health = request.uri().path() == "/healthz";
        {
            let shared = self.shared();
            if asks_for_health && now < shared.unreachable_until {
                return Err(io::Error::new(ErrorKind::HostUnreachable, "no route to host"));
            }
            if now < shared.no_data_until {
                return Ok(Response::new(Body::from("\u{1}garbage")));
            }
        }
        if self.cluster.change(|memory| memory.faults.silent.contains(&pod)) {
            return pending().await;
        }
        let reading = self.cluster.ask(pod);
        let Some(reading) = reading else { return Err(ErrorKind::ConnectionRefused.into()) };
        let (check, status, text) = match (asks_for_health, reading.health()) {
            (false, _) => ("errors", StatusCode::OK, reading.metrics()),
            (true, Health::Ok) => ("health", StatusCode::OK, "ok\n".to_owned()),
            (true, Health::Fail) => ("", StatusCode::SERVICE_UNAVAILABLE, "sick\n".to_owned()),
            (true, Health::Slow) => return pending().await,
        };
        if !check.is_empty() {
            self.shared().heard.insert(check.to_owned(), now);
        }
        let mut answer = Response::new(Body::from(text));
        *answer.status_mut() = status;
        Ok(answer)
    }

    /// The pod that has this address.
    fn at(&self, ip: &str) -> Option<Uid> {
        let pods =
            self.cluster.server().store(|store| store.list(&Query::all(POD), &Page::default())).ok()?;
        let pod = pods.items.into_iter().find(|pod| translate::text(pod, "/status/podIP") == ip)?;
        translate::uid(translate::text(&pod, "/metadata/uid"))
    }
}
