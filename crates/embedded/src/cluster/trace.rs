//! What was written, by whom, in order.

use std::fmt;

use crate::{
    Millis,
    object::{Kind, Name},
};

/// Who writes.
pub type Actor = Name;

/// One write that took effect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Write {
    /// When.
    pub at: Millis,
    /// Its number, which is the object's `resourceVersion` from then on.
    pub version: u64,
    /// By whom.
    pub actor: Actor,
    /// What was done.
    pub verb: Verb,
    /// To what kind of object.
    pub kind: Kind,
    /// To which.
    pub name: Name,
}

/// What a write does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// Makes an object.
    Create,
    /// Changes one.
    Update,
    /// Changes a status.
    UpdateStatus,
    /// Asks for an object's end.
    Delete,
    /// Removes the object.
    Remove,
}

impl fmt::Display for Write {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verb = match self.verb {
            Verb::Create => "create",
            Verb::Update => "update",
            Verb::UpdateStatus => "update-status",
            Verb::Delete => "delete",
            Verb::Remove => "remove",
        };
        write!(f, "{:>8} {:>5} {} {verb} {}/{}", self.at, self.version, self.actor, self.kind, self.name)
    }
}
