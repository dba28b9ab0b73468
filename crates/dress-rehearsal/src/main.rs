//! `siskin-dress-rehearsal seeds FROM COUNT` runs stories and says how they ended;
//! `siskin-dress-rehearsal replay SEED [NUMBERS]` tells one, with the faults of these numbers only.

use std::process::ExitCode;

use siskin_dress_rehearsal::tell;
use siskin_rehearsal::{
    command::{self, Ended, Tier},
    faults::Schedule,
    invariants::Violation,
};

/// The real daemon.
struct Full;

impl Tier for Full {
    const PACKAGE: &'static str = env!("CARGO_PKG_NAME");
    const COUNTED: &'static str = "daemons died,";

    fn tell(schedule: &Schedule) -> Ended {
        let told = tell(schedule);
        Ended {
            violation: told.violation,
            rollouts: told.rollouts,
            promoted: told.promoted,
            rolled_back: told.rolled_back,
            counted: told.deaths,
        }
    }

    fn trace(schedule: &Schedule) -> (String, Option<Violation>) {
        let told = tell(schedule);
        (told.trace, told.violation)
    }
}

fn main() -> ExitCode {
    command::main::<Full>()
}
