//! Policies: from YAML to validated data, and back.
//!
//! [`parse`] reads one file, [`load`] a set of files; both find every mistake at once. [`render`] prints a policy
//! with all defaults filled in, [`warnings`] says what is allowed but rarely meant, [`irrevocable`] which steps are.

mod duration;
mod irrevocable;
mod library;
mod model;
mod pattern;
mod query;
mod read;
mod read_check;
mod read_query;
mod read_window;
mod render;
mod selector;
mod value;
mod warnings;

pub use duration::{DurationError, GoDuration};
pub use irrevocable::irrevocable;
pub use library::{Library, LookupError, builtin, load};
pub use model::*;
pub use pattern::{Pattern, PatternError};
pub use query::{Form, QueryTemplate, QueryTemplateError, Side, Subject};
pub use render::render;
pub use selector::SelectorError;
pub use warnings::warnings;

pub(crate) use library::repeated;
pub(crate) use read::{KIND, Placed, header, policy as read_policy};
pub(crate) use read_window::freezes;
pub(crate) use value::{Distinct, between, name, number};

use crate::yaml::{self, Errors};

/// The policies of one file; `file` is only named in errors.
pub fn parse(file: &str, text: &str) -> Result<Vec<Policy>, Errors> {
    let mut outcome = yaml::read(file, text, read::policy);
    outcome.errors.extend(library::repeated(file, &outcome.values));
    Ok(outcome.into_result()?.into_iter().map(|placed| placed.policy).collect())
}

/// Holds a policy that was not made by [`parse`] against the same schema: one that was read back from a rollout's
/// state may have been edited by whoever may edit the workload. The errors' places are those of [`render`]'s text.
pub fn validate(policy: &Policy) -> Result<(), Errors> {
    parse(&policy.name, &render(policy)).map(drop)
}

#[cfg(test)]
mod tests;
