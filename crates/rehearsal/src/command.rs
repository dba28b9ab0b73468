//! The command line of a tier: `seeds FROM COUNT` tells stories and says how they ended, `replay SEED [NUMBERS]` tells
//! one, with the faults of these numbers only. The one part of this crate that prints.

use std::{process::ExitCode, time::Instant};

use crate::{
    faults::{Schedule, shorten},
    invariants::Violation,
};

/// One way to tell the stories of schedules.
pub trait Tier {
    /// Its package, which the command that replays a story names.
    const PACKAGE: &'static str;
    /// What [`Ended::counted`] counts, as it stands behind the number.
    const COUNTED: &'static str;

    /// Tells a story.
    fn tell(schedule: &Schedule) -> Ended;

    /// Tells a story and keeps all that happened, a line each.
    fn trace(schedule: &Schedule) -> (String, Option<Violation>);
}

/// How a story ended.
pub struct Ended {
    /// What was violated first, if anything was.
    pub violation: Option<Violation>,
    /// Rollouts that were started.
    pub rollouts: u64,
    /// How many of them were promoted.
    pub promoted: u64,
    /// How many were rolled back.
    pub rolled_back: u64,
    /// What the tier counts beside them.
    pub counted: u64,
}

/// The whole program: exit code 1 if a story fails, 2 for wrong usage.
pub fn main<T: Tier>() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match words.as_slice() {
        ["seeds", from, count] => {
            from.parse().ok().zip(count.parse().ok()).map(|(from, count)| seeds::<T>(from, count))
        }
        ["replay", seed] => seed.parse().ok().map(|seed| replay::<T>(&Schedule::of(seed))),
        ["replay", seed, kept] => {
            let story = seed.parse().ok().map(Schedule::of).zip(numbers(kept));
            story.map(|(schedule, kept)| replay::<T>(&schedule.keep(&kept)))
        }
        _ => None,
    };
    match done {
        Some(true) => ExitCode::SUCCESS,
        Some(false) => ExitCode::FAILURE,
        None => {
            let name = T::PACKAGE;
            eprintln!("usage: {name} seeds FROM COUNT\n       {name} replay SEED [NUMBER,NUMBER,...]");
            ExitCode::from(2)
        }
    }
}

fn numbers(text: &str) -> Option<Vec<usize>> {
    text.split(',').filter(|number| !number.is_empty()).map(|number| number.parse().ok()).collect()
}

/// Runs stories; true: none failed.
fn seeds<T: Tier>(from: u64, count: u64) -> bool {
    let clock = Instant::now();
    let (mut failed, mut rollouts, mut promoted, mut back, mut counted) = (Vec::new(), 0, 0, 0, 0);
    for seed in from..from.saturating_add(count) {
        let ended = T::tell(&Schedule::of(seed));
        rollouts += ended.rollouts;
        promoted += ended.promoted;
        back += ended.rolled_back;
        counted += ended.counted;
        if let Some(violation) = ended.violation {
            println!("seed {seed}: {violation}");
            failed.push(seed);
        }
    }
    let seconds = clock.elapsed().as_secs_f64();
    println!(
        "{count} seeds, {} failed; {rollouts} rollouts ({promoted} promoted, {back} rolled back), {counted} {} in \
         {seconds:.1} s: {:.0} rollouts a minute",
        failed.len(),
        T::COUNTED,
        f64::from(u32::try_from(rollouts).unwrap_or(u32::MAX)) * 60.0 / seconds
    );
    for seed in failed.iter().take(5) {
        let schedule = Schedule::of(*seed);
        if let Some(kept) = shorten(&schedule, |schedule| T::tell(schedule).violation.is_some()) {
            print!("{}", schedule.keep(&kept));
            let kept = kept.iter().map(usize::to_string).collect::<Vec<_>>().join(",");
            println!("  cargo run --release -p {} -- replay {seed} {kept}", T::PACKAGE);
        }
    }
    failed.is_empty()
}

/// Tells one story; true: it didn't fail.
fn replay<T: Tier>(schedule: &Schedule) -> bool {
    let (trace, violation) = T::trace(schedule);
    print!("{trace}{schedule}");
    if let Some(violation) = &violation {
        println!("{violation}");
    }
    violation.is_none()
}
