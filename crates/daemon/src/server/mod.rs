//! `/healthz`, `/readyz` and `/metrics`.

pub mod health;

use std::net::SocketAddr;

use axum::{
    Router,
    extract::State,
    http::{StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
    routing::get,
};
use tokio::{net::TcpListener, sync::watch};

use self::health::Health;
use crate::report::metrics::Metrics;

/// What the pages show.
#[derive(Clone)]
pub struct Pages {
    /// For `/healthz` and `/readyz`.
    pub health: Health,
    /// For `/metrics`.
    pub metrics: Metrics,
}

/// Takes the port.
pub async fn bind(listen: SocketAddr) -> std::io::Result<TcpListener> {
    TcpListener::bind(listen).await
}

/// Serves until `stop` says so.
pub async fn serve(listener: TcpListener, pages: Pages, mut stop: watch::Receiver<bool>) {
    let router = Router::new()
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .with_state(pages);
    let stopped = async move { drop(stop.wait_for(|stop| *stop).await) };
    if let Err(error) = axum::serve(listener, router).with_graceful_shutdown(stopped).await {
        tracing::error!(%error, "the health server ended");
    }
}

async fn healthz(State(pages): State<Pages>) -> Response {
    verdict(pages.health.live().map(|()| String::new()))
}

async fn readyz(State(pages): State<Pages>) -> Response {
    verdict(pages.health.ready())
}

fn verdict(health: Result<String, String>) -> Response {
    match health {
        Ok(more) if more.is_empty() => (StatusCode::OK, "ok\n").into_response(),
        Ok(more) => (StatusCode::OK, format!("ok\n{more}\n")).into_response(),
        Err(reason) => (StatusCode::SERVICE_UNAVAILABLE, format!("{reason}\n")).into_response(),
    }
}

async fn metrics(State(pages): State<Pages>) -> Response {
    const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";
    ([(CONTENT_TYPE, TEXT)], pages.metrics.render(&pages.health.ages())).into_response()
}
