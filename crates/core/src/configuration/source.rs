//! Sources: where checks get numbers that the pods themselves don't tell.

use crate::{
    policy::{Distinct, GoDuration, Policy, Question, between},
    yaml::{Fields, Reader},
};

/// A source of numbers that policies name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// What policies call it; unique among the sources.
    pub name: String,
    /// What it understands.
    pub kind: SourceKind,
    /// Where its paths begin: `http` or `https`, without a slash at the end.
    pub url: String,
    /// How it knows us.
    pub credentials: Option<Credentials>,
    /// A PEM file with the only certificate authorities that are trusted; `None`: those of the system.
    pub ca_file: Option<String>,
    /// No answer is awaited for longer, whatever a policy says. Default 10s, at most 30s.
    pub timeout: GoDuration,
}

/// What a source understands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SourceKind {
    /// Prometheus' HTTP API.
    Prometheus,
    /// GET requests, answered with JSON.
    Json,
}

/// What a request carries. The secrets are files, read for each request so that they can be rotated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Credentials {
    /// The path of a file with a bearer token.
    BearerToken(String),
    /// Basic authentication.
    Basic {
        /// The user.
        username: String,
        /// The path of a file with the password.
        password_file: String,
    },
}

impl SourceKind {
    /// The field that names it, in the configuration and in policies.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Prometheus => "prometheus",
            Self::Json => "json",
        }
    }

    fn of(question: &Question) -> Self {
        match question {
            Question::Prometheus { .. } => Self::Prometheus,
            Question::Json { .. } => Self::Json,
        }
    }
}

/// What a policy wants of sources that aren't there, a sentence each.
pub fn missing(sources: &[Source], policy: &Policy) -> Vec<String> {
    let known = |kind: SourceKind| {
        let names: Vec<String> = (sources.iter())
            .filter(|source| source.kind == kind)
            .map(|source| format!("`{}`", source.name))
            .collect();
        if names.is_empty() {
            "there are none of that kind".to_owned()
        } else {
            format!("known are {}", names.join(", "))
        }
    };
    (policy.queries())
        .filter_map(|(check, query)| {
            let kind = SourceKind::of(&query.question);
            let there = sources.iter().any(|source| source.name == query.source && source.kind == kind);
            (!there).then(|| {
                format!(
                    "check `{}` asks the {} source `{}`, which the configuration of siskin doesn't have; {}",
                    check.name,
                    kind.as_str(),
                    query.source,
                    known(kind)
                )
            })
        })
        .collect()
}

pub(super) fn sources(reader: &Reader<'_>) -> Option<Vec<Source>> {
    let seen = Distinct::default();
    reader.list("a list of sources", |reader| source(reader, &seen))
}

fn source(reader: &Reader<'_>, seen: &Distinct) -> Option<Source> {
    let mut fields = reader.fields()?;
    let name = fields.required("name", "what policies call the source", |it| seen.name(it, 63, "source"));
    let prometheus = fields.get("prometheus");
    let json = fields.get("json");
    let (kind, server) = match (prometheus, json) {
        (Some(server), None) => (SourceKind::Prometheus, server),
        (None, Some(server)) => (SourceKind::Json, server),
        (found, _) => {
            let found = if found.is_some() { "both `prometheus` and" } else { "neither `prometheus` nor" };
            fields.refuse(format!("found {found} `json`, expected one of them"));
            return None;
        }
    };
    let mut fields = server.fields()?;
    let url = fields.required("url", "where it is, such as `http://prometheus.monitoring:9090`", url);
    let credentials = credentials(&mut fields);
    let ca_file = fields.optional("caFile", |it| {
        let path = super::path(it)?;
        if url.as_ref().is_some_and(|url| url.starts_with("http://")) {
            it.refuse("found next to an `http://` address, expected with `https://` only");
            return None;
        }
        Some(path)
    });
    let (least, most) = (GoDuration::from_millis(100), GoDuration::from_secs(30));
    let timeout = fields.or("timeout", GoDuration::from_secs(10), |it| between(it, least, most));
    let (name, url) = (name?, url?);
    Some(Source { name, kind, url, credentials: credentials?, ca_file: ca_file?, timeout: timeout? })
}

#[expect(clippy::option_option, reason = "absent and wrong are two things")]
fn credentials(fields: &mut Fields<'_>) -> Option<Option<Credentials>> {
    let token = fields.optional("bearerTokenFile", |it| super::path(it).map(Credentials::BearerToken));
    let basic = fields.optional("basicAuth", |it| {
        let mut fields = it.fields()?;
        let username = fields.required("username", "a text", |it| {
            let text = it.text("a user's name")?;
            if text.contains(':') || text.chars().any(char::is_control) {
                it.expected("a user's name without `:`");
                return None;
            }
            Some(text.to_owned())
        });
        let password_file =
            fields.required("passwordFile", "the path of a file with the password", super::path);
        Some(Credentials::Basic { username: username?, password_file: password_file? })
    });
    match (token?, basic?) {
        (Some(_), Some(_)) => {
            fields.refuse("found both `bearerTokenFile` and `basicAuth`, expected one of them at most");
            None
        }
        (token, basic) => Some(token.or(basic)),
    }
}

fn url(reader: &Reader<'_>) -> Option<String> {
    let expected = "an address that begins with `http://` or `https://`, without user, `?` and `#`";
    let text = reader.text(expected)?;
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    let host = rest.and_then(|rest| rest.split('/').next()).unwrap_or_default();
    if host.contains('@') {
        // What stands there is a secret: it is not repeated.
        reader.refuse(
            "found an address with a user, expected one without: use `basicAuth` or `bearerTokenFile`",
        );
        return None;
    }
    let good = !host.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic() && !b"?#".contains(&byte));
    if !good {
        reader.expected(expected);
    }
    good.then(|| text.trim_end_matches('/').to_owned())
}
