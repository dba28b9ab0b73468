//! The core as the daemon drives it, in virtual time, on the models of a cluster.
//!
//! [`daemon`] is the daemon without its network: facts from views of the cluster, a step of the engine, the decision's
//! writes with their preconditions, verdicts from what the modelled pods answer. What lies between it and the cluster
//! is a [`wire::Wire`]. [`faults`] makes schedules of faults from seeds and runs them through such a wire;
//! [`invariants`] says what must hold all the while.

pub mod command;
pub mod daemon;
pub mod faults;
pub mod invariants;
pub mod project;
pub mod wire;

#[cfg(test)]
mod tests;
