//! The controllers and the kubelet, each a function from a typed view to actions.

pub mod statefulset;
