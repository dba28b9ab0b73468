//! What sources answer, read strictly: an answer is values, or a reason why it says nothing.

mod json;
mod prometheus;
#[cfg(test)]
mod tests;

use crate::{
    checks::{Reading, Value},
    policy::Question,
};

/// The longest answer that is read: a thousand values with many labels have a few hundred KiB.
pub const LONGEST: usize = 1 << 20;

/// More values than this are not judged.
const MOST_VALUES: usize = 1000;
/// How much of a text of the source's is repeated.
const SHOWN: usize = 200;

/// Reads the whole answer to a question; `status` is the one of HTTP.
///
/// What the question causes is refused: the source answers the same until somebody mends the question, the source's
/// address or its credentials. Everything else may pass.
pub fn read(question: &Question, status: u16, body: &[u8]) -> Reading {
    let read = match question {
        Question::Prometheus { accept_warnings, .. } => prometheus::read(status, body, *accept_warnings),
        Question::Json { pointer, .. } => json::read(status, body, pointer),
    };
    match read {
        Ok(values) if values.len() > MOST_VALUES => Reading::Refused(format!(
            "the answer has {} values, at most {MOST_VALUES} are judged: aggregate them, as `max by (pod) (...)` does",
            values.len()
        )),
        Ok(values) => Reading::Values(values),
        Err(Failure::Passing(reason)) => Reading::Unusable(reason),
        Err(Failure::Lasting(reason)) => Reading::Refused(reason),
    }
}

/// Why an answer says nothing.
#[derive(Debug, PartialEq, Eq)]
enum Failure {
    /// The next answer may be better.
    Passing(String),
    /// It won't.
    Lasting(String),
}

type Answer = Result<Vec<Value>, Failure>;

/// What a status that is no success means; `told` is what the source says about it, if anything.
fn failure(status: u16, told: &str) -> Failure {
    let told = if told.is_empty() { String::new() } else { format!(": {}", shown(told)) };
    match status {
        300..=399 => Failure::Lasting(format!(
            "answered with a redirect (status {status}), which is not followed: its `url` must be the final one"
        )),
        401 | 403 => Failure::Lasting(format!("refuses our credentials (status {status}){told}")),
        404 | 405 => Failure::Lasting(format!("has nothing at this address (status {status}){told}")),
        408 | 429 => Failure::Passing(format!("has no time for us (status {status}){told}")),
        400..=499 => Failure::Lasting(format!("refuses the query (status {status}){told}")),
        _ => Failure::Passing(format!("answered with status {status}{told}")),
    }
}

/// A text of the source's as a short line.
fn shown(text: &str) -> String {
    let line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let line = line.trim();
    match line.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}...", line.get(..end).unwrap_or_default()),
        None => line.to_owned(),
    }
}
