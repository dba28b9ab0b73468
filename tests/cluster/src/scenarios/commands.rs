//! What people say, and what Siskin makes of it.

use crate::deployed::Deployed;
use crate::failure::{Failure, ensure};
use crate::visits::Visits;
use crate::world::World;

/// Abort takes the canary back.
pub async fn abort(world: &mut World) -> Result<(), Failure> {
    let db = baking(world).await?;
    let rollout = db.rollout()?;
    db.annotate("abort", Some(&rollout)).await?;
    db.until_at_rest_on("v1", 60).await?;
    db.until("the command is taken off", 10, |set| set.annotation("abort").is_none()).await.map(drop)
}

/// A command that is kept in Git comes again and does nothing more.
pub async fn repeated(world: &mut World) -> Result<(), Failure> {
    let db = baking(world).await?;
    let first = db.rollout()?;
    db.annotate("abort", Some(&first)).await?;
    db.until_at_rest_on("v1", 60).await?;
    db.annotate("abort", Some(&first)).await?;
    db.set_version("v3").await?;
    db.until_judged("v3", 1, 60).await?;
    db.annotate("abort", Some(&first)).await?;
    db.stays("v3 is judged", 4, |set| set.ready_on("v3") == 1).await?;
    let second = db.rollout()?;
    db.annotate("abort", Some(&second)).await?;
    db.until_at_rest_on("v1", 60).await.map(drop)
}

/// Paused, nothing moves forward, and a failure still rolls back.
pub async fn pause(world: &mut World) -> Result<(), Failure> {
    world.excused.refused_by.insert("v2".into());
    let db = world.deploy(Visits::new("db").policy("in-place")).await?;
    world.load(&db, 50).await?;
    db.set_version("v2").await?;
    db.until_judged("v2", 1, 60).await?;
    db.annotate("paused", Some("true")).await?;
    db.stays("one pod on v2", 8, |set| set.ready_on("v2") == 1).await?;
    db.fault("v2", "errors=1").await?;
    db.until("v1 everywhere", 60, |set| set.parked() && set.all_ready_on("v1")).await?;
    db.annotate("paused", None).await?;
    db.until_at_rest_on("v1", 30).await.map(drop)
}

/// Paused and resumed it goes on to the end.
pub async fn resume(world: &mut World) -> Result<(), Failure> {
    let db = world.deploy(Visits::new("db").policy("in-place")).await?;
    world.load(&db, 50).await?;
    db.set_version("v2").await?;
    db.until_judged("v2", 1, 60).await?;
    db.annotate("paused", Some("true")).await?;
    db.stays("one pod on v2", 6, |set| set.ready_on("v2") == 1).await?;
    db.annotate("paused", None).await?;
    db.ends_on("v2");
    db.until_at_rest_on("v2", 90).await.map(drop)
}

/// One approval passes one gate, also when it is said twice.
pub async fn approval(world: &mut World) -> Result<(), Failure> {
    let db = world.deploy(Visits::new("db").replicas(4).policy("gated")).await?;
    world.load(&db, 50).await?;
    db.set_version("v2").await?;
    db.until_phase("AwaitingApproval", 60).await?;
    db.stays("one pod on v2", 4, |set| set.ready_on("v2") == 1).await?;
    let canary = db.canary()?;
    let first = format!("{canary}/first/ann");
    db.annotate("approve", Some(&first)).await?;
    db.until("the second gate", 60, |set| set.in_phase("AwaitingApproval") && set.ready_on("v2") == 2)
        .await?;
    db.annotate("approve", Some(&first)).await?;
    db.stays("two pods on v2", 4, |set| set.ready_on("v2") == 2).await?;
    db.annotate("approve", Some(&format!("{canary}/half/ann"))).await?;
    db.ends_on("v2");
    db.until_at_rest_on("v2", 90).await.map(drop)
}

/// Promote skips the steps that are left.
pub async fn promote(world: &mut World) -> Result<(), Failure> {
    let db = baking(world).await?;
    let canary = db.canary()?;
    db.annotate("promote", Some(&canary)).await?;
    db.ends_on("v2");
    db.until_at_rest_on("v2", 90).await.map(drop)
}

/// What was rejected is tried again only when a person says so.
pub async fn retry(world: &mut World) -> Result<(), Failure> {
    let db = baking(world).await?;
    let rollout = db.rollout()?;
    db.annotate("abort", Some(&rollout)).await?;
    db.until_at_rest_on("v1", 60).await?;
    db.stays("all pods on v1", 5, |set| set.all_ready_on("v1")).await?;
    let failed = db.last_rollout()?;
    ensure(failed == rollout, || format!("the history names {failed:?}, and {rollout:?} was aborted"))?;
    db.annotate("retry", Some(&failed)).await?;
    db.until_judged("v2", 1, 60).await?;
    let canary = db.canary()?;
    db.annotate("promote", Some(&canary)).await?;
    db.ends_on("v2");
    db.until_at_rest_on("v2", 90).await.map(drop)
}

/// Three pods under traffic, one of them judged on v2 for as long as the scenario likes.
pub async fn baking(world: &mut World) -> Result<Deployed, Failure> {
    let db = world.deploy(Visits::new("db").policy("in-place-held")).await?;
    world.load(&db, 50).await?;
    db.set_version("v2").await?;
    db.until_judged("v2", 1, 60).await?;
    Ok(db)
}
