//! An in-memory Kubernetes API server, without controllers.
//!
//! Two layers. [`store`] is pure: objects as JSON with the semantics of the API (versions, preconditions, patches,
//! ownership of fields, deletion, watches), time as an argument. [`serve`] puts it behind HTTP, in process under a
//! client or on a socket. What controllers do, somebody else does to the store: they also end the grace of pods
//! ([`store::Store::end_graces`]), take the finalizer `kubernetes.io/pvc-protection` from claims that no pod uses,
//! delete what an ended owner or namespace leaves, and act on the finalizers `orphan` and `foregroundDeletion`.
//!
//! Unlike Kubernetes it reads JSON only, knows no schemas (a misspelled field is kept), and lets everybody do
//! everything. The example `kubectl` runs a real kubectl against it.

mod columns;
pub mod kinds;
pub mod refusal;
pub mod serve;
pub mod store;
mod value;
