//! A real `HorizontalPodAutoscaler`, carried out by the controller manager. It has no metrics here; what makes it
//! scale is its own `minReplicas`, which it keeps through the scale subresource as it does any other number.

use serde_json::json;

use crate::failure::Failure;
use crate::view::Workload;
use crate::world::World;
use crate::writer::{Manifest, Tool, Writer};

use super::writers::{installed, quiet};

/// The controller manager looks at each autoscaler every 15 s.
const LOOKS_WITHIN: u64 = 45;

/// The autoscaler of the examples with another `minReplicas`.
fn scale_to(world: &World, least: u32) -> Result<(), Failure> {
    world.apply_example("autoscaler/autoscaler.yaml", &json!({ "spec": { "minReplicas": least } }))
}

/// In place it scales at each moment, and what it wants is N.
pub async fn in_place(world: &mut World) -> Result<(), Failure> {
    let git = Manifest { replicas: None, ..Manifest::new("written") };
    let writer = Writer::new(world, Tool::ServerSide);
    let visits = installed(world, &writer, &git).await?;
    let ready = |set: Workload<'_>, version: &str, count: usize| {
        set.ready_on(version) == count && set.pods().len() == set.replicas().unsigned_abs() as usize
    };
    scale_to(world, 5)?;
    visits.until("scaled to 5 at rest", LOOKS_WITHIN, |set| set.parked() && ready(set, "v1", 5)).await?;
    writer.write(&git.clone().version("v2"))?;
    visits.until_judged("v2", 1, 60).await?;
    scale_to(world, 6)?;
    visits
        .until("one of six is judged", LOOKS_WITHIN, |set| {
            set.in_phase("Baking") && set.parked() && ready(set, "v1", 5) && set.pod(5).is_some()
        })
        .await?;
    quiet(&visits, "with one of six judged", || writer.write(&git.clone().version("v2")).map(drop)).await?;
    scale_to(world, 7)?;
    visits.annotate("abort", Some(&visits.rollout()?)).await?;
    visits.expected().replicas = 7;
    visits
        .until("back, and scaled to 7", LOOKS_WITHIN, |set| set.at_rest_on("v1") && set.replicas() == 7)
        .await
        .map(drop)
}

/// Extra pods are refused beside it; when it is gone the rollout starts.
pub async fn refused(world: &mut World) -> Result<(), Failure> {
    world.allow_claim_deletion()?;
    let git = Manifest { replicas: None, ..Manifest::new("written-surge") };
    let writer = Writer::new(world, Tool::ServerSide);
    let visits = installed(world, &writer, &git).await?;
    scale_to(world, 4)?;
    writer.write(&git.version("v2"))?;
    visits.stays("four pods on v1", 12, |set| set.replicas() == 4 && set.ready_on("v1") == 4).await?;
    world.told_once(&visits, "AutoscalerInTheWay")?;
    world.bench.kubectl(&["delete", "hpa/visits", "-n", &world.namespace])?;
    visits.until_judged("v2", 1, 60).await?;
    visits.annotate("promote", Some(&visits.canary()?)).await?;
    visits.ends_on("v2");
    visits.until_at_rest_on("v2", 90).await.map(drop)
}

/// Where the policy follows it, it decides how many pods there are with the extra one.
pub async fn followed(world: &mut World) -> Result<(), Failure> {
    world.allow_claim_deletion()?;
    let git = Manifest { replicas: None, ..Manifest::new("written-follow") };
    let writer = Writer::new(world, Tool::ServerSide);
    let visits = installed(world, &writer, &git).await?;
    scale_to(world, 4)?;
    writer.write(&git.version("v2"))?;
    visits.until("judged on a fifth pod", 60, |set| set.in_phase("Baking") && set.replicas() == 5).await?;
    scale_to(world, 7)?;
    visits
        .until("judged on the last of at least seven", LOOKS_WITHIN + 30, |set| {
            set.in_phase("Baking")
                && set.replicas() >= 7
                && set.ready_on("v2") == 1
                && set.pods().len() == set.replicas().unsigned_abs() as usize
        })
        .await?;
    visits
        .stays("nobody writes against the other", 20, |set| set.replicas() >= 7 && set.pause().is_empty())
        .await?;
    visits.annotate("promote", Some(&visits.canary()?)).await?;
    visits.ends_on("v2");
    visits.expected().replicas = 7;
    visits
        .until("promoted, with the seven pods that it wants", 120, |set| {
            set.at_rest_on("v2") && set.replicas() == 7
        })
        .await
        .map(drop)
}
