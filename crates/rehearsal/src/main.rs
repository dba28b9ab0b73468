//! `siskin-rehearsal seeds FROM COUNT` runs stories and says how they ended; `siskin-rehearsal replay SEED [NUMBERS]`
//! tells one, with the faults of these numbers only.

use std::process::ExitCode;

use siskin_rehearsal::{
    command::{self, Ended, Tier},
    faults::{Run, Schedule, Sound, run},
    invariants::Violation,
};

/// The core as it is, on the models.
struct Bulk;

impl Tier for Bulk {
    const PACKAGE: &'static str = env!("CARGO_PKG_NAME");
    const COUNTED: &'static str = "steps";

    fn tell(schedule: &Schedule) -> Ended {
        let report = run(schedule, Sound);
        Ended {
            violation: report.violation,
            rollouts: report.rollouts,
            promoted: report.promoted,
            rolled_back: report.rolled_back,
            counted: report.steps,
        }
    }

    fn trace(schedule: &Schedule) -> (String, Option<Violation>) {
        let mut run = Run::new(schedule, Sound, true);
        let violation = run.to_the_end().err();
        (run.trace(), violation)
    }
}

fn main() -> ExitCode {
    command::main::<Bulk>()
}
