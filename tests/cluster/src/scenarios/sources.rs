//! Checks that ask others than the pods: a real Prometheus that scrapes them, and JSON over HTTP.

use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::Pod;
use serde_json::Value;
use tokio::time::sleep;

use super::roll_back::decided;
use crate::deployed::Deployed;
use crate::failure::{Failure, ensure};
use crate::gauge::Gauge;
use crate::prometheus::Prometheus;
use crate::view::Workload;
use crate::visits::Visits;
use crate::world::World;

/// Prometheus says that a version is good, also that its values are fresh.
pub async fn promote(world: &mut World) -> Result<(), Failure> {
    let _prometheus = Prometheus::start(world, "promote").await?;
    let db = deployed(world, "prometheus-promote").await?;
    let patched = db.set_version("v2").await?;
    db.ends_on("v2");
    db.until("every pod has its role", 60, |set| roles(set) == ["stable", "stable", "canary"]).await?;
    let rested = db.until_at_rest_on("v2", 120).await?;
    world.figure("promoted by Prometheus", patched, rested);
    db.until("no pod has a role", 20, |set| roles(set) == ["", "", ""]).await.map(drop)
}

/// Prometheus sees the errors of the canary pod.
pub async fn back(world: &mut World) -> Result<(), Failure> {
    world.excused.refused_by.insert("v2".into());
    let _prometheus = Prometheus::start(world, "back").await?;
    let db = deployed(world, "prometheus-back").await?;
    db.set_version("v2").await?;
    db.until_judged("v2", 1, 60).await?;
    until_check_says(world, &db, "errors", "Pass").await?;
    let bad = db.fault("v2", "errors=0.5").await?;
    let decided = decided(world, &db, bad).await?;
    world.figure("onset to decision", bad, decided);
    db.until_at_rest_on("v1", 60).await.map(drop)
}

/// Prometheus goes away while it is asked: the bake stands still until it is back.
pub async fn down(world: &mut World) -> Result<(), Failure> {
    let prometheus = Prometheus::start(world, "down").await?;
    let db = deployed(world, "prometheus-down").await?;
    db.set_version("v2").await?;
    db.ends_on("v2");
    db.until_judged("v2", 1, 60).await?;
    until_check_says(world, &db, "errors", "Pass").await?;
    drop(prometheus);
    until_check_says(world, &db, "errors", "NoData").await?;
    held(&db, 10).await?;
    world.until_told(&db, "NoData").await?;
    let _back = Prometheus::start(world, "down").await?;
    db.until_at_rest_on("v2", 120).await.map(drop)
}

/// Nobody sends a request, so there is no series: neither a pass nor a failure.
pub async fn empty(world: &mut World) -> Result<(), Failure> {
    let _prometheus = Prometheus::start(world, "empty").await?;
    let db = world.deploy(Visits::new("db").policy("prometheus-empty")).await?;
    db.set_version("v2").await?;
    db.ends_on("v2");
    db.until_judged("v2", 1, 60).await?;
    until_check_says(world, &db, "errors", "NoData").await?;
    held(&db, 10).await?;
    world.until_told(&db, "NoData").await?;
    world.load(&db, 50).await?;
    db.until_at_rest_on("v2", 120).await.map(drop)
}

/// The requests end, and a share of nothing is NaN.
pub async fn nan(world: &mut World) -> Result<(), Failure> {
    let _prometheus = Prometheus::start(world, "nan").await?;
    let db = deployed(world, "prometheus-nan").await?;
    db.set_version("v2").await?;
    db.ends_on("v2");
    db.until_judged("v2", 1, 60).await?;
    until_check_says(world, &db, "errors", "Pass").await?;
    world.end_traffic().await;
    until_check_says(world, &db, "errors", "NoData").await?;
    held(&db, 10).await?;
    world.load(&db, 50).await?;
    db.until_at_rest_on("v2", 120).await.map(drop)
}

/// Prometheus answers and stands still otherwise: old values are no data for who asks for fresh ones.
pub async fn stale(world: &mut World) -> Result<(), Failure> {
    let prometheus = Prometheus::start(world, "stale").await?;
    let db = deployed(world, "prometheus-stale").await?;
    db.set_version("v2").await?;
    db.ends_on("v2");
    db.until_judged("v2", 1, 60).await?;
    until_check_says(world, &db, "fresh", "Pass").await?;
    drop(prometheus);
    let blind = Prometheus::start_blind(world, "stale").await?;
    until_check_says(world, &db, "fresh", "NoData").await?;
    until_check_says(world, &db, "any", "Pass").await?;
    held(&db, 10).await?;
    until_check_says(world, &db, "any", "Pass").await?;
    drop(blind);
    let _back = Prometheus::start(world, "stale").await?;
    db.until_at_rest_on("v2", 120).await.map(drop)
}

/// TLS with a certificate authority of one's own, a token, a password: with the right ones a source is asked, with wrong
/// ones there is no data, for the reason that is told.
pub async fn secured(world: &mut World) -> Result<(), Failure> {
    let gauges = Gauge::secured(&world.bench).await?;
    let db = deployed(world, "secured").await?;
    db.set_version("v2").await?;
    db.until_judged("v2", 1, 60).await?;
    for right in ["trusted", "token", "password"] {
        until_check_says(world, &db, right, "Pass").await?;
    }
    for (wrong, reason) in [("stranger", "UnknownIssuer"), ("other-token", "401"), ("other-password", "401")]
    {
        until_check_says(world, &db, wrong, "NoData").await?;
        until_told(world, &db, wrong, reason).await?;
    }
    held(&db, 3).await?;
    gauges.set(60.0);
    db.until_at_rest_on("v1", 60).await.map(drop)
}

/// A number that another service tells about the canary pod.
pub async fn json(world: &mut World) -> Result<(), Failure> {
    let gauge = Gauge::start().await?;
    let db = deployed(world, "json-back").await?;
    db.set_version("v2").await?;
    db.until_judged("v2", 1, 60).await?;
    until_check_says(world, &db, "lag", "Pass").await?;
    let path = format!("/lag/{}/db-2", world.namespace);
    ensure(gauge.asked().iter().all(|asked| *asked == path), || {
        format!("it was asked for {:?}, expected {path} only", gauge.asked())
    })?;
    let bad = Instant::now();
    gauge.set(60.0);
    let decided = decided(world, &db, bad).await?;
    world.figure("onset to decision", bad, decided);
    db.until_at_rest_on("v1", 60).await.map(drop)
}

async fn deployed(world: &mut World, policy: &str) -> Result<Deployed, Failure> {
    let db = world.deploy(Visits::new("db").policy(policy)).await?;
    world.load(&db, 50).await?;
    Ok(db)
}

/// The label `siskin.dev/role` of each pod.
fn roles(set: Workload<'_>) -> Vec<&str> {
    set.pods().into_iter().map(role).collect()
}

fn role(pod: &Pod) -> &str {
    let role = pod.metadata.labels.as_ref().and_then(|labels| labels.get("siskin.dev/role"));
    role.map_or("", String::as_str)
}

/// Neither forward nor back: one canary pod, judged, the partition parked.
async fn held(db: &Deployed, seconds: u64) -> Result<(), Failure> {
    db.stays("one pod of v2, judged", seconds, |set| {
        set.in_phase("Baking") && set.parked() && set.ready_on("v2") == 1 && set.pause().is_empty()
    })
    .await
}

/// Waits until the saved evidence of a check has this in it.
async fn until_told(world: &World, db: &Deployed, check: &str, evidence: &str) -> Result<(), Failure> {
    let has = |state: &Value| {
        let verdicts = state.pointer("/rollout/verdicts").and_then(Value::as_array).into_iter().flatten();
        let mut told = verdicts.filter(|verdict| verdict.get("check").is_some_and(|name| name == check));
        told.any(|verdict| verdict.to_string().contains(evidence))
    };
    world.timeline.mark(format!("{check} should say {evidence}"));
    db.until(&format!("{check} says {evidence}"), 60, |set| set.state().as_ref().is_some_and(has))
        .await
        .map(drop)
}

/// Waits for what Siskin's own metrics say of a check.
async fn until_check_says(world: &World, db: &Deployed, check: &str, outcome: &str) -> Result<(), Failure> {
    let deadline = Instant::now() + Duration::from_secs(30);
    let siskin = world.siskin()?;
    let labels = [
        format!("namespace=\"{}\"", world.namespace),
        format!("workload=\"{}\"", db.name),
        format!("check=\"{check}\""),
        format!("outcome=\"{outcome}\""),
    ];
    loop {
        let page = siskin.metrics().await?;
        let mut lines = page.lines().filter(|line| line.starts_with("siskin_check_outcome{"));
        if lines.any(|line| labels.iter().all(|label| line.contains(label)) && line.ends_with(" 1")) {
            return Ok(());
        }
        ensure(Instant::now() < deadline, || format!("check {check} doesn't say {outcome}:\n{page}"))?;
        sleep(Duration::from_millis(200)).await;
    }
}
