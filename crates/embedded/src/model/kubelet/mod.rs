//! The kubelet, with the scheduler: what becomes of a pod from its creation until its object goes.
//!
//! It remembers a pod between two passes in a [`Memory`], which the host keeps by pod UID. The host calls
//! [`sync`] when the pod, its claims or its image change, and when [`Turn::wake`] comes; called late, a pass does
//! everything that was due.
//!
//! Simplified: one container, one node, restart policy Always; a probe takes no time and needs one success.

mod memory;
mod probe;
mod status;

#[cfg(test)]
mod tests;

pub use memory::{Memory, Process};

use crate::{
    Millis,
    chance::Chance,
    model::application::Behaviour,
    object::{Pod, PodStatus},
};

/// What the kubelet looks at: one pod.
#[derive(Clone, Debug)]
pub struct View<'a> {
    /// The pod.
    pub pod: &'a Pod,
    /// What the last pass returned; the default for a new pod.
    pub memory: &'a Memory,
    /// Why no node takes the pod, such as `0/1 nodes are available: 1 Insufficient cpu.`
    pub unschedulable: Option<&'a str>,
    /// All claims of its volumes exist, are bound, and aren't being deleted.
    pub claims_bound: bool,
    /// What its image does.
    pub behaviour: &'a Behaviour,
}

/// What one pass does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Turn {
    /// To be kept for the next pass.
    pub memory: Memory,
    /// What to write, if anything.
    pub action: Option<Action>,
    /// Sync again then; `None`: when something changes.
    pub wake: Option<Millis>,
}

/// One write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Write the pod's status.
    Report(PodStatus),
    /// Remove the pod object: all of it has ended. Fails if the UID doesn't match.
    Remove,
}

/// One pass over one pod.
pub fn sync(view: &View<'_>, now: Millis, chance: &mut Chance) -> Turn {
    let mut memory = view.memory.clone();
    let wake = memory.catch_up(view, now, chance);
    let action = if memory.gone() {
        Some(Action::Remove)
    } else {
        let status = status::of(&memory, view, now);
        (status != view.pod.status).then_some(Action::Report(status))
    };
    Turn { memory, action, wake }
}
