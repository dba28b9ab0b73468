//! How pods, sources and receivers are reached: over the network, or where all of them are in this process, without it.

use std::{future::Future, io, time::Duration};

use axum::body::{Body, BodyDataStream, Bytes};
use futures::StreamExt;
use http::{HeaderMap, Request, Response, StatusCode};
use reqwest::{IntoUrl, RequestBuilder};
use tokio::time::Instant;
use tower::{ServiceExt, util::BoxCloneSyncService};

use crate::cause::innermost;

/// Answers requests to any address in this process. An error is a connection that doesn't come about, or breaks; what
/// never answers doesn't return.
pub type Service = BoxCloneSyncService<Request<Body>, Response<Body>, io::Error>;

/// How they are reached; cheap to clone.
#[derive(Clone, Debug, Default)]
pub enum Reach {
    /// Over the network.
    #[default]
    Network,
    /// By a service in this process.
    InProcess(InProcess),
}

/// A service, and a client that nothing is sent by: it only makes requests.
#[derive(Clone, Debug)]
pub struct InProcess {
    service: Service,
    requests: reqwest::Client,
}

/// Asks peers of one kind, in one way.
#[derive(Clone, Debug)]
pub struct Client {
    /// Makes requests, and sends them over the network.
    http: reqwest::Client,
    service: Option<Service>,
}

/// What came back; the body comes bit by bit.
pub enum Answer {
    /// From the network.
    Network(reqwest::Response),
    /// From this process.
    InProcess {
        /// The status.
        status: StatusCode,
        /// The headers.
        headers: HeaderMap,
        /// The body.
        body: BodyDataStream,
        /// When all of it must have come.
        until: Option<Instant>,
    },
}

/// Why there is no answer, or none that is whole. No address is told.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// No connection within the time for it.
    #[error("no connection in time")]
    NoConnection,
    /// No complete answer within the time for it.
    #[error("no answer in time")]
    NoAnswer,
    /// Something else.
    #[error("{0}")]
    Other(String),
}

impl From<reqwest::Error> for Failure {
    fn from(error: reqwest::Error) -> Self {
        if error.is_timeout() && error.is_connect() {
            Self::NoConnection
        } else if error.is_timeout() {
            Self::NoAnswer
        } else {
            Self::Other(innermost(&error.without_url()))
        }
    }
}

impl Reach {
    /// Everything is answered by `service`.
    ///
    /// # Errors
    /// The client that makes the requests can't be built.
    pub fn in_process(service: Service) -> Result<Self, reqwest::Error> {
        let requests = reqwest::Client::builder().tls_certs_only([]).build()?;
        Ok(Self::InProcess(InProcess { service, requests }))
    }

    /// A client for peers that are reached over the network as `builder` says.
    pub fn client(&self, builder: reqwest::ClientBuilder) -> Result<Client, reqwest::Error> {
        Ok(match self {
            Self::Network => Client { http: builder.build()?, service: None },
            Self::InProcess(InProcess { service, requests }) => {
                Client { http: requests.clone(), service: Some(service.clone()) }
            }
        })
    }
}

impl Client {
    /// Begins a GET.
    pub fn get(&self, url: impl IntoUrl) -> RequestBuilder {
        self.http.get(url)
    }

    /// Begins a POST.
    pub fn post(&self, url: impl IntoUrl) -> RequestBuilder {
        self.http.post(url)
    }

    /// Sends a request once. Its time limit holds for the whole answer.
    pub async fn send(&self, request: reqwest::Request) -> Result<Answer, Failure> {
        let Some(service) = &self.service else {
            return Ok(Answer::Network(self.http.execute(request).await?));
        };
        let until = request.timeout().map(|limit: &Duration| Instant::now() + *limit);
        let request = Request::<reqwest::Body>::try_from(request)?.map(Body::new);
        let answer = within(until, service.clone().oneshot(request)).await?;
        let (head, body) = answer.map_err(|error| Failure::Other(innermost(&error)))?.into_parts();
        let (status, headers) = (head.status, head.headers);
        Ok(Answer::InProcess { status, headers, body: body.into_data_stream(), until })
    }
}

impl Answer {
    /// Its status.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Network(answer) => answer.status(),
            Self::InProcess { status, .. } => *status,
        }
    }

    /// Its headers.
    pub fn headers(&self) -> &HeaderMap {
        match self {
            Self::Network(answer) => answer.headers(),
            Self::InProcess { headers, .. } => headers,
        }
    }

    /// The next bit of the body; `None`: that was all.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, Failure> {
        match self {
            Self::Network(answer) => Ok(answer.chunk().await?),
            Self::InProcess { body, until, .. } => {
                let next = within(*until, body.next()).await?;
                next.transpose().map_err(|error| Failure::Other(innermost(&error)))
            }
        }
    }
}

async fn within<T>(until: Option<Instant>, answer: impl Future<Output = T>) -> Result<T, Failure> {
    match until {
        Some(until) => tokio::time::timeout_at(until, answer).await.map_err(|_| Failure::NoAnswer),
        None => Ok(answer.await),
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use super::*;

    async fn answer(request: Request<Body>) -> io::Result<Response<Body>> {
        match request.uri().to_string().as_str() {
            "http://10.0.0.7:8000/ok" => Ok(Response::new(Body::from("well"))),
            "http://10.0.0.7:8000/stops" => {
                let bits =
                    futures::stream::iter([Ok::<_, io::Error>("half")]).chain(futures::stream::pending());
                Ok(Response::new(Body::from_stream(bits)))
            }
            "http://10.0.0.7:8000/refused" => Err(io::Error::other("connection refused")),
            _ => pending().await,
        }
    }

    async fn asked(path: &str) -> Result<String, Failure> {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let reach = Reach::in_process(Service::new(tower::service_fn(answer))).unwrap();
        let client = reach.client(reqwest::Client::builder()).unwrap();
        let url = format!("http://10.0.0.7:8000{path}");
        let mut answer =
            client.send(client.get(url).timeout(Duration::from_secs(2)).build().unwrap()).await?;
        let mut text = answer.status().to_string();
        while let Some(bit) = answer.chunk().await? {
            text.push_str(std::str::from_utf8(&bit).unwrap());
        }
        Ok(text)
    }

    #[tokio::test(start_paused = true)]
    async fn a_service_answers_in_the_place_of_the_network_within_the_request_s_time() {
        let began = Instant::now();
        assert_eq!(asked("/ok").await.as_deref(), Ok("200 OKwell"));
        assert_eq!(asked("/refused").await, Err(Failure::Other("connection refused".into())));
        assert_eq!(began.elapsed(), Duration::ZERO);
        assert_eq!(asked("/hangs").await, Err(Failure::NoAnswer));
        assert_eq!(asked("/stops").await, Err(Failure::NoAnswer));
        assert_eq!(began.elapsed(), Duration::from_secs(4));
    }
}
