//! The daemon's configuration file: where it listens, how it logs, whom it can ask and tell.

mod leading;
mod source;

use std::net::{Ipv4Addr, SocketAddr};

pub use leading::LeaderElection;
pub use source::{Credentials, Source, SourceKind, missing};

use crate::{
    facts::Rules,
    group::MaxParallelRollouts,
    policy::{Distinct, GoDuration, between, freezes, header, name, number},
    yaml::{self, Errors, Reader},
};

/// `kind` of the configuration.
pub const KIND: &str = "Configuration";
/// The longest class: it is a part of the Lease's name.
pub const CLASS: usize = 40;

/// What a daemon is told by its platform team.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Configuration {
    /// Where `/healthz`, `/readyz` and `/metrics` are served. Default `0.0.0.0:8080`.
    pub listen: SocketAddr,
    /// How logs are written.
    pub log: Log,
    /// Whether a list of released revisions is kept for each workload, by which the pod guard of `deploy/admission`
    /// goes. Default false: it needs rights on `ConfigMaps`.
    pub pod_guard: bool,
    /// Only workloads whose annotation `siskin.dev/class` is the same are looked after. Default: those without one.
    pub class: Option<String>,
    /// Which of several processes works.
    pub leader_election: LeaderElection,
    /// Watch the versions of ConfigMaps and Secrets, to tell when pods are configured differently. Default false.
    pub watch_configuration: bool,
    /// The receivers that policies name; names are unique.
    pub receivers: Vec<Receiver>,
    /// What holds for every workload. Default: nothing.
    pub rules: Rules,
    /// The sources that policies name; names are unique.
    pub sources: Vec<Source>,
}

/// How logs are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Log {
    /// Default `Text`.
    pub format: LogFormat,
    /// Default `info`.
    pub level: LogLevel,
}

/// The form of a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One object per line.
    Json,
}

/// The least severe level that is logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    /// Something is broken.
    Error,
    /// Something is odd.
    Warn,
    /// What happens to rollouts.
    Info,
    /// Why.
    Debug,
    /// Everything.
    Trace,
}

impl LogLevel {
    /// The name in the file.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        }
    }
}

/// Somebody who can be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receiver {
    /// What policies call it.
    pub name: String,
    /// Its incoming webhook.
    pub slack: Slack,
}

/// A Slack incoming webhook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slack {
    /// Where the address comes from. It is a secret: who knows it may post.
    pub address: Address,
    /// The time for one delivery. Default 5s, at most 30s.
    pub timeout: GoDuration,
}

/// Where an address comes from.
#[derive(Clone, PartialEq, Eq)]
pub enum Address {
    /// It stands in the file.
    Url(String),
    /// It is the content of that file, read at each delivery so that it can be rotated.
    File(String),
}

impl std::fmt::Debug for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            // Not the URL: debug output ends in logs.
            Self::Url(_) => f.write_str("Url(..)"),
            Self::File(path) => f.debug_tuple("File").field(path).finish(),
        }
    }
}

impl Default for Configuration {
    fn default() -> Self {
        Self {
            listen: (Ipv4Addr::UNSPECIFIED, 8080).into(),
            log: Log::default(),
            pod_guard: false,
            class: None,
            leader_election: LeaderElection::default(),
            watch_configuration: false,
            receivers: Vec::new(),
            rules: Rules::default(),
            sources: Vec::new(),
        }
    }
}

impl Default for Log {
    fn default() -> Self {
        Self { format: LogFormat::Text, level: LogLevel::Info }
    }
}

/// The configuration in a file; `file` is only named in errors.
pub fn parse(file: &str, text: &str) -> Result<Configuration, Errors> {
    let mut outcome = yaml::read(file, text, |document| Some((read(document)?, document.place())));
    if let Some((_, place)) = outcome.values.get(1) {
        outcome.errors.push(yaml::Error {
            file: file.to_owned(),
            place: *place,
            path: String::new(),
            message: "found a second document, expected one configuration".to_owned(),
        });
    }
    let configurations = outcome.into_result()?;
    Ok(configurations
        .into_iter()
        .next()
        .map_or_else(Configuration::default, |(configuration, _)| configuration))
}

/// Reads one document.
pub(crate) fn read(document: &Reader<'_>) -> Option<Configuration> {
    let default = Configuration::default();
    let mut fields = document.fields()?;
    let header = header(&mut fields, KIND);
    let listen = fields.or("listen", default.listen, |it| {
        let address = it.text("an address and a port")?.parse().ok();
        if address.is_none() {
            it.expected("an IP address and a port, such as `0.0.0.0:8080` or `[::]:8080`");
        }
        address
    });
    let log = fields.or("log", default.log, log);
    let pod_guard = fields.or("podGuard", default.pod_guard, Reader::bool);
    let class = fields.optional("class", |it| name(it, CLASS));
    let leader_election = fields.or("leaderElection", default.leader_election, leading::read);
    let watch_configuration = fields.or("watchConfiguration", default.watch_configuration, Reader::bool);
    let receivers = fields.or("receivers", Vec::new(), |it| {
        let seen = Distinct::default();
        it.list("a list of receivers", |receiver| self::receiver(receiver, &seen))
    });
    let max_parallel_rollouts =
        fields.or("maxParallelRollouts", MaxParallelRollouts::default(), max_parallel_rollouts);
    let freezes = fields.or("freezes", Vec::new(), freezes);
    let sources = fields.or("sources", Vec::new(), source::sources);
    header?;
    let rules = Rules { max_parallel_rollouts: max_parallel_rollouts?, freezes: freezes? };
    Some(Configuration {
        listen: listen?,
        log: log?,
        pod_guard: pod_guard?,
        class: class?,
        leader_election: leader_election?,
        watch_configuration: watch_configuration?,
        receivers: receivers?,
        sources: sources?,
        rules,
    })
}

fn max_parallel_rollouts(reader: &Reader<'_>) -> Option<MaxParallelRollouts> {
    let mut fields = reader.fields()?;
    let total = fields.optional("total", |it| number(it, 1, 10_000));
    let per_namespace = fields.optional("perNamespace", |it| number(it, 1, 10_000));
    Some(MaxParallelRollouts { total: total?, per_namespace: per_namespace? })
}

fn log(reader: &Reader<'_>) -> Option<Log> {
    let mut fields = reader.fields()?;
    let default = Log::default();
    let format = fields.or("format", default.format, |it| {
        it.choice(&[("Text", LogFormat::Text), ("JSON", LogFormat::Json)], &[])
    });
    let levels = [LogLevel::Error, LogLevel::Warn, LogLevel::Info, LogLevel::Debug, LogLevel::Trace];
    let level =
        fields.or("level", default.level, |it| it.choice(&levels.map(|level| (level.as_str(), level)), &[]));
    Some(Log { format: format?, level: level? })
}

fn receiver(reader: &Reader<'_>, seen: &Distinct) -> Option<Receiver> {
    let mut fields = reader.fields()?;
    let name = fields.required("name", "what policies call the receiver", |it| seen.name(it, 63, "receiver"));
    let slack = fields.required("slack", "a Slack incoming webhook", slack);
    Some(Receiver { name: name?, slack: slack? })
}

fn slack(reader: &Reader<'_>) -> Option<Slack> {
    let mut fields = reader.fields()?;
    let url = fields.optional("url", |it| {
        let text = it.text("a URL")?;
        let good = ["https://", "http://"]
            .iter()
            .any(|scheme| text.len() > scheme.len() && text.starts_with(scheme))
            && text.bytes().all(|byte| byte.is_ascii_graphic());
        if !good {
            // The value is a secret: it is not repeated.
            it.refuse("found a text that is no URL, expected one that begins with `https://` or `http://`");
        }
        good.then(|| Address::Url(text.to_owned()))
    });
    let file = fields.optional("urlFile", |it| path(it).map(Address::File));
    let (least, most) = (GoDuration::from_millis(100), GoDuration::from_secs(30));
    let timeout = fields.or("timeout", GoDuration::from_secs(5), |it| between(it, least, most));
    let address = match (url?, file?) {
        (Some(address), None) | (None, Some(address)) => address,
        (found, _) => {
            let found = if found.is_some() { "both `url` and" } else { "neither `url` nor" };
            fields.refuse(format!("found {found} `urlFile`, expected one of them"));
            return None;
        }
    };
    Some(Slack { address, timeout: timeout? })
}

/// A file of this machine.
fn path(reader: &Reader<'_>) -> Option<String> {
    let text = reader.text("a path")?;
    if !text.starts_with('/') {
        reader.expected("an absolute path");
        return None;
    }
    Some(text.to_owned())
}

#[cfg(test)]
mod tests;
