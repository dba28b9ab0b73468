//! A policy that only observes.

use crate::failure::Failure;
use crate::visits::Visits;
use crate::world::World;

/// A bad version and then a good one roll out natively; Siskin says what it would have done and changes nothing.
pub async fn bad_version(world: &mut World) -> Result<(), Failure> {
    world.excused.refused_by.insert("v2".into());
    let db = world.create(Visits::new("db").policy("observing")).await?;
    db.until_all_on("v1", 60).await?;
    world.until_told(&db, "Observing").await?;
    world.load(&db, 50).await?;
    db.set_faulty("v2", "v2", Some("errors=1")).await?;
    world.until_told(&db, "WouldRollBack").await?;
    db.until_all_on("v2", 60).await?;
    db.set_faulty("v3", "v3", None).await?;
    world.until_told(&db, "WouldPromote").await?;
    db.ends_on("v3");
    db.until("untouched", 60, |set| {
        let annotations = ["state", "stable", "paused"].iter().all(|name| set.annotation(name).is_none());
        annotations && set.partition() == 0 && set.all_ready_on("v3")
    })
    .await?;
    // The bench awaits a parked partition of whoever has a policy.
    db.annotate("policy", None).await.map(drop)
}
