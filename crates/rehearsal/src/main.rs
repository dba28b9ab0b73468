//! `siskin-rehearsal seeds FROM COUNT` runs stories and says how they ended; `siskin-rehearsal replay SEED [NUMBERS]`
//! tells one, with the faults of these numbers only.

use std::{process::ExitCode, time::Instant};

use siskin_rehearsal::faults::{Run, Schedule, Sound, run, shrink};

const USAGE: &str =
    "usage: siskin-rehearsal seeds FROM COUNT\n       siskin-rehearsal replay SEED [NUMBER,NUMBER,...]";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match words.as_slice() {
        ["seeds", from, count] => {
            from.parse().ok().zip(count.parse().ok()).map(|(from, count)| seeds(from, count))
        }
        ["replay", seed] => seed.parse().ok().map(|seed| replay(seed, None)),
        ["replay", seed, kept] => {
            seed.parse().ok().zip(numbers(kept)).map(|(seed, kept)| replay(seed, Some(&kept)))
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
    let (mut failed, mut rollouts, mut promoted, mut back, mut steps) = (Vec::new(), 0, 0, 0, 0);
    for seed in from..from.saturating_add(count) {
        let report = run(&Schedule::of(seed), Sound);
        rollouts += report.rollouts;
        promoted += report.promoted;
        back += report.rolled_back;
        steps += report.steps;
        if let Some(violation) = report.violation {
            println!("seed {seed}: {violation}");
            failed.push(seed);
        }
    }
    let seconds = clock.elapsed().as_secs_f64();
    println!(
        "{count} seeds, {} failed; {rollouts} rollouts ({promoted} promoted, {back} rolled back), {steps} steps in \
         {seconds:.1} s: {:.0} rollouts a minute",
        failed.len(),
        f64::from(u32::try_from(rollouts).unwrap_or(u32::MAX)) * 60.0 / seconds
    );
    for seed in failed.iter().take(5) {
        if let Some(kept) = shrink(&Schedule::of(*seed), || Sound) {
            print!("{}", Schedule::of(*seed).keep(&kept));
            let kept = kept.iter().map(usize::to_string).collect::<Vec<_>>().join(",");
            println!("  cargo run --release -p siskin-rehearsal -- replay {seed} {kept}");
        }
    }
    failed.is_empty()
}

/// Tells one story; true: it didn't fail.
fn replay(seed: u64, kept: Option<&[usize]>) -> bool {
    let whole = Schedule::of(seed);
    let schedule = kept.map_or_else(|| whole.clone(), |kept| whole.keep(kept));
    let mut run = Run::new(&schedule, Sound, true);
    let violation = run.to_the_end().err();
    print!("{}{schedule}", run.trace());
    if let Some(violation) = &violation {
        println!("{violation}");
    }
    violation.is_none()
}
