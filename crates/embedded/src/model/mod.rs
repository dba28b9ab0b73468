//! The controllers, the kubelet and what runs in pods, each a function from a typed view to actions.

pub mod application;
pub mod claims;
pub mod endpoints;
pub mod garbage;
pub mod kubelet;
pub mod latency;
pub mod statefulset;
pub mod traffic;
