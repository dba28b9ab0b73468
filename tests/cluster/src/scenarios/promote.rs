//! A good version reaches every pod.

use std::time::Instant;

use tokio::time::sleep;

use crate::deployed::Deployed;
use crate::failure::Failure;
use crate::visits::Visits;
use crate::world::World;

use super::baseline::SETTLES;

/// In place: the highest pod first, then the others.
pub async fn in_place(world: &mut World) -> Result<(), Failure> {
    promoted(world, Visits::new("db").replicas(4).policy("in-place")).await
}

/// On an extra pod first.
pub async fn surge(world: &mut World) -> Result<(), Failure> {
    world.allow_claim_deletion()?;
    promoted(world, Visits::new("db").replicas(4).policy("surge")).await
}

/// On an extra pod of many first.
pub async fn surge_of_ten(world: &mut World) -> Result<(), Failure> {
    world.allow_claim_deletion()?;
    promoted(world, Visits::new("db").replicas(10).policy("surge")).await
}

/// The only pod; the Service has no pod while it is replaced.
pub async fn one_replica(world: &mut World) -> Result<(), Failure> {
    world.excused.lost = usize::MAX / 2;
    promoted(world, Visits::new("db").replicas(1).policy("in-place")).await
}

/// With an extra pod even a single replica is never away before its successor has baked.
pub async fn one_replica_with_surge(world: &mut World) -> Result<(), Failure> {
    world.allow_claim_deletion()?;
    promoted(world, Visits::new("db").replicas(1).policy("surge")).await
}

/// One after the other, as `OrderedReady` wants.
pub async fn ordered(world: &mut World) -> Result<(), Failure> {
    promoted(world, Visits::new("db").ordered().policy("in-place")).await
}

/// Ordinals that start at 5: the partition is an index.
pub async fn ordinals_from_five(world: &mut World) -> Result<(), Failure> {
    promoted(world, Visits::new("db").first_ordinal(5).policy("in-place")).await
}

/// Rolling update in batches.
pub async fn batches(world: &mut World) -> Result<(), Failure> {
    promoted(world, Visits::new("db").replicas(4).policy("batches")).await
}

/// A good version of `visits` under traffic.
pub async fn promoted(world: &mut World, visits: Visits) -> Result<(), Failure> {
    let db = world.deploy(visits).await?;
    world.load(&db, 50).await?;
    // As in the baseline, so that the figures can be compared.
    sleep(SETTLES).await;
    let patched = db.set_version("v2").await?;
    let canary = db.until_ready_on("v2", 1, 30).await?;
    let done = rests_on(&db, "v2").await?;
    world.figure("patch to ready canary", patched, canary);
    world.figure("patch to promoted", patched, done);
    Ok(())
}

/// Waits for the promotion of `version`.
pub async fn rests_on(db: &Deployed, version: &str) -> Result<Instant, Failure> {
    db.ends_on(version);
    db.until_at_rest_on(version, 150).await
}
