//! The lists of released revisions that Siskin keeps for the pod guard.

use crate::failure::{Failure, ensure};
use crate::visits::Visits;
use crate::world::World;

use super::commands::baking;

const LIST: &str = "configmap/siskin-guard-db";

/// The list follows a rollout and its way back, is put back when somebody edits or deletes it, and goes at opting out.
pub async fn kept(world: &mut World) -> Result<(), Failure> {
    let db = baking(world).await?;
    let (stable, canary) = (db.look(|set| set.current_revision().to_owned())?, db.canary()?);
    let mut both = [stable.as_str(), canary.as_str()];
    both.sort_unstable();
    let both = both.join(",");
    until_allowed(world, &both).await?;
    let edit =
        ["patch", LIST, "-n", &world.namespace, "--type=merge", "--patch={\"data\":{\"allowed\":\"none\"}}"];
    world.bench.kubectl(&edit)?;
    until_allowed(world, &both).await?;
    world.until_told(&db, "GuardEdited").await?;
    world.bench.kubectl(&["delete", LIST, "-n", &world.namespace])?;
    until_allowed(world, &both).await?;
    db.annotate("abort", Some(&db.rollout()?)).await?;
    db.until_at_rest_on("v1", 60).await?;
    until_allowed(world, &stable).await?;
    db.annotate("policy", None).await?;
    db.until("left alone", 60, |set| set.annotation("state").is_none()).await?;
    let left = world.bench.kubectl(&["get", LIST, "-n", &world.namespace, "--ignore-not-found"])?;
    ensure(left.is_empty(), || format!("the list is still there: {left}"))
}

/// Somebody else's object has the list's name: it is left alone, and nothing is opened before it is gone.
pub async fn name_taken(world: &mut World) -> Result<(), Failure> {
    let (name, colour) = (LIST.replace("configmap/", ""), "--from-literal=colour=green");
    world.bench.kubectl(&["create", "configmap", &name, "-n", &world.namespace, colour])?;
    let db = world.deploy(Visits::new("db").policy("in-place")).await?;
    world.load(&db, 50).await?;
    db.set_version("v2").await?;
    db.stays("all pods on v1", 6, |set| set.ready_on("v1") == 3).await?;
    let events = world.bench.kubectl(&["events", "-n", &world.namespace])?;
    ensure(events.contains("is not Siskin's"), || format!("no Event tells of the name: {events}"))?;
    let theirs = ["get", LIST, "-n", &world.namespace, "-o=jsonpath={.data}"];
    let theirs = world.bench.kubectl(&theirs)?;
    ensure(theirs == "{\"colour\":\"green\"}", || format!("it was changed: {theirs}"))?;
    world.bench.kubectl(&["delete", LIST, "-n", &world.namespace])?;
    db.ends_on("v2");
    db.until_at_rest_on("v2", 120).await.map(drop)
}

async fn until_allowed(world: &World, allowed: &str) -> Result<(), Failure> {
    let get = ["get", LIST, "-n", &world.namespace, "--ignore-not-found", "-o=jsonpath=<{.data.allowed}>"];
    world.bench.await_output(&get, &format!("<{allowed}>")).await
}
