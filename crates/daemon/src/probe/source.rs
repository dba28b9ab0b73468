//! One question to a source of the configuration. Its credentials are read for each question, and never told.

use std::time::Duration;

use reqwest::{
    Certificate, Request,
    header::{ACCEPT, AUTHORIZATION, HeaderValue},
    redirect::Policy,
};
use siskin_core::{
    answer,
    checks::{PlannedQuery, Reading},
    configuration::{Credentials, Source, SourceKind},
    policy::Question,
};

use super::ask::told;
use crate::{
    cause::innermost,
    reach::{Client, Failure, Reach},
};

/// Asks once.
pub async fn ask(reach: &Reach, sources: &[Source], query: &PlannedQuery) -> Reading {
    let kind = match query.question {
        Question::Prometheus { .. } => SourceKind::Prometheus,
        Question::Json { .. } => SourceKind::Json,
    };
    let source = sources.iter().find(|source| source.name == query.source && source.kind == kind);
    let Some(source) = source else {
        let reason = format!("the configuration of siskin has no {} source of this name", kind.as_str());
        return Reading::Refused(reason);
    };
    let within = query.timeout.min(source.timeout.0);
    let client = match client(reach, source, query.connect_timeout.min(within)) {
        Ok(client) => client,
        Err(reason) => return Reading::Unusable(reason),
    };
    let request = match question(&client, source, query, within) {
        Ok(request) => request,
        Err(reason) => return Reading::Unusable(reason),
    };
    match answer(&client, request).await {
        Ok(Whole::Read(status, body)) => answer::read(&query.question, status, &body),
        Ok(Whole::TooLong) => Reading::Refused(format!(
            "the answer is longer than {} KiB: let the query aggregate",
            answer::LONGEST >> 10
        )),
        Err(error) => Reading::Unusable(told(&error, query.connect_timeout, within)),
    }
}

/// A client for one question, so that a rotated certificate authority is trusted at once. Nothing is redirected: the
/// configuration alone decides who gets the credentials.
fn client(reach: &Reach, source: &Source, connect_timeout: Duration) -> Result<Client, String> {
    let builder = reqwest::Client::builder()
        .redirect(Policy::none())
        .pool_max_idle_per_host(0)
        .user_agent(concat!("siskin/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(connect_timeout);
    let builder = match &source.ca_file {
        Some(path) => {
            // A text without any is read as a bundle of none.
            let certificates = Certificate::from_pem_bundle(read(path)?.as_bytes()).unwrap_or_default();
            if certificates.is_empty() {
                return Err(format!("{path} holds no certificates in PEM"));
            }
            builder.tls_certs_only(certificates)
        }
        // An image without CA certificates can still ask a source in the cluster.
        None if source.url.starts_with("http://") => builder.tls_certs_only([]),
        None => builder,
    };
    reach.client(builder).map_err(|error| {
        format!("{}; an https source needs `caFile`, or CA certificates in the image", innermost(&error))
    })
}

fn question(
    client: &Client,
    source: &Source,
    query: &PlannedQuery,
    within: Duration,
) -> Result<Request, String> {
    let Source { url, .. } = source;
    let request = match &query.question {
        Question::Prometheus { .. } => {
            let patience = format!("{}ms", within.as_millis());
            // Thanos answers with what it has unless it is told that a part is not enough; others don't mind the field.
            let form =
                [("query", query.text.as_str()), ("timeout", &patience), ("partial_response", "false")];
            client.post(format!("{url}/api/v1/query")).form(&form)
        }
        Question::Json { .. } => client.get(format!("{url}{}", query.text)),
    };
    let request = request.header(ACCEPT, "application/json").timeout(within);
    let request = match &source.credentials {
        None => request,
        Some(Credentials::BearerToken(path)) => {
            let value = HeaderValue::try_from(format!("Bearer {}", read(path)?));
            let mut value =
                value.map_err(|_| format!("{path} holds no bearer token: it isn't one line of text"))?;
            value.set_sensitive(true);
            request.header(AUTHORIZATION, value)
        }
        Some(Credentials::Basic { username, password_file }) => {
            request.basic_auth(username, Some(read(password_file)?))
        }
    };
    request.build().map_err(|error| format!("the request can't be made: {}", innermost(&error.without_url())))
}

enum Whole {
    Read(u16, Vec<u8>),
    TooLong,
}

async fn answer(client: &Client, request: Request) -> Result<Whole, Failure> {
    let mut answer = client.send(request).await?;
    let (status, mut body) = (answer.status().as_u16(), Vec::new());
    while let Some(chunk) = answer.chunk().await? {
        if body.len() + chunk.len() > answer::LONGEST {
            return Ok(Whole::TooLong);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Whole::Read(status, body))
}

/// The content of a file without the line's end that editors put there.
fn read(path: &str) -> Result<String, String> {
    let text = std::fs::read_to_string(path).map_err(|error| format!("{path} can't be read: {error}"))?;
    let text = text.trim();
    if text.is_empty() { Err(format!("{path} is empty")) } else { Ok(text.to_owned()) }
}
