//! What runs in a pod: the sample application, with a behaviour that belongs to its image and changes with its age.

use std::fmt::Write as _;

use super::latency::{BOUNDS, Buckets, Latency};
use crate::{
    Millis,
    chance::{Chance, Share},
    object::Name,
};

/// How an image behaves. All ages count from the start of the process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Behaviour {
    /// Whether and how it starts.
    pub start: Start,
    /// How long the image takes to be pulled.
    pub pull: Millis,
    /// How long the process takes until it listens.
    pub start_up: Millis,
    /// How it serves, by age; the first counts from 0, whatever it says.
    pub phases: Vec<Service>,
    /// It exits with code 1 at this age.
    pub crash_after: Option<Millis>,
    /// Bytes taken from the start.
    pub memory: u64,
    /// Bytes taken each second besides; above the container's limit the process is killed.
    pub memory_growth: u64,
    /// How long it goes on after SIGTERM, without answering.
    pub stop: Millis,
}

/// Whether and how an image starts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Start {
    /// It runs.
    #[default]
    Runs,
    /// There is no such image.
    NoImage,
    /// Its command can't be run.
    NoCommand,
    /// It names a `ConfigMap` or Secret in its environment that doesn't exist.
    NoConfig,
    /// It mounts a Secret that doesn't exist.
    NoMount,
}

/// How a process serves from some age on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Service {
    /// The age from which this holds.
    pub from: Millis,
    /// The share of requests answered with 500.
    pub errors: Share,
    /// How long answers take.
    pub latency: Latency,
    /// What its health endpoint says.
    pub health: Health,
}

/// What a health endpoint says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Health {
    /// 200.
    #[default]
    Ok,
    /// 503.
    Fail,
    /// 200, later than a probe waits.
    Slow,
}

impl Default for Behaviour {
    /// A good one: pulled already, listens after 300 ms, answers in 5 ms (99 %: 20 ms) without errors, takes 20 MiB,
    /// and exits at once when told.
    fn default() -> Self {
        Self {
            start: Start::Runs,
            pull: 0,
            start_up: 300,
            phases: vec![Service::default()],
            crash_after: None,
            memory: 20 << 20,
            memory_growth: 0,
            stop: 20,
        }
    }
}

impl Default for Service {
    fn default() -> Self {
        Self { from: 0, errors: Share::NONE, latency: Latency::new(5_000, 20_000), health: Health::Ok }
    }
}

impl Behaviour {
    /// A good one but for the share of errors, in millionths.
    pub fn failing(millionths: u32) -> Self {
        let service = Service { errors: Share::millionths(millionths), ..Service::default() };
        Self { phases: vec![service], ..Self::default() }
    }

    /// How it serves at an age; `None`: it doesn't listen yet.
    pub fn at(&self, age: Millis) -> Option<Service> {
        let phase = || self.phases.iter().rfind(|phase| phase.from <= age).or(self.phases.first());
        (age >= self.start_up).then(|| phase().copied().unwrap_or_default())
    }

    /// Whether a probe passes at an age.
    pub fn healthy(&self, age: Millis) -> bool {
        self.at(age).is_some_and(|service| service.health == Health::Ok)
    }

    /// The latest age up to this one at which health changed.
    pub fn health_since(&self, age: Millis) -> Millis {
        let mut since = 0;
        for change in self.changes().filter(|&change| change <= age) {
            if change > since && self.healthy(change) != self.healthy(change - 1) {
                since = change;
            }
        }
        since
    }

    /// The next age after this one at which health changes.
    pub fn health_changes_after(&self, age: Millis) -> Option<Millis> {
        self.changes()
            .filter(|&change| change > age && self.healthy(change) != self.healthy(change - 1))
            .min()
    }

    fn changes(&self) -> impl Iterator<Item = Millis> {
        let mut ages: Vec<Millis> =
            self.phases.iter().map(|phase| phase.from).chain([self.start_up]).collect();
        ages.sort_unstable();
        ages.into_iter()
    }

    /// Bytes taken at an age.
    pub fn memory_at(&self, age: Millis) -> u64 {
        self.memory.saturating_add(self.memory_growth.saturating_mul(age) / 1000)
    }

    /// The age at which the process ends by itself, with the reason and the exit code.
    pub fn ends(&self, memory_limit: Option<u64>) -> Option<(Millis, Name, i32)> {
        let crash = self.crash_after.map(|age| (age, Name::from("Error"), 1));
        let killed =
            memory_limit.and_then(|limit| self.full_at(limit)).map(|age| (age, Name::from("OOMKilled"), 137));
        [crash, killed].into_iter().flatten().min_by_key(|(age, ..)| *age)
    }

    fn full_at(&self, limit: u64) -> Option<Millis> {
        match limit.checked_sub(self.memory) {
            None => Some(0),
            Some(_) if self.memory_growth == 0 => None,
            Some(room) => Some((room.saturating_mul(1000) / self.memory_growth).saturating_add(1)),
        }
    }
}

/// What a process has counted since its start, as its metrics page shows it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Requests answered with 200.
    pub ok: u64,
    /// Requests answered with 500.
    pub failed: u64,
    /// Requests by how long they took.
    pub buckets: Buckets,
    /// How long all took together, in microseconds.
    pub sum: u64,
}

impl Counters {
    /// Serves `count` requests.
    pub fn serve(&mut self, count: u64, service: &Service, chance: &mut Chance) {
        let failed = chance.binomial(count, service.errors);
        self.failed += failed;
        self.ok += count - failed;
        let (buckets, sum) = service.latency.draw(count, chance);
        self.sum += sum;
        for (total, drawn) in self.buckets.iter_mut().zip(buckets) {
            *total += drawn;
        }
    }

    /// The metrics page, in Prometheus' text format, with the series of the sample application that tell of requests
    /// and of the visits on its volume.
    pub fn page(&self, visits: u64) -> String {
        let mut page = String::from("# TYPE http_requests_total counter\n");
        // Writing to a String cannot fail.
        let _ = writeln!(page, "http_requests_total{{code=\"200\"}} {}", self.ok);
        let _ = writeln!(page, "http_requests_total{{code=\"500\"}} {}", self.failed);
        page.push_str("# TYPE http_request_duration_seconds histogram\n");
        let mut up_to = 0;
        for (bound, count) in BOUNDS.iter().zip(&self.buckets) {
            up_to += count;
            let bound = seconds(*bound);
            let _ = writeln!(page, "http_request_duration_seconds_bucket{{le=\"{bound}\"}} {up_to}");
        }
        let all = self.ok + self.failed;
        let _ = writeln!(page, "http_request_duration_seconds_bucket{{le=\"+Inf\"}} {all}");
        let _ = writeln!(page, "http_request_duration_seconds_sum {}", seconds(self.sum));
        let _ = writeln!(page, "http_request_duration_seconds_count {all}");
        let _ = writeln!(page, "# TYPE visits_on_disk gauge\nvisits_on_disk {visits}");
        page
    }
}

/// Microseconds as a decimal number of seconds.
fn seconds(micros: u64) -> String {
    let text = format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_behaviour_changes_with_age() {
        let sick = Service { from: 60_000, health: Health::Fail, ..Service::default() };
        let behaviour = Behaviour { phases: vec![Service::default(), sick], ..Behaviour::default() };
        assert_eq!(behaviour.at(299), None);
        assert!(behaviour.healthy(300) && behaviour.healthy(59_999) && !behaviour.healthy(60_000));
        assert_eq!(behaviour.health_changes_after(0), Some(300));
        assert_eq!(behaviour.health_changes_after(300), Some(60_000));
        assert_eq!(behaviour.health_changes_after(60_000), None);
        assert_eq!((behaviour.health_since(299), behaviour.health_since(5_000)), (0, 300));
        assert_eq!(behaviour.health_since(70_000), 60_000);
    }

    #[test]
    fn a_leak_ends_at_the_limit_and_a_crash_before_it() {
        let leaking = Behaviour { memory: 10 << 20, memory_growth: 1 << 20, ..Behaviour::default() };
        assert_eq!(leaking.ends(Some(64 << 20)), Some((54_001, "OOMKilled".into(), 137)));
        assert_eq!(leaking.ends(None), None);
        let crashing = Behaviour { crash_after: Some(3_000), ..leaking };
        assert_eq!(crashing.ends(Some(64 << 20)), Some((3_000, "Error".into(), 1)));
    }

    #[test]
    fn the_page_counts_every_request_once() {
        let mut counters = Counters::default();
        let service = Service { errors: Share::millionths(100_000), ..Service::default() };
        counters.serve(10_000, &service, &mut Chance::new(1));
        assert_eq!(counters.ok + counters.failed, 10_000);
        assert!(counters.failed.abs_diff(1_000) < 150, "{counters:?}");
        let page = counters.page(7);
        assert!(page.contains("le=\"0.005\"}") && page.contains("le=\"10\"}"), "{page}");
        assert!(page.contains("http_request_duration_seconds_bucket{le=\"+Inf\"} 10000\n"), "{page}");
        assert!(page.ends_with("\nvisits_on_disk 7\n"), "{page}");
    }
}
