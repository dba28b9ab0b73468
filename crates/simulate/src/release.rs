//! The two releases that are tried: a good one, which behaves as the stable revision does, and a bad one.

use siskin_core::policy::GoDuration;
use siskin_embedded::{
    Millis, chance,
    model::{
        application::{Behaviour, Health, Service, Start},
        latency::Latency,
    },
};

use crate::quantity::{Age, Course, Pair, Share, StartUp, Times};

/// Which of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Release {
    /// It behaves as the stable revision.
    Good,
    /// It behaves worse.
    Bad,
}

impl Release {
    /// In a word.
    pub fn name(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Bad => "bad",
        }
    }
}

/// How stable revision, good and bad release behave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Releases {
    /// The share of requests answered with an error.
    pub errors: Course<Share>,
    /// How long answers take.
    pub latency: Course<Times>,
    /// How long a process takes until it listens.
    pub start_up: Pair<StartUp>,
    /// The bad release's health endpoint fails from this age of a process on.
    pub unhealthy: Option<Age>,
    /// The bad release's processes end at this age.
    pub crash: Option<Age>,
    /// The bad release's image can't be pulled.
    pub no_image: bool,
}

impl Releases {
    /// Whether the bad release differs from the good one.
    pub fn differ(&self) -> bool {
        self.errors.pair.changes()
            || self.latency.pair.changes()
            || self.start_up.changes()
            || self.unhealthy.is_some()
            || self.crash.is_some()
            || self.no_image
    }

    /// How the image of a release behaves; that of the stable revision as the good one.
    pub fn behaviour(&self, release: Release) -> Behaviour {
        let bad = release == Release::Bad;
        let (sick, crash) = (self.unhealthy.filter(|_| bad), self.crash.filter(|_| bad));
        let mut ages: Vec<Millis> = vec![0];
        if bad {
            ages.extend([self.errors.onset, self.latency.onset].map(millis));
            ages.extend(sick.map(|age| millis(age.0)));
        }
        ages.sort_unstable();
        ages.dedup();
        let start_up = if bad { self.start_up.canary } else { self.start_up.stable };
        Behaviour {
            start: if bad && self.no_image { Start::NoImage } else { Start::Runs },
            start_up: millis(start_up.0),
            phases: ages.into_iter().map(|age| self.service(age, bad)).collect(),
            crash_after: crash.map(|age| millis(age.0)),
            ..Behaviour::default()
        }
    }

    fn service(&self, from: Millis, bad: bool) -> Service {
        let errors = at(self.errors, from, bad);
        let times = at(self.latency, from, bad);
        let sick = self.unhealthy.is_some_and(|age| bad && millis(age.0) <= from);
        Service {
            from,
            errors: chance::Share::millionths(errors.0),
            latency: Latency::new(micros(times.median), micros(times.p99)),
            health: if sick { Health::Fail } else { Health::Ok },
        }
    }

    /// How the good release behaves.
    pub fn good(&self) -> String {
        format!(
            "{} errors, answers in {} (99 %: {}), starts in {}",
            self.errors.pair.stable,
            self.latency.pair.stable.median,
            self.latency.pair.stable.p99,
            self.start_up.stable
        )
    }

    /// How the bad release differs from it.
    pub fn bad(&self) -> String {
        let from = |onset: GoDuration| {
            if onset.is_zero() {
                String::new()
            } else {
                format!(" from {onset} after the start of each process")
            }
        };
        let errors = self.errors.pair;
        let times = self.latency.pair;
        let parts = [
            errors.changes().then(|| format!("{} errors{}", errors.canary, from(self.errors.onset))),
            times.changes().then(|| {
                format!(
                    "answers in {} (99 %: {}){}",
                    times.canary.median,
                    times.canary.p99,
                    from(self.latency.onset)
                )
            }),
            self.start_up.changes().then(|| format!("starts in {}", self.start_up.canary)),
            self.unhealthy.map(|age| format!("its health endpoint fails{}", from(age.0))),
            self.crash.map(|age| format!("its processes end {} after their start", age.0)),
            self.no_image.then(|| "its image can't be pulled".to_owned()),
        ];
        parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
    }
}

fn at<Q: Copy>(course: Course<Q>, age: Millis, bad: bool) -> Q {
    if bad && age >= millis(course.onset) { course.pair.canary } else { course.pair.stable }
}

/// In milliseconds.
pub fn millis(time: GoDuration) -> Millis {
    u64::try_from(time.0.as_millis()).unwrap_or(u64::MAX)
}

fn micros(time: GoDuration) -> u64 {
    u64::try_from(time.0.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::tests::releases;

    #[test]
    fn a_release_changes_with_the_age_of_its_processes() {
        let mut releases = releases("0.1%..10%@1m");
        releases.latency = "20ms..80ms@2m".parse().unwrap();
        releases.unhealthy = Some("3m".parse().unwrap());
        let bad = releases.behaviour(Release::Bad);
        let errors = |age| bad.at(age).unwrap().errors.as_millionths();
        let latency = |age| bad.at(age).unwrap().latency;
        assert_eq!((errors(59_999), errors(60_000)), (1_000, 100_000));
        assert_eq!(latency(119_999), Latency::new(20_000, 80_000));
        assert_eq!(latency(120_000), Latency::new(80_000, 320_000));
        assert!(bad.healthy(179_999) && !bad.healthy(180_000));
        let good = releases.behaviour(Release::Good);
        assert_eq!(good.phases.len(), 1);
        assert_eq!(good.at(200_000).unwrap().errors.as_millionths(), 1_000);
    }

    #[test]
    fn releases_are_told_in_words() {
        let mut releases = releases("0.1%..10%@1m");
        assert_eq!(releases.good(), "0.1% errors, answers in 20ms (99 %: 80ms), starts in 5s");
        assert_eq!(releases.bad(), "10% errors from 1m after the start of each process");
        releases.crash = Some("30s".parse().unwrap());
        releases.no_image = true;
        assert!(
            releases.bad().ends_with(", its processes end 30s after their start, its image can't be pulled")
        );
    }
}
