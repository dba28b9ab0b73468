//! A receiver of messages, as `kustomize/config.yaml` names it: one that works, hangs, or fails.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::failure::Failure;

const ADDRESS: &str = "10.250.0.1:9095";
/// Longer than Siskin waits for an answer.
const HANGS: Duration = Duration::from_secs(30);

/// How it answers.
#[derive(Debug, Clone, Copy)]
pub enum Manner {
    Works,
    Hangs,
    Fails,
}

/// Listens until it is ended; then the address refuses connections.
pub struct Receiver {
    messages: Arc<Mutex<Vec<String>>>,
    tasks: JoinSet<()>,
}

impl Receiver {
    /// Starts to listen.
    pub async fn start(manner: Manner) -> Result<Self, Failure> {
        let failed = |error| Failure::Untrue(format!("the receiver can't listen on {ADDRESS}: {error}"));
        let listener = TcpListener::bind(ADDRESS).await.map_err(failed)?;
        let messages = Arc::<Mutex<Vec<String>>>::default();
        let (log, mut tasks) = (messages.clone(), JoinSet::new());
        tasks.spawn(async move {
            // Owned by this task, so that they end with it.
            let mut connections = JoinSet::new();
            while let Ok((connection, _)) = listener.accept().await {
                connections.spawn(answer(connection, manner, log.clone()));
            }
        });
        Ok(Self { messages, tasks })
    }

    /// Ends it; the address is free afterwards.
    pub async fn end(mut self) {
        self.tasks.shutdown().await;
    }

    /// The bodies that it took.
    pub fn messages(&self) -> Vec<String> {
        self.messages.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

async fn answer(mut connection: TcpStream, manner: Manner, log: Arc<Mutex<Vec<String>>>) {
    let mut request = Vec::new();
    let mut piece = [0; 4096];
    while body(&request).is_none() {
        match connection.read(&mut piece).await {
            Ok(read @ 1..) => request.extend(piece.get(..read).unwrap_or_default()),
            _ => return,
        }
    }
    let status = match manner {
        Manner::Works => {
            let text = body(&request).unwrap_or_default();
            log.lock().unwrap_or_else(PoisonError::into_inner).push(text);
            "200 OK"
        }
        Manner::Hangs => return sleep(HANGS).await,
        Manner::Fails => "500 Internal Server Error",
    };
    let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    let _ = connection.write_all(answer.as_bytes()).await;
}

/// The body of a request that has come whole.
fn body(request: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(request).ok()?;
    let (head, body) = text.split_once("\r\n\r\n")?;
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
    });
    (body.len() >= length.unwrap_or(0)).then(|| body.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_whole_when_its_body_is() {
        assert_eq!(body(b"POST / HTTP/1.1\r\nContent-Length: 4\r\n\r\nab"), None);
        assert_eq!(body(b"POST / HTTP/1.1\r\nContent-Length: 4\r\n\r\nabcd"), Some("abcd".into()));
    }
}
