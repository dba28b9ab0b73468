//! A scenario run many times, and what comes of it.

use std::{
    collections::BTreeMap,
    num::NonZeroUsize,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use siskin_core::state::PauseReason;
use siskin_embedded::chance::Chance;

use crate::{
    advice::advice,
    release::Release,
    run::{Alarm, By, End, Run, run},
    scenario::Scenario,
    statistics::{Proportion, Spread},
};

/// What came of a scenario.
#[derive(Clone, Debug, PartialEq)]
pub struct Simulation {
    /// What was simulated.
    pub scenario: Scenario,
    /// What its author should know besides the figures.
    pub advice: Vec<String>,
    /// The good release.
    pub good: Summary,
    /// The bad one.
    pub bad: Summary,
}

/// The runs of one release, and their figures. A run that doesn't get somewhere counts in a [`Spread`] as beyond all
/// that do.
#[derive(Clone, Debug, PartialEq)]
pub struct Summary {
    /// Every run, by its number.
    pub runs: Vec<Run>,
    /// Runs that were promoted.
    pub promoted: Proportion,
    /// Runs in which Siskin decided against the release ([`Outcome::Stopped`]).
    pub stopped: Proportion,
    /// Runs that stand still without a verdict.
    pub standing: Proportion,
    /// How many runs stand still, by reason.
    pub reasons: BTreeMap<End, u32>,
    /// What decided against the release in which step, and how often.
    pub alarms: BTreeMap<(By, String), u32>,
    /// Milliseconds from the template's change to the promotion.
    pub promotion: Spread,
    /// Milliseconds from the template's change to the decision against the release.
    pub alarm: Spread,
    /// Milliseconds from the template's change until every pod was back on the stable revision and ready.
    pub back: Spread,
    /// Requests that went wrong because of the release until it was stopped and back (or a person was asked).
    pub bad_requests: Spread,
    /// Requests that the release answered up to then.
    pub answered: Spread,
}

/// How a run ended, for the figures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The release was promoted.
    Promoted,
    /// Siskin decided against it: it was taken back, or stands still because a check failed.
    Stopped,
    /// It stands still for another reason, or goes on without end.
    Standing,
}

impl Run {
    /// How it ended, for the figures.
    pub fn outcome(&self) -> Outcome {
        match self.end {
            End::Promoted => Outcome::Promoted,
            End::RolledBack | End::Paused(PauseReason::CheckFailed | PauseReason::FailedAfterCompletion) => {
                Outcome::Stopped
            }
            End::Paused(_) | End::Unfinished => Outcome::Standing,
        }
    }

    /// When it was decided, one way or the other.
    pub fn decided(&self) -> Option<u64> {
        match self.outcome() {
            Outcome::Promoted => Some(self.at),
            Outcome::Stopped => self.alarm.as_ref().map(|alarm| alarm.at),
            Outcome::Standing => None,
        }
    }
}

impl Summary {
    /// The figures of these runs.
    pub fn of(runs: Vec<Run>) -> Self {
        let all = u32::try_from(runs.len()).unwrap_or(u32::MAX);
        let share = |outcome: Outcome| {
            let count = runs.iter().filter(|run| run.outcome() == outcome).count();
            Proportion::new(u32::try_from(count).unwrap_or(u32::MAX), all)
        };
        let spread = |value: &dyn Fn(&Run) -> Option<u64>| Spread::of(runs.iter().map(value));
        let if_it = |outcome: Outcome, run: &Run, value: u64| (run.outcome() == outcome).then_some(value);
        let (mut reasons, mut alarms) = (BTreeMap::new(), BTreeMap::new());
        for run in &runs {
            match (run.outcome(), &run.alarm) {
                (Outcome::Standing, _) => *reasons.entry(run.end).or_default() += 1,
                (Outcome::Stopped, Some(Alarm { by, step, .. })) => {
                    *alarms.entry((by.clone(), step.clone())).or_default() += 1;
                }
                _ => {}
            }
        }
        Self {
            promoted: share(Outcome::Promoted),
            stopped: share(Outcome::Stopped),
            standing: share(Outcome::Standing),
            promotion: spread(&|run| if_it(Outcome::Promoted, run, run.at)),
            alarm: spread(&|run| run.decided().filter(|_| run.outcome() == Outcome::Stopped)),
            back: spread(&|run| (run.end == End::RolledBack).then_some(run.at)),
            bad_requests: spread(&|run| if_it(Outcome::Stopped, run, run.met.bad())),
            answered: spread(&|run| if_it(Outcome::Stopped, run, run.met.answered)),
            reasons,
            alarms,
            runs,
        }
    }
}

/// Runs both releases as often as the setting says, on so many threads. The result is the same however many there are:
/// each run has its own seed, which follows from the setting's and from the run's number.
pub fn simulate(scenario: Scenario, threads: NonZeroUsize) -> Simulation {
    let mut chance = Chance::new(scenario.setting.seed);
    let seeds: Vec<u64> = (0..scenario.setting.runs).map(|_| chance.draw()).collect();
    let tasks: Vec<(Release, u64)> = [Release::Good, Release::Bad]
        .into_iter()
        .flat_map(|release| seeds.iter().map(move |seed| (release, *seed)))
        .collect();
    let mut good = in_parallel(&tasks, threads, |(release, seed)| run(&scenario, *release, *seed));
    let bad = good.split_off(seeds.len());
    Simulation { advice: advice(&scenario), good: Summary::of(good), bad: Summary::of(bad), scenario }
}

/// The results of `work` on each task, in the order of the tasks.
fn in_parallel<T: Sync, R: Send>(
    tasks: &[T],
    threads: NonZeroUsize,
    work: impl Fn(&T) -> R + Sync,
) -> Vec<R> {
    let next = AtomicUsize::new(0);
    let done = Mutex::new(BTreeMap::new());
    std::thread::scope(|scope| {
        for _ in 0..threads.get().min(tasks.len()) {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    let Some(task) = tasks.get(number) else { break };
                    let result = work(task);
                    done.lock().unwrap_or_else(PoisonError::into_inner).insert(number, result);
                }
            });
        }
    });
    done.into_inner().unwrap_or_else(PoisonError::into_inner).into_values().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Setting,
        scenario::tests::{policy, quick, setting},
    };

    fn threads(count: usize) -> NonZeroUsize {
        NonZeroUsize::new(count).unwrap()
    }

    fn simulated(setting: Setting) -> Simulation {
        simulate(Scenario::new(quick(), setting).unwrap(), threads(2))
    }

    #[test]
    fn a_good_release_is_promoted_and_a_bad_one_caught() {
        let simulation = simulated(setting("0.1%..30%", 20));
        let (good, bad) = (&simulation.good, &simulation.bad);
        assert_eq!((good.promoted.count, good.stopped.count, good.standing.count), (20, 0, 0));
        assert_eq!((bad.promoted.count, bad.stopped.count, bad.standing.count), (0, 20, 0));
        // Two of five pods are replaced, each waits 2 s before it ends and listens 5 s after its start; the bake takes 10 s,
        // the last three pods and their bake as long again and half.
        let median = good.promotion.median.value.unwrap();
        assert!((40_000..75_000).contains(&median), "{median}");
        assert_eq!(
            bad.alarms.keys().collect::<Vec<_>>(),
            [&(By::Check("errors".to_owned()), "first".to_owned())]
        );
        for run in &bad.runs {
            let alarm = run.alarm.as_ref().unwrap();
            assert!(run.end == End::RolledBack && alarm.at < run.at, "{run:?}");
            // It was caught by more than 5 % of at least 20 requests, and shares the clients with the other pods.
            assert!(run.met.failed >= 2 && run.met.failed <= run.met.answered, "{run:?}");
            assert_eq!(run.met.unanswered, 0, "{run:?}");
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_whatever_the_threads() {
        let of = |threads_: usize, seed| {
            let setting = Setting { seed, ..setting("0.5%..6%", 12) };
            simulate(Scenario::new(quick(), setting).unwrap(), threads(threads_))
        };
        let one = of(1, 7);
        assert_eq!(one, of(5, 7));
        assert_ne!(one.bad.runs, of(1, 8).bad.runs);
        assert!(one.bad.runs.iter().any(|run| *run != one.bad.runs[0]), "every run has its own chance");
    }

    #[test]
    fn a_worse_release_is_caught_no_later_and_no_less_often() {
        let mut before: Option<Summary> = None;
        for errors in ["0%..2%", "0%..7%", "0%..50%"] {
            let bad = simulated(setting(errors, 20)).bad;
            if let Some(better) = before {
                assert!(bad.stopped.count >= better.stopped.count, "{errors}: {:?}", bad.stopped);
                let never = u64::MAX;
                let median = |summary: &Summary| summary.alarm.median.value.unwrap_or(never);
                assert!(median(&bad) <= median(&better), "{errors}: {:?}", bad.alarm);
            }
            before = Some(bad);
        }
        assert_eq!(before.unwrap().stopped.count, 20);
    }

    #[test]
    fn a_late_onset_is_caught_later_or_never() {
        let alarm = |errors: &str| simulated(setting(errors, 20)).bad;
        let early = alarm("0%..30%");
        let late = alarm("0%..30%@12s");
        assert!(early.alarm.median.value < late.alarm.median.value);
        let too_late = alarm("0%..30%@5m");
        assert_eq!((too_late.promoted.count, too_late.alarm.median.value), (20, None));
    }

    #[test]
    fn what_readiness_sees_needs_no_requests() {
        let blind = "  strategy: { type: Canary, canary: { steps: [{ name: first, exposure: 1, bake: 30s }] } }\n  readiness: { within: 1m }\n";
        let stopped = |change: fn(&mut Setting)| {
            let mut setting = Setting { rate: "1/h".parse().unwrap(), ..setting("0%", 5) };
            change(&mut setting);
            let bad = simulate(Scenario::new(policy(blind), setting).unwrap(), threads(2)).bad;
            assert_eq!(bad.alarms.keys().next().map(|(by, _)| by), Some(&By::Check("readiness".to_owned())));
            bad.stopped.count
        };
        assert_eq!(stopped(|setting| setting.releases.crash = Some("10s".parse().unwrap())), 5);
        assert_eq!(stopped(|setting| setting.releases.no_image = true), 5);
        assert_eq!(stopped(|setting| setting.releases.start_up = "5s..2m".parse().unwrap()), 5);
    }

    #[test]
    fn a_limit_that_never_decides_leaves_the_rollout_standing() {
        let mut policy = quick();
        policy.bounds.progress_deadline = siskin_core::policy::GoDuration::from_secs(60);
        let setting = Setting { rate: "1".parse().unwrap(), ..setting("0%..30%", 3) };
        let simulation = simulate(Scenario::new(policy, setting).unwrap(), threads(2));
        for summary in [&simulation.good, &simulation.bad] {
            assert_eq!(summary.standing.count, 3);
            let reasons: Vec<_> = summary.reasons.iter().collect();
            assert_eq!(reasons, [(&End::Paused(PauseReason::ProgressDeadline), &3)]);
        }
        assert!(simulation.advice[0].contains("minCount 20 can't be met in step `first`"));
    }

    #[test]
    fn an_approval_comes_when_the_setting_says() {
        let gated = "  strategy: { type: Canary, canary: { steps: [{ name: first, exposure: 1, bake: 5s, approval: {} }], remainder: { batch: 100%, bake: 5s } } }\n";
        let takes = |after| {
            let setting = Setting {
                approval_after: siskin_core::policy::GoDuration::from_secs(after),
                ..setting("0%..1%", 3)
            };
            let simulation = simulate(Scenario::new(policy(gated), setting).unwrap(), threads(2));
            simulation.good.promotion.median.value.unwrap()
        };
        let (soon, late) = (takes(0), takes(600));
        assert!((599_000..602_000).contains(&(late - soon)), "{soon} {late}");
    }

    #[test]
    fn a_failure_that_only_pauses_counts_as_caught() {
        let mut policy = quick();
        policy.outcome.on_failure = siskin_core::policy::OnFailure::Pause;
        let bad = simulate(Scenario::new(policy, setting("0%..50%", 3)).unwrap(), threads(2)).bad;
        assert_eq!((bad.stopped.count, bad.back.median.value), (3, None));
        assert!(bad.alarm.median.value.is_some());
    }
}
