//! A few stories in every test run.

use siskin_rehearsal::faults::{Schedule, shorten};

use crate::tell;

/// Stories that every test run tells; a multiple of three has each kind of installation equally often.
const STORIES: u64 = 6;

#[test]
fn the_real_daemon_under_faults_ends_every_rollout_and_the_invariants_hold() {
    for seed in 0..STORIES {
        let schedule = Schedule::of(seed);
        let Some(violation) = tell(&schedule).violation else { continue };
        let kept = shorten(&schedule, |schedule| tell(schedule).violation.is_some()).unwrap_or_default();
        let numbers = kept.iter().map(usize::to_string).collect::<Vec<_>>().join(",");
        panic!(
            "{violation}\n{}\nreplay it by: cargo run --release -p siskin-dress-rehearsal -- replay {seed} {numbers}",
            schedule.keep(&kept)
        );
    }
}

#[test]
fn the_same_seed_gives_the_same_trace_byte_for_byte_and_another_seed_another() {
    let trace = |seed| tell(&Schedule::of(seed)).trace;
    let (first, second) = (trace(2), trace(2));
    let differ = first.lines().zip(second.lines()).find(|(first, second)| first != second);
    assert_eq!(differ, None);
    assert_eq!(first, second);
    assert_ne!(first, trace(1));
}

#[test]
fn without_faults_a_good_version_is_promoted_by_one_daemon_and_by_two() {
    for seed in [0, 1, 2] {
        let mut schedule = Schedule::of(seed).keep(&[0]);
        schedule.setup.qualities = [siskin_rehearsal::faults::Quality::Good; 4];
        let told = tell(&schedule);
        assert_eq!((told.violation, told.rollouts, told.promoted), (None, 1, 1), "{}", told.trace);
        assert_eq!(told.daemons, [1, 1, 2][usize::try_from(seed).unwrap()]);
    }
}
