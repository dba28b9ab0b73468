//! The answer to an instant query of Prometheus' HTTP API, as Prometheus, Thanos, Mimir and `VictoriaMetrics` give it.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::{Answer, Failure, failure, shown};
use crate::checks;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Envelope {
    status: Status,
    data: Option<Data>,
    error_type: Option<String>,
    error: Option<String>,
    /// The answer may be incomplete or wrong. (`infos` are about style.)
    #[serde(default)]
    warnings: Vec<String>,
    /// `VictoriaMetrics`' word for an answer that lacks the data of some of its stores.
    #[serde(default)]
    is_partial: bool,
}

#[derive(Deserialize, PartialEq)]
#[serde(rename_all = "lowercase")]
enum Status {
    Success,
    Error,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Data {
    result_type: String,
    result: Value,
}

/// One series of a vector.
#[derive(Deserialize)]
struct Sample {
    #[serde(default)]
    metric: BTreeMap<String, String>,
    /// Time of evaluation and value.
    value: Option<(f64, String)>,
}

pub fn read(status: u16, body: &[u8], accept_warnings: bool) -> Answer {
    let envelope: Result<Envelope, _> = serde_json::from_slice(body);
    let told = |envelope: &Envelope| {
        let parts = [envelope.error_type.as_deref(), envelope.error.as_deref()];
        parts.into_iter().flatten().collect::<Vec<_>>().join(": ")
    };
    if status != 200 {
        return Err(failure(status, &envelope.as_ref().map(told).unwrap_or_default()));
    }
    let envelope = envelope
        .map_err(|error| Failure::Passing(format!("the answer is none of Prometheus' HTTP API: {error}")))?;
    if envelope.status == Status::Error {
        return Err(Failure::Passing(format!("answered with an error: {}", shown(&told(&envelope)))));
    }
    if envelope.is_partial {
        return Err(Failure::Passing("the answer is partial: not all of its stores took part".to_owned()));
    }
    if let Some(warning) = envelope.warnings.first().filter(|_| !accept_warnings) {
        return Err(Failure::Passing(format!(
            "the answer has a warning, so it may be incomplete (`acceptWarnings: true` takes it): {}",
            shown(warning)
        )));
    }
    envelope.data.ok_or_else(|| Failure::Passing("the answer has no data".to_owned()))?.values()
}

impl Data {
    fn values(self) -> Answer {
        let garbled = |error| Failure::Passing(format!("the result of the query can't be read: {error}"));
        match self.result_type.as_str() {
            "vector" => {
                let samples: Vec<Sample> = serde_json::from_value(self.result).map_err(garbled)?;
                samples.into_iter().map(Sample::value).collect()
            }
            "scalar" => {
                let (_, text): (f64, String) = serde_json::from_value(self.result).map_err(garbled)?;
                Ok(vec![value(String::new(), &text)?])
            }
            "matrix" => Err(Failure::Lasting(
                "the query gives a range of values (a matrix), expected one per series: wrap it in a function such as \
                 `rate()` or `avg_over_time()`"
                    .to_owned(),
            )),
            other => Err(Failure::Lasting(format!(
                "the query gives a {}, expected a vector or a scalar of numbers",
                shown(other)
            ))),
        }
    }
}

impl Sample {
    fn value(self) -> Result<checks::Value, Failure> {
        let of = labels(&self.metric);
        let Some((_, text)) = self.value else {
            return Err(Failure::Lasting(format!(
                "the query gives no number for {of}, as with a native histogram: use `histogram_quantile()` or the like"
            )));
        };
        value(of, &text)
    }
}

/// Numbers are texts there, since JSON has no NaN.
fn value(of: String, text: &str) -> Result<checks::Value, Failure> {
    let value = text.parse().map_err(|_| Failure::Passing(format!("`{}` is no number", shown(text))))?;
    Ok(checks::Value { of, value })
}

/// The labels of a series as Prometheus writes them; nothing for a series without labels.
fn labels(metric: &BTreeMap<String, String>) -> String {
    let name = metric.get("__name__").map_or("", String::as_str);
    let labels: Vec<String> = (metric.iter())
        .filter(|(label, _)| *label != "__name__")
        .map(|(label, value)| format!("{label}=\"{value}\""))
        .collect();
    let labels = if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
    shown(&format!("{name}{labels}"))
}
