//! One HTTP request over a connection of its own.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// No answer that the bench asks for is longer.
const LONGEST: u64 = 4 << 20;

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    pub body: String,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("no answer within {0:?}")]
    Late(Duration),
    #[error("{0}")]
    Connection(#[from] io::Error),
    #[error("the answer is not HTTP: {0:?}")]
    Malformed(String),
}

/// Gets `path` within `limit`, connecting included.
pub async fn get(address: SocketAddr, path: &str, limit: Duration) -> Result<Answer, Error> {
    timeout(limit, exchange(address, path)).await.unwrap_or(Err(Error::Late(limit)))
}

async fn exchange(address: SocketAddr, path: &str) -> Result<Answer, Error> {
    let mut connection = TcpStream::connect(address).await?;
    // With HTTP/1.0 the answer is not chunked and ends with the connection.
    let request = format!("GET {path} HTTP/1.0\r\nHost: {address}\r\n\r\n");
    connection.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    connection.take(LONGEST).read_to_end(&mut answer).await?;
    parse(&String::from_utf8_lossy(&answer))
}

fn parse(text: &str) -> Result<Answer, Error> {
    let parts = text.split_once("\r\n\r\n").and_then(|(head, body)| {
        let status = head.strip_prefix("HTTP/1.")?.split(' ').nth(1)?.parse().ok()?;
        Some(Answer { status, body: body.into() })
    });
    parts.ok_or_else(|| Error::Malformed(text.chars().take(200).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_has_a_status_and_a_body() {
        let answer = parse("HTTP/1.0 503 Service Unavailable\r\ncontent-length: 4\r\n\r\ngone").unwrap();
        assert_eq!(answer, Answer { status: 503, body: "gone".into() });
    }

    #[test]
    fn a_connection_closed_before_the_answer_is_no_answer() {
        assert!(matches!(parse(""), Err(Error::Malformed(_))));
        assert!(matches!(parse("HTTP/1.1 200 OK\r\n"), Err(Error::Malformed(_))));
    }
}
