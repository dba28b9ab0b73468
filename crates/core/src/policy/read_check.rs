//! The part of the schema under `spec.checks`.

use std::collections::BTreeMap;

use super::{
    Bound, Check, Compare, Endpoint, GoDuration, HttpProbe, Limit, Measure, Mode, Pattern, Port, Probe,
    Scheme, ScrapeProbe, Selector, Signal, read_query, value,
};
use crate::yaml::{Fields, Reader, Scalar};

/// Keeps a state with all checkpoints well within its annotation.
const MAX_CHECKS: usize = 30;
/// The name of the check that is always on.
const RESERVED: &str = "readiness";

const MAX_TIMEOUT: GoDuration = GoDuration::from_secs(30);
const MAX_EVERY: GoDuration = GoDuration::from_secs(3600);
/// Bounds the samples that a window holds.
const MAX_WINDOW: GoDuration = GoDuration::from_secs(3600);
const MIN_EVERY: GoDuration = GoDuration::from_secs(1);
const MILLISECOND: GoDuration = GoDuration::from_millis(1);

pub fn checks(reader: &Reader<'_>) -> Option<Vec<Check>> {
    let expected = format!("a list of at most {MAX_CHECKS} checks");
    let seen = value::Distinct::default();
    let checks = reader.list(&expected, |reader| check(reader, &seen))?;
    if checks.len() > MAX_CHECKS {
        reader.refuse(format!("found {} checks, expected {expected}", checks.len()));
        return None;
    }
    Some(checks)
}

fn check(reader: &Reader<'_>, seen: &value::Distinct) -> Option<Check> {
    let mut fields = reader.fields()?;
    let name = fields.required("name", "a name for verdicts and metrics", |it| {
        let name = seen.name(it, 40, "check")?;
        if name == RESERVED {
            it.expected("another name: the check that is always on has this one, see `spec.readiness`");
            return None;
        }
        Some(name)
    });
    let mode = fields.or("mode", Mode::Enforce, |it| {
        it.choice(&[("Enforce", Mode::Enforce), ("Observe", Mode::Observe)], &[])
    });
    let asked = Asked::of(&mut fields);
    let pods = !matches!(asked, Some(Asked::Source(_)));
    // A metrics system has new values every 15 to 60 seconds, and is shared.
    let (often, patience, connect) = if pods { (1, 2_000, 500) } else { (10, 5_000, 2_000) };
    let every =
        fields.or("every", GoDuration::from_secs(often), |it| value::between(it, MIN_EVERY, MAX_EVERY));
    let timeout = fields
        .or("timeout", GoDuration::from_millis(patience), |it| value::between(it, MILLISECOND, MAX_TIMEOUT));
    let longest = timeout.unwrap_or(MAX_TIMEOUT);
    let connect = GoDuration::from_millis(connect).min(longest);
    let connect_timeout = fields.or("connectTimeout", connect, |it| value::between(it, MILLISECOND, longest));
    let limit = fields.get("limit");
    let compare = fields.get("compare");
    let signal = match asked {
        None => None,
        Some(Asked::Http(http)) => {
            for rule in [&limit, &compare].into_iter().flatten() {
                rule.refuse("found next to `http`, expected with `scrape` only: an answer is judged by `http.failureThreshold`");
            }
            let http = self::http(&http);
            http.filter(|_| limit.is_none() && compare.is_none()).map(Probe::Http).map(Signal::Pods)
        }
        Some(Asked::Scrape(scrape)) => self::scrape(&scrape, limit.as_ref(), compare.as_ref(), every)
            .map(Probe::Scrape)
            .map(Signal::Pods),
        Some(Asked::Source(source)) => {
            if let Some(rule) = &compare {
                rule.refuse("found next to a source, expected with `scrape` only: let the query compare canary and stable pods");
            }
            read_query::query(&source, limit.as_ref()).filter(|_| compare.is_none()).map(Signal::Source)
        }
    };
    Some(Check {
        name: name?,
        mode: mode?,
        every: every?,
        connect_timeout: connect_timeout?,
        timeout: timeout?,
        signal: signal?,
    })
}

/// Who is asked: the one field of several that says it.
enum Asked<'a> {
    Http(Reader<'a>),
    Scrape(Reader<'a>),
    Source(read_query::Source<'a>),
}

impl<'a> Asked<'a> {
    fn of(fields: &mut Fields<'a>) -> Option<Self> {
        let found = [
            ("http", fields.get("http").map(Self::Http)),
            ("scrape", fields.get("scrape").map(Self::Scrape)),
            ("prometheus", fields.get("prometheus").map(read_query::Source::Prometheus).map(Self::Source)),
            ("json", fields.get("json").map(read_query::Source::Json).map(Self::Source)),
        ];
        let mut found = found.into_iter().filter_map(|(name, asked)| Some((name, asked?)));
        let Some((first, asked)) = found.next() else {
            fields.refuse("found neither `http`, `scrape`, `prometheus` nor `json`, expected one of them");
            return None;
        };
        let Some((_, other)) = found.next() else { return Some(asked) };
        other.reader().refuse(format!("found next to `{first}`, expected one of them: make two checks"));
        None
    }

    fn reader(&self) -> &Reader<'a> {
        match self {
            Self::Http(reader)
            | Self::Scrape(reader)
            | Self::Source(read_query::Source::Prometheus(reader) | read_query::Source::Json(reader)) => {
                reader
            }
        }
    }
}

fn endpoint(fields: &mut Fields<'_>, default_path: Option<&str>) -> Option<Endpoint> {
    let port = fields.required("port", "a port's number or its name in the pod template", port);
    let path = match default_path {
        Some(path) => fields.or("path", path.to_owned(), path_text),
        None => fields.required("path", "a path such as `/healthz`", path_text),
    };
    let scheme = fields
        .or("scheme", Scheme::Http, |it| it.choice(&[("HTTP", Scheme::Http), ("HTTPS", Scheme::Https)], &[]));
    let headers = fields.or("headers", BTreeMap::new(), headers);
    let allow_host_network = fields.or("allowHostNetwork", false, Reader::bool);
    Some(Endpoint {
        port: port?,
        path: path?,
        scheme: scheme?,
        headers: headers?,
        allow_host_network: allow_host_network?,
    })
}

fn port(reader: &Reader<'_>) -> Option<Port> {
    let port = match reader.scalar() {
        Some(Scalar::Number(text)) => text.parse().ok().filter(|port| *port > 0).map(Port::Number),
        Some(Scalar::Text(text)) => is_port_name(text).then(|| Port::Name(text.to_owned())),
        None => None,
    };
    if port.is_none() {
        reader.expected(
            "a port from 1 to 65535 or a container port's name: at most 15 lower-case letters, digits and single `-`, \
             at least one letter",
        );
    }
    port
}

/// As the API server checks container port names.
fn is_port_name(text: &str) -> bool {
    text.len() <= 15
        && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
        && text.bytes().any(|byte| byte.is_ascii_lowercase())
        && !text.starts_with('-')
        && !text.ends_with('-')
        && !text.contains("--")
}

fn path_text(reader: &Reader<'_>) -> Option<String> {
    let text = reader.text("a path that begins with `/`")?;
    if text.starts_with('/')
        && text.len() <= 1024
        && text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#')
    {
        return Some(text.to_owned());
    }
    reader.expected("a path that begins with `/`, of at most 1024 ASCII characters without spaces and `#`");
    None
}

fn headers(reader: &Reader<'_>) -> Option<BTreeMap<String, String>> {
    let mut headers = BTreeMap::new();
    let mut good = true;
    for entry in reader.entries("a map from header names to values")? {
        let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        if entry.name.is_empty() || entry.name.len() > 256 || !entry.name.bytes().all(token) {
            entry
                .value
                .refuse("found a name that HTTP doesn't allow for a header, expected one such as `X-Probe`");
            good = false;
        }
        match entry.value.text("a header's value") {
            Some(text)
                if text.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic())
                    && text.trim() == text =>
            {
                headers.insert(entry.name.to_owned(), text.to_owned());
            }
            Some(_) => {
                entry.value.expected("visible ASCII characters, and spaces between them");
                good = false;
            }
            None => good = false,
        }
    }
    good.then_some(headers)
}

fn http(reader: &Reader<'_>) -> Option<HttpProbe> {
    let mut fields = reader.fields()?;
    let endpoint = endpoint(&mut fields, None);
    let expected_status = fields.or("expectedStatus", Vec::new(), |it| {
        let codes = it.list("a list of status codes", |code| value::number(code, 100, 599))?;
        if codes.is_empty() {
            it.refuse("found no status codes, expected some; left out, 200 to 399 are expected");
            return None;
        }
        Some(codes)
    });
    let body_match = fields.optional("bodyMatch", |it| {
        let text = it.text("a regular expression")?;
        Pattern::new(text).map_err(|error| it.refuse(error.to_string())).ok()
    });
    let failure_threshold = fields.or("failureThreshold", 3, |it| value::number(it, 1, 1000));
    Some(HttpProbe {
        endpoint: endpoint?,
        expected_status: expected_status?,
        body_match: body_match?,
        failure_threshold: failure_threshold?,
    })
}

fn scrape(
    reader: &Reader<'_>,
    limit: Option<&Reader<'_>>,
    compare: Option<&Reader<'_>>,
    every: Option<GoDuration>,
) -> Option<ScrapeProbe> {
    let mut fields = reader.fields()?;
    let endpoint = endpoint(&mut fields, Some("/metrics"));
    let ratio = fields.optional("ratio", |it| {
        let mut fields = it.fields()?;
        let bad = fields.required("bad", "the selector of the bad events", selector);
        let total = fields.required("total", "the selector of all events", selector);
        Some(Measure::Ratio { bad: bad?, total: total? })
    });
    let histogram = fields.get("histogram");
    let is_ratio = histogram.is_none() || !matches!(ratio, Some(None));
    let measure = match (ratio, histogram) {
        (Some(None), None) => {
            fields.refuse("found neither `ratio` nor `histogram`, expected one of them");
            None
        }
        (ratio, None) => ratio.flatten(),
        (Some(None), Some(histogram)) => family(&histogram),
        (_, Some(histogram)) => {
            histogram.refuse("found next to `ratio`, expected one of them: make two checks");
            None
        }
    };
    // The rules are read also when the measure is wrong: their mistakes are told in the same go.
    let limit_rule = limit.map(|it| self::limit(it, is_ratio, every));
    let compare_rule = compare.map(|it| self::compare(it, is_ratio));
    if limit.is_none() && compare.is_none() {
        reader.refuse(
            "found neither `limit` nor `compare` next to `scrape`, expected a rule for what is counted",
        );
        return None;
    }
    let optional = |rule: Option<Option<_>>| rule.map_or(Some(None), |rule| rule.map(Some));
    let compare = match compare_rule {
        None => None,
        Some(rule) => Some(rule?),
    };
    Some(ScrapeProbe { endpoint: endpoint?, measure: measure?, limit: optional(limit_rule)?, compare })
}

fn selector(reader: &Reader<'_>) -> Option<Selector> {
    let text = reader.text("a metric selector such as `http_requests_total{code=~\"5..\"}`")?;
    Selector::try_from(text.to_owned()).map_err(|error| reader.refuse(error.to_string())).ok()
}

fn family(reader: &Reader<'_>) -> Option<Measure> {
    let family = selector(reader)?;
    if let Some(name) = family.metric.strip_suffix("_bucket") {
        reader.expected(format_args!("the family's name without `_bucket`: `{name}`"));
        return None;
    }
    if family.matchers.iter().any(|matcher| matcher.label == "le") {
        reader.expected("no matcher for `le`: all buckets are needed");
        return None;
    }
    Some(Measure::Histogram { family })
}

fn limit(reader: &Reader<'_>, is_ratio: bool, every: Option<GoDuration>) -> Option<Limit> {
    let mut fields = reader.fields()?;
    for name in ["max", "min", "warmUp"] {
        fields.misplaced(name, "found with `scrape`, expected with `prometheus` and `json` only");
    }
    let bound = if is_ratio { share_bound(&mut fields) } else { quantile_bound(&mut fields) };
    let every = every.unwrap_or(MIN_EVERY);
    let default = GoDuration::from_secs(10).max(every);
    let window = fields.or("window", default, |it| value::between(it, every, MAX_WINDOW));
    let min_count = fields.or("minCount", 50, |it| value::number(it, 1, u64::from(u32::MAX)));
    let failure_threshold = fields.or("failureThreshold", 1, |it| value::number(it, 1, 1000));
    Some(Limit {
        bound: bound?,
        window: window?,
        min_count: min_count?,
        failure_threshold: failure_threshold?,
    })
}

fn share_bound(fields: &mut Fields<'_>) -> Option<Bound> {
    let mut alone = true;
    for name in ["quantile", "maxLatency"] {
        if let Some(it) = fields.get(name) {
            it.refuse("found with a `ratio`, expected with a `histogram` only; a ratio has `maxShare`");
            alone = false;
        }
    }
    let max = fields.required("maxShare", "the highest share of bad events, such as `5%`", value::share);
    max.filter(|_| alone).map(|max| Bound::MaxShare { max })
}

fn quantile_bound(fields: &mut Fields<'_>) -> Option<Bound> {
    let share = fields.get("maxShare");
    if let Some(it) = &share {
        it.refuse("found with a `histogram`, expected with a `ratio` only; a histogram has `quantile` and `maxLatency`");
    }
    let quantile = fields.required("quantile", "a quantile such as `0.99`", |it| {
        value::real(it, "a quantile above 0 and below 1, such as `0.99`", |quantile| {
            quantile > 0.0 && quantile < 1.0
        })
    });
    let max_latency = fields.required("maxLatency", "a duration such as `500ms`", |it| {
        value::between(it, MILLISECOND, value::MAX_DURATION)
    });
    let bound = Bound::Quantile { quantile: quantile?, max_latency: max_latency? };
    share.is_none().then_some(bound)
}

fn compare(reader: &Reader<'_>, is_ratio: bool) -> Option<Compare> {
    let mut fields = reader.fields()?;
    let to = fields.or("to", (), |it| it.choice(&[("Stable", ())], &["Baseline"]));
    let max_ratio = fields.required("maxRatio", "a multiple of the stable share, such as `1.5`", |it| {
        value::real(it, "a number above 1 and at most 1000, such as `1.5`", |ratio| {
            ratio > 1.0 && ratio <= 1000.0
        })
    });
    let warm_up = fields.or("warmUp", GoDuration::from_secs(60), value::duration);
    let min_count = fields.or("minCount", 50, |it| value::number(it, 1, u64::from(u32::MAX)));
    if !is_ratio {
        reader.refuse(
            "not supported by this version of Siskin: only a `ratio` is compared, a `histogram` has `limit`",
        );
        return None;
    }
    to?;
    Some(Compare { max_ratio: max_ratio?, warm_up: warm_up?, min_count: min_count? })
}
