//! Preconditions of requests, why one is refused, and what may refuse or change it on the way.

use std::fmt;

use crate::object::{Kind, Metadata, Name, Pod, StatefulSet, StatefulSetStatus, Uid};

/// What must hold of the object that is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Precondition {
    /// Its `resourceVersion`.
    pub resource_version: Option<u64>,
    /// Its UID.
    pub uid: Option<Uid>,
}

impl Precondition {
    /// Nothing must hold.
    pub const NONE: Self = Self { resource_version: None, uid: None };

    /// The object must be this very one, as it was when it was read.
    pub fn unchanged(metadata: &Metadata) -> Self {
        Self { resource_version: Some(metadata.resource_version), uid: Some(metadata.uid) }
    }

    /// The object must be this very one.
    pub fn uid(uid: Uid) -> Self {
        Self { uid: Some(uid), ..Self::NONE }
    }

    pub(super) fn check(self, kind: Kind, metadata: &Metadata) -> Result<(), Refused> {
        let stale = self.resource_version.is_some_and(|version| version != metadata.resource_version);
        let other = self.uid.is_some_and(|uid| uid != metadata.uid);
        if stale || other { Err(Refused::Conflict { kind, name: metadata.name.clone() }) } else { Ok(()) }
    }
}

/// Why a request did nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refused {
    /// 404.
    NotFound {
        /// The kind asked for.
        kind: Kind,
        /// The name asked for.
        name: Name,
    },
    /// 409: there is one of that name.
    AlreadyExists {
        /// The kind.
        kind: Kind,
        /// The name.
        name: Name,
    },
    /// 409: the object is another one than the precondition says.
    Conflict {
        /// The kind.
        kind: Kind,
        /// The name.
        name: Name,
    },
    /// 422, with the reason.
    Invalid(String),
    /// 403 by a quota or an admission policy, with its message.
    Forbidden(String),
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotFound { kind, name } => write!(f, "{kind} \"{name}\" not found"),
            Self::AlreadyExists { kind, name } => write!(f, "{kind} \"{name}\" already exists"),
            Self::Conflict { kind, name } => {
                write!(f, "{kind} \"{name}\" has been changed or replaced: read it again, then decide again")
            }
            Self::Invalid(reason) => write!(f, "invalid: {reason}"),
            Self::Forbidden(reason) => write!(f, "forbidden: {reason}"),
        }
    }
}

impl std::error::Error for Refused {}

/// Admission policies: may change or refuse what is written. An error is the message for the 403.
pub trait Admission: Send + Sync {
    /// A StatefulSet is made (no `old`) or its spec or metadata changed, by `user`.
    fn statefulset(
        &self,
        _user: &str,
        _old: Option<&StatefulSet>,
        _new: &mut StatefulSet,
    ) -> Result<(), String> {
        Ok(())
    }

    /// A StatefulSet's status is written.
    fn status(&self, _old: &StatefulSet, _new: &mut StatefulSetStatus) -> Result<(), String> {
        Ok(())
    }

    /// A pod is made.
    fn pod(&self, _new: &Pod) -> Result<(), String> {
        Ok(())
    }
}

/// Admits everything.
pub struct AdmitAll;

impl Admission for AdmitAll {}
