//! Siskin as people meet it: its command line, and an installation for one namespace.

use std::fs;

use tokio::time::sleep;

use super::baseline::SETTLES;
use crate::cluster;
use crate::failure::{Failure, ensure};
use crate::visits::Visits;
use crate::world::World;

/// A rollout led from the command line alone: looked at, paused, resumed, approved, aborted, tried again, promoted.
pub async fn command_line(world: &mut World) -> Result<(), Failure> {
    let db = world.deploy(Visits::new("db").policy("gated")).await?;
    let refused =
        siskin(world, &["abort", "db"]).err().map(|failure| failure.to_string()).unwrap_or_default();
    ensure(refused.contains("no rollout is open"), || format!("abort at rest said: {refused}"))?;
    world.load(&db, 50).await?;
    sleep(SETTLES).await;
    db.set_version("v2").await?;
    db.until_phase("AwaitingApproval", 60).await?;
    let status = siskin(world, &["status", "sts/db"])?;
    for part in ["AwaitingApproval", "1 of 3 (first)", "canary", "health", "Pass"] {
        ensure(status.contains(part), || format!("`siskin status` lacks {part:?}:\n{status}"))?;
    }
    siskin(world, &["pause", "db"])?;
    db.until_paused("Requested", 10).await?;
    siskin(world, &["resume", "db"])?;
    db.until("resumed", 10, |set| set.pause().is_empty()).await?;
    siskin(world, &["approve", "db", "--user", "ann"])?;
    db.until("the second gate", 60, |set| set.in_phase("AwaitingApproval") && set.ready_on("v2") == 2)
        .await?;
    siskin(world, &["abort", "db"])?;
    db.until_at_rest_on("v1", 60).await?;
    siskin(world, &["retry", "db"])?;
    db.until_phase("AwaitingApproval", 60).await?;
    siskin(world, &["promote", "db"])?;
    db.ends_on("v2");
    db.until_at_rest_on("v2", 90).await.map(drop)
}

/// Runs the command line as the administrator, in the scenario's namespace.
pub fn siskin(world: &World, arguments: &[&str]) -> Result<String, Failure> {
    let layout = &world.bench.layout;
    let kubeconfig = format!("--kubeconfig={}", layout.kubeconfig().display());
    let all = [arguments, &["-n", &world.namespace, &kubeconfig]].concat();
    Ok(tokio::task::block_in_place(|| cluster::output(layout.binaries.join("siskin"), &all))?)
}

/// Siskin installed for one namespace, with a Role instead of a `ClusterRole`, does its job there and nowhere else.
pub async fn one_namespace(world: &mut World) -> Result<(), Failure> {
    let everywhere = world.siskin()?;
    everywhere.stop().await?;
    let bench = world.bench.clone();
    let rendered = bench
        .kubectl(&["kustomize", &bench.layout.bench.join("kustomize/one-namespace").to_string_lossy()])?;
    let manifest = bench.layout.run.join("one-namespace.yaml");
    fs::write(&manifest, rendered.replace("siskin-one", &world.namespace))
        .map_err(|error| Failure::Untrue(format!("{} can't be written: {error}", manifest.display())))?;
    bench.kubectl(&["apply", "-f", &manifest.to_string_lossy()])?;
    let db = world.deploy(Visits::new("db").policy("standard")).await?;
    world.load(&db, 50).await?;
    db.set_version("v2").await?;
    db.until_judged("v2", 1, 60).await?;
    db.annotate("abort", Some(&db.rollout()?)).await?;
    db.until_at_rest_on("v1", 60).await?;
    bench.kubectl(&["delete", "deployment/siskin", "-n", &world.namespace])?;
    everywhere.start().await
}
