//! What Kubernetes does by itself: the measure of the others.

use std::time::Duration;

use tokio::time::sleep;

use crate::failure::Failure;
use crate::visits::Visits;
use crate::world::World;

/// Longer than kube-proxy and the endpoints need to settle after the last pod. A pod that is deleted within a second
/// of its start also takes longer to end.
pub const SETTLES: Duration = Duration::from_secs(3);

/// A rolling update of a good version under traffic.
pub async fn rolling_update(world: &mut World) -> Result<(), Failure> {
    let db = world.deploy(Visits::new("db").replicas(4)).await?;
    world.load(&db, 50).await?;
    sleep(SETTLES).await;
    let patched = db.set_version("v2").await?;
    db.ends_on("v2");
    let first = db.until_ready_on("v2", 1, 60).await?;
    let done = db.until_all_on("v2", 120).await?;
    sleep(SETTLES).await;
    world.figure("patch to first new pod ready", patched, first);
    world.figure("patch to all pods ready", patched, done);
    let summary = world.end_traffic().await;
    // It is the measure itself.
    world.excused.lost = summary.lost();
    world.bench.keep_baseline(&summary, done.duration_since(patched).as_secs_f64())
}
