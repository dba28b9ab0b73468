//! The same stories with the admission policies in force: they hinder others, not Siskin.

use crate::admission::Protection;
use crate::failure::{Failure, ensure};
use crate::visits::Visits;
use crate::world::World;

use super::guards::is_refused;
use super::{opting, promote, roll_back};

/// A good version, in place.
pub async fn promotion(world: &mut World) -> Result<(), Failure> {
    world.protect(Protection::ALL).await?;
    promote::in_place(world).await
}

/// A good version, on an extra pod first.
pub async fn surge(world: &mut World) -> Result<(), Failure> {
    world.protect(Protection::ALL).await?;
    promote::surge(world).await
}

/// Rolled back by its share of errors.
pub async fn errors(world: &mut World) -> Result<(), Failure> {
    world.protect(Protection::ALL).await?;
    roll_back::errors(world).await
}

/// The policy taken away in the middle: back, then out.
pub async fn removed(world: &mut World) -> Result<(), Failure> {
    world.protect(Protection::ALL).await?;
    opting::removed(world).await
}

/// A good version where policies can only refuse; the manifest is as they ask for.
pub async fn refusing(world: &mut World) -> Result<(), Failure> {
    world.protect(&[Protection::Refuse, Protection::Guard]).await?;
    let unparked = Visits::new("unparked").policy("in-place");
    let told = "spec.updateStrategy.rollingUpdate.partition: 1000000";
    is_refused(&unparked.statefulset(), world.create(unparked).await, told)?;
    promote::promoted(world, Visits::new("db").replicas(4).parked().policy("in-place")).await
}

/// Every pod is on the new version when it turns bad: with the hold it is taken back by deleting pods, and the template
/// is left alone.
pub async fn all_pods_bad(world: &mut World) -> Result<(), Failure> {
    world.excused.refused_by.insert("v2".into());
    world.protect(Protection::ALL).await?;
    let db = world.deploy(Visits::new("db").policy("at-once-undo")).await?;
    let stable = db.look(|set| set.current_revision().to_owned())?;
    world.load(&db, 50).await?;
    db.set_version("v2").await?;
    db.until_judged("v2", 3, 90).await?;
    let canary = db.canary()?;
    let bad = db.fault("v2", "errors=1").await?;
    let rested = db.until_at_rest_on("v1", 120).await?;
    world.figure("fault of all pods to all back", bad, rested);
    let left_alone = db.look(|set| set.update_revision() == canary && set.current_revision() == stable)?;
    ensure(left_alone, || "the template was written, or the stable revision forgotten".into())
}

/// Every pod is on the new version: with the hold one patch of one annotation promotes it.
pub async fn all_pods_good(world: &mut World) -> Result<(), Failure> {
    world.protect(Protection::ALL).await?;
    let db = world.deploy(Visits::new("db").policy("at-once-undo")).await?;
    let stable = db.look(|set| set.current_revision().to_owned())?;
    world.load(&db, 50).await?;
    db.set_version("v2").await?;
    db.until_judged("v2", 3, 90).await?;
    let canary = db.canary()?;
    let held = db.look(|set| set.current_revision() == stable && set.parked())?;
    ensure(held, || format!("Kubernetes has forgotten {stable} while {canary} is judged"))?;
    db.annotate("promote", Some(&canary)).await?;
    db.ends_on("v2");
    db.until("promoted", 30, |set| set.current_revision() == canary && set.at_rest_on("v2")).await?;
    let promoted = world.timeline.last("set/db", "siskin.dev/stable");
    let promoted = promoted.ok_or_else(|| Failure::Untrue("no promotion was seen".into()))?;
    let opened = world.timeline.first(promoted, "set/db", "partition", |partition| partition != "1000000");
    ensure(opened.is_none(), || "the promotion opened the partition again".into())
}
