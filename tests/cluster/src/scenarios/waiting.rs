//! What waits without anybody having to act: its turn, its window, the end of a freeze.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::deployed::Deployed;
use crate::failure::{Failure, ensure};
use crate::siskin::Siskin;
use crate::view::Workload;
use crate::visits::Visits;
use crate::world::World;

use super::tools::siskin;

/// Two rollouts may be open in all, and one in each namespace. Who waits for its namespace doesn't hold up the others,
/// and who goes back doesn't wait.
pub async fn budget(world: &mut World) -> Result<(), Failure> {
    let daemon = world.siskin()?;
    let (a, b) = (held(world, "a").await?, held(world, "b").await?);
    world.protect(&[]).await?;
    let c = held(world, "c").await?;
    world.protect(&[]).await?;
    let d = held(world, "d").await?;
    daemon.configure(Some("maxParallelRollouts: { total: 2, perNamespace: 1 }\n")).await?;
    let result = in_turn(world, &daemon, [&a, &b, &c, &d]).await;
    daemon.configure(None).await?;
    result
}

/// A workload that judges a canary pod until somebody says more.
async fn held(world: &mut World, name: &str) -> Result<Deployed, Failure> {
    world.deploy(Visits::new(name).replicas(2).policy("in-place-calm")).await
}

/// `a` and `b` share a namespace.
async fn in_turn(world: &World, daemon: &Siskin, all: [&Deployed; 4]) -> Result<(), Failure> {
    let [a, b, c, d] = all;
    a.set_version("v2").await?;
    a.until_judged("v2", 1, 60).await?;
    waits(b, &format!("1 at once in namespace {}, after {}", a.namespace(), a.full_name())).await?;
    c.set_version("v2").await?;
    c.until_judged("v2", 1, 60).await?;
    waits(d, "2 at once in all, after ").await?;
    let status = siskin(world, &["status", "d"])?;
    ensure(status.contains("Waits      2 at once in all, after "), || format!("`siskin status`:\n{status}"))?;
    // A new process must know from the states alone who has the places.
    daemon.kill().await?;
    d.stays("it waits", 5, waiting).await?;
    ensure(b.look(waiting)?, || "b has started beside a".into())?;

    c.annotate("abort", Some(&c.rollout()?)).await?;
    c.until_at_rest_on("v1", 60).await?;
    d.until_judged("v2", 1, 60).await?;
    ensure(b.look(waiting)?, || "b has started beside a".into())?;
    for db in [a, b, d] {
        db.until_judged("v2", 1, 60).await?;
        db.annotate("promote", Some(&db.canary()?)).await?;
        db.ends_on("v2");
        db.until_at_rest_on("v2", 90).await?;
    }
    world.told_once(b, "Waiting")?;
    world.told_once(d, "Waiting")
}

/// A version that comes to `db` waits for its turn, for this reason.
async fn waits(db: &Deployed, why: &str) -> Result<(), Failure> {
    db.set_version("v2").await?;
    db.until(&format!("it waits: {why}"), 30, |set| {
        waiting(set) && set.state_text("/waiting/detail").starts_with(why)
    })
    .await
    .map(drop)
}

fn waiting(set: Workload<'_>) -> bool {
    let open = set.state().is_some_and(|state| state.get("rollout").is_some());
    set.state_text("/waiting/awaited") == "Turn" && !open && set.all_ready_on("v1")
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
