//! Faults: a schedule made from a seed, and what becomes of rollouts under it.

mod leading;
mod mail;
pub mod person;
pub mod policies;
mod protection;
mod run;
mod schedule;
mod shrink;
mod sources;
pub mod strangers;
mod strike;
mod way;

pub use run::{Report, Run, check_end, run};
pub use schedule::{Code, END, Fate, Fault, Planned, Quality, Scaler, Schedule, Setup, Strangers, VERSIONS};
pub use shrink::{shorten, shrink};
pub use sources::Ill;
pub use strike::behaviour;
pub use way::{Sound, Tamper};
