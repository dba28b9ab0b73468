//! A policy that only observes.

use serde_json::json;

use crate::admission::Protection;
use crate::failure::{Failure, ensure};
use crate::visits::Visits;
use crate::world::World;

use super::adopting::{run, says, says_not};

/// A bad version and then a good one roll out natively; Siskin says what it would have done and changes nothing.
pub async fn bad_version(world: &mut World) -> Result<(), Failure> {
    world.excused.refused_by.insert("v2".into());
    let db = world.deploy(Visits::new("db")).await?;
    let (done, page) = run(world, &["adopt", "db", "--policy", "observing"])?;
    says(&page, &["Siskin changes nothing", "Done."])?;
    says_not(&page, &["park", "STOPS", "becomes the stable revision"])?;
    ensure(done, || format!("not adopted:\n{page}"))?;
    world.until_told(&db, "Observing").await?;
    world.load(&db, 50).await?;
    db.set_faulty("v2", "v2", Some("errors=1")).await?;
    world.until_told(&db, "WouldRollBack").await?;
    db.until_all_on("v2", 60).await?;
    db.set_faulty("v3", "v3", None).await?;
    world.until_told(&db, "WouldPromote").await?;
    db.ends_on("v3");
    db.until("untouched", 60, |set| {
        let annotations = ["state", "stable", "paused"].iter().all(|name| set.annotation(name).is_none());
        annotations && set.partition() == 0 && set.all_ready_on("v3")
    })
    .await?;
    // The bench awaits a parked partition of whoever has a policy.
    db.annotate("policy", None).await.map(drop)
}

/// The admission policies know nothing of the mode: they park what comes, nobody may open it, and an observing policy
/// won't. `adopt` says so and stops; with the annotation written by hand it comes so, until a policy enforces.
pub async fn under_admission_policies(world: &mut World) -> Result<(), Failure> {
    world.protect(Protection::RECOMMENDED).await?;
    let db = world.deploy(Visits::new("db")).await?;
    let (done, page) = run(world, &["adopt", "db", "--policy", "observing"])?;
    says(&page, &["STOPS  the admission policies park new templates", "1 finding stands against it"])?;
    ensure(!done, || "adopted although no template would reach the pods".into())?;
    db.annotate("policy", Some("observing")).await?;
    world.until_told(&db, "Observing").await?;
    db.set_version("v2").await?;
    world.until_told(&db, "ParkedWhileObserved").await?;
    let open = json!({ "spec": { "updateStrategy": { "rollingUpdate": { "partition": 0 } } } });
    db.merge("lowers the partition", open).await?;
    db.stays("v2 waits", 4, |set| set.parked() && set.all_ready_on("v1")).await?;
    world.load(&db, 50).await?;
    db.annotate("policy", Some("in-place")).await?;
    db.ends_on("v2");
    db.until_at_rest_on("v2", 120).await.map(drop)
}
