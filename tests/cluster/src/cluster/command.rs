//! Programs of the machine that run to their end.

use std::ffi::OsStr;
use std::process::{Command, Stdio};

use super::Error;

/// Runs `program`; a failure carries what it wrote.
pub fn run<A: AsRef<OsStr>>(program: impl AsRef<OsStr>, arguments: &[A]) -> Result<(), Error> {
    output(program, arguments).map(drop)
}

/// Runs `program` and returns what it printed.
pub fn output<A: AsRef<OsStr>>(program: impl AsRef<OsStr>, arguments: &[A]) -> Result<String, Error> {
    let line = || {
        let words = arguments.iter().map(|argument| argument.as_ref().to_string_lossy());
        let words: Vec<_> = std::iter::once(program.as_ref().to_string_lossy()).chain(words).collect();
        words.join(" ")
    };
    let output = Command::new(program.as_ref())
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| Error::Command { line: line(), output: error.to_string() })?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    } else {
        Err(Error::Command { line: line(), output: String::from_utf8_lossy(&output.stderr).trim().into() })
    }
}

/// Runs `program` for an end that may be there already.
pub fn quietly(program: &str, arguments: &[&str]) {
    let _ = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
}
