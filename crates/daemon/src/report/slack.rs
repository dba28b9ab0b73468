//! Slack incoming webhooks: what a message looks like, and one delivery.

use std::time::Duration;

use reqwest::redirect::Policy;
use serde_json::{Value, json};
use siskin_core::{
    configuration::{Address, Slack},
    policy::Topic,
    state::Message,
};

use crate::{
    cause::innermost,
    reach::{self, Client, Reach},
    watch::statefulsets::Key,
};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// How one delivery failed.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// Trying again may help.
    #[error("{reason}")]
    Passing {
        /// What went wrong.
        reason: String,
        /// The receiver asks for this pause.
        retry_after: Option<Duration>,
    },
    /// Trying again would give the same answer.
    #[error("{0}")]
    Lasting(String),
}

/// The body of a message.
pub fn payload(workload: &Key, message: &Message) -> Value {
    let title = match message.topic {
        Topic::Started => "Rollout started",
        Topic::WaitingForApproval => "Waiting for approval",
        Topic::Paused => "Paused",
        Topic::Failed => "Failed",
        Topic::RolledBack => "Rolled back",
        Topic::Promoted => "Promoted",
        Topic::ConfigChanged => "Configuration changed",
    };
    let title = if message.observed { format!("Only observed: {title}") } else { title.to_owned() };
    json!({ "text": format!("*{title}: {}*\n{}", escaped(&workload.to_string()), escaped(&message.text)) })
}

/// Slack reads these three as markup.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// Posts a body once.
pub async fn post(reach: &Reach, slack: &Slack, body: &Value) -> Result<(), Failure> {
    let url = address(slack)?;
    let client = client(reach, &url)?;
    let request = client.post(url).timeout(slack.timeout.0).json(body).build();
    // The address is a secret and stands in the error.
    let request = request.map_err(|error| Failure::Lasting(innermost(&error.without_url())))?;
    let answer = client.send(request).await.map_err(|failure| match failure {
        reach::Failure::NoConnection | reach::Failure::NoAnswer => passing("no answer in time".to_owned()),
        reach::Failure::Other(why) => passing(why),
    })?;
    let status = answer.status();
    let retry_after = answer.headers().get("retry-after").and_then(|value| value.to_str().ok()?.parse().ok());
    match status.as_u16() {
        200..=299 => Ok(()),
        408 | 429 | 500.. => Err(Failure::Passing {
            reason: format!("the receiver answered {status}"),
            retry_after: retry_after.map(Duration::from_secs),
        }),
        _ => Err(Failure::Lasting(format!("the receiver answered {status}"))),
    }
}

fn passing(reason: String) -> Failure {
    Failure::Passing { reason, retry_after: None }
}

fn address(slack: &Slack) -> Result<String, Failure> {
    match &slack.address {
        Address::Url(url) => Ok(url.clone()),
        // Read each time, so that it can be rotated.
        Address::File(path) => std::fs::read_to_string(path)
            .map(|text| text.trim().to_owned())
            .map_err(|error| passing(format!("{path} can't be read: {error}"))),
    }
}

/// A client for one delivery: no redirects, so that the address alone decides who gets a message.
fn client(reach: &Reach, url: &str) -> Result<Client, Failure> {
    let builder = reqwest::Client::builder()
        .redirect(Policy::none())
        .pool_max_idle_per_host(0)
        .connect_timeout(CONNECT_TIMEOUT);
    // An image without CA certificates can still tell a receiver in the cluster.
    let builder = if url.starts_with("http://") { builder.tls_certs_only([]) } else { builder };
    reach.client(builder).map_err(|error| {
        Failure::Lasting(format!(
            "{}; an https receiver needs CA certificates in the image",
            innermost(&error)
        ))
    })
}

#[cfg(test)]
mod tests {
    use siskin_core::policy::GoDuration;

    use super::*;

    #[test]
    fn a_message_names_the_workload_and_keeps_markup_out() {
        let message = Message {
            seq: 7,
            topic: Topic::Failed,
            text: "check errors failed: 12 of 60 requests <failed> & more".into(),
            receivers: ["team".to_owned()].into(),
            observed: false,
        };
        let key = Key { namespace: "payments".into(), name: "db".into() };
        let text = "check errors failed: 12 of 60 requests &lt;failed&gt; &amp; more";
        assert_eq!(payload(&key, &message)["text"], format!("*Failed: payments/db*\n{text}"));
        let observed = Message { observed: true, ..message };
        assert_eq!(payload(&key, &observed)["text"], format!("*Only observed: Failed: payments/db*\n{text}"));
    }

    /// A receiver that gives one answer, with a pause to keep.
    async fn receiver(status: u16, retry_after: &'static str) -> Slack {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let status = axum::http::StatusCode::from_u16(status).unwrap();
        let router = axum::Router::new().route(
            "/hook",
            axum::routing::post(move || async move { (status, [("retry-after", retry_after)]) }),
        );
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Slack { address: Address::Url(url), timeout: GoDuration::from_secs(5) }
    }

    async fn answer_to(slack: &Slack) -> Result<(), Failure> {
        post(&Reach::Network, slack, &json!({ "text": "hello" })).await
    }

    #[tokio::test]
    async fn what_may_help_is_tried_again_and_what_cannot_is_not() {
        assert_eq!(answer_to(&receiver(200, "0").await).await, Ok(()));
        let busy = answer_to(&receiver(429, "7").await).await.unwrap_err();
        assert!(
            matches!(busy, Failure::Passing { retry_after: Some(wait), .. } if wait == Duration::from_secs(7))
        );
        let down = answer_to(&receiver(503, "soon").await).await.unwrap_err();
        assert!(matches!(down, Failure::Passing { retry_after: None, .. }));
        let gone = answer_to(&receiver(404, "0").await).await.unwrap_err();
        assert_eq!(gone, Failure::Lasting("the receiver answered 404 Not Found".into()));
        let redirected = answer_to(&receiver(302, "0").await).await.unwrap_err();
        assert!(matches!(redirected, Failure::Lasting(_)));
    }

    #[tokio::test]
    async fn an_error_never_shows_the_address() {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let address = Address::Url("http://127.0.0.1:1/services/SECRET".into());
        let error = answer_to(&Slack { address, timeout: GoDuration::from_secs(1) }).await.unwrap_err();
        assert!(matches!(error, Failure::Passing { .. }) && !error.to_string().contains("SECRET"), "{error}");
    }
}
