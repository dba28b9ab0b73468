//! Extra pods that nobody lets in.

use serde_json::json;

use crate::deployed::Deployed;
use crate::failure::{Failure, ensure};
use crate::view::Workload;
use crate::visits::Visits;
use crate::world::World;

use super::tools::siskin;

/// A resource of nodes that nobody else wants: with it the node is full for one scenario alone.
const SEAT: &str = "siskin.test/seat";

/// A quota has no room for an extra pod; the policy goes on in place, within the same rollout.
pub async fn quota(world: &mut World) -> Result<(), Failure> {
    world.allow_claim_deletion()?;
    let db = without_room(world, "surge-or-in-place").await?;
    db.until("the extra pod is refused", 30, |set| set.replicas() == 4).await?;
    let rollout = db.rollout()?;
    db.until("one pod in place", 60, |set| set.replicas() == 3 && set.ready_on("v2") == 1).await?;
    ensure(db.rollout()? == rollout, || "another rollout goes on in place".into())?;
    let status = siskin(world, &["status", "db"])?;
    ensure(status.contains("In place") && status.contains("exceeded quota"), || {
        format!("`siskin status` doesn't say why it goes on in place:\n{status}")
    })?;
    world.until_told(&db, "SurgeRefused").await?;
    db.ends_on("v2");
    db.until_at_rest_on("v2", 90).await.map(drop)
}

/// By default the extra pod is taken away and a person is asked; with a higher quota it is let in.
pub async fn quota_pause(world: &mut World) -> Result<(), Failure> {
    world.allow_claim_deletion()?;
    let db = without_room(world, "surge-or-ask").await?;
    db.until_paused("SurgeRefused", 60).await?;
    ensure(db.look(|set| set.state_text("/pause/detail").contains("exceeded quota"))?, || {
        "the pause doesn't name the quota".into()
    })?;
    db.until("three pods on v1", 15, |set| set.parked() && set.all_ready_on("v1")).await?;
    db.stays("three pods on v1", 3, |set| set.parked() && set.all_ready_on("v1")).await?;
    world.limit_pods(Some(4)).await?;
    db.annotate("paused", None).await?;
    db.until("the extra pod is judged", 60, |set| set.replicas() == 4 && set.ready_on("v2") == 1).await?;
    db.ends_on("v2");
    db.until_at_rest_on("v2", 120).await.map(drop)
}

/// The node has room for three pods: the extra one is taken away, and a person is asked, who makes room.
pub async fn full_node(world: &mut World) -> Result<(), Failure> {
    world.allow_claim_deletion()?;
    make_seats(world, 3)?;
    let db = world.deploy(Visits::new("db").takes(SEAT).policy("surge-or-ask")).await?;
    world.load(&db, 50).await?;
    db.set_version("v2").await?;
    db.until("an extra pod that no node takes", 30, |set| set.pods().len() == 4).await?;
    db.until_paused("SurgeRefused", 60).await?;
    ensure(
        db.look(|set| set.state_text("/pause/detail").contains(&format!("Insufficient {SEAT}")))?,
        || "the pause doesn't say what the node lacks".into(),
    )?;
    let as_before = |set: Workload<'_>| set.parked() && set.all_ready_on("v1");
    db.until("three pods on v1", 15, as_before).await?;
    db.stays("three pods on v1", 3, as_before).await?;
    let left = db.look(|set| set.claim_uid(3))?;
    make_seats(world, 4)?;
    db.annotate("paused", None).await?;
    db.until("an extra pod is judged, on a claim of its own", 60, |set| {
        set.replicas() == 4 && set.ready_on("v2") == 1 && set.claim_uid(3) != left
    })
    .await?;
    db.ends_on("v2");
    db.until_at_rest_on("v2", 120).await.map(drop)
}

/// Gives the node so many seats.
fn make_seats(world: &World, seats: u32) -> Result<(), Failure> {
    let node = world.bench.kubectl(&["get", "nodes", "-o=jsonpath={.items[0].metadata.name}"])?;
    let seats = json!({ SEAT: seats.to_string() });
    let patch = format!("--patch={}", json!({ "status": { "capacity": seats, "allocatable": seats } }));
    let status = ["patch", "node", &node, "--subresource=status", "--type=merge", &patch];
    world.bench.kubectl(&status).map(drop)
}

/// Three pods and a quota of three, and then v2.
async fn without_room(world: &mut World, policy: &str) -> Result<Deployed, Failure> {
    let db = world.deploy(Visits::new("db").policy(policy)).await?;
    world.limit_pods(Some(3)).await?;
    world.load(&db, 50).await?;
    db.set_version("v2").await?;
    Ok(db)
}
