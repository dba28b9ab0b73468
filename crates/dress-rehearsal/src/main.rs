//! `siskin-dress-rehearsal seeds FROM COUNT` runs stories and says how they ended;
//! `siskin-dress-rehearsal replay SEED [NUMBERS]` tells one, with the faults of these numbers only.

use std::{process::ExitCode, time::Instant};

use siskin_dress_rehearsal::tell;
use siskin_rehearsal::faults::{Schedule, shorten};

const USAGE: &str = "usage: siskin-dress-rehearsal seeds FROM COUNT\n       siskin-dress-rehearsal replay SEED [NUMBER,NUMBER,...]";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match words.as_slice() {
        ["seeds", from, count] => {
            from.parse().ok().zip(count.parse().ok()).map(|(from, count)| seeds(from, count))
        }
        ["replay", seed] => seed.parse().ok().map(|seed| replay(&Schedule::of(seed))),
        ["replay", seed, kept] => {
            let story = seed.parse().ok().map(Schedule::of).zip(numbers(kept));
            story.map(|(schedule, kept)| replay(&schedule.keep(&kept)))
        }
        _ => None,
    };
    match done {
        Some(true) => ExitCode::SUCCESS,
        Some(false) => ExitCode::FAILURE,
        None => {
            eprintln!("{USAGE}");
            ExitCode::from(2)
        }
    }
}

fn numbers(text: &str) -> Option<Vec<usize>> {
    text.split(',').filter(|number| !number.is_empty()).map(|number| number.parse().ok()).collect()
}

/// Runs stories; true: none failed.
fn seeds(from: u64, count: u64) -> bool {
    let clock = Instant::now();
    let (mut failed, mut rollouts, mut promoted, mut back, mut deaths) = (Vec::new(), 0, 0, 0, 0);
    for seed in from..from.saturating_add(count) {
        let told = tell(&Schedule::of(seed));
        rollouts += told.rollouts;
        promoted += told.promoted;
        back += told.rolled_back;
        deaths += told.deaths;
        if let Some(violation) = told.violation {
            println!("seed {seed}: {violation}");
            failed.push(seed);
        }
    }
    let seconds = clock.elapsed().as_secs_f64();
    println!(
        "{count} seeds, {} failed; {rollouts} rollouts ({promoted} promoted, {back} rolled back), {deaths} daemons died, \
         in {seconds:.1} s: {:.0} rollouts a minute",
        failed.len(),
        f64::from(u32::try_from(rollouts).unwrap_or(u32::MAX)) * 60.0 / seconds
    );
    for seed in failed.iter().take(5) {
        let schedule = Schedule::of(*seed);
        if let Some(kept) = shorten(&schedule, |schedule| tell(schedule).violation.is_some()) {
            print!("{}", schedule.keep(&kept));
            let kept = kept.iter().map(usize::to_string).collect::<Vec<_>>().join(",");
            println!("  cargo run --release -p siskin-dress-rehearsal -- replay {seed} {kept}");
        }
    }
    failed.is_empty()
}

/// Tells one story; true: it didn't fail.
fn replay(schedule: &Schedule) -> bool {
    let told = tell(schedule);
    print!("{}{schedule}", told.trace);
    if let Some(violation) = &told.violation {
        println!("{violation}");
    }
    told.violation.is_none()
}
