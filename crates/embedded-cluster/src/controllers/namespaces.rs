//! Namespaces that are being deleted are emptied; the store lets one go with its last object.

use siskin_embedded_api::{
    kinds::{self, Kind},
    store::{DeleteOptions, Query, Target},
};

use super::Pass;
use crate::{seen::all, translate::text};

const NAMESPACES: &str = "namespace-controller";

pub(super) fn sync(pass: &mut Pass<'_>) {
    let ends = |space: &serde_json::Value| text(space, "/status/phase") == "Terminating";
    for space in all(pass.store, &Query::all(kinds::NAMESPACE)).into_iter().filter(|space| ends(space)) {
        let name = text(&space, "/metadata/name");
        let kept = |kind: &&'static Kind| kind.namespaced && !kind.is_question() && *kind == kind.stored();
        for kind in kinds::all().filter(kept) {
            for object in all(pass.store, &Query::namespaced(kind, name)) {
                if text(&object, "/metadata/deletionTimestamp").is_empty() {
                    let target = Target::new(kind, name, text(&object, "/metadata/name"));
                    // What can't be deleted now is tried again with the next change.
                    let _ = pass.delete(NAMESPACES, &target, &DeleteOptions::default());
                }
            }
        }
    }
}
