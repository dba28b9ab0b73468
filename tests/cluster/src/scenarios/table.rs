//! What keeps an unjudged revision off the pods while Siskin is dead: each row of the table in docs/admission.md, run
//! in each of its columns.

use std::fmt;

use futures::future::{BoxFuture, join_all};
use serde_json::{Value, json};

use crate::admission::{self, Protection};
use crate::deployed::Deployed;
use crate::failure::{Failure, ensure};
use crate::images;
use crate::visits::{Visits, template_patch};
use crate::world::World;

/// The pod guard's list of the workload.
const LIST: &str = "siskin-guard-db";

/// What protects a workload; the columns of the table, from left to right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Column {
    /// It was never in Siskin's care.
    Nothing,
    /// Siskin has parked it.
    Parked,
    /// And the validating policies are in force.
    Refusing,
    /// Or the mutating ones.
    Correcting,
    /// And the pod guard.
    PodGuard,
}

impl Column {
    const ALL: [Self; 5] = [Self::Nothing, Self::Parked, Self::Refusing, Self::Correcting, Self::PodGuard];

    fn protections(self) -> Vec<Protection> {
        match self {
            Self::Nothing | Self::Parked => vec![],
            Self::Refusing => vec![Protection::Refuse, Protection::Guard],
            Self::Correcting => Protection::RECOMMENDED.to_vec(),
            Self::PodGuard => Protection::ALL.to_vec(),
        }
    }
}

/// What comes of the threat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    /// v2, which nobody has judged, runs.
    Rolls,
    /// Pods stay on v1, and come back on it.
    Holds,
    /// The same, since the write was refused.
    Refused,
    /// No pod starts rather than one on v2.
    Stops,
}

/// One workload under one threat.
struct Cell {
    column: Column,
    db: Deployed,
    /// Writes as Siskin, for what it had done before it died.
    bench: crate::bench::Bench,
    namespace: String,
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "column {:?} ({})", self.column, self.namespace)
    }
}

/// The page with the table; a row ends with the name of its scenario.
const PAGE: &str = include_str!("../../../../docs/admission.md");

/// What the table says comes of the threat of a scenario, column by column.
fn documented(scenario: &str) -> Result<[Outcome; 5], Failure> {
    let end = format!("| `{scenario}` |");
    let row = PAGE.lines().find(|line| line.ends_with(&end)).unwrap_or_default();
    let cells: Vec<Outcome> = row.split('|').filter_map(outcome).collect();
    let wrong =
        |_| Failure::Untrue(format!("docs/admission.md has no row of five outcomes for {scenario}: {row}"));
    cells.try_into().map_err(wrong)
}

fn outcome(cell: &str) -> Option<Outcome> {
    match cell.split_whitespace().next()? {
        "rolls" => Some(Rolls),
        "holds" => Some(Holds),
        "refused" => Some(Refused),
        "stops" => Some(Stops),
        _ => None,
    }
}

type Threat = for<'a> fn(&'a Cell) -> BoxFuture<'a, Result<(), Failure>>;

use Outcome::{Holds, Refused, Rolls, Stops};

/// A new template while pods are scaled up and evicted.
pub async fn template(world: &mut World) -> Result<(), Failure> {
    row(world, "dead-template", true, |cell| Box::pin(new_template(cell))).await
}

async fn new_template(cell: &Cell) -> Result<(), Failure> {
    cell.db.set_version("v2").await?;
    cell.db.until_observed().await?;
    cell.db.scale(3).await?;
    cell.db.until("a third pod", 60, |set| set.pods().len() == 3).await?;
    cell.db.evict(0).await.map(drop)
}

/// A manifest with `partition: 0` is applied again while a new template waits.
pub async fn partition(world: &mut World) -> Result<(), Failure> {
    row(world, "dead-partition", true, |cell| Box::pin(partition_zero(cell))).await
}

async fn partition_zero(cell: &Cell) -> Result<(), Failure> {
    cell.db.set_version("v2").await?;
    cell.db.until_observed().await?;
    let strategy = json!({ "type": "RollingUpdate", "rollingUpdate": { "partition": 0 } });
    cell.db.apply("partition 0", json!({ "spec": { "updateStrategy": strategy } })).await.map(drop)
}

/// The annotation and a new template come in one write.
pub async fn opt_in(world: &mut World) -> Result<(), Failure> {
    row(world, "dead-opt-in", false, |cell| Box::pin(opted_in_with_v2(cell))).await
}

async fn opted_in_with_v2(cell: &Cell) -> Result<(), Failure> {
    let mut patch = template_patch("v2", &images::visits("v2"), &[]);
    if let (Some(patch), true) = (patch.as_object_mut(), cell.column != Column::Nothing) {
        patch.insert("metadata".into(), json!({ "annotations": { "siskin.dev/policy": "in-place" } }));
    }
    cell.db.strategic("opts in with v2", patch).await.map(drop)
}

/// Scaled to zero and back while a new template waits.
pub async fn zero(world: &mut World) -> Result<(), Failure> {
    row(world, "dead-zero", true, |cell| Box::pin(zero_and_back(cell))).await
}

async fn zero_and_back(cell: &Cell) -> Result<(), Failure> {
    cell.db.set_version("v2").await?;
    cell.db.until_observed().await?;
    cell.db.scale(0).await?;
    cell.db.until("no pods", 60, |set| set.pods().is_empty() && set.counted() == 0).await?;
    cell.db.scale(2).await?;
    cell.db.until("two pods", 60, |set| set.ready_on("v1") + set.ready_on("v2") == 2).await.map(drop)
}

/// All pods were updated and Ready when Siskin died: parked by hand, deleted pods come back stable.
pub async fn completed(world: &mut World) -> Result<(), Failure> {
    row(world, "dead-completed", true, |cell| Box::pin(all_updated(cell))).await
}

async fn all_updated(cell: &Cell) -> Result<(), Failure> {
    cell.db.set_version("v2").await?;
    cell.db.until_observed().await?;
    if cell.column == Column::PodGuard {
        cell.release_all()?;
    }
    cell.as_siskin(&partition_patch(0))?;
    cell.db
        .until("all updated and Ready", 90, |set| set.all_ready_on("v2") && set.counted_as_completed())
        .await?;
    cell.as_siskin(&partition_patch(1_000_000))
}

/// The StatefulSet is deleted without its pods and created with a new template.
pub async fn recreated(world: &mut World) -> Result<(), Failure> {
    row(world, "dead-recreated", true, |cell| Box::pin(orphaned(cell))).await
}

async fn orphaned(cell: &Cell) -> Result<(), Failure> {
    cell.db.orphan().await?;
    let visits = visits("v2");
    let visits = if cell.column == Column::Nothing { visits } else { visits.policy("in-place") };
    // As the validating policies want it.
    let visits = if cell.column == Column::Refusing { visits.parked() } else { visits };
    cell.db.create_again(&visits).await?;
    cell.db.until("its pods are adopted", 30, |set| set.pods().len() == 2).await.map(drop)
}

/// The type becomes `OnDelete` while a new template waits.
pub async fn on_delete(world: &mut World) -> Result<(), Failure> {
    row(world, "dead-on-delete", true, |cell| Box::pin(type_changed(cell))).await
}

async fn type_changed(cell: &Cell) -> Result<(), Failure> {
    cell.db.set_version("v2").await?;
    cell.db.until_observed().await?;
    let strategy = json!({ "type": "OnDelete", "rollingUpdate": null });
    cell.db.merge("type OnDelete", json!({ "spec": { "updateStrategy": strategy } })).await.map(drop)
}

fn partition_patch(partition: i32) -> Value {
    json!({ "spec": { "updateStrategy": { "rollingUpdate": { "partition": partition } } } })
}

fn visits(version: &str) -> Visits {
    Visits::new("db").replicas(2).version(version)
}

/// Siskin looks after a workload in each column (unless `opted_in` is false), dies, and the threat comes to all. What
/// must come of it is what the documentation says of the scenario.
async fn row(world: &mut World, scenario: &str, opted_in: bool, threat: Threat) -> Result<(), Failure> {
    let expected = documented(scenario)?;
    let siskin = world.siskin()?;
    let mut cells = Vec::new();
    for column in Column::ALL {
        world.protect(&column.protections()).await?;
        let policy = opted_in && column != Column::Nothing;
        let visits = if policy { visits("v1").policy("in-place") } else { visits("v1") };
        let visits = if policy && column == Column::Refusing { visits.parked() } else { visits };
        let db = world.create(visits).await?;
        cells.push(Cell { column, db, bench: world.bench.clone(), namespace: world.namespace.clone() });
    }
    for cell in &cells {
        cell.db.until_settled("v1", opted_in && cell.column != Column::Nothing).await?;
        if opted_in && cell.column == Column::PodGuard {
            admission::until_released(&cell.bench, &cell.db).await?;
        }
    }
    siskin.stop().await?;
    let wrong = join_all(cells.iter().zip(expected).map(async |(cell, expected)| {
        cell.meets(threat, expected).await.err().map(|failure| format!("{cell}: {failure}"))
    }));
    let wrong: Vec<String> = wrong.await.into_iter().flatten().collect();
    let cleared = if wrong.is_empty() { world.abandon().await } else { Ok(()) };
    siskin.start().await?;
    cleared?;
    ensure(wrong.is_empty(), || wrong.join("\n"))
}

impl Cell {
    async fn meets(&self, threat: Threat, expected: Outcome) -> Result<(), Failure> {
        let refused = match threat(self).await {
            Ok(()) => false,
            Err(failure) if admission::refused(&failure) => {
                self.db.timeline().mark(format!("refused: {failure}"));
                true
            }
            Err(failure) => return Err(failure),
        };
        ensure(refused == (expected == Outcome::Refused), || {
            format!("the write was {}, expected: {expected:?}", if refused { "refused" } else { "taken" })
        })?;
        self.db.until_observed().await?;
        let deleted = self.db.delete_pods().await?;
        match expected {
            Rolls => self.db.until_replaced("v2", &deleted, 90).await.map(drop),
            Holds | Refused => self.db.until_replaced("v1", &deleted, 90).await.map(drop),
            Stops => {
                self.db.until("no pod", 60, |set| set.pods().is_empty()).await?;
                self.told_that_no_pod_may_start().await
            }
        }
    }

    /// Waits for the Event of a pod that was refused; afterwards there must be none.
    async fn told_that_no_pod_may_start(&self) -> Result<(), Failure> {
        let reason = "--field-selector=reason=FailedCreate";
        self.bench
            .await_output(
                &["get", "events", "-n", &self.namespace, reason, "-o=jsonpath={.items[*].message}"],
                "has not released revision",
            )
            .await?;
        let pods = self.db.look(|set| set.pods().len())?;
        ensure(pods == 0, || format!("{pods} pods started"))
    }

    /// Releases the newest revision, too, as Siskin does before it opens.
    fn release_all(&self) -> Result<(), Failure> {
        let both = self.db.look(|set| format!("{},{}", set.current_revision(), set.update_revision()))?;
        let patch = format!("--patch={}", json!({ "data": { "allowed": both } }));
        let patch = ["patch", "configmap", LIST, "--type=merge", &patch];
        admission::as_siskin(&self.bench, &self.namespace, &patch)
    }

    /// A merge patch as Siskin.
    fn as_siskin(&self, patch: &Value) -> Result<(), Failure> {
        let patch = format!("--patch={patch}");
        admission::as_siskin(
            &self.bench,
            &self.namespace,
            &["patch", "statefulset/db", "--type=merge", &patch],
        )
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_row_of_the_documentation_is_a_scenario_with_five_outcomes_and_the_other_way_round() {
        let names: BTreeSet<&str> = PAGE.split('`').filter(|word| word.starts_with("dead-")).collect();
        let rows: BTreeSet<&str> = names.into_iter().filter(|name| documented(name).is_ok()).collect();
        let all = super::super::ALL.iter().map(|scenario| scenario.name);
        assert_eq!(rows, all.filter(|name| name.starts_with("dead-")).collect());
        assert_eq!(documented("dead-recreated").ok(), Some([Rolls, Rolls, Rolls, Rolls, Stops]));
    }
}
