//! What the admission policies refuse while Siskin works, what they say then, and the ways past them.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::time::sleep;

use crate::admission::{self, Protection};
use crate::failure::{Failure, ensure};
use crate::visits::Visits;
use crate::world::World;

/// Others can't change what Siskin relies on, and each refusal says what to do.
pub async fn refusals(world: &mut World) -> Result<(), Failure> {
    world.protect(Protection::RECOMMENDED).await?;
    let db = world.deploy(Visits::new("db").policy("in-place")).await?;
    let annotation =
        |name: &str, value: Option<&str>| json!({ "metadata": { "annotations": { name: value } } });
    for name in ["state", "stable"] {
        let (name, told) =
            (format!("siskin.dev/{name}"), format!("removes the annotation siskin.dev/{name}"));
        for value in [Some("mine"), None] {
            let patch = annotation(&name, value);
            is_refused(&patch, db.merge("a write of an annotation", patch.clone()).await, &told)?;
            is_refused(&patch, db.merge_status(patch.clone()).await, &told)?;
        }
    }
    let strategy = json!({ "spec": { "updateStrategy": { "type": "OnDelete", "rollingUpdate": null } } });
    let told = "remove the annotation siskin.dev/policy first";
    is_refused(&strategy, db.merge("type OnDelete", strategy.clone()).await, told)?;
    let visits = Visits::new("db").policy("in-place");
    let told = "kubectl replace needs it in the file";
    is_refused(&visits.statefulset(), db.replace(&visits).await, told)?;
    // Siskin itself writes all of it.
    world.load(&db, 50).await?;
    db.set_version("v2").await?;
    db.ends_on("v2");
    db.until_at_rest_on("v2", 90).await.map(drop)
}

/// An approval is its author's, and only of those who may.
pub async fn approvals(world: &mut World) -> Result<(), Failure> {
    world.protect(Protection::RECOMMENDED).await?;
    let db = world.deploy(Visits::new("db").policy("gated")).await?;
    let (bench, namespace) = (world.bench.clone(), world.namespace.clone());
    let bind = |name: &str, role: &str| {
        let role = format!("--clusterrole={role}");
        bench.kubectl(&["create", "rolebinding", name, "-n", &namespace, &role, "--user=ann"])
    };
    bind("ann-edits", "edit")?;
    world.load(&db, 50).await?;
    db.set_version("v2").await?;
    db.until_phase("AwaitingApproval", 60).await?;
    let canary = db.canary()?;
    let approve = |step: &str, user: &str| {
        let value = format!("siskin.dev/approve={canary}/{step}/{user}");
        bench.kubectl(&["annotate", "statefulset/db", "-n", &namespace, &value, "--as=ann"])
    };
    is_refused(&"bob".into(), approve("first", "bob"), "<revision>/<step>/ann")?;
    is_refused(&"bob/ann".into(), approve("first", "bob/ann"), "<revision>/<step>/ann")?;
    is_refused(&"ann".into(), approve("first", "ann"), "siskin-approver")?;
    bind("ann-approves", "siskin-approver")?;
    // Kubernetes' authorizer learns of a new binding a moment later.
    let deadline = Instant::now() + Duration::from_secs(10);
    while let Err(failure) = approve("first", "ann") {
        let not_yet = admission::refused(&failure) && Instant::now() < deadline;
        if !not_yet {
            return Err(failure);
        }
        sleep(Duration::from_millis(100)).await;
    }
    db.until("the second gate", 60, |set| set.in_phase("AwaitingApproval") && set.ready_on("v2") == 2)
        .await?;
    approve("half", "ann")?;
    db.ends_on("v2");
    db.until_at_rest_on("v2", 90).await.map(drop)
}

/// Siskin is down and a hotfix must go out: the annotation first, the partition in a second write.
pub async fn break_glass(world: &mut World) -> Result<(), Failure> {
    world.protect(Protection::ALL).await?;
    let siskin = world.siskin()?;
    let db = world.deploy(Visits::new("db").policy("in-place")).await?;
    admission::until_released(&world.bench, &db).await?;
    siskin.stop().await?;
    db.set_version("v2").await?;
    let open = json!({ "updateStrategy": { "rollingUpdate": { "partition": 0 } } });
    let both = json!({ "metadata": { "annotations": { "siskin.dev/policy": null } }, "spec": open });
    db.merge("annotation and partition in one write", both).await?;
    db.until("out of Siskin's care", 10, |set| set.annotation("policy").is_none()).await?;
    db.until_observed().await?;
    let parked = db.look(|set| set.parked() && set.ready_on("v1") == 3)?;
    ensure(parked, || "the write that took the annotation off lowered the partition, too".into())?;
    db.merge("partition 0", json!({ "spec": open })).await?;
    let events = ["get", "events", "-n", &world.namespace, "-o=jsonpath={.items[*].message}"];
    world.bench.await_output(&events, "delete the ConfigMap siskin-guard-db").await?;
    world.bench.kubectl(&["delete", "configmap", "siskin-guard-db", "-n", &world.namespace])?;
    db.until_all_on("v2", 90).await?;
    db.ends_on("v2");
    siskin.start().await?;
    db.until("left alone", 30, |set| set.annotation("state").is_none() && set.partition() == 0)
        .await
        .map(drop)
}

/// Fails unless a policy refused the write of `what` with `told`.
pub fn is_refused<T>(what: &Value, write: Result<T, Failure>, told: &str) -> Result<(), Failure> {
    match write {
        Ok(_) => Err(Failure::Untrue(format!("this was not refused: {what}"))),
        Err(failure) if !admission::refused(&failure) => Err(failure),
        Err(failure) => {
            let said = failure.to_string();
            ensure(said.contains(told), || format!("the refusal of {what} should say {told:?}: {said}"))
        }
    }
}
