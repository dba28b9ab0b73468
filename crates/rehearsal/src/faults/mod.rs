//! Faults: a schedule made from a seed, and what becomes of rollouts under it.

mod leading;
mod mail;
mod person;
mod policies;
mod protection;
mod run;
mod schedule;
mod shrink;
mod sources;
mod strangers;
mod strike;
mod way;

pub use run::{Report, Run, run};
pub use schedule::{Code, Fate, Fault, Planned, Quality, Scaler, Schedule, Setup, Strangers};
pub use shrink::shrink;
pub use sources::Ill;
pub use way::{Sound, Tamper};
