//! The part of the schema under `spec.checks[].prometheus`, `.json` and the `limit` next to them.

use super::{GoDuration, Query, QueryTemplate, Question, Range, value};
use crate::yaml::{Reader, Scalar};

/// Longer queries belong into a recording rule.
const MAX_QUERY: usize = 4096;

/// The field that names the kind of source.
pub enum Source<'a> {
    Prometheus(Reader<'a>),
    Json(Reader<'a>),
}

pub fn query(source: &Source<'_>, limit: Option<&Reader<'_>>) -> Option<Query> {
    let asked = match source {
        Source::Prometheus(reader) => prometheus(reader),
        Source::Json(reader) => json(reader),
    };
    let Some(limit) = limit else {
        let (Source::Prometheus(reader) | Source::Json(reader)) = source;
        reader.refuse("found no `limit` next to it, expected one such as `limit: { max: 5 }`");
        return None;
    };
    let limit = self::limit(limit);
    let ((source, question), (limit, warm_up)) = (asked?, limit?);
    Some(Query { source, question, limit, warm_up })
}

fn prometheus(reader: &Reader<'_>) -> Option<(String, Question)> {
    let mut fields = reader.fields()?;
    let source = fields.required("source", "a source of the daemon's configuration", source_name);
    let query =
        fields.required("query", "a PromQL query such as `max(lag{pod=~\"{{ canary.pods }}\"})`", |it| {
            let text = it.text("a PromQL query")?;
            if text.trim().is_empty() || text.chars().count() > MAX_QUERY {
                it.refuse(format!(
                    "found {} characters, expected a query of 1 to {MAX_QUERY}",
                    text.chars().count()
                ));
                return None;
            }
            template(it, text)
        });
    let accept_warnings = fields.or("acceptWarnings", false, Reader::bool);
    Some((source?, Question::Prometheus { query: query?, accept_warnings: accept_warnings? }))
}

fn json(reader: &Reader<'_>) -> Option<(String, Question)> {
    let mut fields = reader.fields()?;
    let source = fields.required("source", "a source of the daemon's configuration", source_name);
    let path = fields.required("path", "a path such as `/lag?of={{ workload.name }}`", |it| {
        let expected = "a path that begins with `/`, of at most 1024 ASCII characters without `#`, and with spaces in \
                        variables only";
        let path = template(it, it.text(expected)?)?;
        if is_path(&path) {
            return Some(path);
        }
        it.expected(expected);
        None
    });
    let pointer = fields.required("pointer", "where the number stands, such as `/data/0/lag`", |it| {
        let expected = "a JSON pointer (RFC 6901): empty, or names that each begin with `/`, with `~0` for `~` and `~1` \
                        for `/` in them";
        let text = it.text(expected)?;
        let escapes = text.split('~').skip(1).all(|rest| rest.starts_with(['0', '1']));
        if !(text.is_empty() || text.starts_with('/')) || !escapes || text.len() > 1024 {
            it.expected(expected);
            return None;
        }
        Some(text.to_owned())
    });
    Some((source?, Question::Json { path: path?, pointer: pointer? }))
}

/// Whether the text around the variables can stand in a URL.
fn is_path(path: &QueryTemplate) -> bool {
    let mut outside = String::new();
    for piece in path.as_str().split("}}") {
        outside.push_str(piece.split_once("{{").map_or(piece, |(before, _)| before));
    }
    outside.starts_with('/')
        && path.as_str().len() <= 1024
        && outside.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#')
}

fn source_name(reader: &Reader<'_>) -> Option<String> {
    value::name(reader, 63)
}

fn template(reader: &Reader<'_>, text: &str) -> Option<QueryTemplate> {
    QueryTemplate::try_from(text.to_owned()).map_err(|error| reader.refuse(error.to_string())).ok()
}

fn limit(reader: &Reader<'_>) -> Option<(Range, GoDuration)> {
    let mut fields = reader.fields()?;
    for name in ["maxShare", "quantile", "maxLatency", "window", "minCount"] {
        fields.misplaced(
            name,
            "found next to a source, expected with `scrape` only: values have `max` and `min`",
        );
    }
    let max = fields.optional("max", bound);
    let min = fields.optional("min", bound);
    let warm_up = fields.or("warmUp", GoDuration::from_secs(60), value::duration);
    let failure_threshold = fields.or("failureThreshold", 1, |it| value::number(it, 1, 1000));
    let (max, min) = (max?, min?);
    match (min, max) {
        (None, None) => {
            fields.refuse("found neither `max` nor `min`, expected one of them or both");
            return None;
        }
        (Some(min), Some(max)) if min > max => {
            fields
                .refuse(format!("found `min: {min}` above `max: {max}`, expected it to be at most as high"));
            return None;
        }
        _ => {}
    }
    Some((Range { min, max, failure_threshold: failure_threshold? }, warm_up?))
}

fn bound(reader: &Reader<'_>) -> Option<f64> {
    if let Some(Scalar::Text(text)) = reader.scalar()
        && text.ends_with('%')
    {
        reader.expected("a number in the unit of the values: a share of 5 % is `0.05`");
        return None;
    }
    value::real(reader, "a number such as `5` or `0.05`", f64::is_finite)
}
