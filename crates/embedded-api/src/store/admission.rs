//! What may change or refuse a write before it is kept: the place of admission policies, as code instead of CEL.

use std::fmt::Debug;

use serde_json::Value;

use super::{Part, Store, Target};

/// A write as admission sees it.
#[derive(Clone, Copy, Debug)]
pub struct Review<'a> {
    /// What is written.
    pub target: &'a Target,
    /// Which part of it.
    pub part: Part,
    /// Who writes: the field manager, as this server knows no users.
    pub manager: &'a str,
    /// The object before the write; `None`: it is made.
    pub old: Option<&'a Value>,
}

/// Admission policies. Called for every creation, change and dry run of either, after defaults and before validation;
/// not for deletions.
pub trait Admission: Debug + Send + Sync {
    /// Changes what is written, or refuses it.
    ///
    /// # Errors
    /// The message of a 403.
    fn admit(&self, store: &Store, review: &Review<'_>, new: &mut Value) -> Result<(), String>;
}

/// Admits everything.
#[derive(Debug)]
pub struct AdmitAll;

impl Admission for AdmitAll {
    fn admit(&self, _: &Store, _: &Review<'_>, _: &mut Value) -> Result<(), String> {
        Ok(())
    }
}
