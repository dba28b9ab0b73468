//! The policies that a daemon knows: those of its files and the built-in ones.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Policy,
    read::{Placed, policy},
};
use crate::yaml::{self, Error};

const BUILT_IN: [(&str, &str); 2] = [
    ("standard", include_str!("../../../../config/policies/standard.yaml")),
    ("careful", include_str!("../../../../config/policies/careful.yaml")),
];

/// A policy that needs no file: `standard` or `careful`.
pub fn builtin(name: &str) -> Option<Policy> {
    let (_, text) = BUILT_IN.into_iter().find(|(known, _)| *known == name)?;
    super::parse(name, text).ok()?.into_iter().next()
}

/// What a set of files holds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Library {
    /// The good policies by name, without the built-in ones.
    pub policies: BTreeMap<String, Policy>,
    /// Every mistake of every file.
    pub errors: Vec<Error>,
    /// Names that stand in a broken file or in two places, with the files.
    broken: BTreeMap<String, BTreeSet<String>>,
}

/// Why a name leads to no policy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LookupError {
    /// The name stands in files that have mistakes.
    #[error("the policy `{name}` doesn't load: {first}{}", more(*.others))]
    Broken {
        /// The name.
        name: String,
        /// The first mistake.
        first: Box<Error>,
        /// How many more there are.
        others: usize,
    },
    /// No file has the name.
    #[error("there is no policy `{name}`; known are {known}{}", unread(*.mistakes))]
    Unknown {
        /// The name.
        name: String,
        /// The names that would lead to a policy.
        known: String,
        /// Mistakes in files, in which the policy may stand.
        mistakes: usize,
    },
}

fn more(others: usize) -> String {
    if others == 0 { String::new() } else { format!(" (and {others} more: run `siskin check`)") }
}

fn unread(mistakes: usize) -> String {
    match mistakes {
        0 => String::new(),
        1 => "; there is a mistake in a policy file: run `siskin check`".to_owned(),
        _ => format!("; there are {mistakes} mistakes in policy files: run `siskin check`"),
    }
}

impl Library {
    /// The policy that an annotation names. A policy of a file goes before the built-in one of its name, also when
    /// that file is broken: what somebody replaced must not come back because of a typing mistake.
    pub fn lookup(&self, name: &str) -> Result<Policy, LookupError> {
        if let Some(policy) = self.policies.get(name) {
            return Ok(policy.clone());
        }
        if let Some(files) = self.broken.get(name) {
            let mut errors = self.errors.iter().filter(|error| files.contains(&error.file));
            if let Some(first) = errors.next() {
                let (name, first) = (name.to_owned(), Box::new(first.clone()));
                return Err(LookupError::Broken { name, first, others: errors.count() });
            }
        }
        builtin(name).ok_or_else(|| {
            let names: BTreeSet<&str> = self
                .policies
                .keys()
                .map(String::as_str)
                .chain(BUILT_IN.iter().map(|(name, _)| *name))
                .collect();
            let known = names.into_iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
            LookupError::Unknown { name: name.to_owned(), known, mistakes: self.errors.len() }
        })
    }
}

/// Reads `files`, pairs of a name for errors and a text.
///
/// A file with a mistake loads nothing and takes nothing else down. A name that occurs twice is a mistake in both
/// places, and neither loads.
pub fn load<S: AsRef<str>>(files: &[(S, S)]) -> Library {
    let mut library = Library::default();
    let mut placed: BTreeMap<String, Vec<(&str, Placed)>> = BTreeMap::new();
    for (file, text) in files {
        let file = file.as_ref();
        let outcome = yaml::read(file, text.as_ref(), policy);
        if outcome.errors.is_empty() {
            for value in outcome.values {
                placed.entry(value.policy.name.clone()).or_default().push((file, value));
            }
        } else {
            for name in outcome.names {
                library.broken.entry(name).or_default().insert(file.to_owned());
            }
            library.errors.extend(outcome.errors);
        }
    }
    for (name, places) in placed {
        if places.len() > 1 {
            library.errors.extend(conflicts(&places));
            library.broken.insert(name, places.iter().map(|(file, _)| (*file).to_owned()).collect());
        } else {
            library.policies.extend(places.into_iter().map(|(_, placed)| (name.clone(), placed.policy)));
        }
    }
    library
}

/// The mistakes of policies of one file that have the same name.
pub fn repeated<'a>(file: &str, values: impl IntoIterator<Item = &'a Placed>) -> Vec<Error> {
    let mut by_name: BTreeMap<&str, Vec<(&str, Placed)>> = BTreeMap::new();
    for value in values {
        by_name.entry(&value.policy.name).or_default().push((file, value.clone()));
    }
    by_name.values().filter(|places| places.len() > 1).flat_map(|places| conflicts(places)).collect()
}

fn conflicts(places: &[(&str, Placed)]) -> Vec<Error> {
    let error = |(index, (file, placed)): (usize, &(&str, Placed))| {
        // The first one names the second, all others the first.
        let other =
            places.get(usize::from(index == 0)).map(|(file, placed)| format!("{file}:{}", placed.place));
        let message = format!(
            "found `{}`, expected another name: the policy at {} has this one, and neither is loaded",
            placed.policy.name,
            other.unwrap_or_default()
        );
        Error { file: (*file).to_owned(), place: placed.place, path: "metadata.name".to_owned(), message }
    };
    places.iter().enumerate().map(error).collect()
}
