//! A Kubernetes cluster in one process: the models of `siskin-embedded` behind the API server of
//! `siskin-embedded-api`.
//!
//! It is a crate of its own because neither of the two needs the other: the models run without an API, and the API
//! server serves any store.
//!
//! [`translate`] reads the API's JSON as the models' objects and writes what they say back as patches.
//! [`controllers::run`] is one pass of all controllers and the kubelet over a store: pure, the same for the same
//! seed. [`Cluster`] calls it whenever the store changes or something is due, and lets the pods' processes answer on
//! loopback addresses.
//!
//! Every pod runs the sample application, as its image's tag says ([`images`]).

mod cluster;
pub mod controllers;
mod events;
pub mod images;
mod listeners;
mod memory;
pub mod policies;
mod seen;
#[cfg(test)]
mod tests;
pub mod translate;
mod upsets;

pub use cluster::Cluster;
pub use memory::Memory;
