//! ConfigMaps and Secrets that change under the pods.

use std::time::{Duration, Instant};

use tokio::time::sleep;

use crate::deployed::Deployed;
use crate::failure::{Failure, ensure};
use crate::visits::Visits;
use crate::world::World;

const ENVIRONMENT: &str = "configmap/db-env";
const FILES: &str = "secret/db-files";

/// In a rollout: told, and it goes on.
pub async fn in_rollout(world: &mut World) -> Result<(), Failure> {
    let db = configured(world, "in-place-held").await?;
    db.set_version("v2").await?;
    db.until_judged("v2", 1, 60).await?;
    change(world, ENVIRONMENT)?;
    let told = "ConfigChanged: ConfigMap db-env changed, db-0, db-1, db-2 started before that";
    world.until_told(&db, told).await?;
    db.stays("judged on", 3, |set| set.in_phase("Baking") && set.pause().is_empty()).await?;
    db.annotate("promote", Some(&db.canary()?)).await?;
    db.ends_on("v2");
    db.until_at_rest_on("v2", 90).await?;
    world.told_once(&db, "ConfigChanged")
}

/// In a rollout whose policy wants to be asked: a Secret that is mounted pauses it, and a person resumes.
pub async fn in_rollout_paused(world: &mut World) -> Result<(), Failure> {
    let db = configured(world, "in-place-config").await?;
    db.set_version("v2").await?;
    db.until_judged("v2", 1, 60).await?;
    change(world, FILES)?;
    db.until_paused("ConfigChanged", 30).await?;
    db.stays("paused with one pod on v2", 10, |set| set.in_phase("Baking") && set.ready_on("v2") == 1)
        .await?;
    db.annotate("paused", None).await?;
    db.ends_on("v2");
    db.until_at_rest_on("v2", 90).await.map(drop)
}

/// At rest: told, no pod is touched, and the evidence of the next rollout says what its pods differ in.
pub async fn at_rest(world: &mut World) -> Result<(), Failure> {
    let db = configured(world, "in-place-held").await?;
    // Times in the API have whole seconds, and what happens in one of them has no order.
    sleep(Duration::from_secs(2)).await;
    change(world, FILES)?;
    let told = "ConfigChanged: Secret db-files changed, db-0, db-1, db-2 started before that";
    world.until_told(&db, told).await?;
    db.stays("at rest", 5, |set| set.at_rest_on("v1")).await?;
    db.set_version("v2").await?;
    db.until_judged("v2", 1, 60).await?;
    let mark = "configured differently: Secret db-files is newer than db-0, db-1 and older than db-2";
    let marked = |status: &str| status.contains(mark);
    let deadline = Instant::now() + Duration::from_mins(1);
    while !db.look(|set| set.state().is_some_and(|state| marked(&state.to_string())))? {
        // The evidence is written with the state, at most every half minute.
        ensure(Instant::now() < deadline, || format!("no evidence says `{mark}`"))?;
        sleep(Duration::from_millis(500)).await;
    }
    db.annotate("abort", Some(&db.rollout()?)).await?;
    db.until_at_rest_on("v1", 60).await.map(drop)
}

/// A workload that reads a ConfigMap and mounts a Secret.
async fn configured(world: &mut World, policy: &str) -> Result<Deployed, Failure> {
    let namespace = world.namespace.clone();
    for object in [["configmap", "db-env"].as_slice(), &["secret", "generic", "db-files"]] {
        let mut create = vec!["create", "-n", &namespace];
        create.extend(object);
        create.push("--from-literal=level=1");
        world.bench.kubectl(&create)?;
    }
    let db = world.deploy(Visits::new("db").policy(policy).configured()).await?;
    db.until("what configures it is known", 30, |set| {
        let known = |key| !set.state_text(key).is_empty();
        known("/configuration/ConfigMap~1db-env") && known("/configuration/Secret~1db-files")
    })
    .await?;
    world.load(&db, 50).await?;
    Ok(db)
}

/// A person changes one.
fn change(world: &World, object: &str) -> Result<(), Failure> {
    world.timeline.mark(format!("changes {object}"));
    let patch = if object == FILES { r#"{"stringData":{"level":"2"}}"# } else { r#"{"data":{"level":"2"}}"# };
    world.bench.kubectl(&["patch", "-n", &world.namespace, object, "--type=merge", "-p", patch]).map(drop)
}
