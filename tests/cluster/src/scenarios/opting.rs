//! Into Siskin's care, and out of it.

use serde_json::json;

use crate::failure::{Failure, ensure};
use crate::visits::Visits;
use crate::world::World;

use super::commands::baking;

/// Pods of two versions: a person says which one is stable.
pub async fn mixed(world: &mut World) -> Result<(), Failure> {
    let db = world.deploy(Visits::new("db")).await?;
    let stable = db.look(|set| set.current_revision().to_owned())?;
    let partition = json!({ "spec": { "updateStrategy": { "rollingUpdate": { "partition": 2 } } } });
    db.merge("sets partition 2", partition).await?;
    db.set_version("v2").await?;
    db.until("one pod on v2", 30, |set| set.ready_on("v2") == 1 && set.ready_on("v1") == 2).await?;
    world.load(&db, 50).await?;
    db.annotate("policy", Some("in-place")).await?;
    db.until_paused("MixedRevisions", 30).await?;
    db.stays("one pod on v2", 4, |set| set.parked() && set.ready_on("v2") == 1).await?;
    db.annotate("promote", Some(&stable)).await?;
    db.until("v1 everywhere", 60, |set| set.parked() && set.ready_on("v1") == 3).await.map(drop)?;
    // The template is still that of v2: brought to stable once, it is judged like any other.
    db.ends_on("v2");
    db.until_at_rest_on("v2", 90).await.map(drop)
}

/// A first install that never worked, mended by the next template.
pub async fn broken_install(world: &mut World) -> Result<(), Failure> {
    let db = world.create(Visits::new("db").policy("in-place").fault("crash=now")).await?;
    db.until_phase("Installing", 30).await?;
    db.set_faulty("v2", "v2", None).await?;
    db.ends_on("v2");
    db.until_at_rest_on("v2", 90).await.map(drop)
}

/// A policy that doesn't exist: parked and told, and nothing moves.
pub async fn unknown_policy(world: &mut World) -> Result<(), Failure> {
    let db = world.create(Visits::new("db").policy("nowhere")).await?;
    db.until("parked", 30, |set| set.parked() && set.all_ready_on("v1")).await?;
    world.load(&db, 50).await?;
    db.set_version("v2").await?;
    db.stays("all pods on v1", 5, |set| set.parked() && set.pods().len() == set.ready_on("v1")).await?;
    let events = world.bench.kubectl(&["events", "-n", &world.namespace])?;
    ensure(events.contains("nowhere"), || "no Event names the policy that is missing".into())
}

/// A policy that comes while Siskin runs: what waited for it rolls out.
pub async fn late_policy(world: &mut World) -> Result<(), Failure> {
    let db = world.create(Visits::new("db").policy("late")).await?;
    db.until("parked", 30, |set| set.parked() && set.all_ready_on("v1")).await?;
    world.load(&db, 50).await?;
    db.set_version("v2").await?;
    db.stays("all pods on v1", 5, |set| set.parked() && set.pods().len() == set.ready_on("v1")).await?;
    let policy = include_str!("../../policies/in-place.yaml").replace("name: in-place", "name: late");
    let siskin = world.siskin()?;
    siskin.set_policy("late.yaml", Some(&policy)).await?;
    db.ends_on("v2");
    // The kubelet brings a changed ConfigMap to a running pod within about a minute and a half.
    db.until_at_rest_on("v2", 240).await?;
    siskin.set_policy("late.yaml", None).await
}

/// Another policy in the middle: it is for the next rollout.
pub async fn renamed(world: &mut World) -> Result<(), Failure> {
    let db = baking(world).await?;
    db.annotate("policy", Some("in-place")).await?;
    db.stays("one pod on v2", 8, |set| set.in_phase("Baking") && set.ready_on("v2") == 1).await?;
    db.annotate("promote", Some(&db.canary()?)).await?;
    db.ends_on("v2");
    db.until_at_rest_on("v2", 90).await.map(drop)
}

/// The policy taken away in the middle: back, then out.
pub async fn removed(world: &mut World) -> Result<(), Failure> {
    let db = baking(world).await?;
    db.annotate("policy", None).await?;
    db.until("left alone on v1", 60, |set| set.annotation("state").is_none() && set.all_ready_on("v1"))
        .await
        .map(drop)
}
