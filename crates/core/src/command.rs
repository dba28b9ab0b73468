//! Commands: annotations that name what they mean, so that a late or repeated one hits nothing else.

use std::fmt;

use crate::facts::{Revision, Workload};

/// One command, as written.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Command {
    /// `siskin.dev/abort: <rolloutId>`: back to stable.
    Abort(String),
    /// `siskin.dev/undo: <rolloutId>`: back to stable by the template.
    Undo(String),
    /// `siskin.dev/retry: <rolloutId>`: try the revision that this rollout rejected again.
    Retry(String),
    /// `siskin.dev/promote: <revision>`: skip the remaining steps, or name the stable revision.
    Promote(Revision),
    /// `siskin.dev/approve: <revision>/<step>/<user>`: pass the gate that is waiting.
    Approve {
        /// The canary revision.
        revision: Revision,
        /// The step that waits.
        step: String,
        /// Who approves, as stated.
        user: String,
    },
    /// A value that isn't of the command's form.
    Malformed {
        /// The annotation without prefix.
        name: &'static str,
        /// Its value.
        value: String,
        /// The form.
        expected: &'static str,
    },
}

/// The annotation that pauses; it is a setting, not a command: it holds as long as it is there.
pub const PAUSED: &str = "paused";

impl Command {
    /// The commands on a workload, in the order in which they act.
    pub fn read(workload: &Workload) -> Vec<Self> {
        let value = |name: &str| workload.annotations.get(name).cloned();
        let mut commands = Vec::new();
        commands.extend(value("abort").map(Self::Abort));
        commands.extend(value("undo").map(Self::Undo));
        commands.extend(value("retry").map(Self::Retry));
        commands.extend(value("promote").map(|revision| Self::Promote(Revision(revision))));
        commands.extend(value("approve").map(|value| {
            let mut parts = value.splitn(3, '/');
            match (parts.next(), parts.next(), parts.next()) {
                (Some(revision), Some(step), Some(user)) if ![revision, step, user].contains(&"") => {
                    Self::Approve {
                        revision: Revision::from(revision),
                        step: step.to_owned(),
                        user: user.to_owned(),
                    }
                }
                _ => Self::Malformed { name: "approve", value, expected: "<revision>/<step>/<user>" },
            }
        }));
        commands
    }

    /// The annotation's name without prefix.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Abort(_) => "abort",
            Self::Undo(_) => "undo",
            Self::Retry(_) => "retry",
            Self::Promote(_) => "promote",
            Self::Approve { .. } => "approve",
            Self::Malformed { name, .. } => name,
        }
    }

    /// The annotation's value.
    pub fn value(&self) -> String {
        match self {
            Self::Abort(id) | Self::Undo(id) | Self::Retry(id) => id.clone(),
            Self::Promote(revision) => revision.0.clone(),
            Self::Approve { revision, step, user } => format!("{revision}/{step}/{user}"),
            Self::Malformed { value, .. } => value.clone(),
        }
    }
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.name(), self.value())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn workload(annotations: &[(&str, &str)]) -> Workload {
        let annotations =
            annotations.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Workload { annotations, ..Workload::default() }
    }

    #[test]
    fn commands_come_in_the_order_in_which_they_act() {
        let workload = workload(&[("approve", "db-1/first/ann"), ("abort", "r1"), ("policy", "careful")]);
        let names: Vec<_> = Command::read(&workload).iter().map(Command::name).collect();
        assert_eq!(names, ["abort", "approve"]);
    }

    #[test]
    fn a_user_may_have_slashes_but_nothing_may_be_empty() {
        let read = |value| Command::read(&workload(&[("approve", value)])).remove(0);
        assert!(matches!(read("db-1/first/sso/ann"), Command::Approve { user, .. } if user == "sso/ann"));
        assert!(matches!(read("db-1/first"), Command::Malformed { .. }));
        assert!(matches!(read("db-1//ann"), Command::Malformed { .. }));
    }
}
