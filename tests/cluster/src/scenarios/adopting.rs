//! Into Siskin's care by its command line, and out of it.

use crate::failure::{Failure, ensure};
use crate::visits::Visits;
use crate::world::World;

use super::commands::baking;
use super::tools::siskin;

/// Adopted by the command line: what stands against it stops it, a dry run writes nothing, and then it is done.
pub async fn adopt(world: &mut World) -> Result<(), Failure> {
    let db = world.deploy(Visits::new("db")).await?;
    let refused = |arguments: &[&str]| {
        siskin(world, arguments).err().map(|failure| failure.to_string()).unwrap_or_default()
    };
    let unknown = refused(&["adopt", "db", "--policy", "nowhere"]);
    ensure(unknown.contains("1 finding stands against it"), || format!("an unknown policy: {unknown}"))?;
    db.merge("forgets revisions", serde_json::json!({ "spec": { "revisionHistoryLimit": 1 } })).await?;
    let stopped = refused(&["adopt", "db", "--policy", "in-place"]);
    ensure(stopped.contains("1 finding stands against it"), || format!("revisionHistoryLimit 1: {stopped}"))?;
    db.merge("remembers revisions", serde_json::json!({ "spec": { "revisionHistoryLimit": 10 } })).await?;
    let page = siskin(world, &["adopt", "db", "--policy", "in-place", "--dry-run"])?;
    for part in ["WHAT HAPPENS", "Nothing was written"] {
        ensure(page.contains(part), || format!("`siskin adopt --dry-run` lacks {part:?}:\n{page}"))?;
    }
    for part in ["STOPS", "could not be looked at", "no ready pod"] {
        ensure(!page.contains(part), || format!("`siskin adopt --dry-run` found {part:?}:\n{page}"))?;
    }
    db.stays("not adopted", 3, |set| set.annotation("policy").is_none() && !set.parked()).await?;
    siskin(world, &["adopt", "db", "--policy", "in-place"])?;
    db.until("adopted", 30, |set| set.parked() && set.annotation("stable").is_some()).await?;
    let again = refused(&["adopt", "db", "--policy", "in-place"]);
    ensure(again.contains("has policy in-place already"), || format!("adopted twice: {again}"))?;
    world.load(&db, 50).await?;
    db.set_version("v2").await?;
    db.ends_on("v2");
    db.until_at_rest_on("v2", 90).await.map(drop)
}

/// Out by the command line, at rest and in the middle of a rollout.
pub async fn leave(world: &mut World) -> Result<(), Failure> {
    let db = baking(world).await?;
    let told = siskin(world, &["leave", "db"])?;
    ensure(told.contains("goes back to the stable revision first"), || {
        format!("`siskin leave` said: {told}")
    })?;
    db.until("left alone on v1", 60, |set| set.annotation("state").is_none() && set.all_ready_on("v1"))
        .await?;
    db.stays("v2 waits", 3, |set| set.parked() && set.ready_on("v2") == 0).await?;
    siskin(world, &["adopt", "db", "--policy", "in-place"])?;
    db.ends_on("v2");
    db.until_at_rest_on("v2", 120).await?;
    let told = siskin(world, &["leave", "db"])?;
    ensure(told.contains("it was parked before, too"), || format!("`siskin leave` at rest said: {told}"))?;
    db.until("out", 30, |set| set.annotation("state").is_none() && set.annotation("stable").is_none())
        .await
        .map(drop)
}
