//! Others act on the workload while a version is judged.

use crate::failure::{Failure, ensure};
use crate::view::{Workload, version};
use crate::visits::Visits;
use crate::world::World;

use super::commands::baking;

/// A drained node takes the canary pod: it comes back stable, and the exposure is made again. That is no failure.
pub async fn evicted(world: &mut World) -> Result<(), Failure> {
    let db = baking(world).await?;
    let rollout = db.rollout()?;
    db.evict(2).await?;
    db.until("the canary is gone", 30, |set| set.ready_on("v2") == 0).await?;
    db.until_judged("v2", 1, 60).await?;
    let now = db.rollout()?;
    ensure(now == rollout, || format!("rollout {rollout} was ended and {now} begun"))?;
    db.annotate("promote", Some(&db.canary()?)).await?;
    db.ends_on("v2");
    db.until_at_rest_on("v2", 90).await?;
    let reasons = world.event_reasons("StatefulSet")?;
    let told = |reason: &str| reasons.iter().any(|told| told == reason);
    ensure(told("ExposureLost") && !told("CheckFailed"), || {
        format!("an eviction should be told as ExposureLost, not as CheckFailed; the Events are {reasons:?}")
    })
}

/// Scaled up while a pod in place is judged: the exposure of one pod is made anew on what is now the highest, and the
/// one that was exposed before returns stable.
pub async fn scaled_in_place(world: &mut World) -> Result<(), Failure> {
    let db = baking(world).await?;
    db.scale(4).await?;
    let one_of_four = |set: Workload<'_>| {
        let highest = set.pod(3).and_then(|pod| version(pod.spec.as_ref()));
        set.in_phase("Baking") && set.parked() && set.ready_on("v1") == 3 && highest == Some("v2")
    };
    db.until("the highest of four pods is judged", 60, one_of_four).await?;
    db.stays("the highest of four pods is judged", 4, one_of_four).await?;
    db.annotate("promote", Some(&db.canary()?)).await?;
    db.ends_on("v2");
    db.until_at_rest_on("v2", 90).await.map(drop)
}

/// Scaled up while an extra pod is judged: the user's pods are stable ones, the extra pod comes above them.
pub async fn scaled_with_surge(world: &mut World) -> Result<(), Failure> {
    world.allow_claim_deletion()?;
    let db = world.deploy(Visits::new("db").policy("surge-held")).await?;
    world.load(&db, 50).await?;
    db.set_version("v2").await?;
    db.until_judged("v2", 1, 60).await?;
    db.scale(5).await?;
    db.until("judged on a sixth pod", 90, |set| {
        set.in_phase("Baking") && set.replicas() == 6 && set.ready_on("v1") == 5 && set.ready_on("v2") == 1
    })
    .await?;
    db.annotate("promote", Some(&db.canary()?)).await?;
    db.ends_on("v2");
    db.until_at_rest_on("v2", 120).await.map(drop)
}
