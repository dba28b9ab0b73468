//! A service that tells a number as JSON, and as Prometheus does, as `kustomize/config.yaml` names it.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use crate::bench::Bench;
use crate::cluster;
use crate::failure::Failure;

const PLAIN: ([u8; 4], u16) = ([10, 250, 0, 1], 9111);
/// With a certificate that the cluster's certificate authority has signed.
const TRUSTED: ([u8; 4], u16) = ([10, 250, 0, 1], 9112);
/// With one that a stranger has signed.
const STRANGER: ([u8; 4], u16) = ([10, 250, 0, 1], 9113);

/// What a path wants to be asked with; the secrets are those of `kustomize/kustomization.yaml`.
const WANTED: [(&str, &str); 2] = [
    ("/token/", "Bearer the-token"),
    // siskin:the-password
    ("/password/", "Basic c2lza2luOnRoZS1wYXNzd29yZA=="),
];

#[derive(Default)]
struct Shown {
    lag: f64,
    asked: Vec<String>,
}

/// Answers until it is dropped.
#[derive(Default)]
pub struct Gauge {
    shown: Arc<Mutex<Shown>>,
    tasks: JoinSet<()>,
}

impl Gauge {
    /// Starts to answer with 0.
    pub async fn start() -> Result<Self, Failure> {
        let mut gauge = Self::default();
        gauge.listen(PLAIN.into(), None).await?;
        Ok(gauge)
    }

    /// The same over TLS, and where the path says so, to whoever has the token or the password.
    pub async fn secured(bench: &Bench) -> Result<Self, Failure> {
        let mut gauge = Self::default();
        let pki = bench.layout.run.join("pki");
        gauge.listen(TRUSTED.into(), Some(acceptor(&pki, "server")?)).await?;
        let (key, certificate) = (pki.join("stranger.key"), pki.join("stranger.crt"));
        let (key, certificate) = (key.to_string_lossy(), certificate.to_string_lossy());
        let made = "req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=stranger -addext basicConstraints=critical,CA:FALSE -addext subjectAltName=IP:10.250.0.1 -keyout";
        let files = [&*key, "-out", &certificate];
        cluster::output("openssl", &made.split(' ').chain(files).collect::<Vec<_>>())?;
        gauge.listen(STRANGER.into(), Some(acceptor(&pki, "stranger")?)).await?;
        Ok(gauge)
    }

    async fn listen(&mut self, address: SocketAddr, tls: Option<TlsAcceptor>) -> Result<(), Failure> {
        let failed = |error| Failure::Untrue(format!("the gauge can't listen on {address}: {error}"));
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let shown = self.shown.clone();
        self.tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((connection, _)) = listener.accept().await {
                connections.spawn(serve(connection, tls.clone(), shown.clone()));
            }
        });
        Ok(())
    }

    /// Answers with `lag` from now on.
    pub fn set(&self, lag: f64) {
        lock(&self.shown).lag = lag;
    }

    /// The paths that it was asked for.
    pub fn asked(&self) -> Vec<String> {
        lock(&self.shown).asked.clone()
    }
}

fn lock(shown: &Mutex<Shown>) -> MutexGuard<'_, Shown> {
    shown.lock().unwrap_or_else(PoisonError::into_inner)
}

fn acceptor(folder: &Path, name: &str) -> Result<TlsAcceptor, Failure> {
    let unusable =
        |error: &dyn std::error::Error| Failure::Untrue(format!("the certificate {name}: {error}"));
    let certificate = CertificateDer::from_pem_file(folder.join(format!("{name}.crt")));
    let key = PrivateKeyDer::from_pem_file(folder.join(format!("{name}.key")));
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| unusable(&error))?
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.map_err(|error| unusable(&error))?],
            key.map_err(|error| unusable(&error))?,
        )
        .map_err(|error| unusable(&error))?;
    Ok(Arc::new(config).into())
}

/// Who doesn't come through the handshake gets no answer.
async fn serve(connection: TcpStream, tls: Option<TlsAcceptor>, shown: Arc<Mutex<Shown>>) {
    match tls {
        None => answer(connection, &shown).await,
        Some(tls) => {
            if let Ok(connection) = tls.accept(connection).await {
                answer(connection, &shown).await;
            }
        }
    }
}

async fn answer(mut connection: impl AsyncRead + AsyncWrite + Unpin, shown: &Mutex<Shown>) {
    let mut request = Vec::new();
    let mut piece = [0; 4096];
    while !is_whole(&request) {
        match connection.read(&mut piece).await {
            Ok(read @ 1..) => request.extend(piece.get(..read).unwrap_or_default()),
            _ => return,
        }
    }
    let request = String::from_utf8_lossy(&request);
    let path = request.split(' ').nth(1).unwrap_or_default();
    let lag = {
        let mut shown = lock(shown);
        shown.asked.push(path.to_owned());
        shown.lag
    };
    let wanted = WANTED.iter().find(|(prefix, _)| path.starts_with(prefix));
    let known = wanted.is_none_or(|(_, secret)| header(&request, "authorization") == Some(secret));
    // One document for both who look for JSON and who ask as of Prometheus.
    let data =
        format!("\"status\":\"success\",\"data\":{{\"resultType\":\"scalar\",\"result\":[0,\"{lag}\"]}}");
    let body = if known { format!("{{\"lag\":{{\"seconds\":{lag}}},{data}}}") } else { String::new() };
    let status = if known { "200 OK" } else { "401 Unauthorized" };
    let head = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
    let _ = connection.write_all(format!("{head}{body}").as_bytes()).await;
    let _ = connection.shutdown().await;
}

/// Whether the head of a request is there, and the body that it tells of.
fn is_whole(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request);
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    header(head, "content-length")
        .and_then(|length| length.parse().ok())
        .is_none_or(|length| body.len() >= length)
}

fn header<'a>(request: &'a str, wanted: &str) -> Option<&'a str> {
    let head = request.split("\r\n\r\n").next().unwrap_or_default();
    let mut headers = head.lines().filter_map(|line| line.split_once(": "));
    headers.find(|(name, _)| name.eq_ignore_ascii_case(wanted)).map(|(_, value)| value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_whole_with_its_body() {
        assert!(!is_whole(b"GET / HTTP/1.1\r\nHost: a\r\n"));
        assert!(is_whole(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"));
        assert!(!is_whole(b"POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\nab"));
        assert!(is_whole(b"POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc"));
    }
}
