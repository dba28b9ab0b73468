//! The StatefulSet controller of Kubernetes 1.35 (`pkg/controller/statefulset`), with the gate
//! `MaxUnavailableStatefulSet` off, as it is by default.
//!
//! One [`sync`] is one pass of the real controller over one StatefulSet: what it would write, in its order. The
//! host does the actions one after the other; when one on pods or claims is refused (a quota, a conflict), it
//! leaves out those that follow on pods and claims, does the rest, and syncs again later, as the real one does.
//!
//! Simplified: selectors have no expressions, and a StatefulSet's name is never too long for a pod's labels.

mod action;
mod claims;
mod history;
mod members;
mod pods;
mod status;

#[cfg(test)]
mod tests;

pub use action::{Action, NewPod, NewRevision};
pub use history::revision_name;

use crate::{
    Millis,
    object::{Claim, ControllerRevision, Pod, StatefulSet},
};

/// What the controller looks at: one StatefulSet and the objects of its namespace that may be its own. It chooses
/// by selector and owner itself.
#[derive(Clone, Debug)]
pub struct View<'a> {
    /// The StatefulSet.
    pub set: &'a StatefulSet,
    /// Pods.
    pub pods: Vec<&'a Pod>,
    /// `ControllerRevisions`.
    pub revisions: Vec<&'a ControllerRevision>,
    /// Claims.
    pub claims: Vec<&'a Claim>,
}

/// One pass of the controller: what it writes, in order. No action: nothing is to be done until something changes.
pub fn sync(view: &View<'_>, now: Millis) -> Vec<Action> {
    let mut actions = Vec::new();
    let Some(found) = members::revisions(view, &mut actions) else {
        return actions;
    };
    let members = members::pods(view, &mut actions);
    let history = history::resolve(view, found, &mut actions);
    let status = pods::update(view, &members, &history, now, &mut actions);
    status::report(view.set, &members, status, now, &mut actions);
    history::truncate(view.set, &members, &history, &mut actions);
    actions
}
