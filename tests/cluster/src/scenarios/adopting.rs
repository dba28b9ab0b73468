//! Into Siskin's care by its command line, and out of it.

use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::task::block_in_place;
use tokio::time::sleep;

use crate::admission::SISKIN;
use crate::failure::{Failure, ensure};
use crate::visits::Visits;
use crate::world::World;

use super::commands::baking;
use super::tools::siskin;

/// Adopted by the command line: what stands against it stops it, a dry run writes nothing, and then it is done.
pub async fn adopt(world: &mut World) -> Result<(), Failure> {
    let db = world.deploy(Visits::new("db")).await?;
    let refused = |arguments: &[&str]| {
        siskin(world, arguments).err().map(|failure| failure.to_string()).unwrap_or_default()
    };
    let unknown = refused(&["adopt", "db", "--policy", "nowhere"]);
    ensure(unknown.contains("1 finding stands against it"), || format!("an unknown policy: {unknown}"))?;
    db.merge("forgets revisions", serde_json::json!({ "spec": { "revisionHistoryLimit": 1 } })).await?;
    let stopped = refused(&["adopt", "db", "--policy", "in-place"]);
    ensure(stopped.contains("1 finding stands against it"), || format!("revisionHistoryLimit 1: {stopped}"))?;
    db.merge("remembers revisions", serde_json::json!({ "spec": { "revisionHistoryLimit": 10 } })).await?;
    let page = siskin(world, &["adopt", "db", "--policy", "in-place", "--dry-run"])?;
    let siskin_is = format!("Siskin is {SISKIN} (Deployment siskin-system/siskin)");
    says(&page, &[&siskin_is, "WHAT HAPPENS", "only `siskin undo` leads back", "Nothing was written"])?;
    says_not(&page, &["STOPS", "could not be looked at", "no ready pod", "no Siskin"])?;
    db.stays("not adopted", 3, |set| set.annotation("policy").is_none() && !set.parked()).await?;
    siskin(world, &["adopt", "db", "--policy", "in-place"])?;
    db.until("adopted", 30, |set| set.parked() && set.annotation("stable").is_some()).await?;
    let again = refused(&["adopt", "db", "--policy", "in-place"]);
    ensure(again.contains("has policy in-place already"), || format!("adopted twice: {again}"))?;
    world.load(&db, 50).await?;
    db.set_version("v2").await?;
    db.ends_on("v2");
    db.until_at_rest_on("v2", 90).await.map(drop)
}

/// Everything that `adopt` has something to say about, in one workload: what stops it keeps it from being written; the
/// rest comes as it was told.
pub async fn obstacles(world: &mut World) -> Result<(), Failure> {
    let (v1, v2) = (Visits::new("db"), Visits::new("db").version("v2"));
    let db = world.expect(&v1)?;
    let partition = json!({ "rollingUpdate": { "partition": 0 } });
    let forgetful = json!({ "revisionHistoryLimit": 1, "updateStrategy": &partition });
    apply(world, &[v1.service(), v1.headless_service(), in_git(&v1, &forgetful)])?;
    apply(world, &[budget(), autoscaler("db", "apps/v1"), autoscaler("other", "example.com/v1")])?;
    db.until_all_on("v1", 60).await?;

    let stopped = format!("STOPS  {SISKIN} may not delete persistentvolumeclaims");
    let (done, page) = run(world, &["adopt", "db", "--policy", "surge-held"])?;
    says(
        &page,
        &[
            "STOPS  revisionHistoryLimit is 1",
            "STOPS  the HorizontalPodAutoscaler db scales it",
            &stopped,
            "WARNS  the manifest of gitops has partition: 0",
            "WARNS  the manifest of gitops has replicas: 3, and the policy adds extra pods",
            "WARNS  no container has a readiness probe",
            "TELLS  persistentVolumeClaimRetentionPolicy.whenScaled is Delete",
            "TELLS  the budget few allows no disruption now",
        ],
    )?;
    says_not(&page, &["HorizontalPodAutoscaler other", "could not be looked at"])?;
    ensure(!done, || "adopted although something stops it".into())?;
    let (_, page) = run(world, &["adopt", "db", "--policy", "surge-reuse", "--dry-run"])?;
    says(&page, &["STOPS  the policy keeps the claims of extra pods, and whenScaled: Delete deletes them"])?;
    let nowhere = world.namespace.clone();
    let (_, page) = run(world, &["adopt", "db", "--siskin-namespace", &nowhere, "--dry-run"])?;
    says(&page, &["WARNS  no Siskin looks after it"])?;
    db.stays("not adopted", 2, |set| set.annotation("policy").is_none() && !set.parked()).await?;

    world.allow_claim_deletion()?;
    world.bench.kubectl(&["delete", "hpa/db", "hpa/other", "-n", &world.namespace])?;
    let contested = json!({ "updateStrategy": partition });
    apply(world, &[in_git(&v1, &contested)])?;
    until_not_said(world, &stopped).await?;
    let (done, page) = run(world, &["adopt", "db", "--policy", "surge-held"])?;
    says(&page, &["has partition: 0", "has replicas: 3", "no container has a readiness probe", "Done."])?;
    ensure(done, || format!("not adopted although nothing stops it:\n{page}"))?;
    db.until("adopted", 30, |set| set.parked() && set.annotation("stable").is_some()).await?;

    // "each apply puts it back ... until Siskin parks again"
    apply(world, &[in_git(&v1, &contested)])?;
    world.until_told(&db, "PartitionContested").await?;
    db.until("parked again", 10, |set| set.parked() && set.all_ready_on("v1")).await?;
    // "an apply in the middle of a rollout takes them away: they are added again once"
    apply(world, &[in_git(&v2, &json!({}))])?;
    db.until("an extra pod is judged", 60, |set| set.in_phase("Baking") && set.ready_on("v2") == 1).await?;
    let first = db.look(|set| set.claim_uid(3))?;
    apply(world, &[in_git(&v2, &json!({}))])?;
    db.until("another extra pod is judged", 60, |set| {
        set.in_phase("Baking") && set.ready_on("v2") == 1 && set.replicas() == 4 && set.claim_uid(3) != first
    })
    .await?;
    db.annotate("abort", Some(&db.rollout()?)).await?;
    db.until_at_rest_on("v1", 60).await.map(drop)
}

/// The workload as Git has it: without a readiness probe, its extra claims deleted by Kubernetes, and more.
fn in_git(visits: &Visits, more: &Value) -> Value {
    let mut set = visits.statefulset();
    let container = set.pointer_mut("/spec/template/spec/containers/0");
    if let Some(container) = container.and_then(Value::as_object_mut) {
        container.remove("readinessProbe");
    }
    let retention = json!({ "whenScaled": "Delete", "whenDeleted": "Retain" });
    if let Some(spec) = set.pointer_mut("/spec").and_then(Value::as_object_mut) {
        spec.remove("updateStrategy");
        spec.insert("persistentVolumeClaimRetentionPolicy".into(), retention);
        spec.extend(more.as_object().cloned().unwrap_or_default());
    }
    set
}

/// One that selects by an expression and allows nothing.
fn budget() -> Value {
    let selector =
        json!({ "matchExpressions": [{ "key": "app", "operator": "In", "values": ["db", "web"] }] });
    json!({
        "apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": { "name": "few" },
        "spec": { "minAvailable": 3, "selector": selector },
    })
}

/// One of a StatefulSet `db` of some API group.
fn autoscaler(name: &str, group: &str) -> Value {
    json!({
        "apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": { "name": name },
        "spec": {
            "scaleTargetRef": { "apiVersion": group, "kind": "StatefulSet", "name": "db" },
            "minReplicas": 3, "maxReplicas": 8,
        },
    })
}

/// As a tool that has these objects in Git and gives way to nobody.
fn apply(world: &World, objects: &[Value]) -> Result<(), Failure> {
    let file = world.bench.layout.run.join(format!("{}-git.json", world.namespace));
    let list = json!({ "apiVersion": "v1", "kind": "List", "items": objects });
    fs::write(&file, list.to_string())
        .map_err(|error| Failure::Untrue(format!("{} can't be written: {error}", file.display())))?;
    let by_force = ["apply", "--server-side", "--force-conflicts", "--field-manager=gitops"];
    let what = ["-n", &world.namespace, "-f", &file.to_string_lossy()];
    world.bench.kubectl(&[by_force, what].concat())?;
    world.timeline.mark("Git is applied");
    Ok(())
}

/// Kubernetes' authorizer learns of a new binding a moment later.
async fn until_not_said(world: &World, finding: &str) -> Result<(), Failure> {
    let deadline = Instant::now() + Duration::from_secs(10);
    while run(world, &["adopt", "db", "--policy", "surge-held", "--dry-run"])?.1.contains(finding) {
        ensure(Instant::now() < deadline, || format!("still found: {finding}"))?;
        sleep(Duration::from_millis(100)).await;
    }
    Ok(())
}

/// Runs the command line, also to an end that is not good; gives whether it was, and what it printed.
pub(super) fn run(world: &World, arguments: &[&str]) -> Result<(bool, String), Failure> {
    let layout = &world.bench.layout;
    let mut command = Command::new(layout.binaries.join("siskin"));
    command.args(arguments).args(["-n", &world.namespace]).arg("--kubeconfig").arg(layout.kubeconfig());
    let ended = block_in_place(|| command.output())
        .map_err(|error| Failure::Untrue(format!("siskin doesn't start: {error}")))?;
    let printed = [ended.stdout, ended.stderr].concat();
    Ok((ended.status.success(), String::from_utf8_lossy(&printed).into_owned()))
}

/// Fails unless a page has all parts.
pub(super) fn says(page: &str, parts: &[&str]) -> Result<(), Failure> {
    let absent = parts.iter().find(|part| !page.contains(**part));
    absent.map_or(Ok(()), |part| Err(Failure::Untrue(format!("{part:?} is not said:\n{page}"))))
}

/// Fails if a page has one of the parts.
pub(super) fn says_not(page: &str, parts: &[&str]) -> Result<(), Failure> {
    let present = parts.iter().find(|part| page.contains(**part));
    present.map_or(Ok(()), |part| Err(Failure::Untrue(format!("{part:?} is said:\n{page}"))))
}

/// Out by the command line, at rest and in the middle of a rollout.
pub async fn leave(world: &mut World) -> Result<(), Failure> {
    let db = baking(world).await?;
    let told = siskin(world, &["leave", "db"])?;
    ensure(told.contains("goes back to the stable revision first"), || {
        format!("`siskin leave` said: {told}")
    })?;
    db.until("left alone on v1", 60, |set| set.annotation("state").is_none() && set.all_ready_on("v1"))
        .await?;
    db.stays("v2 waits", 3, |set| set.parked() && set.ready_on("v2") == 0).await?;
    siskin(world, &["adopt", "db", "--policy", "in-place"])?;
    db.ends_on("v2");
    db.until_at_rest_on("v2", 120).await?;
    let told = siskin(world, &["leave", "db"])?;
    ensure(told.contains("it was parked before, too"), || format!("`siskin leave` at rest said: {told}"))?;
    db.until("out", 30, |set| set.annotation("state").is_none() && set.annotation("stable").is_none())
        .await
        .map(drop)
}
