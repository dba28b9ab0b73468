//! The garbage collector, over all kinds that own or are owned.

use std::{collections::BTreeMap, sync::Arc};

use serde_json::Value;
use siskin_embedded::{
    Millis,
    model::garbage::{self, Action},
    object::{Kind, Metadata, Uid},
};
use siskin_embedded_api::{
    kinds::{self, EVENT},
    store::{Part, Query, Target},
};

use super::{Pass, only};
use crate::{
    seen::all,
    translate::{claim::without_finalizer, metadata, owner_of, text, without_owners},
};

const GARBAGE: &str = "generic-garbage-collector";
/// How long the collector takes to see a change, at least and at most.
const LAG: (Millis, Millis) = (20, 120);

pub(super) fn sync(pass: &mut Pass<'_>) {
    if pass.memory.clean_at == Some(pass.store.version()) {
        return;
    }
    let due = pass.memory.garbage_due.unwrap_or_else(|| pass.now + pass.chance.between(LAG.0, LAG.1));
    if due > pass.now {
        pass.memory.garbage_due = Some(due);
        pass.wake_at(due);
        return;
    }
    pass.memory.garbage_due = None;
    let objects = objects(pass);
    let view =
        garbage::View { objects: objects.values().map(|(_, kind, metadata, _)| (*kind, metadata)).collect() };
    let actions = garbage::sync(&view);
    if actions.is_empty() {
        let is_there = |uid: &str| uid.parse::<Uid>().is_ok_and(|uid| objects.contains_key(&uid));
        pass.memory.recorded.keep(is_there);
        pass.memory.clean_at = Some(pass.store.version());
    }
    for action in actions {
        let (Action::Delete { uid, .. } | Action::Disown { uid, .. } | Action::Finalize { uid, .. }) =
            &action;
        let Some((target, _, _, object)) = objects.get(uid) else { continue };
        // What is refused is tried again in the next pass.
        let _ = match action {
            Action::Delete { uid, .. } => pass.delete(GARBAGE, target, &only(uid)),
            Action::Disown { owners, .. } => {
                pass.patch(GARBAGE, target, Part::Whole, without_owners(object, &owners)).map(drop)
            }
            Action::Finalize { finalizer, .. } => {
                pass.patch(GARBAGE, target, Part::Whole, without_finalizer(object, finalizer)).map(drop)
            }
        };
    }
}

/// All objects but Events, which neither own nor are owned.
fn objects(pass: &Pass<'_>) -> BTreeMap<Uid, (Target, Kind, Metadata, Arc<Value>)> {
    let mut objects = BTreeMap::new();
    let kept = |kind: &&'static kinds::Kind| !kind.is_question() && kind.stored() != EVENT;
    for kind in kinds::all().filter(kept) {
        for object in all(pass.store, &Query::all(kind)) {
            // The store gives every object a UID.
            let Ok(metadata) = metadata(&object) else { continue };
            let target = Target::new(kind, text(&object, "/metadata/namespace"), &metadata.name);
            objects.insert(metadata.uid, (target, owner_of(&object), metadata, object));
        }
    }
    objects
}
