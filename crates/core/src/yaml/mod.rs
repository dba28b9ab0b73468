//! YAML files written by people: every mistake in a file is found at once, and told with its place.
//!
//! `tree` turns text into a small tree with places, within fixed bounds; `reader` walks it and collects
//! [`Error`]s; `write` prints the subset of YAML that both understand.

mod reader;
mod tree;
mod write;

use std::fmt;

pub(crate) use reader::{Fields, Reader, Scalar};
pub use tree::Place;
pub(crate) use write::Writer;

use reader::Sink;

/// A mistake in a file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Error {
    /// The file's name, as it was given.
    pub file: String,
    /// Where in the file.
    pub place: Place,
    /// The field, such as `spec.strategy.canary.steps[1].bake`; empty for the document as a whole.
    pub path: String,
    /// What was found, what is expected, and where possible how to mend it.
    pub message: String,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: ", self.file, self.place)?;
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.message)
    }
}

/// All mistakes of a file in the order of their places; at least one. Displays as one line each.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Errors(pub Vec<Error>);

impl fmt::Display for Errors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, error) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            error.fmt(f)?;
        }
        Ok(())
    }
}

/// What came out of one file.
pub(crate) struct Outcome<T> {
    /// What was decoded; not to be used when there are errors.
    pub values: Vec<T>,
    /// `metadata.name` of every document in which it could be read, also of broken ones.
    pub names: Vec<String>,
    /// Sorted by place.
    pub errors: Vec<Error>,
}

impl<T> Outcome<T> {
    /// Everything or the errors.
    pub fn into_result(self) -> Result<Vec<T>, Errors> {
        if self.errors.is_empty() { Ok(self.values) } else { Err(Errors(self.errors)) }
    }
}

/// Decodes every document of a file. `decode` returns `None` only after it has reported an error.
pub(crate) fn read<T>(file: &str, text: &str, decode: impl Fn(&Reader<'_>) -> Option<T>) -> Outcome<T> {
    let sink = Sink::new(file);
    let (documents, error) = tree::parse(text);
    // The last document of a text that breaks off would only yield errors about what is not there.
    let whole = documents.len() - usize::from(error.is_some() && !documents.is_empty());
    let names = documents.iter().filter_map(tree::Node::metadata_name).collect();
    let values = documents.iter().take(whole).filter_map(|root| decode(&Reader::new(root, &sink))).collect();
    if let Some((place, message)) = error {
        sink.push(place, "", message);
    } else if documents.is_empty() {
        sink.push(Place::START, "", "nothing is in this file, expected at least one document".to_owned());
    }
    Outcome { values, names, errors: sink.into_errors() }
}

#[cfg(test)]
mod tests;
