//! A bad version goes back to the stable one, by itself.

use std::time::Instant;

use crate::deployed::Deployed;
use crate::failure::Failure;
use crate::images;
use crate::visits::Visits;
use crate::world::World;

/// The canary answers 500.
pub async fn errors(world: &mut World) -> Result<(), Failure> {
    world.excused.refused_by.insert("v2".into());
    turns_bad(world, "errors=0.5").await
}

/// The canary's `/healthz` fails.
pub async fn health(world: &mut World) -> Result<(), Failure> {
    turns_bad(world, "health=fail").await
}

/// The canary answers late.
pub async fn latency(world: &mut World) -> Result<(), Failure> {
    turns_bad(world, "latency=400ms").await
}

/// The image doesn't exist.
pub async fn unpullable(world: &mut World) -> Result<(), Failure> {
    let db = deployed(world, Visits::new("db")).await?;
    let patched = db.set_image("v2", &images::visits("never")).await?;
    goes_back(world, &db, patched).await
}

/// The container ends again and again.
pub async fn crash_loop(world: &mut World) -> Result<(), Failure> {
    let db = deployed(world, Visits::new("db")).await?;
    let patched = db.set_faulty("v2", "v2", Some("crash=now")).await?;
    goes_back(world, &db, patched).await
}

/// The pod runs and is never ready.
pub async fn never_ready(world: &mut World) -> Result<(), Failure> {
    let db = deployed(world, Visits::new("db")).await?;
    let patched = db.set_faulty("v2", "v2", Some("health=fail")).await?;
    goes_back(world, &db, patched).await
}

/// `OrderedReady` would wait for the broken pod for ever.
pub async fn ordered_never_ready(world: &mut World) -> Result<(), Failure> {
    let db = deployed(world, Visits::new("db").ordered()).await?;
    let patched = db.set_faulty("v2", "v2", Some("health=fail")).await?;
    goes_back(world, &db, patched).await
}

/// The extra pod turns bad: it goes, and its claim with it.
pub async fn surge(world: &mut World) -> Result<(), Failure> {
    world.allow_claim_deletion()?;
    world.excused.refused_by.insert("v2".into());
    let db = world.deploy(Visits::new("db").replicas(4).policy("surge-held")).await?;
    world.load(&db, 50).await?;
    db.set_version("v2").await?;
    db.until_judged("v2", 1, 60).await?;
    let bad = db.fault("v2", "errors=1").await?;
    let gone = db.until("the extra pod is gone", 30, |set| set.pods().len() == 4).await?;
    world.figure("fault to extra pod gone", bad, gone);
    db.until_at_rest_on("v1", 30).await.map(drop)
}

/// All pods at once; Kubernetes has completed, so the way back is the template.
pub async fn after_completion_undo(world: &mut World) -> Result<(), Failure> {
    world.excused.refused_by.insert("v2".into());
    let db = world.deploy(Visits::new("db").policy("at-once-undo")).await?;
    completed_and_bad(world, &db).await?;
    let wrong = db.canary()?;
    db.until_at_rest_on("v1", 120).await?;
    db.until("the template is the stable one", 10, |set| set.update_revision() != wrong).await.map(drop)
}

/// The same with a question instead; then a person says undo.
pub async fn after_completion_pause(world: &mut World) -> Result<(), Failure> {
    world.excused.refused_by.insert("v2".into());
    let db = world.deploy(Visits::new("db").policy("at-once-pause")).await?;
    completed_and_bad(world, &db).await?;
    db.until_paused("FailedAfterCompletion", 30).await?;
    db.stays("all pods on v2", 3, |set| set.pods().len() == set.ready_on("v2")).await?;
    let rollout = db.rollout()?;
    db.annotate("undo", Some(&rollout)).await?;
    db.until_at_rest_on("v1", 120).await.map(drop)
}

async fn completed_and_bad(world: &mut World, db: &Deployed) -> Result<(), Failure> {
    world.load(db, 50).await?;
    db.set_version("v2").await?;
    db.until("completed by Kubernetes", 90, |set| {
        set.all_ready_on("v2") && set.current_revision() == set.update_revision()
    })
    .await?;
    db.fault("v2", "errors=1").await.map(drop)
}

async fn deployed(world: &mut World, visits: Visits) -> Result<Deployed, Failure> {
    let db = world.deploy(visits.policy("in-place")).await?;
    world.load(&db, 50).await?;
    Ok(db)
}

/// The canary turns bad while it is judged.
async fn turns_bad(world: &mut World, fault: &str) -> Result<(), Failure> {
    let db = world.deploy(Visits::new("db").policy("in-place-held")).await?;
    world.load(&db, 50).await?;
    db.set_version("v2").await?;
    db.until_judged("v2", 1, 60).await?;
    let bad = db.fault("v2", fault).await?;
    goes_back(world, &db, bad).await
}

/// Waits for the way back to v1 from what happened at `since`.
async fn goes_back(world: &mut World, db: &Deployed, since: Instant) -> Result<(), Failure> {
    let decided = decided(world, db, since).await?;
    let rested = db.until_at_rest_on("v1", 60).await?;
    world.figure("onset to decision", since, decided);
    world.figure("decision to all pods stable and ready", decided, rested);
    Ok(())
}

/// When the decision to go back was written, at `since` or later.
pub async fn decided(world: &World, db: &Deployed, since: Instant) -> Result<Instant, Failure> {
    let object = format!("set/{}", db.name);
    let find =
        || world.timeline.first(since, &object, "siskin.dev/state", |state| state.contains("Reverting"));
    db.until("the decision to go back", 60, |_| find().is_some()).await?;
    find().ok_or_else(|| Failure::Untrue("the timeline has lost the decision".into()))
}
