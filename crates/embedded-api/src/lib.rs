//! An in-memory Kubernetes API server, without controllers.
//!
//! Two layers. [`store`] is pure: objects as JSON with the semantics of the API (versions, preconditions, patches,
//! ownership of fields, deletion, watches), time as an argument. [`serve`] puts it behind HTTP, in process under a
//! client or on a socket. What controllers do, somebody else does to the store.

mod columns;
pub mod kinds;
pub mod refusal;
pub mod store;
mod value;
