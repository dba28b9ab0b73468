//! A service that tells a number as JSON, as `kustomize/config.yaml` names it.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::failure::Failure;

const ADDRESS: &str = "10.250.0.1:9111";

#[derive(Default)]
struct Shown {
    lag: f64,
    asked: Vec<String>,
}

/// Answers until it is dropped.
pub struct Gauge {
    shown: Arc<Mutex<Shown>>,
    _tasks: JoinSet<()>,
}

impl Gauge {
    /// Starts to answer with 0.
    pub async fn start() -> Result<Self, Failure> {
        let failed = |error| Failure::Untrue(format!("the gauge can't listen on {ADDRESS}: {error}"));
        let listener = TcpListener::bind(ADDRESS).await.map_err(failed)?;
        let shown = Arc::<Mutex<Shown>>::default();
        let (of, mut tasks) = (shown.clone(), JoinSet::new());
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((connection, _)) = listener.accept().await {
                connections.spawn(answer(connection, of.clone()));
            }
        });
        Ok(Self { shown, _tasks: tasks })
    }

    /// Answers with `lag` from now on.
    pub fn set(&self, lag: f64) {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner).lag = lag;
    }

    /// The paths that it was asked for.
    pub fn asked(&self) -> Vec<String> {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner).asked.clone()
    }
}

async fn answer(mut connection: TcpStream, shown: Arc<Mutex<Shown>>) {
    let mut request = Vec::new();
    let mut piece = [0; 4096];
    while !request.ends_with(b"\r\n\r\n") {
        match connection.read(&mut piece).await {
            Ok(read @ 1..) => request.extend(piece.get(..read).unwrap_or_default()),
            _ => return,
        }
    }
    let lag = {
        let mut shown = shown.lock().unwrap_or_else(PoisonError::into_inner);
        let path = String::from_utf8_lossy(&request).split(' ').nth(1).unwrap_or_default().to_owned();
        shown.asked.push(path);
        shown.lag
    };
    let body = format!("{{\"lag\":{{\"seconds\":{lag}}}}}");
    let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
    let _ = connection.write_all(format!("{head}{body}").as_bytes()).await;
}
