//! The template changes while one of its versions is judged.

use crate::failure::Failure;
use crate::world::World;

use super::commands::baking;

/// The newest version is the one that counts.
pub async fn superseded(world: &mut World) -> Result<(), Failure> {
    let db = baking(world).await?;
    db.set_version("v3").await?;
    db.until("v3 is judged in the place of v2", 60, |set| {
        set.in_phase("Baking") && set.ready_on("v3") == 1 && set.ready_on("v2") == 0
    })
    .await?;
    db.annotate("promote", Some(&db.canary()?)).await?;
    db.ends_on("v3");
    db.until_at_rest_on("v3", 90).await.map(drop)
}

/// The stable template is put back: that is the end of it.
pub async fn put_back(world: &mut World) -> Result<(), Failure> {
    let db = baking(world).await?;
    db.set_version("v1").await?;
    db.until_at_rest_on("v1", 60).await.map(drop)
}
