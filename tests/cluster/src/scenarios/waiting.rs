//! What waits without anybody having to act: its turn, its window, the end of a freeze.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::deployed::Deployed;
use crate::failure::{Failure, ensure};
use crate::siskin::Siskin;
use crate::view::Workload;
use crate::visits::Visits;
use crate::world::World;

use super::tools::siskin;

/// Three rollouts with room for one at a time: one after the other, and a rollout that goes back doesn't wait.
pub async fn budget(world: &mut World) -> Result<(), Failure> {
    let daemon = world.siskin()?;
    let mut all = Vec::new();
    for name in ["a", "b", "c"] {
        let db = world.deploy(Visits::new(name).replicas(2).policy("in-place")).await?;
        world.load(&db, 40).await?;
        all.push(db);
    }
    daemon.configure(Some("maxParallelRollouts: { total: 1 }\n")).await?;
    let result = one_at_a_time(world, &daemon, &all).await;
    daemon.configure(None).await?;
    result
}

async fn one_at_a_time(world: &World, daemon: &Siskin, all: &[Deployed]) -> Result<(), Failure> {
    for db in all {
        db.set_version("v2").await?;
        db.ends_on("v2");
    }
    let rolling = |set: Workload<'_>| set.state().is_some_and(|state| state.get("rollout").is_some());
    let waits = |set: Workload<'_>| set.state_text("/waiting/awaited") == "Turn";
    let mut restarted = false;
    for _ in 0..2000 {
        let looks: Vec<(bool, bool, bool)> = all
            .iter()
            .map(|db| db.look(|set| (rolling(set), waits(set), set.at_rest_on("v2"))))
            .collect::<Result<_, _>>()?;
        let open = looks.iter().filter(|(rolling, ..)| *rolling).count();
        ensure(open <= 1, || format!("{open} rollouts are open at once"))?;
        if !restarted && open == 1 && looks.iter().filter(|(_, waits, _)| *waits).count() == 2 {
            let waiting = all.iter().find(|db| db.look(waits).unwrap_or_default());
            let name = waiting.map_or("", |db| db.name.as_str());
            let status = siskin(world, &["status", name])?;
            ensure(status.contains("Waits      1 at once in all, after "), || {
                format!("`siskin status`:\n{status}")
            })?;
            // A new process must know from the states alone who has the place.
            daemon.kill().await?;
            restarted = true;
        }
        if looks.iter().all(|(.., done)| *done) {
            ensure(restarted, || "nobody waited".into())?;
            let told =
                world.event_reasons("StatefulSet")?.iter().filter(|reason| *reason == "Waiting").count();
            return ensure(told == 2, || format!("{told} Events Waiting, not one for each that waited"));
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    Err(Failure::Untrue("the three rollouts took more than 200 s".into()))
}

/// Outside the window nothing starts; when it opens there is a freeze; when that ends it starts within seconds.
pub async fn window(world: &mut World) -> Result<(), Failure> {
    let daemon = world.siskin()?;
    let db = world.deploy(Visits::new("db").policy("windowed")).await?;
    world.load(&db, 50).await?;
    let now = clock();
    // A minute begins at least 30 s from now: time for Siskin to start.
    let opens = (now + 30).div_ceil(60) * 60;
    let ends = opens + 10;
    let time_of_day = |at: u64| format!("{:02}:{:02}", at / 3600 % 24, at / 60 % 60);
    let (from, to) = (time_of_day(opens), time_of_day(opens + 3600));
    let policy = include_str!("../../policies/in-place.yaml").replace("name: in-place", "name: windowed");
    let policy = format!("{policy}  windows: [{{ from: \"{from}\", to: \"{to}\" }}]\n");
    daemon.set_policy("windowed.yaml", Some(&policy)).await?;
    let freeze =
        format!("{{ from: \"{}\", to: \"{}\", reason: the bench looks }}", rfc3339(opens), rfc3339(ends));
    daemon.configure(Some(&format!("freezes: [{freeze}]\n"))).await?;
    let result = opens_in_time(world, &db, ends).await;
    daemon.set_policy("windowed.yaml", None).await?;
    daemon.configure(None).await?;
    result
}

async fn opens_in_time(world: &World, db: &Deployed, ends: u64) -> Result<(), Failure> {
    db.set_version("v2").await?;
    db.until("it waits for its window", 30, |set| set.state_text("/waiting/awaited") == "Window").await?;
    let status = siskin(world, &["status", "db"])?;
    ensure(status.contains("Waits      outside the windows of the policy; it goes on at "), || {
        format!("`siskin status`:\n{status}")
    })?;
    db.until("it waits for the end of the freeze", 120, |set| {
        set.state_text("/waiting/detail").starts_with("frozen: the bench looks")
    })
    .await?;
    ensure(db.look(|set| set.parked() && set.ready_on("v2") == 0)?, || "v2 runs before it may".into())?;
    db.until("it starts", 30, |set| set.state().is_some_and(|state| state.get("rollout").is_some())).await?;
    let now = clock();
    ensure((ends..ends + 4).contains(&now), || format!("it started {} s after the freeze", now - ends))?;
    db.ends_on("v2");
    db.until_at_rest_on("v2", 90).await.map(drop)
}

/// Seconds since the epoch: windows are about the clock on the wall.
#[expect(clippy::disallowed_methods, reason = "the scenario makes a window that opens soon")]
fn clock() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// A time of today or tomorrow as RFC 3339, from seconds since the epoch.
fn rfc3339(at: u64) -> String {
    k8s_openapi::jiff::Timestamp::from_second(i64::try_from(at).unwrap_or_default())
        .map_or_else(|error| error.to_string(), |at| at.to_string())
}
