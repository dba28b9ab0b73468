//! One question to one pod. Only the pod's own address is ever contacted, and a bad answer costs bounded time and
//! memory.

use std::{net::IpAddr, time::Duration};

use reqwest::{
    Request,
    header::{ACCEPT, ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue},
    redirect::Policy,
};
use siskin_core::{
    checks::{PlannedProbe, Reading, Target},
    exposition::{self, Encoding, Format, Scraper},
    policy::{Endpoint, HttpProbe, Measure, Port, Probe, Scheme},
};

use crate::{
    cause::innermost,
    reach::{Answer, Client, Failure, Reach},
};

/// How much of a health endpoint's body is read.
const HTTP_BODY: usize = 64 << 10;

/// A client for one probe: a fresh connection each time tells more than one that is known to work.
pub fn client(reach: &Reach, probe: &PlannedProbe) -> Result<Client, String> {
    let builder = reqwest::Client::builder()
        .redirect(Policy::none())
        .no_proxy()
        .pool_max_idle_per_host(0)
        // As the kubelet's probes: pods rarely have certificates for their addresses.
        .tls_danger_accept_invalid_certs(true)
        .user_agent(concat!("siskin/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(probe.connect_timeout);
    reach.client(builder).map_err(|error| format!("the HTTP client can't be made: {}", innermost(&error)))
}

/// Asks once. `None`: the pod has no address yet.
pub async fn ask(client: &Client, probe: &PlannedProbe, target: &Target) -> Option<Reading> {
    let ip = target.ip.as_deref()?;
    let request = match question(client, probe, target, ip) {
        Ok(request) => request,
        // A pod that wasn't asked can't have failed.
        Err(reason) => return Some(Reading::Unusable(reason)),
    };
    Some(match (answer(client, request, probe).await, &probe.probe) {
        (Ok(reading), _) => reading,
        (Err(reason), Probe::Http(_)) => Reading::Unhealthy(reason),
        (Err(reason), Probe::Scrape(_)) => Reading::Unusable(reason),
    })
}

fn question(client: &Client, probe: &PlannedProbe, target: &Target, ip: &str) -> Result<Request, String> {
    let endpoint = probe.endpoint();
    if target.host_network && !endpoint.allow_host_network {
        return Err(
            "the pod has the network of its node; `allowHostNetwork: true` lets it be probed".to_owned()
        );
    }
    let url = url(endpoint, target, ip)?;
    let request = client.get(url).timeout(probe.timeout);
    let request = match &probe.probe {
        Probe::Http(_) => request,
        Probe::Scrape(_) => {
            request.header(ACCEPT, exposition::ACCEPT).header(ACCEPT_ENCODING, exposition::ACCEPT_ENCODING)
        }
    };
    // A policy's own headers replace these.
    request
        .headers(headers(endpoint))
        .build()
        .map_err(|error| format!("the request can't be made: {}", innermost(&error)))
}

async fn answer(client: &Client, request: Request, probe: &PlannedProbe) -> Result<Reading, String> {
    let answer = client.send(request).await.map_err(|error| tell(&error, probe))?;
    match &probe.probe {
        Probe::Http(http) => health(answer, http, probe).await,
        Probe::Scrape(scrape) => counts(answer, &scrape.measure, probe).await,
    }
}

fn url(endpoint: &Endpoint, target: &Target, ip: &str) -> Result<String, String> {
    // A name would be looked up, and lead anywhere.
    let address: IpAddr = ip.parse().map_err(|_| format!("`{ip}` is not an IP address"))?;
    let port = match &endpoint.port {
        Port::Number(number) => *number,
        Port::Name(name) => *target.ports.get(name).ok_or_else(|| {
            let known = target.ports.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
            format!("no container has a port named `{name}`; there are: {known}")
        })?,
    };
    let scheme = match endpoint.scheme {
        Scheme::Http => "http",
        Scheme::Https => "https",
    };
    let host = std::net::SocketAddr::new(address, port);
    Ok(format!("{scheme}://{host}{}", endpoint.path))
}

fn headers(endpoint: &Endpoint) -> HeaderMap {
    let valid = |(name, value): (&String, &String)| {
        Some((HeaderName::try_from(name).ok()?, HeaderValue::try_from(value).ok()?))
    };
    endpoint.headers.iter().filter_map(valid).collect()
}

async fn health(mut answer: Answer, http: &HttpProbe, probe: &PlannedProbe) -> Result<Reading, String> {
    let status = answer.status().as_u16();
    let expected = if http.expected_status.is_empty() {
        (200..400).contains(&status)
    } else {
        http.expected_status.contains(&status)
    };
    if !expected {
        return Err(format!("answered with status {status}"));
    }
    let Some(pattern) = &http.body_match else { return Ok(Reading::Healthy) };
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(|error| tell(&error, probe))? {
        body.extend(chunk.iter().take(HTTP_BODY - body.len()));
        if body.len() == HTTP_BODY {
            break;
        }
    }
    if pattern.is_match(&String::from_utf8_lossy(&body)) {
        Ok(Reading::Healthy)
    } else {
        Err(format!("the body of the answer doesn't match `{}`", pattern.as_str()))
    }
}

async fn counts(mut answer: Answer, measure: &Measure, probe: &PlannedProbe) -> Result<Reading, String> {
    let status = answer.status().as_u16();
    if status != 200 {
        return Err(format!("the metrics page answered with status {status}"));
    }
    let format = Format::of(header(&answer, &CONTENT_TYPE)).map_err(|problem| problem.to_string())?;
    let encoding = Encoding::of(header(&answer, &CONTENT_ENCODING)).map_err(|problem| problem.to_string())?;
    let mut scraper = Scraper::new(measure, format, encoding);
    while let Some(chunk) = answer.chunk().await.map_err(|error| tell(&error, probe))? {
        scraper.feed(&chunk).map_err(|problem| problem.to_string())?;
    }
    scraper.finish().map(Reading::Counts).map_err(|problem| problem.to_string())
}

/// A header of an answer. One with odd bytes reads as one that isn't known.
fn header<'a>(answer: &'a Answer, name: &HeaderName) -> Option<&'a str> {
    answer.headers().get(name).map(|value| value.to_str().unwrap_or("?"))
}

/// What went wrong, in words for the evidence.
fn tell(error: &Failure, probe: &PlannedProbe) -> String {
    told(error, probe.connect_timeout, probe.timeout)
}

/// The same for a request with these limits for the connection and for everything.
pub(super) fn told(failure: &Failure, connect_timeout: Duration, timeout: Duration) -> String {
    match failure {
        Failure::NoConnection => format!("no connection within {}ms", connect_timeout.as_millis()),
        Failure::NoAnswer => format!("no complete answer within {}ms", timeout.as_millis()),
        Failure::Other(why) => why.clone(),
    }
}
