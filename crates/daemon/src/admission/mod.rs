//! The admission policies of `deploy/admission` as the daemon and `siskin doctor` see them.

pub mod hold;
pub mod identity;
pub mod policies;
