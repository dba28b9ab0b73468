//! Siskin itself: ended, absent, and killed after each of its writes.

use std::time::Instant;

use crate::failure::{Failure, ensure};
use crate::visits::Visits;
use crate::world::World;

/// More writes than a rollout of three pods needs; a loop that gets here is a loop.
const MOST_WRITES: u32 = 40;

/// Ended by SIGKILL it is ready again in the same pod, and answers for its metrics.
pub async fn comes_back(world: &mut World) -> Result<(), Failure> {
    let siskin = world.siskin()?;
    let before = siskin.restarts().await?;
    let killed = siskin.kill().await?;
    let again = siskin.restarted(before + 1).await?;
    world.figure("SIGKILL to ready", killed, again);
    let metrics = siskin.metrics().await?;
    ensure(metrics.contains("# TYPE"), || format!("no metric in /metrics: {metrics}"))?;
    let started = Instant::now();
    siskin.restart_with(&[]).await?;
    world.figure("ordered restart", started, Instant::now());
    Ok(())
}

/// A template that comes while Siskin is down moves nothing, and rolls out when it is back.
pub async fn changed_while_down(world: &mut World) -> Result<(), Failure> {
    let siskin = world.siskin()?;
    let db = world.deploy(Visits::new("db").policy("in-place")).await?;
    world.load(&db, 50).await?;
    siskin.stop().await?;
    db.set_version("v2").await?;
    db.stays("all pods on v1", 5, |set| set.ready_on("v1") == 3).await?;
    siskin.start().await?;
    db.ends_on("v2");
    db.until_at_rest_on("v2", 90).await.map(drop)
}

/// Killed after each write of a promotion it ends as if nothing had happened.
pub async fn killed_while_promoting(world: &mut World) -> Result<(), Failure> {
    killed_after_each_write(world, "in-place").await
}

/// The same with an extra pod, whose claim is deleted.
pub async fn killed_while_surging(world: &mut World) -> Result<(), Failure> {
    world.allow_claim_deletion()?;
    killed_after_each_write(world, "surge").await
}

async fn killed_after_each_write(world: &mut World, policy: &str) -> Result<(), Failure> {
    let db = world.deploy(Visits::new("db").policy(policy)).await?;
    world.load(&db, 50).await?;
    let mut version = "v1";
    for write in 1..=MOST_WRITES {
        version = if version == "v1" { "v2" } else { "v1" };
        arm(world, write).await?;
        db.set_version(version).await?;
        db.ends_on(version);
        db.until_at_rest_on(version, 120).await?;
        if !struck(world).await? {
            return disarm(world).await;
        }
    }
    Err(Failure::Untrue(format!("a promotion takes more than {MOST_WRITES} writes")))
}

/// Killed after each write of a rollback it ends as if nothing had happened.
pub async fn killed_while_rolling_back(world: &mut World) -> Result<(), Failure> {
    let db = world.deploy(Visits::new("db").policy("in-place")).await?;
    world.load(&db, 50).await?;
    for write in 1..=MOST_WRITES {
        arm(world, write).await?;
        // A version of its own each time: what was rejected once is not tried again.
        let version = format!("bad-{write}");
        world.excused.refused_by.insert(version.clone());
        db.set_faulty(&version, "v2", Some("errors=1")).await?;
        db.until("the canary", 60, |set| set.ready_on(&version) > 0).await?;
        db.until_at_rest_on("v1", 120).await?;
        if !struck(world).await? {
            return disarm(world).await;
        }
    }
    Err(Failure::Untrue(format!("a rollback takes more than {MOST_WRITES} writes")))
}

async fn arm(world: &World, write: u32) -> Result<(), Failure> {
    let after = write.to_string();
    world.timeline.mark(format!("lets Siskin die after write {write}"));
    let variables =
        [("SISKIN_TEST_KILL_AFTER", Some(&*after)), ("SISKIN_TEST_KILL_MARKER", Some("/markers/struck"))];
    world.siskin()?.restart_with(&variables).await
}

async fn struck(world: &World) -> Result<bool, Failure> {
    Ok(world.siskin()?.restarts().await? > 0)
}

async fn disarm(world: &World) -> Result<(), Failure> {
    let variables = [("SISKIN_TEST_KILL_AFTER", None), ("SISKIN_TEST_KILL_MARKER", None)];
    world.siskin()?.restart_with(&variables).await
}
