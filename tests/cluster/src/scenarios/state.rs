//! The state is input from a stranger.

use crate::failure::{Failure, ensure};
use crate::visits::Visits;
use crate::world::World;

use super::commands::baking;

/// Garbled while a version is judged: parked and asked; a resume brings every pod to stable.
pub async fn garbled(world: &mut World) -> Result<(), Failure> {
    let db = baking(world).await?;
    db.annotate("state", Some("{\"version\": 1, \"phase\"")).await?;
    lost(world, &db).await
}

/// Removed while a version is judged.
pub async fn removed(world: &mut World) -> Result<(), Failure> {
    let db = baking(world).await?;
    db.annotate("state", None).await?;
    lost(world, &db).await
}

async fn lost(world: &World, db: &crate::deployed::Deployed) -> Result<(), Failure> {
    db.until_paused("StateLost", 30).await?;
    db.stays("one pod on v2", 4, |set| set.parked() && set.ready_on("v2") == 1).await?;
    world.timeline.mark("resumes");
    db.annotate("paused", None).await?;
    db.until("v1 everywhere", 60, |set| set.parked() && set.ready_on("v1") == 3).await?;
    // What was never judged to the end is judged anew.
    db.until_judged("v2", 1, 60).await?;
    db.annotate("abort", Some(&db.rollout()?)).await?;
    db.until_at_rest_on("v1", 60).await.map(drop)
}

/// The state of another workload, as a restored backup has it: not ours, and nothing moves.
pub async fn foreign(world: &mut World) -> Result<(), Failure> {
    let db = world.deploy(Visits::new("db").policy("in-place")).await?;
    let other = world.deploy(Visits::new("other").replicas(2).policy("in-place")).await?;
    world.load(&db, 50).await?;
    let state = other.look(|set| set.annotation("state").map(str::to_owned))?;
    db.annotate("state", state.as_deref()).await?;
    db.until("a state of its own", 30, |set| {
        set.annotation("state").map(str::to_owned) != state && set.at_rest_on("v1")
    })
    .await?;
    let untouched = db.look(|set| set.replicas() == 3)?;
    ensure(untouched, || "replicas became the other workload's, or worse".into())
}
