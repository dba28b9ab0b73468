//! The real daemon, with faults, on the embedded cluster: the full tier of the fault tests.
//!
//! Everything between the core and the API server is the daemon's own: its client, watches, workers, probes, election.
//! The cluster is the one of `siskin-embedded-cluster`, reached in process. Time is tokio's, paused, so that it passes
//! as soon as nothing is left to be done. The schedules of faults, the people and the invariants are those of
//! `siskin-rehearsal`, which looks at a [`history`] of the cluster in its own words.
//!
//! [`way`] lies between a daemon and the API server, [`pods`] between it and the pods; [`story`] makes it all happen.

pub mod deeds;
pub mod history;
pub mod pods;
mod process;
pub mod story;
#[cfg(test)]
mod tests;
pub mod way;

pub use story::{Told, tell};

/// Where everything is.
pub const NAMESPACE: &str = "default";
