//! What every object has: a name, a UID, owners, a way to its end.

use std::{collections::BTreeMap, fmt, sync::Arc};

use crate::Millis;

/// An object's name.
pub type Name = Arc<str>;

/// Labels or annotations, shared between the copies of an object.
pub type Labels = Arc<BTreeMap<String, String>>;

/// Labels from pairs.
pub fn labels<const N: usize>(pairs: [(&str, &str); N]) -> Labels {
    Arc::new(pairs.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect())
}

/// Whether a `matchLabels` selector selects an object with these labels. An empty one selects everything.
pub fn selects(selector: &BTreeMap<String, String>, labels: &BTreeMap<String, String>) -> bool {
    selector.iter().all(|(key, value)| labels.get(key) == Some(value))
}

/// A UID: 128 bits, written as Kubernetes writes a UUID.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Uid(pub u128);

impl fmt::Display for Uid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(bits) = self;
        write!(
            f,
            "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
            bits >> 96,
            bits >> 80 & 0xffff,
            bits >> 64 & 0xffff,
            bits >> 48 & 0xffff,
            bits & 0xffff_ffff_ffff
        )
    }
}

impl fmt::Debug for Uid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl std::str::FromStr for Uid {
    type Err = std::num::ParseIntError;

    /// Reads what `Display` writes.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        u128::from_str_radix(&text.replace('-', ""), 16).map(Self)
    }
}

/// The kinds of objects that can own or be owned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// `apps/v1`.
    StatefulSet,
    /// `apps/v1`.
    ControllerRevision,
    /// `v1`.
    Pod,
    /// `v1`, a `PersistentVolumeClaim`.
    Claim,
    /// `v1`.
    Service,
    /// `discovery.k8s.io/v1`.
    EndpointSlice,
    /// Any other.
    Other,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::StatefulSet => "statefulset",
            Self::ControllerRevision => "controllerrevision",
            Self::Pod => "pod",
            Self::Claim => "persistentvolumeclaim",
            Self::Service => "service",
            Self::EndpointSlice => "endpointslice",
            Self::Other => "object",
        })
    }
}

/// An owner reference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// The owner's kind.
    pub kind: Kind,
    /// The owner's name.
    pub name: Name,
    /// The owner's UID, which decides: an object of the same name is another owner.
    pub uid: Uid,
    /// The one reference of the managing controller.
    pub controller: bool,
}

/// A deletion that was asked for and isn't done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deletion {
    /// When it was asked for.
    pub requested: Millis,
    /// `deletionTimestamp`: when the grace period ends.
    pub at: Millis,
}

/// An object's metadata.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Metadata {
    /// `name`.
    pub name: Name,
    /// `uid`.
    pub uid: Uid,
    /// `resourceVersion`: the number of the write that made the object what it is.
    pub resource_version: u64,
    /// `generation`: rises when the spec changes.
    pub generation: i64,
    /// `creationTimestamp`.
    pub created: Millis,
    /// `deletionTimestamp` and the request behind it.
    pub deletion: Option<Deletion>,
    /// `labels`.
    pub labels: Labels,
    /// `annotations`.
    pub annotations: Labels,
    /// `ownerReferences`.
    pub owners: Vec<Owner>,
    /// `finalizers`: the object stays while there is one.
    pub finalizers: Vec<Name>,
}

impl Metadata {
    /// A new object's: no UID, versions or labels yet.
    pub fn named(name: impl Into<Name>) -> Self {
        Self {
            name: name.into(),
            uid: Uid::default(),
            resource_version: 0,
            generation: 1,
            created: 0,
            deletion: None,
            labels: Labels::default(),
            annotations: Labels::default(),
            owners: Vec::new(),
            finalizers: Vec::new(),
        }
    }

    /// The managing controller's reference.
    pub fn controller(&self) -> Option<&Owner> {
        self.owners.iter().find(|owner| owner.controller)
    }

    /// Whether some reference names this UID.
    pub fn owned_by(&self, uid: Uid) -> bool {
        self.owners.iter().any(|owner| owner.uid == uid)
    }

    /// It has a `deletionTimestamp`.
    pub fn terminating(&self) -> bool {
        self.deletion.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uid_is_read_as_it_is_written() {
        let text = "0f0e0d0c-0b0a-4908-8706-050403020100";
        assert_eq!(text.parse::<Uid>().unwrap().to_string(), text);
    }
}
