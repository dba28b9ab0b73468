//! Scenarios by name, and running them.

use std::panic::AssertUnwindSafe;
use std::time::Instant;

use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt, stream};

use tokio::task::JoinSet;

use crate::bench::Bench;
use crate::failure::Failure;
use crate::outcome::{self, Outcome};
use crate::siskin::Siskin;
use crate::world::World;

/// One story, told on a cluster.
pub struct Scenario {
    pub name: &'static str,
    pub about: &'static str,
    pub tags: &'static [Tag],
    pub run: fn(&mut World) -> BoxFuture<'_, Result<(), Failure>>,
}

/// What is special about a scenario.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tag {
    /// Part of `ci`.
    Ci,
    /// Nothing else runs at the same time: it measures, or it stops Siskin.
    Alone,
    /// Runs without Siskin in the cluster.
    Bare,
    /// Runs Prometheus.
    Prometheus,
    /// Runs Helm 3 and Helm 4.
    Helm,
    /// The moments of what it does are drawn, so that no two runs come out the same.
    Drawn,
}

impl Tag {
    /// The tools that such a scenario runs. Each is a Go module in the folder of this name beside `run`, and is built
    /// when a chosen scenario needs it.
    pub fn tools(self) -> &'static [&'static str] {
        match self {
            Self::Ci | Self::Alone | Self::Bare | Self::Drawn => &[],
            Self::Prometheus => &["prometheus"],
            Self::Helm => &["helm3", "helm4"],
        }
    }
}

impl Scenario {
    pub fn is(&self, tag: Tag) -> bool {
        self.tags.contains(&tag)
    }
}

/// Runs `scenarios`, up to `jobs` at once; returns the names of those that failed.
pub async fn run_all(
    bench: &Bench,
    scenarios: &[&'static Scenario],
    jobs: usize,
) -> Result<Vec<&'static str>, Failure> {
    // Those without Siskin come first: it is absent while they run.
    let (without, with): (Vec<_>, Vec<_>) =
        scenarios.iter().copied().partition(|scenario| scenario.is(Tag::Bare));
    let mut failed = run_group(bench, None, &without, jobs).await;
    if !with.is_empty() {
        let siskin = Siskin::install(bench).await?;
        failed.extend(run_group(bench, Some(&siskin), &with, jobs).await);
    }
    Ok(failed)
}

async fn run_group(
    bench: &Bench,
    siskin: Option<&Siskin>,
    scenarios: &[&'static Scenario],
    jobs: usize,
) -> Vec<&'static str> {
    let (alone, together): (Vec<_>, Vec<_>) =
        scenarios.iter().copied().partition(|scenario| scenario.is(Tag::Alone));
    let mut failed = Vec::new();
    for (group, jobs) in [(alone, 1), (together, jobs.max(1))] {
        let results = stream::iter(group)
            .map(|scenario| alone_in_its_task(bench.clone(), siskin.cloned(), scenario))
            .buffer_unordered(jobs);
        failed.extend(
            results
                .filter_map(|(name, good)| async move { (!good).then_some(name) })
                .collect::<Vec<_>>()
                .await,
        );
    }
    failed
}

/// A scenario that waits for a program, such as Helm, must not keep the others from seeing what passes quickly.
async fn alone_in_its_task(
    bench: Bench,
    siskin: Option<Siskin>,
    scenario: &'static Scenario,
) -> (&'static str, bool) {
    let mut task = JoinSet::new();
    task.spawn(async move { run(&bench, siskin, scenario).await });
    let good = task.join_next().await.is_some_and(|ended| ended.unwrap_or(false));
    (scenario.name, good)
}

/// Runs one and prints how it went.
async fn run(bench: &Bench, siskin: Option<Siskin>, scenario: &Scenario) -> bool {
    let began = Instant::now();
    let mut world = match World::new(bench, siskin, scenario.name).await {
        Ok(world) => world,
        Err(failure) => {
            println!("FAIL {}: {failure}", scenario.name);
            return false;
        }
    };
    let story = async {
        (scenario.run)(&mut world).await?;
        world.finish().await
    };
    // A panic in one story must not end the others, nor leave the cluster up.
    let ended = AssertUnwindSafe(story).catch_unwind().await;
    let seconds = began.elapsed().as_secs_f64();
    let ended = ended.map_or_else(
        |_| Err("it panicked, see above".into()),
        |end| end.map_err(|failure| failure.to_string()),
    );
    match &ended {
        Ok(()) => {
            println!("ok   {} ({seconds:.1} s)", scenario.name);
            if bench.timelines {
                print!("{}", world.timeline);
            }
        }
        Err(why) => println!("FAIL {} ({seconds:.1} s): {why}\n{}", scenario.name, world.report().await),
    }
    for figure in world.figures() {
        println!("       {figure}");
    }
    let outcome = Outcome::of(scenario.name, ended.is_ok(), &world.changes());
    if let Err(error) = outcome::write(&bench.outcomes(), &outcome) {
        println!("bench: the outcome of {} is not kept: {error}", scenario.name);
    }
    world.leave().await;
    ended.is_ok()
}
