//! What is told: Events and metrics in the cluster, messages to people.

pub mod events;
pub mod logs;
pub mod messages;
pub mod metrics;
pub mod slack;
