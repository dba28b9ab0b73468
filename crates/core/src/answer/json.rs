//! A number somewhere in a JSON document.

use serde_json::Value;

use super::{Answer, Failure, failure};
use crate::checks;

pub fn read(status: u16, body: &[u8], pointer: &str) -> Answer {
    if !(200..300).contains(&status) {
        return Err(failure(status, ""));
    }
    let document: Value = serde_json::from_slice(body)
        .map_err(|error| Failure::Passing(format!("the answer is no JSON: {error}")))?;
    let found = document.pointer(pointer);
    let number = found.and_then(Value::as_f64);
    let value = number.ok_or_else(|| {
        let what = match found {
            None => "nothing",
            Some(Value::Null) => "null",
            Some(Value::Bool(_)) => "a boolean",
            Some(Value::String(_)) => "a text",
            Some(Value::Array(_)) => "a list",
            Some(Value::Object(_)) => "an object",
            Some(Value::Number(_)) => "no number",
        };
        Failure::Passing(format!("the answer has {what} at `{pointer}`, expected a number"))
    })?;
    Ok(vec![checks::Value { of: String::new(), value }])
}
