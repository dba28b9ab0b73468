//! In which format pods are asked for their metrics.

use crate::deployed::ask;
use crate::failure::{Failure, ensure};
use crate::visits::Visits;
use crate::world::World;

use super::promote::rests_on;

/// Siskin gets OpenMetrics in gzip from a pod that has it, and judges by it.
pub async fn openmetrics(world: &mut World) -> Result<(), Failure> {
    promoted_by(world, "in-place-pages", "format=\"openmetrics\",encoding=\"gzip\"").await
}

/// A policy can ask for the plain text format.
pub async fn text(world: &mut World) -> Result<(), Failure> {
    promoted_by(world, "in-place-text", "format=\"text\",encoding=\"identity\"").await
}

/// A promotion that needs counts, during which the canary served at least five pages in one way and none in another.
async fn promoted_by(world: &mut World, policy: &str, way: &str) -> Result<(), Failure> {
    let db = world.deploy(Visits::new("db").policy(policy)).await?;
    world.load(&db, 50).await?;
    db.set_version("v2").await?;
    rests_on(&db, "v2").await?;
    let canary = db.look(|set| set.pod(2).cloned())?;
    let canary = canary.ok_or_else(|| Failure::Untrue("there is no db-2".into()))?;
    let page = ask(&canary, "/metrics").await?.body;
    let served: Vec<(&str, u32)> = page.lines().filter_map(served).filter(|(_, count)| *count > 0).collect();
    // The question just asked is served in plain text, too.
    let asked = |way: &str| served.iter().find(|(served, _)| *served == way).map_or(0, |(_, count)| *count);
    let plain = asked("format=\"text\",encoding=\"identity\"");
    let others: u32 = served.iter().map(|(_, count)| count).sum::<u32>() - asked(way);
    ensure(asked(way) >= 5, || format!("{way} was served {} times: {served:?}", asked(way)))?;
    ensure(others <= 1 && (others == 0 || plain == 1), || format!("other pages than {way}: {served:?}"))
}

/// The labels and the count of a `metrics_pages_total`.
fn served(line: &str) -> Option<(&str, u32)> {
    let (labels, count) = line.strip_prefix("metrics_pages_total{")?.split_once("} ")?;
    Some((labels, count.parse().ok()?))
}
