//! A policy that only observes.

use std::time::Duration;

use crate::failure::{Failure, ensure};
use crate::visits::Visits;
use crate::world::World;

/// A bad version and then a good one roll out natively; Siskin says what it would have done and changes nothing.
pub async fn bad_version(world: &mut World) -> Result<(), Failure> {
    world.excused.refused_by.insert("v2".into());
    let db = world.create(Visits::new("db").policy("observing")).await?;
    db.until_all_on("v1", 60).await?;
    until_told(world, "Observing").await?;
    world.load(&db, 50).await?;
    db.set_faulty("v2", "v2", Some("errors=1")).await?;
    until_told(world, "WouldRollBack").await?;
    db.until_all_on("v2", 60).await?;
    db.set_faulty("v3", "v3", None).await?;
    until_told(world, "WouldPromote").await?;
    db.ends_on("v3");
    db.until("untouched", 60, |set| {
        let annotations = ["state", "stable", "paused"].iter().all(|name| set.annotation(name).is_none());
        annotations && set.partition() == 0 && set.all_ready_on("v3")
    })
    .await?;
    // The bench awaits a parked partition of whoever has a policy.
    db.annotate("policy", None).await.map(drop)
}

async fn until_told(world: &World, reason: &str) -> Result<(), Failure> {
    for _ in 0..120 {
        if world.event_reasons("StatefulSet")?.iter().any(|told| told == reason) {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    let told = world.event_reasons("StatefulSet")?;
    ensure(false, || format!("no Event {reason} within a minute: {told:?}"))
}
