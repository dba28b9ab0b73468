//! Kubernetes forgets the stable revision: at zero replicas, and when a StatefulSet is created anew. Siskin works.

use futures::future::try_join_all;
use serde_json::json;

use crate::admission::{self, Protection};
use crate::deployed::Deployed;
use crate::failure::{Failure, ensure};
use crate::visits::Visits;
use crate::world::World;

/// What v2 is when the stable revision is forgotten.
#[derive(Debug, Clone, Copy)]
enum V2 {
    /// Paused before anything was opened.
    Pending,
    /// On a canary pod.
    Running,
    /// Taken back.
    Rejected,
}

const EACH: [(V2, &str); 3] =
    [(V2::Pending, "pending"), (V2::Running, "running"), (V2::Rejected, "rejected")];

/// The hold alone.
pub async fn zero_with_hold(world: &mut World) -> Result<(), Failure> {
    zero_held(world, &[Protection::Hold]).await
}

/// The hold among all policies.
pub async fn zero_with_all(world: &mut World) -> Result<(), Failure> {
    zero_held(world, Protection::ALL).await
}

/// With the hold nothing is forgotten at zero: every pod comes back stable, and what was open starts anew.
async fn zero_held(world: &mut World, protections: &[Protection]) -> Result<(), Failure> {
    world.protect(protections).await?;
    let all = each(world, "in-place-held").await?;
    at_once(all.iter().map(async |(v2, db)| {
        to_zero(db).await?;
        db.scale(2).await?;
        db.until_ready_on("v1", 2, 60).await?;
        db.annotate("paused", None).await?;
        if !matches!(v2, V2::Rejected) {
            db.until_judged("v2", 1, 60).await?;
            db.annotate("abort", Some(&db.rollout()?)).await?;
        }
        db.until_at_rest_on("v1", 60).await.map(drop)
    }))
    .await?;
    not_told(world)
}

/// Without it the policy may say that the stable template is written back.
pub async fn zero_restored(world: &mut World) -> Result<(), Failure> {
    let all = each(world, "restoring").await?;
    at_once(all.iter().map(async |(_, db)| {
        to_zero(db).await?;
        db.scale(2).await?;
        db.until_ready_on("v1", 2, 60).await?;
        db.annotate("paused", None).await?;
        db.until_at_rest_on("v1", 60).await?;
        let pending = db.look(|set| set.update_revision() != set.current_revision())?;
        ensure(!pending, || format!("the template of {} is not the stable one", db.name))?;
        world.until_told(db, "StableForgotten").await
    }))
    .await
}

/// By default it is told; pods come up on what nobody has judged, until a person says which one it is.
pub async fn zero_told(world: &mut World) -> Result<(), Failure> {
    let all = each(world, "in-place-held").await?;
    at_once(all.iter().map(async |(_, db)| {
        to_zero(db).await?;
        db.scale(2).await?;
        db.until_ready_on("v2", 2, 60).await?;
        db.annotate("paused", None).await?;
        db.stays("told and left alone", 3, |set| set.parked() && set.ready_on("v2") == 2).await?;
        db.ends_on("v2");
        db.annotate("promote", Some(&db.canary()?)).await?;
        db.until_at_rest_on("v2", 60).await?;
        world.until_told(db, "StableForgotten").await
    }))
    .await
}

/// The pod guard without the hold: no pod starts on what nobody has judged, and the stable template leads out.
pub async fn zero_guarded(world: &mut World) -> Result<(), Failure> {
    world.protect(&[Protection::PodGuard]).await?;
    let all = each(world, "in-place-held").await?;
    at_once(all.iter().map(async |(_, db)| {
        to_zero(db).await?;
        admission::until_released(&world.bench, db).await?;
        db.scale(2).await?;
        until_refused(world, db, "has not released revision").await?;
        let pods = db.look(|set| set.pods().len())?;
        ensure(pods == 0, || format!("{pods} pods of {} started", db.name))?;
        db.annotate("paused", None).await?;
        db.set_version("v1").await?;
        db.until_at_rest_on("v1", 90).await?;
        world.until_told(db, "StableForgotten").await
    }))
    .await
}

/// The only pod is missing when its extra pod is taken back: the extra pod alone must not count as all of them. A quota
/// has room for one of the two, so that the missing one can't come back before.
pub async fn only_pod(world: &mut World) -> Result<(), Failure> {
    world.allow_claim_deletion()?;
    let db = world.deploy(Visits::new("db").replicas(1).policy("surge-held")).await?;
    let stable = db.look(|set| set.current_revision().to_owned())?;
    let patched = db.set_version("v2").await?;
    db.until_judged("v2", 1, 60).await?;
    let rollout = db.rollout()?;
    world.limit_pods(Some(1)).await?;
    db.force_delete(0).await?;
    until_refused(world, &db, "exceeded quota").await?;
    db.annotate("abort", Some(&rollout)).await?;
    db.until_at_rest_on("v1", 60).await?;
    let current = |revision: &str| revision != stable;
    let forgotten = world.timeline.first(patched, "set/db", "currentRevision", current);
    ensure(forgotten.is_none(), || format!("Kubernetes has forgotten {stable} on the way"))?;
    not_told(world)
}

/// Nothing holds: a pod that is lost comes back on what nobody has judged.
pub async fn recreated_unprotected(world: &mut World) -> Result<(), Failure> {
    recreated(world, false).await
}

/// The hold keeps what a status says, and a new object's says v2.
pub async fn recreated_with_hold(world: &mut World) -> Result<(), Failure> {
    world.protect(&[Protection::Hold]).await?;
    recreated(world, false).await
}

/// With the pod guard a pod that is lost doesn't come back until the stable template does.
pub async fn recreated_guarded(world: &mut World) -> Result<(), Failure> {
    world.protect(&[Protection::Hold, Protection::PodGuard]).await?;
    recreated(world, true).await
}

/// Deleted without its pods and created anew with v2: told; a pod is lost; a person puts the stable template back.
async fn recreated(world: &mut World, guarded: bool) -> Result<(), Failure> {
    let all = created_anew(world, "in-place-held").await?;
    at_once(all.iter().map(async |(_, db)| {
        if guarded {
            admission::until_released(&world.bench, db).await?;
        }
        db.force_delete(1).await?;
        if guarded {
            until_refused(world, db, "has not released revision").await?;
            db.stays("one pod, on v1", 2, |set| set.pods().len() == 1 && set.ready_on("v1") == 1).await?;
        } else {
            db.until_ready_on("v2", 1, 60).await?;
            db.stays("told and left alone", 2, |set| set.parked() && set.ready_on("v2") == 1).await?;
        }
        db.set_version("v1").await?;
        db.until_at_rest_on("v1", 90).await.map(drop)
    }))
    .await
}

/// The same where the policy says that the stable template is written back.
pub async fn recreated_restored(world: &mut World) -> Result<(), Failure> {
    let all = created_anew(world, "restoring").await?;
    at_once(all.iter().map(async |(_, db)| {
        db.until_at_rest_on("v1", 90).await?;
        let all = db.delete_pods().await?;
        db.until_replaced("v1", &all, 60).await?;
        db.until_at_rest_on("v1", 30).await.map(drop)
    }))
    .await
}

/// Three workloads that were deleted without their pods and created anew with v2; each is told.
async fn created_anew(world: &mut World, policy: &str) -> Result<Vec<(V2, Deployed)>, Failure> {
    let all = each(world, policy).await?;
    for (v2, db) in &all {
        let stable = db.look(|set| set.annotation("stable").map(String::from))?.unwrap_or_default();
        db.orphan().await?;
        db.create_again(&Visits::new(&db.name).replicas(2).version("v2").parked().policy(policy)).await?;
        if matches!(v2, V2::Running) {
            // The state went with the object: only a person knows which of both revisions is meant.
            db.until_paused("MixedRevisions", 30).await?;
            db.annotate("promote", Some(&stable)).await?;
        }
    }
    for (_, db) in &all {
        world.until_told(db, "StableForgotten").await?;
    }
    Ok(all)
}

/// A history limit that lets Kubernetes forget the way back: told, and no rollout starts before it is raised. With none
/// at all the stable revision is gone when a workload comes from zero, and a person leads out.
pub async fn history_limit(world: &mut World) -> Result<(), Failure> {
    let limit = |limit: u32| json!({ "spec": { "revisionHistoryLimit": limit } });
    let db = world.deploy(Visits::new("db").policy("in-place")).await?;
    let gone = world.deploy(Visits::new("gone").replicas(2).policy("restoring")).await?;
    db.merge("limits the history to 1", limit(1)).await?;
    world.until_told(&db, "HistoryLimitTooLow").await?;
    world.load(&db, 50).await?;
    db.set_version("v2").await?;
    gone.annotate("paused", Some("true")).await?;
    gone.until_paused("Requested", 10).await?;
    gone.merge("limits the history to 0", limit(0)).await?;
    gone.set_version("v2").await?;
    gone.until_observed().await?;
    to_zero(&gone).await?;
    world.until_told(&gone, "StableRevisionGone").await?;
    gone.annotate("promote", Some(&gone.canary()?)).await?;
    gone.annotate("paused", None).await?;
    gone.scale(2).await?;
    gone.ends_on("v2");
    gone.until_at_rest_on("v2", 60).await?;
    db.stays("all pods on v1", 2, |set| set.parked() && set.all_ready_on("v1")).await?;
    db.merge("limits the history to 2", limit(2)).await?;
    db.ends_on("v2");
    db.until_at_rest_on("v2", 90).await.map(drop)
}

/// The same for each workload at the same time.
async fn at_once(
    stories: impl Iterator<Item = impl Future<Output = Result<(), Failure>>>,
) -> Result<(), Failure> {
    try_join_all(stories).await.map(drop)
}

/// Three workloads of two pods; what v2 is to each.
async fn each(world: &mut World, policy: &str) -> Result<Vec<(V2, Deployed)>, Failure> {
    let mut all = Vec::new();
    for (v2, name) in EACH {
        all.push((v2, world.create(Visits::new(name).replicas(2).policy(policy)).await?));
    }
    for (v2, db) in &all {
        db.until_settled("v1", true).await?;
        if matches!(v2, V2::Pending) {
            db.annotate("paused", Some("true")).await?;
            db.until_paused("Requested", 10).await?;
        }
        db.set_version("v2").await?;
        db.until_observed().await?;
    }
    for (v2, db) in &all {
        if !matches!(v2, V2::Pending) {
            db.until_judged("v2", 1, 60).await?;
        }
        if matches!(v2, V2::Rejected) {
            db.annotate("abort", Some(&db.rollout()?)).await?;
            db.until_at_rest_on("v1", 60).await?;
        }
    }
    Ok(all)
}

/// Scaled to zero until Siskin has taken note; paused, so that no canary comes before it was looked.
async fn to_zero(db: &Deployed) -> Result<(), Failure> {
    db.scale(0).await?;
    db.until("no pods", 60, |set| set.pods().is_empty() && set.counted() == 0).await?;
    db.annotate("paused", Some("true")).await?;
    db.until_paused("Requested", 10).await.map(drop)
}

/// Waits for Kubernetes' own Event that a pod of `db` can't be created.
async fn until_refused(world: &World, db: &Deployed, why: &str) -> Result<(), Failure> {
    let about = format!("--field-selector=reason=FailedCreate,involvedObject.name={}", db.name);
    let events = ["get", "events", "-n", db.namespace(), &about, "-o=jsonpath={.items[*].message}"];
    world.bench.await_output(&events, why).await
}

fn not_told(world: &World) -> Result<(), Failure> {
    let reasons = world.event_reasons("StatefulSet")?;
    ensure(!reasons.iter().any(|reason| reason == "StableForgotten"), || {
        format!("nothing was forgotten, and it was told: {reasons:?}")
    })
}
