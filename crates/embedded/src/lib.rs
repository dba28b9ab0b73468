//! Models of a Kubernetes cluster, without a cluster: no I/O, no clock, no chance but a seeded one.
//!
//! A controller is a function from a typed view to actions, `sync(view, now) -> Vec<Action>` ([`model`]). Who holds
//! the objects is another matter: [`cluster`] keeps them as typed values in virtual time, for tests by the
//! thousand; an API server may keep them as JSON, translate them to the same views, and do the same actions.
//!
//! What is modelled is Kubernetes 1.35 with its default feature gates. Where a model simplifies, its page says so.

pub mod chance;
pub mod cluster;
pub mod model;
pub mod object;

/// A moment or a length of virtual time, in milliseconds; moments count from the Unix epoch or from the cluster's
/// start, as the host likes: models only compare and add.
pub type Millis = u64;
