//! The garbage collector: objects go when none of their owners is left, or stay and forget them.

use std::collections::BTreeSet;

use crate::object::{Kind, Metadata, Name, Uid};

/// The finalizer of a deletion that leaves the dependents (`--cascade=orphan`).
pub const ORPHAN: &str = "orphan";
/// The finalizer of a deletion that waits for the dependents (`--cascade=foreground`).
pub const FOREGROUND: &str = "foregroundDeletion";

/// What the collector looks at: all objects of a namespace that own or are owned.
#[derive(Clone, Debug)]
pub struct View<'a> {
    /// The objects.
    pub objects: Vec<(Kind, &'a Metadata)>,
}

/// One write. Each fails if the UID doesn't match.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Delete an object (in the background).
    Delete {
        /// Its kind.
        kind: Kind,
        /// Its name.
        name: Name,
        /// Its UID.
        uid: Uid,
    },
    /// Take these owners off an object.
    Disown {
        /// Its kind.
        kind: Kind,
        /// Its name.
        name: Name,
        /// Its UID.
        uid: Uid,
        /// The owners' UIDs.
        owners: Vec<Uid>,
    },
    /// Take a finalizer off an object that is being deleted.
    Finalize {
        /// Its kind.
        kind: Kind,
        /// Its name.
        name: Name,
        /// Its UID.
        uid: Uid,
        /// [`ORPHAN`] or [`FOREGROUND`].
        finalizer: &'static str,
    },
}

/// One pass over the objects.
pub fn sync(view: &View<'_>) -> Vec<Action> {
    let mut actions = Vec::new();
    let living: BTreeSet<Uid> = view.objects.iter().map(|(_, metadata)| metadata.uid).collect();
    let leaving = |finalizer: &'static str| {
        view.objects.iter().filter(move |(_, metadata)| {
            metadata.terminating() && metadata.finalizers.iter().any(|held| &**held == finalizer)
        })
    };
    let orphaning: BTreeSet<Uid> = leaving(ORPHAN).map(|(_, metadata)| metadata.uid).collect();
    let waiting: BTreeSet<Uid> = leaving(FOREGROUND).map(|(_, metadata)| metadata.uid).collect();

    for (kind, metadata) in &view.objects {
        let (kind, name, uid) = (*kind, metadata.name.clone(), metadata.uid);
        let owners = || metadata.owners.iter().map(|owner| owner.uid);
        let forgotten: Vec<Uid> = owners().filter(|owner| orphaning.contains(owner)).collect();
        let gone: Vec<Uid> = owners().filter(|owner| !living.contains(owner)).collect();
        let solid = owners().any(|owner| living.contains(&owner) && !waiting.contains(&owner));
        if !forgotten.is_empty() {
            actions.push(Action::Disown { kind, name, uid, owners: forgotten });
        } else if !metadata.owners.is_empty() && !solid {
            if !metadata.terminating() {
                actions.push(Action::Delete { kind, name, uid });
            }
        } else if !gone.is_empty() {
            actions.push(Action::Disown { kind, name, uid, owners: gone });
        }
    }
    for (kind, metadata) in leaving(ORPHAN) {
        actions.push(finalize(*kind, metadata, ORPHAN));
    }
    for (kind, metadata) in leaving(FOREGROUND) {
        if !view.objects.iter().any(|(_, other)| other.owned_by(metadata.uid)) {
            actions.push(finalize(*kind, metadata, FOREGROUND));
        }
    }
    actions
}

fn finalize(kind: Kind, metadata: &Metadata, finalizer: &'static str) -> Action {
    Action::Finalize { kind, name: metadata.name.clone(), uid: metadata.uid, finalizer }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::object::Owner;

    fn object(name: &str, uid: u128, owners: &[u128]) -> Metadata {
        let owner = |&uid: &u128| Owner {
            kind: Kind::StatefulSet,
            name: "db".into(),
            uid: Uid(uid),
            controller: true,
        };
        Metadata { uid: Uid(uid), owners: owners.iter().map(owner).collect(), ..Metadata::named(name) }
    }

    fn after(objects: &[&Metadata]) -> Vec<Action> {
        sync(&View { objects: objects.iter().map(|&metadata| (Kind::Pod, metadata)).collect() })
    }

    #[test]
    fn an_object_goes_when_its_last_owner_is_gone_even_if_another_has_the_owners_name() {
        let (owner, dependent) = (object("db", 1, &[]), object("db-0", 2, &[1]));
        assert_eq!(after(&[&owner, &dependent]), []);
        let successor = object("db", 3, &[]);
        let delete = Action::Delete { kind: Kind::Pod, name: "db-0".into(), uid: Uid(2) };
        assert_eq!(after(&[&successor, &dependent]), [delete]);
    }

    #[test]
    fn one_of_two_owners_that_is_gone_is_only_forgotten() {
        let (owner, dependent) = (object("db", 1, &[]), object("data-db-0", 2, &[1, 9]));
        let disown =
            Action::Disown { kind: Kind::Pod, name: "data-db-0".into(), uid: Uid(2), owners: vec![Uid(9)] };
        assert_eq!(after(&[&owner, &dependent]), [disown]);
    }

    #[test]
    fn an_orphaning_deletion_frees_the_dependents_before_the_owner_goes() {
        let mut owner = object("db", 1, &[]);
        owner.deletion = Some(crate::object::Deletion { requested: 0, at: 0 });
        owner.finalizers = vec![ORPHAN.into()];
        let dependent = object("db-0", 2, &[1]);
        let disown =
            Action::Disown { kind: Kind::Pod, name: "db-0".into(), uid: Uid(2), owners: vec![Uid(1)] };
        let finalize =
            Action::Finalize { kind: Kind::Pod, name: "db".into(), uid: Uid(1), finalizer: ORPHAN };
        assert_eq!(after(&[&owner, &dependent]), [disown, finalize]);
    }

    #[test]
    fn a_foreground_deletion_waits_for_the_dependents() {
        let mut owner = object("db", 1, &[]);
        owner.deletion = Some(crate::object::Deletion { requested: 0, at: 0 });
        owner.finalizers = vec![FOREGROUND.into()];
        let dependent = object("db-0", 2, &[1]);
        let delete = Action::Delete { kind: Kind::Pod, name: "db-0".into(), uid: Uid(2) };
        assert_eq!(after(&[&owner, &dependent]), [delete]);
        let finalize =
            Action::Finalize { kind: Kind::Pod, name: "db".into(), uid: Uid(1), finalizer: FOREGROUND };
        assert_eq!(after(&[&owner]), [finalize]);
    }
}
