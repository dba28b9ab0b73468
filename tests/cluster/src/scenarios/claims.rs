//! Data on the claims of extra pods.

use crate::deployed::Deployed;
use crate::failure::{Failure, ensure};
use crate::view::{is_ready, version};
use crate::visits::Visits;
use crate::world::World;

/// An extra pod would boot on data from before: refused.
pub async fn left_over(world: &mut World) -> Result<(), Failure> {
    world.allow_claim_deletion()?;
    let db = with_left_over_claim(world, "surge").await?;
    db.set_version("v2").await?;
    db.until_paused("ClaimLeftOver", 30).await?;
    db.stays("three pods on v1", 4, |set| set.pods().len() == 3 && set.all_ready_on("v1")).await
}

/// The policy says that data from before is welcome.
pub async fn reused(world: &mut World) -> Result<(), Failure> {
    let db = with_left_over_claim(world, "surge-reuse").await?;
    let left_over = db.look(|set| set.claim_uid(3))?;
    ensure(left_over.is_some(), || "no claim was left over".into())?;
    db.set_version("v2").await?;
    db.until("the extra pod is judged on the left-over claim", 60, |set| {
        let extra = set.pod(3).is_some_and(|pod| is_ready(pod) && version(pod.spec.as_ref()) == Some("v2"));
        set.in_phase("Baking") && extra && set.claim_uid(3) == left_over
    })
    .await?;
    db.ends_on("v2");
    db.until_at_rest_on("v2", 90).await?;
    let kept = db.look(|set| set.claim_uid(3))?;
    ensure(kept == left_over, || format!("the claim data-db-3 was {left_over:?} and is now {kept:?}"))
}

/// The claim of the extra pod goes with it, and no other.
pub async fn only_its_own(world: &mut World) -> Result<(), Failure> {
    world.allow_claim_deletion()?;
    let db = world.deploy(Visits::new("db").policy("surge")).await?;
    db.make_claim(9).await?;
    world.load(&db, 50).await?;
    db.set_version("v2").await?;
    db.ends_on("v2");
    db.until_at_rest_on("v2", 90).await?;
    let kept = db.look(|set| set.claims().contains(&"data-db-9"))?;
    ensure(kept, || "the claim data-db-9 was deleted, which no extra pod has used".into())
}

/// Three pods, and the claim of a fourth that was scaled away.
async fn with_left_over_claim(world: &mut World, policy: &str) -> Result<Deployed, Failure> {
    let db = world.deploy(Visits::new("db").replicas(4).policy(policy)).await?;
    db.scale(3).await?;
    db.leaves_claim(3);
    db.until("three pods", 30, |set| set.pods().len() == 3 && set.at_rest_on("v1")).await?;
    world.load(&db, 50).await?;
    Ok(db)
}
