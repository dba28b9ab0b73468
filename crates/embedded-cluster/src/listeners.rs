//! The pods' processes: each listens on its pod's address, so that probes and people reach it as they reach a real one.
//! Whoever is in this process can do without the network ([`Cluster::answer`]).
//!
//! The addresses are of the loopback network 127.0.0.0/8, all of which Linux serves; other systems serve 127.0.0.1
//! only, unless an address is added to the loopback interface.

use std::{
    collections::BTreeMap,
    io,
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    http::{StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
    routing::get,
};
use siskin_embedded::{model::application::Health, object::Uid};
use tokio::{net::TcpListener, task::AbortHandle};
use tower::ServiceExt;

use crate::Cluster;

/// A slow health endpoint answers after this; no probe waits so long.
const SLOW: Duration = Duration::from_mins(1);
/// Prometheus' text format.
const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The sockets of the processes that listen.
#[derive(Debug, Default)]
pub struct Listeners(BTreeMap<Uid, Vec<AbortHandle>>);

impl Listeners {
    /// Listens for these pods and no others. Gives the pods whose sockets can't be had, and why.
    pub async fn follow(
        &mut self,
        listening: BTreeMap<Uid, (Ipv4Addr, Vec<u16>)>,
        cluster: &Cluster,
    ) -> Vec<(Uid, String)> {
        self.0.retain(|uid, tasks| {
            let stays = listening.contains_key(uid);
            tasks.iter().filter(|_| !stays).for_each(AbortHandle::abort);
            stays
        });
        let mut problems = Vec::new();
        for (uid, (ip, ports)) in listening {
            if self.0.contains_key(&uid) {
                continue;
            }
            let mut tasks = Vec::new();
            for port in ports {
                match TcpListener::bind(SocketAddr::from((ip, port))).await {
                    Ok(listener) => tasks.push(serve(listener, cluster.clone(), uid)),
                    Err(error) => problems.push((uid, format!("can't listen on {ip}:{port}: {error}"))),
                }
            }
            self.0.insert(uid, tasks);
        }
        problems
    }
}

impl Drop for Listeners {
    fn drop(&mut self) {
        self.0.values().flatten().for_each(AbortHandle::abort);
    }
}

impl Cluster {
    /// Answers a request to a pod's address as its process does, without the network.
    ///
    /// # Errors
    /// Nobody listens there.
    pub async fn answer(&self, request: Request) -> io::Result<Response<Body>> {
        let uri = request.uri();
        let ip = uri.host().and_then(|host| host.parse().ok());
        let address = ip.zip(Some(uri.port_u16().unwrap_or(80)));
        let pod = address.and_then(|(ip, port)| self.listening_at(ip, port));
        let pod = pod.ok_or_else(|| io::Error::from(io::ErrorKind::ConnectionRefused))?;
        match application(self.clone(), pod).oneshot(request).await {
            Ok(answer) => Ok(answer),
            Err(never) => match never {},
        }
    }
}

fn serve(listener: TcpListener, cluster: Cluster, uid: Uid) -> AbortHandle {
    let router = application(cluster, uid);
    tokio::spawn(async move { axum::serve(listener, router).await }).abort_handle()
}

fn application(cluster: Cluster, uid: Uid) -> Router {
    Router::new()
        .route("/", get(visit))
        .route("/healthz", get(health))
        .route("/metrics", get(metrics))
        .with_state((cluster, uid))
}

async fn visit(State((cluster, uid)): State<(Cluster, Uid)>) -> Response {
    match cluster.visit(uid) {
        Some(true) => "visited\n".into_response(),
        Some(false) => (StatusCode::INTERNAL_SERVER_ERROR, "failed\n").into_response(),
        None => silence().await,
    }
}

async fn health(State((cluster, uid)): State<(Cluster, Uid)>) -> Response {
    match cluster.ask(uid).map(|reading| reading.health()) {
        Some(Health::Ok) => "ok\n".into_response(),
        Some(Health::Fail) => (StatusCode::SERVICE_UNAVAILABLE, "sick\n").into_response(),
        Some(Health::Slow) => {
            tokio::time::sleep(SLOW).await;
            "ok\n".into_response()
        }
        None => silence().await,
    }
}

async fn metrics(State((cluster, uid)): State<(Cluster, Uid)>) -> Response {
    match cluster.ask(uid) {
        Some(reading) => ([(CONTENT_TYPE, TEXT)], reading.metrics()).into_response(),
        None => silence().await,
    }
}

/// The process is gone, or its node is silent: no answer ever comes.
async fn silence() -> Response {
    std::future::pending().await
}
