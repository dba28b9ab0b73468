//! The metrics page, in the Prometheus text format 0.0.4.
//!
//! Series of a workload live as long as its [`Workload`] handle: a page never tells of what is gone.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use crate::watch::statefulsets::Key;

/// One metric.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Family {
    /// The name on the page.
    pub name: &'static str,
    kind: &'static str,
    /// What it says.
    pub help: &'static str,
}

const fn counter(name: &'static str, help: &'static str) -> Family {
    Family { name, kind: "counter", help }
}

const fn gauge(name: &'static str, help: &'static str) -> Family {
    Family { name, kind: "gauge", help }
}

/// The process.
pub static BUILD_INFO: Family = gauge("siskin_build_info", "1, with the version.");
/// Its policies.
pub static POLICY_ERRORS: Family =
    gauge("siskin_policy_errors", "Mistakes in the policy files as read last.");
/// Its watches.
pub static WATCH_AGE: Family =
    gauge("siskin_watch_age_seconds", "Time since the API server last showed that a watch is current.");
/// Its part in the election.
pub static LEADER: Family =
    gauge("siskin_leader", "1 if this process leads, 0 if it stands by; nothing without an election.");
/// Its steps.
pub static STEPS: Family = counter("siskin_steps_total", "Steps of the engine.");
/// Its writes.
pub static WRITES: Family = counter("siskin_writes_total", "Writes to the cluster by kind and result.");
/// Its requests.
pub static REQUESTS: Family = counter("siskin_requests_total", "Requests to the API server by method.");
/// Writes that came too fast.
pub static STORMS: Family =
    counter("siskin_write_storms_total", "Workloads held back because they wrote too often in a second.");
/// Workers that panicked.
pub static PANICS: Family =
    counter("siskin_worker_panics_total", "Workers of a workload that ended by a defect.");
/// Events that were lost.
pub static EVENTS: Family = counter("siskin_events_total", "Kubernetes Events by result.");
/// Messages to people.
pub static MESSAGES: Family = counter("siskin_messages_total", "Messages to people by receiver and result.");
/// Samples that were lost.
pub static SAMPLES_DROPPED: Family =
    counter("siskin_samples_dropped_total", "Answers of pods that came faster than they could be judged.");
/// A workload.
pub static WORKLOAD_INFO: Family = gauge("siskin_workload_info", "1 for each workload, with its policy.");
/// Its phase.
pub static PHASE: Family = gauge("siskin_workload_phase", "1 for the phase a workload is in.");
/// Its problem.
pub static PROBLEM: Family = gauge(
    "siskin_workload_problem",
    "1 while a workload waits for a person, or can't be seen or written, by reason.",
);
/// Its rollouts.
pub static ROLLOUTS: Family =
    counter("siskin_rollouts_total", "Ended rollouts that this process has seen, by outcome.");
/// Its checks.
pub static CHECK: Family = gauge(
    "siskin_check_outcome",
    "1 for what a check of the open rollout says: Pass, Fail, Undecided or NoData.",
);
/// Its probes.
pub static PROBES: Family = counter("siskin_probes_total", "Answers of pods by check and result.");

/// All of them, in the order of the page.
pub static FAMILIES: [&Family; 18] = [
    &BUILD_INFO,
    &POLICY_ERRORS,
    &WATCH_AGE,
    &LEADER,
    &STEPS,
    &WRITES,
    &REQUESTS,
    &STORMS,
    &PANICS,
    &EVENTS,
    &MESSAGES,
    &SAMPLES_DROPPED,
    &WORKLOAD_INFO,
    &PHASE,
    &PROBLEM,
    &ROLLOUTS,
    &CHECK,
    &PROBES,
];

type Labels = Vec<(&'static str, String)>;
type Series = BTreeMap<(&'static Family, Labels), f64>;

/// All metrics; cheap to clone.
#[derive(Clone, Debug)]
pub struct Metrics(Arc<Board>);

#[derive(Debug, Default)]
struct Board {
    process: Mutex<Series>,
    /// By a number of the handle's own: a name can come back before its last handle is gone.
    workloads: Mutex<BTreeMap<u64, (Key, Series)>>,
    handles: AtomicU64,
}

/// The metrics of one workload.
#[derive(Debug)]
pub struct Workload {
    board: Arc<Board>,
    handle: u64,
}

impl Default for Metrics {
    fn default() -> Self {
        let metrics = Self(Arc::default());
        metrics.set(&BUILD_INFO, &[("version", env!("CARGO_PKG_VERSION"))], 1.0);
        metrics.set(&STEPS, &[], 0.0);
        metrics
    }
}

impl Metrics {
    /// Counts one.
    pub fn count(&self, family: &'static Family, labels: &[(&'static str, &str)]) {
        *lock(&self.0.process).entry((family, owned(labels))).or_default() += 1.0;
    }

    /// Sets a value.
    pub fn set(&self, family: &'static Family, labels: &[(&'static str, &str)], value: f64) {
        lock(&self.0.process).insert((family, owned(labels)), value);
    }

    /// A handle for the metrics of one workload.
    pub fn workload(&self, key: &Key) -> Workload {
        let handle = self.0.handles.fetch_add(1, Relaxed);
        lock(&self.0.workloads).insert(handle, (key.clone(), Series::new()));
        Workload { board: self.0.clone(), handle }
    }

    /// The page; `ages` are those of the watches in seconds.
    pub fn render(&self, ages: &[(String, f64)]) -> String {
        let mut lines: BTreeMap<&Family, Vec<String>> = BTreeMap::new();
        for ((family, labels), value) in lock(&self.0.process).iter() {
            lines.entry(*family).or_default().push(line(family, labels.iter(), *value));
        }
        for (watch, age) in ages {
            let labels = [("watch", watch.clone())];
            lines.entry(&WATCH_AGE).or_default().push(line(&WATCH_AGE, labels.iter(), *age));
        }
        for (key, series) in lock(&self.0.workloads).values() {
            let of = [("namespace", key.namespace.clone()), ("workload", key.name.clone())];
            for ((family, labels), value) in series {
                lines.entry(*family).or_default().push(line(family, of.iter().chain(labels), *value));
            }
        }
        let mut page = String::new();
        for family in FAMILIES {
            if let Some(lines) = lines.get(family) {
                let Family { name, kind, help } = family;
                let _ = write!(page, "# HELP {name} {help}\n# TYPE {name} {kind}\n{}", lines.concat());
            }
        }
        page
    }
}

impl Workload {
    /// Counts one.
    pub fn count(&self, family: &'static Family, labels: &[(&'static str, &str)]) {
        self.with(|series| *series.entry((family, owned(labels))).or_default() += 1.0);
    }

    /// Sets the series of a family that are 1; all others of it go.
    pub fn show<'a>(
        &self,
        family: &'static Family,
        shown: impl IntoIterator<Item = Vec<(&'static str, &'a str)>>,
    ) {
        self.with(|series| {
            series.retain(|(other, _), _| *other != family);
            series.extend(shown.into_iter().map(|labels| ((family, owned(&labels)), 1.0)));
        });
    }

    fn with(&self, change: impl FnOnce(&mut Series)) {
        if let Some((_, series)) = lock(&self.board.workloads).get_mut(&self.handle) {
            change(series);
        }
    }
}

impl Drop for Workload {
    fn drop(&mut self) {
        lock(&self.board.workloads).remove(&self.handle);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn owned(labels: &[(&'static str, &str)]) -> Labels {
    labels.iter().map(|(name, value)| (*name, (*value).to_owned())).collect()
}

fn line<'a>(family: &Family, labels: impl Iterator<Item = &'a (&'static str, String)>, value: f64) -> String {
    let labels: Vec<String> = labels
        .map(|(name, value)| {
            let value = value.replace('\\', r"\\").replace('"', "\\\"").replace('\n', r"\n");
            format!("{name}=\"{value}\"")
        })
        .collect();
    match labels.as_slice() {
        [] => format!("{} {value}\n", family.name),
        labels => format!("{}{{{}}} {value}\n", family.name, labels.join(",")),
    }
}

#[cfg(test)]
mod tests {
    use siskin_core::{
        checks::Counts,
        exposition::{Encoding, Format, Scraper},
        policy::{Measure, Selector},
    };

    use super::*;

    fn key(name: &str) -> Key {
        Key { namespace: "payments".into(), name: name.into() }
    }

    #[test]
    fn the_page_is_good_enough_for_our_own_strict_parser() {
        let metrics = Metrics::default();
        metrics.count(&WRITES, &[("kind", "anchor"), ("result", "ok")]);
        metrics.count(&WRITES, &[("kind", "anchor"), ("result", "ok")]);
        metrics.count(&WRITES, &[("kind", "pod"), ("result", "a \"quoted\" \\ one")]);
        let selector = |text: &str| Selector::try_from(text.to_owned()).unwrap();
        let bad = selector("siskin_writes_total{kind=\"pod\"}");
        let measure = Measure::Ratio { bad, total: selector("siskin_writes_total") };
        let mut scraper = Scraper::new(&measure, Format::Text, Encoding::Identity);
        scraper.feed(metrics.render(&[("statefulsets".into(), 0.5)]).as_bytes()).unwrap();
        assert_eq!(scraper.finish().unwrap().counts, Counts::Ratio { bad: 1, total: 3 });
    }

    #[test]
    fn a_workload_s_series_go_with_it() {
        let metrics = Metrics::default();
        let (db, cache) = (metrics.workload(&key("db")), metrics.workload(&key("cache")));
        db.show(&PHASE, [vec![("phase", "Baking")]]);
        db.show(&PHASE, [vec![("phase", "Idle")]]);
        cache.count(&ROLLOUTS, &[("outcome", "Promoted")]);
        let page = metrics.render(&[]);
        assert!(
            page.contains("siskin_workload_phase{namespace=\"payments\",workload=\"db\",phase=\"Idle\"} 1\n")
        );
        assert!(!page.contains("Baking"));
        drop(db);
        let page = metrics.render(&[]);
        assert!(!page.contains("workload=\"db\"") && page.contains("workload=\"cache\""));
    }

    #[test]
    fn every_metric_is_documented() {
        let docs = include_str!("../../../../docs/operations.md");
        for family in FAMILIES {
            assert!(docs.contains(&format!("`{}`", family.name)), "docs/operations.md lacks {}", family.name);
        }
    }
}
