//! `siskin doctor`, and a Siskin that the policies don't know.

use std::process::Command;
use std::time::{Duration, Instant};

use serde::Deserialize;
use serde_json::json;
use tokio::task::block_in_place;
use tokio::time::sleep;

use crate::admission::{self, Protection, SISKIN};
use crate::deployed::Deployed;
use crate::failure::{Failure, ensure};
use crate::visits::Visits;
use crate::world::World;

/// What the doctor tells, as far as it is looked at.
#[derive(Debug, Deserialize)]
struct Told {
    diagnosis: Diagnosis,
    table: Table,
    findings: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct Diagnosis {
    probes: Vec<Probed>,
}

#[derive(Debug, Deserialize)]
struct Probed {
    probe: String,
    answer: String,
}

#[derive(Debug, Deserialize)]
struct Table {
    column: Option<String>,
}

const STRANGER: &str = "system:serviceaccount:elsewhere:siskin";

/// The doctor finds each column of the table where its policies act, and the one without Siskin.
pub async fn columns(world: &mut World) -> Result<(), Failure> {
    let columns: [(&str, &[Protection]); 4] = [
        ("parked", &[]),
        ("+ refusing", &[Protection::Refuse, Protection::Guard]),
        ("+ correcting", Protection::RECOMMENDED),
        ("+ pod guard", Protection::ALL),
    ];
    // Also for the first column: what is installed and doesn't act there is told.
    world.bench.policies().await?;
    for (column, protections) in columns {
        world.protect(protections).await?;
        let db = world.deploy(Visits::new("db").replicas(1)).await?;
        stands_in(world, "nothing")?;
        // The validating policies let in what opts in by the annotation alone.
        db.annotate("policy", Some("in-place")).await?;
        db.until("adopted and parked", 30, |set| set.parked() && set.annotation("stable").is_some()).await?;
        if protections.contains(&Protection::PodGuard) {
            await_list(world).await?;
        }
        let told = stands_in(world, column)?;
        // Every policy is installed, and told when it doesn't act here.
        let all = protections.contains(&Protection::PodGuard);
        ensure(told.findings.is_empty() == all, || format!("{column}: {told:#?}"))?;
        let list = told.diagnosis.probes.iter().find(|probed| probed.probe == "GuardList");
        let refused = list.is_some_and(|probed| probed.answer == "Refused");
        ensure(refused == all, || {
            format!("{column}: a list of released revisions by a stranger: {told:#?}")
        })?;
    }
    Ok(())
}

fn stands_in(world: &World, column: &str) -> Result<Told, Failure> {
    let (_, told) = doctor(world)?;
    ensure(told.table.column.as_deref() == Some(column), || format!("expected {column}: {told:#?}"))?;
    Ok(told)
}

async fn await_list(world: &World) -> Result<(), Failure> {
    let deadline = Instant::now() + Duration::from_secs(30);
    while world.bench.kubectl(&["get", "configmap/siskin-guard-db", "-n", &world.namespace]).is_err() {
        ensure(Instant::now() < deadline, || "there is no list for the pod guard".into())?;
        sleep(Duration::from_millis(100)).await;
    }
    Ok(())
}

/// While the policies take somebody else for Siskin it isn't ready and nothing rolls; as soon as they know it again, all
/// goes on.
pub async fn stranger(world: &mut World) -> Result<(), Failure> {
    world.protect(Protection::RECOMMENDED).await?;
    let db = world.deploy(Visits::new("db").policy("in-place")).await?;
    world.load(&db, 50).await?;
    let bench = world.bench.clone();
    let unknown = while_unknown(world, &db).await;
    admission::take_for_siskin(&bench, SISKIN)?;
    unknown?;
    world.siskin()?.until_readyz(200, "as the admission policies say").await?;
    db.ends_on("v2");
    db.until_at_rest_on("v2", 120).await.map(drop)
}

async fn while_unknown(world: &World, db: &Deployed) -> Result<(), Failure> {
    admission::take_for_siskin(&world.bench, STRANGER)?;
    world.siskin()?.until_readyz(503, &format!("say that it is {STRANGER}")).await?;
    until_refused(world).await?;
    let (well, told) = doctor(world)?;
    let finding = format!("siskin-guard takes {STRANGER} for Siskin, but Siskin is {SISKIN}");
    let found = told.findings.iter().any(|told| told.starts_with(&finding));
    ensure(!well && found, || format!("{told:#?}"))?;
    db.set_version("v2").await?;
    db.stays("all pods on v1", 8, |set| set.ready_on("v1") == 3).await?;
    let reasons = world.event_reasons("StatefulSet")?;
    ensure(reasons.iter().any(|reason| reason == "WriteFailed"), || format!("told: {reasons:?}"))
}

/// API servers look for changed policies every second.
async fn until_refused(world: &World) -> Result<(), Failure> {
    let patch =
        format!("--patch={}", json!({ "metadata": { "annotations": { "siskin.dev/state": "tried" } } }));
    let user = format!("--as={SISKIN}");
    let write = ["patch", "statefulset/db", "--type=merge", "--dry-run=server", &patch, &user];
    let write = [&write, ["--as-group=system:masters", "-n", &world.namespace].as_slice()].concat();
    let deadline = Instant::now() + Duration::from_secs(30);
    while world.bench.kubectl(&write).is_ok() {
        ensure(Instant::now() < deadline, || "Siskin's writes are not refused".into())?;
        sleep(Duration::from_millis(100)).await;
    }
    Ok(())
}

/// Whether nothing is wrong, and all that the doctor tells.
fn doctor(world: &World) -> Result<(bool, Told), Failure> {
    let layout = &world.bench.layout;
    let mut command = Command::new(layout.binaries.join("siskin"));
    command.args(["doctor", "db", "-o", "json", "-n", &world.namespace]);
    command.arg("--kubeconfig").arg(layout.kubeconfig());
    let ended = block_in_place(|| command.output())
        .map_err(|error| Failure::Untrue(format!("siskin doctor doesn't start: {error}")))?;
    let told = serde_json::from_slice(&ended.stdout).map_err(|error| {
        Failure::Untrue(format!("siskin doctor: {error}: {}", String::from_utf8_lossy(&ended.stderr)))
    })?;
    Ok((ended.status.success(), told))
}
