//! Whether this process still does its work: watches that are current, workers that aren't stuck.

use std::{
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use siskin_core::time::Instant;

use crate::{admission::identity::Identity, clock::Clock};

/// A watch renews itself at least once a minute; after this long without, something is broken for good.
const DEAD_WATCH: Duration = Duration::from_mins(5);
/// A step or a write takes milliseconds, a write that hangs ends after seconds.
const STUCK_WORK: Duration = Duration::from_mins(1);

/// What is known of the process's own health; cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Health(Arc<Registry>);

#[derive(Debug, Default)]
struct Registry {
    clock: Clock,
    watches: Mutex<Vec<Weak<Watch>>>,
    workers: Mutex<Vec<Weak<Worker>>>,
    policies: AtomicBool,
    identity: Identity,
}

#[derive(Debug)]
struct Watch {
    name: String,
    /// The process is of no use without it: not ready before its first list, not alive when it is silent.
    essential: bool,
    clock: Clock,
    renewed: AtomicU64,
    synced: AtomicBool,
}

#[derive(Debug)]
struct Worker {
    name: String,
    clock: Clock,
    /// Milliseconds on the monotonic clock since when it works; 0 at rest.
    busy_since: AtomicU64,
}

/// The age of one watch; it counts as long as this (or a clone) lives.
#[derive(Clone, Debug)]
pub struct Age(Arc<Watch>);

/// One worker's sign of life; it counts as long as this lives.
#[derive(Debug)]
pub struct Pulse(Arc<Worker>);

/// Ends the work when it goes out of scope.
#[derive(Debug)]
pub struct Busy(Arc<Worker>);

impl Age {
    /// The view is current now.
    pub fn renew(&self) {
        self.0.renewed.store(millis(self.0.clock.mono()), Relaxed);
        self.0.synced.store(true, Relaxed);
    }

    /// How long ago the view was current.
    pub fn silent_for(&self, now: Instant) -> Duration {
        self.0.silent_for(now)
    }
}

impl Watch {
    fn silent_for(&self, now: Instant) -> Duration {
        since(millis(now), self.renewed.load(Relaxed))
    }
}

impl Pulse {
    /// Work begins; it ends when the guard is dropped.
    pub fn busy(&self) -> Busy {
        self.0.busy_since.store(millis(self.0.clock.mono()).max(1), Relaxed);
        Busy(self.0.clone())
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.busy_since.store(0, Relaxed);
    }
}

impl Health {
    /// A process that tells the time by this clock.
    pub fn new(clock: Clock) -> Self {
        Self(Arc::new(Registry { clock, ..Registry::default() }))
    }

    /// Counts a watch in. `essential`: the process isn't ready before it has listed once, and not alive when it
    /// falls silent.
    pub fn watch(&self, name: String, essential: bool) -> Age {
        let clock = self.0.clock.clone();
        let renewed = AtomicU64::new(millis(clock.mono()));
        let watch = Arc::new(Watch { name, essential, clock, renewed, synced: AtomicBool::new(false) });
        enroll(&self.0.watches, &watch);
        Age(watch)
    }

    /// Counts a worker in.
    pub fn worker(&self, name: String) -> Pulse {
        let worker = Arc::new(Worker { name, clock: self.0.clock.clone(), busy_since: AtomicU64::new(0) });
        enroll(&self.0.workers, &worker);
        Pulse(worker)
    }

    /// The policies were read once.
    pub fn policies_loaded(&self) {
        self.0.policies.store(true, Relaxed);
    }

    /// Who this process is, and who the admission policies take for Siskin.
    pub fn identity(&self) -> &Identity {
        &self.0.identity
    }

    /// The age of each watch in seconds.
    pub fn ages(&self) -> Vec<(String, f64)> {
        let now = self.0.clock.mono();
        let age = |watch: Arc<Watch>| (watch.name.clone(), watch.silent_for(now).as_secs_f64());
        living(&self.0.watches).map(age).collect()
    }

    /// `Err` with the reason if a restart would help now. One workload's pods that can't be watched are no reason:
    /// its worker tells of it, and all others go on.
    pub fn live(&self) -> Result<(), String> {
        self.live_at(self.0.clock.mono())
    }

    fn live_at(&self, now: Instant) -> Result<(), String> {
        for worker in living(&self.0.workers) {
            let busy_since = worker.busy_since.load(Relaxed);
            let busy = since(millis(now), busy_since);
            if busy_since != 0 && busy > STUCK_WORK {
                return Err(format!("{} is stuck for {}s", worker.name, busy.as_secs()));
            }
        }
        for watch in living(&self.0.watches).filter(|watch| watch.essential) {
            let age = watch.silent_for(now);
            if age > DEAD_WATCH {
                return Err(format!("the watch of {} is silent for {}s", watch.name, age.as_secs()));
            }
        }
        Ok(())
    }

    /// `Err` with the reason until everything was read once, and while all admission policies take us for a stranger.
    /// `Ok` with what else people should know.
    pub fn ready(&self) -> Result<String, String> {
        if !self.0.policies.load(Relaxed) {
            return Err("the policies are not read yet".to_owned());
        }
        match living(&self.0.watches).find(|watch| watch.essential && !watch.synced.load(Relaxed)) {
            Some(watch) => Err(format!("{} are not listed yet", watch.name)),
            None => self.identity().verdict(),
        }
    }
}

fn millis(at: Instant) -> u64 {
    u64::try_from(at.0.as_millis()).unwrap_or(u64::MAX)
}

fn since(now: u64, then: u64) -> Duration {
    Duration::from_millis(now.saturating_sub(then))
}

fn enroll<T>(list: &Mutex<Vec<Weak<T>>>, one: &Arc<T>) {
    let mut list = list.lock().unwrap_or_else(PoisonError::into_inner);
    list.retain(|one| one.strong_count() > 0);
    list.push(Arc::downgrade(one));
}

fn living<T>(list: &Mutex<Vec<Weak<T>>>) -> impl Iterator<Item = Arc<T>> + use<T> {
    let living: Vec<_> =
        list.lock().unwrap_or_else(PoisonError::into_inner).iter().filter_map(Weak::upgrade).collect();
    living.into_iter()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ready_needs_the_policies_every_essential_watch_and_who_we_are() {
        let health = Health::default();
        let statefulsets = health.watch("statefulsets".into(), true);
        let _pods = health.watch("pods of payments/db".into(), false);
        assert!(health.ready().is_err());
        health.policies_loaded();
        assert_eq!(health.ready(), Err("statefulsets are not listed yet".into()));
        statefulsets.renew();
        assert!(health.ready().unwrap_err().contains("not known yet"));
        health.identity().is(Ok("robin".into()));
        health.identity().named([("siskin-park".to_owned(), "robin".to_owned())].into());
        assert_eq!(health.ready(), Ok("siskin is robin, as the admission policies say".into()));
        health.identity().named([("siskin-park".to_owned(), "wren".to_owned())].into());
        assert!(health.ready().is_err());
    }

    #[test]
    fn a_watch_that_is_given_up_counts_no_more() {
        let health = Health::default();
        drop(health.watch("pods of payments/db".into(), false));
        assert!(health.ages().is_empty());
    }

    #[test]
    fn a_worker_is_busy_only_while_it_works() {
        let health = Health::default();
        let pulse = health.worker("payments/db".into());
        drop(pulse.busy());
        assert_eq!(pulse.0.busy_since.load(Relaxed), 0);
        assert_eq!(health.live_at(later(STUCK_WORK)), Ok(()));
    }

    /// A moment that is more than `wait` away.
    fn later(wait: Duration) -> Instant {
        Clock::Machine.mono() + wait + Duration::from_secs(1)
    }

    #[test]
    fn a_stuck_worker_is_a_reason_to_restart() {
        let health = Health::default();
        let pulse = health.worker("the worker of payments/db".into());
        let _busy = pulse.busy();
        assert_eq!(health.live(), Ok(()));
        assert!(
            health.live_at(later(STUCK_WORK)).unwrap_err().contains("the worker of payments/db is stuck")
        );
    }

    #[test]
    fn a_silent_essential_watch_is_a_reason_to_restart() {
        let health = Health::default();
        let watch = health.watch("statefulsets".into(), true);
        watch.renew();
        assert_eq!(health.live(), Ok(()));
        assert!(
            health.live_at(later(DEAD_WATCH)).unwrap_err().contains("the watch of statefulsets is silent")
        );
    }

    #[test]
    fn a_silent_watch_of_one_workload_s_pods_restarts_nobody() {
        let health = Health::default();
        let pods = health.watch("pods of payments/db".into(), false);
        assert_eq!(health.live_at(later(DEAD_WATCH)), Ok(()));
        assert!(pods.silent_for(later(DEAD_WATCH)) > DEAD_WATCH);
    }
}
