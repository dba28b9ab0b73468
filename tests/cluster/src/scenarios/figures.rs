//! Measurements: how fast, and at what cost. Times are printed beside their bounds and decide nothing: a busy machine
//! must not fail a build.

use std::time::{Duration, Instant};

use tokio::time::sleep;

use super::{baseline::SETTLES, roll_back::decided};
use crate::deployed::Deployed;
use crate::failure::{Failure, ensure};
use crate::images;
use crate::visits::{GRACE_SECONDS, Visits};
use crate::world::World;

const ROUNDS: u32 = 20;

/// Rounds of the measurements that take long.
const FEW_ROUNDS: u32 = 8;

/// A sample pod is ready this long after its start: its readiness is asked each second.
const START: f64 = 1.0;

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
        db.set_image(&version, &images::visits("v2")).await?;
        db.until_judged(&version, 1, 60).await?;
        // Onsets fall anywhere between two ticks.
        sleep(SETTLES + Duration::from_millis(u64::from(round) * 1000 / u64::from(ROUNDS))).await;
        let bad = db.fault(&version, "health=fail").await?;
        let parked = decided(world, &db, bad).await?;
        let stable = db.until_at_rest_on("v1", 60).await?;
        reactions.push(parked.duration_since(bad));
        returns.push(stable.duration_since(parked));
    }
    let needed = f64::from(ticks);
    spread(world, "onset to parked", &mut reactions, Some(needed - 0.4), needed + 0.3);
    spread(
        world,
        "parked to all stable and ready",
        &mut returns,
        None,
        f64::from(GRACE_SECONDS) + START + 1.5,
    );
    Ok(())
}

/// How long a bad extra pod stays after the decision.
pub async fn surge(world: &mut World) -> Result<(), Failure> {
    world.allow_claim_deletion()?;
    let db = world.deploy(Visits::new("db").replicas(4).policy("surge-held")).await?;
    let mut gone = Vec::new();
    for round in 0..FEW_ROUNDS {
        let version = format!("bad-{round}");
        db.set_image(&version, &images::visits("v2")).await?;
        db.until_judged(&version, 1, 60).await?;
        sleep(SETTLES).await;
        let bad = db.fault(&version, "health=fail").await?;
        let parked = decided(world, &db, bad).await?;
        gone.push(
            db.until("the extra pod is gone", 60, |set| set.pod(4).is_none()).await?.duration_since(parked),
        );
        db.until_at_rest_on("v1", 60).await?;
    }
    spread(world, "parked to extra pod gone", &mut gone, None, f64::from(GRACE_SECONDS) + 0.5);
    Ok(())
}

/// From the patch to the first ready pod of the new version: Kubernetes by itself, Siskin in place, Siskin with an extra
/// pod; one after the other, round by round.
pub async fn start(world: &mut World) -> Result<(), Failure> {
    world.allow_claim_deletion()?;
    let plain = world.deploy(Visits::new("plain")).await?;
    let in_place = world.deploy(Visits::new("in-place").policy("in-place-held")).await?;
    let surge = world.deploy(Visits::new("surge").policy("surge-held")).await?;
    let (mut by_itself, mut replaced, mut added) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..FEW_ROUNDS {
        let version = format!("try-{round}");
        sleep(SETTLES).await;
        by_itself.push(first_ready(&plain, &version).await?);
        plain.until_all_on(&version, 120).await?;
        for (db, times) in [(&in_place, &mut replaced), (&surge, &mut added)] {
            times.push(first_ready(db, &version).await?);
            db.annotate("abort", Some(&db.rollout()?)).await?;
            db.until_at_rest_on("v1", 60).await?;
        }
    }
    plain.ends_on(&format!("try-{}", FEW_ROUNDS - 1));
    let (plain, _) =
        spread(world, "patch to first ready pod, Kubernetes by itself", &mut by_itself, None, f64::MAX);
    spread(world, "patch to first ready pod, Siskin in place", &mut replaced, Some(plain + 0.3), f64::MAX);
    spread(
        world,
        "patch to first ready pod, Siskin with an extra pod",
        &mut added,
        Some(plain + 0.3),
        f64::MAX,
    );
    Ok(())
}

async fn first_ready(db: &Deployed, version: &str) -> Result<Duration, Failure> {
    let patched = db.set_image(version, &images::visits("v2")).await?;
    let ready = db.until("a ready pod of the new version", 60, |set| set.ready_on(version) > 0).await?;
    Ok(ready.duration_since(patched))
}

/// Prints median and worst with their bounds; gives both, in seconds.
pub fn spread(
    world: &mut World,
    what: &str,
    times: &mut [Duration],
    median_bound: Option<f64>,
    bound: f64,
) -> (f64, f64) {
    times.sort_unstable();
    let seconds = |time: Option<&Duration>| time.map_or(0.0, Duration::as_secs_f64);
    // Of an even number of times, the median is the mean of the two in the middle.
    let (upper, lower) = (times.len() / 2, times.len().saturating_sub(1) / 2);
    let median = f64::midpoint(seconds(times.get(lower)), seconds(times.get(upper)));
    let worst = seconds(times.last());
    let against = |value: f64, bound: f64| match bound {
        f64::MAX => String::new(),
        _ if value <= bound => format!(" (at most {bound:.1}: met)"),
        _ => format!(" (at most {bound:.1}: OVER)"),
    };
    world.note(format!(
        "{what}, {} rounds: median {median:.2} s{}, worst {worst:.2} s{}",
        times.len(),
        against(median, median_bound.unwrap_or(f64::MAX)),
        against(worst, bound)
    ));
    (median, worst)
}

/// A hundred workloads of 0 replicas at rest.
pub async fn at_rest(world: &mut World) -> Result<(), Failure> {
    rest(world, 100, 25 << 20).await
}

/// A thousand of them.
pub async fn a_thousand_at_rest(world: &mut World) -> Result<(), Failure> {
    rest(world, 1000, 60 << 20).await
}

/// Workloads of 0 replicas at rest: no write, no request but watches and the Lease, and little memory.
async fn rest(world: &mut World, workloads: u32, most_memory: u64) -> Result<(), Failure> {
    const QUIET: Duration = Duration::from_secs(90);
    let siskin = world.siskin()?;
    let mut all = Vec::new();
    for number in 0..workloads {
        all.push(world.create(Visits::new(&format!("db-{number}")).replicas(0).policy("in-place")).await?);
    }
    for db in &all {
        db.until_at_rest_on("v1", 300).await?;
    }
    sleep(SETTLES).await;
    let before = siskin.all_metrics().await?;
    let since = Instant::now();
    sleep(QUIET).await;
    let after = siskin.all_metrics().await?;
    let sent = |index: usize, method: &str| {
        let of = |pages: &[String; 2]| pages.get(index).map_or(0, |page| requests(page, method));
        of(&after) - of(&before)
    };
    let others = |index| ["GET", "POST", "DELETE"].map(|method| sent(index, method)).iter().sum::<u64>();
    let (by_leader, by_standby, renewals) = (others(0), others(1) + sent(1, "PATCH"), sent(0, "PATCH"));
    let writes = world.timeline.changes().into_iter().filter(|change| {
        change.at >= since && change.object.starts_with("set/") && change.field.starts_with("siskin.dev/")
    });
    let writes = writes.count();
    let (memory, standby) = siskin.memory().await?;
    // New pods: the kubelet waits 10 s before it starts a container for the second time.
    siskin.stop().await?;
    siskin.start().await?;
    let restarts = siskin.restarts().await?;
    let killed = siskin.kill().await?;
    let again = siskin.restarted(restarts + 1).await?;
    world.figure("SIGKILL to ready and leading", killed, again);
    sleep(SETTLES).await;
    let (restarted, _) = siskin.memory().await?;
    world.note(format!(
        "{workloads} workloads of 0 replicas at rest for {QUIET:?}: {writes} writes, {by_leader} requests of the leader besides watches and {renewals} renewals of the Lease, {by_standby} of the standby; RSS {} MiB leader after taking them in, {} MiB standby, {} MiB leader after a restart",
        memory >> 20,
        standby >> 20,
        restarted >> 20
    ));
    ensure(writes == 0, || format!("{writes} writes at rest"))?;
    ensure(by_leader + by_standby == 0, || format!("{by_leader} and {by_standby} requests at rest"))?;
    // The bench renews each second.
    ensure(renewals <= QUIET.as_secs() + 10, || format!("{renewals} renewals of the Lease"))?;
    ensure(memory < most_memory, || format!("{} MiB are more than {}", memory >> 20, most_memory >> 20))
}

/// Requests of a daemon to the API server by one method.
fn requests(metrics: &str, method: &str) -> u64 {
    let series = format!("siskin_requests_total{{method=\"{method}\"}}");
    let of = metrics.lines().find_map(|line| line.strip_prefix(&*series)?.trim().parse::<u64>().ok());
    of.unwrap_or_default()
}
