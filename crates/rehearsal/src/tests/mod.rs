//! Stories by the hundred, and cores that are broken on purpose.

mod broken;

use crate::faults::{Fault, Ill, Planned, Quality, Run, Schedule, Setup, Sound, Strangers, run, shrink};

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

/// v2 is good and is released, and this happens to it; the trace of what becomes of it.
fn told(setup: impl FnOnce(&mut Setup), faults: &[(u64, Fault)]) -> String {
    let mut schedule = Schedule::of(1);
    schedule.setup = Setup {
        replicas: 3,
        start: 0,
        parallel: true,
        claims: false,
        policy: 0,
        park: false,
        hold: false,
        guard: false,
        restore: false,
        standby: false,
        qualities: [Quality::Good; 4],
    };
    setup(&mut schedule.setup);
    let release = (0, Fault::Stranger(Strangers::Release(2)));
    let faults = std::iter::once(&release).chain(faults);
    schedule.faults = faults.map(|(at, fault)| Planned { at: *at, fault: *fault }).collect();
    let mut run = Run::new(&schedule, Sound, true);
    let ended = run.to_the_end();
    let trace = run.trace();
    assert!(ended.is_ok(), "{ended:?}\n{trace}");
    trace
}

/// The moment of the first line that tells this, in milliseconds.
fn moment(trace: &str, what: &str) -> u64 {
    let line = trace.lines().find(|line| line.contains(what));
    let line = line.unwrap_or_else(|| panic!("no `{what}` in\n{trace}"));
    line.split_whitespace().next().and_then(|at| at.parse().ok()).expect("a moment")
}

#[test]
fn where_one_process_loses_its_lease_another_goes_on_with_the_rollout() {
    let trace = told(|setup| setup.standby = true, &[(3_000, Fault::LeaseCut(20_000))]);
    let (lost, promoted) = (moment(&trace, "leads no more"), moment(&trace, "> Promoted"));
    assert!((23_000..28_000).contains(&lost) && promoted > lost, "{lost} {promoted}");
    assert_eq!(trace.matches("> RolloutStarted").count(), 1, "{trace}");
}

#[test]
fn as_long_as_a_source_says_nothing_no_step_is_left() {
    for policy in [5, 6] {
        for ill in [Ill::Nan, Ill::Empty, Ill::ManySeries, Ill::Status(503), Ill::Timeout, Ill::CutOff] {
            let silence = [(0, Fault::Source(ill, 80_000))];
            let trace = told(|setup| setup.policy = policy, &silence);
            assert!(moment(&trace, "> Promoted") > 100_000, "{policy} {ill:?}:\n{trace}");
        }
    }
    assert!(moment(&told(|setup| setup.policy = 5, &[]), "> Promoted") < 60_000);
}

#[test]
fn in_a_freeze_a_rollout_waits() {
    let trace = told(|_| {}, &[(1_000, Fault::RolloutFreeze(40_000))]);
    assert!(moment(&trace, "step remainder-1: 2 in place") >= 61_000, "{trace}");
}

#[test]
fn under_the_pod_guard_a_list_that_somebody_takes_away_comes_back() {
    let guarded = |setup: &mut Setup| (setup.park, setup.hold, setup.guard) = (true, true, true);
    for edit in [Strangers::EditList, Strangers::DropList] {
        let trace = told(guarded, &[(2_000, Fault::Stranger(edit)), (2_500, Fault::Delete(0))]);
        moment(&trace, "> Promoted");
        assert!(trace.contains("> GuardEdited"), "{trace}");
    }
}
