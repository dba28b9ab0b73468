//! Measurements: how fast, and at what cost.

use std::time::{Duration, Instant};

use crate::failure::{Failure, ensure};
use crate::visits::Visits;
use crate::world::World;

use super::roll_back::decided;

const ROUNDS: u32 = 20;

/// How long a check that needs one tick of a second takes from the onset of a fault to the decision.
pub async fn one_tick(world: &mut World) -> Result<(), Failure> {
    reaction(world, 1).await
}

/// The same with two ticks.
pub async fn two_ticks(world: &mut World) -> Result<(), Failure> {
    reaction(world, 2).await
}

async fn reaction(world: &mut World, ticks: u32) -> Result<(), Failure> {
    let db = world.deploy(Visits::new("db").policy(&format!("ticks-{ticks}"))).await?;
    let (mut reactions, mut returns) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        // A version of its own each time: what was rejected once is not tried again.
        let version = format!("bad-{round}");
        db.set_image(&version, &crate::images::visits("v2")).await?;
        db.until_judged(&version, 1, 60).await?;
        // Onsets fall anywhere between two ticks.
        tokio::time::sleep(Duration::from_millis(u64::from(round) * 1000 / u64::from(ROUNDS))).await;
        let bad = db.fault(&version, "health=fail").await?;
        let parked = decided(world, &db, bad).await?;
        let stable = db.until_at_rest_on("v1", 60).await?;
        reactions.push(parked.duration_since(bad));
        returns.push(stable.duration_since(parked));
    }
    let (median, worst) = spread(&mut reactions);
    world.note(format!("onset to decision: median {median:.2} s, worst of {ROUNDS} {worst:.2} s"));
    let (median_return, worst_return) = spread(&mut returns);
    world.note(format!(
        "decision to stable and ready: median {median_return:.2} s, worst {worst_return:.2} s"
    ));
    let needed = f64::from(ticks);
    ensure(median <= needed - 0.4, || format!("the median should be at most {:.1} s", needed - 0.4))?;
    ensure(worst <= needed + 0.3, || format!("the worst should be at most {:.1} s", needed + 0.3))
}

/// The median and the largest, in seconds.
fn spread(times: &mut [Duration]) -> (f64, f64) {
    times.sort_unstable();
    let seconds = |time: Option<&Duration>| time.map_or(0.0, Duration::as_secs_f64);
    (seconds(times.get(times.len() / 2)), seconds(times.last()))
}

/// A hundred workloads at rest: no write, and little memory.
pub async fn at_rest(world: &mut World) -> Result<(), Failure> {
    const WORKLOADS: u32 = 100;
    const QUIET: Duration = Duration::from_secs(30);
    const MOST_MEMORY: u64 = 25 << 20;
    let siskin = world.siskin()?;
    let mut all = Vec::new();
    for number in 0..WORKLOADS {
        all.push(world.create(Visits::new(&format!("db-{number}")).replicas(1).policy("in-place")).await?);
    }
    for db in &all {
        db.until_at_rest_on("v1", 300).await?;
    }
    let since = Instant::now();
    tokio::time::sleep(QUIET).await;
    let writes = world.timeline.changes().into_iter().filter(|change| {
        change.at >= since && change.object.starts_with("set/") && change.field.starts_with("siskin.dev/")
    });
    let writes = writes.count();
    let memory = siskin.memory().await?;
    world.note(format!(
        "{WORKLOADS} workloads at rest: {writes} writes in {QUIET:?}, {} MiB RSS",
        memory >> 20
    ));
    ensure(writes == 0, || format!("{writes} writes at rest"))?;
    ensure(memory < MOST_MEMORY, || format!("{} MiB are more than {}", memory >> 20, MOST_MEMORY >> 20))
}
