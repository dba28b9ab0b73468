//! Stories by the hundred, and cores that are broken on purpose.

mod broken;

use crate::faults::{Run, Schedule, Sound, run, shrink};

/// Half of the stories that every test run tells; two threads tell them.
const HALF: u64 = 250;

fn tell(seeds: std::ops::Range<u64>) {
    for seed in seeds {
        let schedule = Schedule::of(seed);
        let Some(violation) = run(&schedule, Sound).violation else { continue };
        let kept = shrink(&schedule, || Sound).unwrap_or_default();
        let numbers = kept.iter().map(usize::to_string).collect::<Vec<_>>().join(",");
        panic!(
            "{violation}\n{}\nreplay it by: cargo run --release -p siskin-rehearsal -- replay {seed} {numbers}",
            schedule.keep(&kept)
        );
    }
}

#[test]
fn under_faults_every_rollout_ends_and_the_invariants_hold() {
    tell(0..HALF);
}

#[test]
fn under_other_faults_every_rollout_ends_and_the_invariants_hold() {
    tell(HALF..2 * HALF);
}

fn trace(seed: u64) -> String {
    let mut run = Run::new(&Schedule::of(seed), Sound, true);
    let ended = run.to_the_end();
    format!("{}{ended:?}", run.trace())
}

#[test]
fn the_same_seed_gives_the_same_trace_byte_for_byte_and_another_seed_another() {
    for seed in [1, 7, 12] {
        assert_eq!(trace(seed), trace(seed));
    }
    assert_ne!(trace(1), trace(2));
    assert!(trace(1).lines().count() > 60, "{}", trace(1));
}

#[test]
fn a_trace_tells_of_faults_writes_and_what_people_heard() {
    let trace = trace(1);
    for line in ["! Stranger(Release(2))", "siskin update statefulset/db", "> RolloutStarted: rollout"] {
        assert!(trace.contains(line), "no `{line}` in\n{trace}");
    }
}
