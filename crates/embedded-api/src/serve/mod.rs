//! The store behind HTTP: a service that a client takes in process, or that listens on a socket.

mod answer;
mod changes;
mod discovery;
mod http;
mod logs;
mod openapi;
mod params;
mod resource;
mod route;
mod table;
#[cfg(test)]
mod tests;
mod watch;

use std::{
    convert::Infallible,
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
};

use self::{changes::Changed, logs::Logs, params::Params, route::Route};
pub use self::{
    changes::Changes,
    http::{kubeconfig, listen},
    logs::LogsOf,
};
use crate::{
    refusal::Refusal,
    store::{
        Store,
        faults::{Effect, Seen},
    },
};
use ::http::{Request, Response, request::Parts};
use axum::body::{Body, Bytes, HttpBody};
use jiff::Timestamp;

/// No body is longer; a real API server's limit for what etcd takes is 1.5 MiB, and 3 MiB for a request.
const LONGEST_BODY: usize = 3 << 20;
/// Who everybody is: there are no users to tell apart.
const USER: &str = "kubernetes-admin";

/// An API server in this process; cheap to clone, and each clone is the same server.
#[derive(Clone)]
pub struct ApiServer {
    shared: Arc<Shared>,
}

struct Shared {
    store: Mutex<Store>,
    clock: Box<dyn Fn() -> Timestamp + Send + Sync>,
    logs: Logs,
    /// Told of every change, so that watches look again.
    changed: Changed,
}

impl ApiServer {
    /// Serves a store. `clock` tells the time; `logs` gives a pod's log, or refuses.
    pub fn new(
        store: Store,
        clock: impl Fn() -> Timestamp + Send + Sync + 'static,
        logs: impl Fn(&LogsOf<'_>) -> Result<String, Refusal> + Send + Sync + 'static,
    ) -> Self {
        let (clock, logs, changed) = (Box::new(clock), Box::new(logs), Changed::default());
        let shared = Shared { store: Mutex::new(store), clock, logs, changed };
        Self { shared: Arc::new(shared) }
    }

    /// Reads or changes the store, as controllers do; watches are told if anything changed.
    pub fn store<T>(&self, act: impl FnOnce(&mut Store) -> T) -> T {
        let mut store = self.shared.store.lock().unwrap_or_else(PoisonError::into_inner);
        let before = (store.version(), store.faults.edits());
        let result = act(&mut store);
        let is_changed = (store.version(), store.faults.edits()) != before;
        drop(store);
        if is_changed {
            self.shared.changed.tell();
        }
        result
    }

    /// The time.
    pub fn now(&self) -> Timestamp {
        (self.shared.clock)()
    }

    /// Follows the changes from now on.
    pub fn changes(&self) -> Changes {
        Changes::of(self.clone())
    }

    fn read<T>(&self, look: impl FnOnce(&Store) -> T) -> T {
        look(&self.shared.store.lock().unwrap_or_else(PoisonError::into_inner))
    }

    async fn answer(self, parts: Parts, body: Result<Bytes, Refusal>) -> Response<Body> {
        let params = Params::read(&parts.uri);
        let route = Route::of(parts.uri.path());
        let Route::Resource(place) = route else {
            return Self::informed(&route, &parts).unwrap_or_else(|refusal| answer::refused(&refusal));
        };
        let verb = match place.verb(&parts.method, &params) {
            Ok(verb) => verb,
            Err(refusal) => return answer::refused(&refusal),
        };
        let namespace = place.namespace.as_deref().unwrap_or_default();
        let name = place.name.as_deref().or_else(|| params.selected_name()).unwrap_or_default();
        let seen = Seen { verb, kind: place.kind, namespace, name };
        let effect = self.store(|store| store.faults.strike(&seen));
        match &effect {
            Some(Effect::Refuse(code)) => return answer::refused(&Refusal::of_code(*code)),
            Some(Effect::Delay(time)) => tokio::time::sleep(*time).await,
            Some(Effect::Hang { done: false }) => return std::future::pending().await,
            _ => {}
        }
        let behind = if let Some(Effect::Stale(changes)) = effect { changes } else { 0 };
        let request =
            resource::Request { place: &place, verb, params: &params, headers: &parts.headers, behind };
        let response = match body {
            Ok(body) => self.resource(&request, &body),
            Err(refusal) => Err(refusal),
        };
        match effect {
            Some(Effect::DoAndRefuse(code)) => answer::refused(&Refusal::of_code(code)),
            Some(Effect::Hang { done: true }) => std::future::pending().await,
            _ => response.unwrap_or_else(|refusal| answer::refused(&refusal)),
        }
    }

    /// What isn't about objects: versions, health, discovery, schemas.
    fn informed(route: &Route, parts: &Parts) -> Result<Response<Body>, Refusal> {
        if !matches!(parts.method.as_str(), "GET" | "HEAD") && !matches!(route, Route::Unknown) {
            return Err(Refusal::no_method());
        }
        match route {
            Route::Version => Ok(answer::json(200, &discovery::version())),
            Route::Health => Ok(answer::text("ok")),
            Route::Core => Ok(discovery::core(&parts.headers)),
            Route::Groups => Ok(discovery::groups(&parts.headers)),
            Route::Group(group) => discovery::group(group),
            Route::OfVersion(group, version) => discovery::resources(group, version),
            Route::OpenApi2 => Ok(openapi::second()),
            Route::OpenApi3 => Ok(openapi::index()),
            Route::OpenApi3Of(group, version) => openapi::of(group, version),
            Route::Resource(_) | Route::Unknown => Err(Refusal::no_resource()),
        }
    }
}

impl<B> tower::Service<Request<B>> for ApiServer
where
    B: HttpBody<Data = Bytes> + Send + 'static,
    B::Error: Into<axum::BoxError>,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let server = self.clone();
        let (parts, body) = request.into_parts();
        Box::pin(async move {
            let body = axum::body::to_bytes(Body::new(body), LONGEST_BODY).await;
            let body =
                body.map_err(|_| Refusal::bad_request("the body can't be read, or is longer than 3 MiB"));
            Ok(server.answer(parts, body).await)
        })
    }
}
