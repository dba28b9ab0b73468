//! Kubernetes forgets the stable revision: at zero replicas, and when a StatefulSet is created anew. Siskin works.

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

/// With the hold nothing is forgotten at zero: every pod comes back stable, and what was open starts anew.
pub async fn zero_with_hold(world: &mut World) -> Result<(), Failure> {
    world.protect(Protection::ALL).await?;
    for (v2, db) in each(world, "in-place-held").await? {
        to_zero(&db).await?;
        db.scale(2).await?;
        db.until_ready_on("v1", 2, 60).await?;
        db.annotate("paused", None).await?;
        if !matches!(v2, V2::Rejected) {
            db.until_judged("v2", 1, 60).await?;
            db.annotate("abort", Some(&db.rollout()?)).await?;
        }
        db.until_at_rest_on("v1", 60).await?;
    }
    not_told(world)
}

/// Without it the policy may say that the stable template is written back.
pub async fn zero_restored(world: &mut World) -> Result<(), Failure> {
    for (_, db) in each(world, "restoring").await? {
        to_zero(&db).await?;
        db.scale(2).await?;
        db.until_ready_on("v1", 2, 60).await?;
        db.annotate("paused", None).await?;
        db.until_at_rest_on("v1", 60).await?;
        let pending = db.look(|set| set.update_revision() != set.current_revision())?;
        ensure(!pending, || format!("the template of {} is not the stable one", db.name))?;
        world.until_told(&db, "StableForgotten").await?;
    }
    Ok(())
}

/// By default it is told; pods come up on what nobody has judged, until a person says which one it is.
pub async fn zero_told(world: &mut World) -> Result<(), Failure> {
    for (_, db) in each(world, "in-place-held").await? {
        to_zero(&db).await?;
        db.scale(2).await?;
        db.until_ready_on("v2", 2, 60).await?;
        db.annotate("paused", None).await?;
        db.stays("told and left alone", 3, |set| set.parked() && set.ready_on("v2") == 2).await?;
        db.ends_on("v2");
        db.annotate("promote", Some(&db.canary()?)).await?;
        db.until_at_rest_on("v2", 60).await?;
        world.until_told(&db, "StableForgotten").await?;
    }
    Ok(())
}

/// The pod guard without the hold: no pod starts on what nobody has judged, and the stable template leads out.
pub async fn zero_guarded(world: &mut World) -> Result<(), Failure> {
    world.protect(&[Protection::PodGuard]).await?;
    for (_, db) in each(world, "in-place-held").await? {
        to_zero(&db).await?;
        admission::until_released(&world.bench, &db).await?;
        db.scale(2).await?;
        let about = format!("--field-selector=reason=FailedCreate,involvedObject.name={}", db.name);
        let events = ["get", "events", "-n", &world.namespace, &about, "-o=jsonpath={.items[*].message}"];
        world.bench.await_output(&events, "has not released revision").await?;
        let pods = db.look(|set| set.pods().len())?;
        ensure(pods == 0, || format!("{pods} pods of {} started", db.name))?;
        db.annotate("paused", None).await?;
        db.set_version("v1").await?;
        db.until_at_rest_on("v1", 90).await?;
        world.until_told(&db, "StableForgotten").await?;
    }
    Ok(())
}

/// The only pod is missing when its extra pod is taken back: the extra pod alone must not count as all of them.
pub async fn only_pod(world: &mut World) -> Result<(), Failure> {
    world.allow_claim_deletion()?;
    let db = world.deploy(Visits::new("db").replicas(1).policy("surge-held")).await?;
    let stable = db.look(|set| set.current_revision().to_owned())?;
    db.set_version("v2").await?;
    db.until_judged("v2", 1, 60).await?;
    let rollout = db.rollout()?;
    db.force_delete(0).await?;
    db.annotate("abort", Some(&rollout)).await?;
    db.until_at_rest_on("v1", 60).await?;
    let kept = db.look(|set| set.current_revision() == stable)?;
    ensure(kept, || format!("Kubernetes has forgotten {stable}"))?;
    not_told(world)
}

/// Deleted without its pods and created anew with v2: a pod that is lost then comes back on v2, and is brought back.
pub async fn recreated(world: &mut World) -> Result<(), Failure> {
    let db = world.deploy(Visits::new("db").policy("restoring")).await?;
    db.orphan().await?;
    db.create_again(&Visits::new("db").version("v2").parked().policy("restoring")).await?;
    world.until_told(&db, "StableForgotten").await?;
    db.until_at_rest_on("v1", 90).await?;
    let all = db.delete_pods().await?;
    db.until_replaced("v1", &all, 60).await?;
    db.until_at_rest_on("v1", 30).await.map(drop)
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

fn not_told(world: &World) -> Result<(), Failure> {
    let reasons = world.event_reasons("StatefulSet")?;
    ensure(!reasons.iter().any(|reason| reason == "StableForgotten"), || {
        format!("nothing was forgotten, and it was told: {reasons:?}")
    })
}
