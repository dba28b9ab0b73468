//! Other tools write the workload too: with the manifest that docs/manifests.md recommends, and with others.

use serde_json::json;

use crate::admission::Protection;
use crate::deployed::Deployed;
use crate::failure::{Failure, ensure};
use crate::view::{PARKED, Workload};
use crate::visits::Visits;
use crate::world::World;
use crate::writer::{Answer, Loop, Manifest, NAME, Tool, Writer};

/// What Siskin may write in a whole story of two rollouts: about a dozen each, and some for what others did.
const WRITES: u64 = 60;

/// Installs the example by `writer` and waits until Siskin looks after four pods of it.
pub(super) async fn installed(
    world: &mut World,
    writer: &Writer,
    git: &Manifest,
) -> Result<Deployed, Failure> {
    let visits = world.expect(&Visits::new(NAME).replicas(4))?;
    writer.write(git)?;
    if git.replicas.is_none() {
        // A manifest without replicas starts with one pod; whoever scales says how many there are.
        visits.until("there", 10, |_| true).await?;
        visits.scale(4).await?;
    }
    let looked_after =
        |set: Workload<'_>| set.all_ready_on("v1") && set.parked() && set.annotation("stable").is_some();
    visits.until("four pods, adopted and parked", 60, |set| set.replicas() == 4 && looked_after(set)).await?;
    Ok(visits)
}

fn writes(visits: &Deployed) -> Result<u64, Failure> {
    visits.look(|set| set.state().and_then(|state| state.get("seq")?.as_u64()).unwrap_or_default())
}

/// The pods with their revisions; two that are equal have seen no change between them.
fn pods(set: Workload<'_>) -> Vec<Option<String>> {
    set.pods().into_iter().map(|pod| pod.metadata.uid.clone()).collect()
}

/// Nothing moves, and Siskin writes nothing, for some seconds after `act`.
pub(super) async fn quiet(
    visits: &Deployed,
    when: &str,
    act: impl FnOnce() -> Result<(), Failure>,
) -> Result<(), Failure> {
    still(visits, when, 0, act).await
}

/// Nothing moves for some seconds after `act`, and Siskin writes at most `most` times.
async fn still(
    visits: &Deployed,
    when: &str,
    most: u64,
    act: impl FnOnce() -> Result<(), Failure>,
) -> Result<(), Failure> {
    let (before, written) = (visits.look(pods)?, writes(visits)?);
    act()?;
    visits.stays(&format!("the same pods, {when}"), 3, |set| set.parked() && pods(set) == before).await?;
    let now = writes(visits)?;
    ensure(now <= written + most, || format!("Siskin wrote {} times {when}, not {most}", now - written))
}

/// The manifest is written once at each moment of a rollout that goes back and of one that is promoted. No write meets
/// a field of Siskin's: the manifest names none.
async fn at_each_moment(world: &mut World, tool: Tool, git: Manifest) -> Result<(), Failure> {
    let writer = Writer::new(world, tool);
    let visits = installed(world, &writer, &git).await?;
    let write = |manifest: &Manifest| {
        let answer = writer.write(manifest)?;
        ensure(answer == Answer::Taken, || format!("{tool:?} of {manifest:?}: {answer:?}"))
    };
    quiet(&visits, "at rest", || write(&git)).await?;

    let v2 = git.clone().version("v2");
    close_to_canaries(world, &git).await?;
    write(&v2)?;
    until_open(&visits, &git).await?;
    write(&v2)?;
    until_open(&visits, &git).await?;
    world.limit_pods(None).await?;
    visits.until_judged("v2", 1, 60).await?;
    quiet(&visits, "while v2 is judged", || write(&v2)).await?;
    visits.annotate("abort", Some(&visits.rollout()?)).await?;
    visits.until_phase("Reverting", 10).await?;
    write(&v2)?;
    visits.until_at_rest_on("v1", 60).await?;
    quiet(&visits, "after v2 was rolled back", || write(&v2)).await?;
    // It notes that the template is the stable one again.
    still(&visits, "when Git is back at v1", 1, || write(&git)).await?;

    let v3 = git.version("v3");
    write(&v3)?;
    visits.until_judged("v3", 1, 60).await?;
    visits.annotate("promote", Some(&visits.canary()?)).await?;
    visits.until_ready_on("v3", 2, 60).await?;
    write(&v3)?;
    visits.ends_on("v3");
    visits.until_at_rest_on("v3", 90).await?;
    quiet(&visits, "after v3 was promoted", || write(&v3)).await?;
    little_was_written(world, &visits, tool)?;
    never_more_than(world, "v2", 1)
}

/// No canary pod can come: a step that opens stays open, for whatever is to happen meanwhile.
async fn close_to_canaries(world: &World, git: &Manifest) -> Result<(), Failure> {
    world.limit_pods(Some(if surges(git) { 4 } else { 3 })).await
}

fn surges(git: &Manifest) -> bool {
    git.policy.contains("surge")
}

/// Waits until the first step of four pods is open, and lacks its canary pod.
async fn until_open(visits: &Deployed, git: &Manifest) -> Result<(), Failure> {
    let (partition, replicas, pods) = if surges(git) { (4, 5, 4) } else { (3, 4, 3) };
    visits
        .until("the step is open, and its pod is refused", 60, |set| {
            set.partition() == partition && set.replicas() == replicas && set.pods().len() == pods
        })
        .await
        .map(drop)
}

/// A loop writes the manifest every second through a rollout that goes back and one that is promoted.
async fn all_the_time(world: &mut World, tool: Tool, git: Manifest) -> Result<(), Failure> {
    let writer = Writer::new(world, tool);
    let visits = installed(world, &writer, &git).await?;
    let healing = Loop::start(writer, git.clone());
    quiet(&visits, "at rest", || Ok(())).await?;
    close_to_canaries(world, &git).await?;
    healing.commit(git.clone().version("v2"));
    until_open(&visits, &git).await?;
    healing.comes_by().await?;
    until_open(&visits, &git).await?;
    world.limit_pods(None).await?;
    visits.until_judged("v2", 1, 60).await?;
    quiet(&visits, "while v2 is judged", || Ok(())).await?;
    visits.annotate("abort", Some(&visits.rollout()?)).await?;
    visits.until_at_rest_on("v1", 60).await?;
    quiet(&visits, "after v2 was rolled back, which Git still has", || Ok(())).await?;
    healing.commit(git.version("v3"));
    visits.until_judged("v3", 1, 60).await?;
    visits.annotate("promote", Some(&visits.canary()?)).await?;
    visits.ends_on("v3");
    visits.until_at_rest_on("v3", 90).await?;
    quiet(&visits, "after v3 was promoted", || Ok(())).await?;
    little_was_written(world, &visits, tool)?;
    never_more_than(world, "v2", 1)
}

fn little_was_written(world: &mut World, visits: &Deployed, tool: Tool) -> Result<(), Failure> {
    let written = writes(visits)?;
    world.note(format!("Siskin wrote {written} times beside {tool:?}"));
    ensure(written <= WRITES, || format!("Siskin wrote {written} times; {WRITES} would be many"))
}

/// At no time more than `most` pods ran `version`.
fn never_more_than(world: &World, version: &str, most: usize) -> Result<(), Failure> {
    let mut running = std::collections::BTreeSet::new();
    for change in world.timeline.changes() {
        if change.field == "version" && change.object.starts_with("pod/") {
            if change.value == version {
                running.insert(change.object);
            } else {
                running.remove(&change.object);
            }
        }
        ensure(running.len() <= most, || format!("more than {most} pods ran {version}: {running:?}"))?;
    }
    Ok(())
}

/// In place with the manifest as it is in the example.
async fn in_place(world: &mut World, tool: Tool) -> Result<(), Failure> {
    at_each_moment(world, tool, Manifest::new("written")).await
}

/// With extra pods; the manifest has no replicas.
async fn surge(world: &mut World, tool: Tool) -> Result<(), Failure> {
    world.allow_claim_deletion()?;
    at_each_moment(world, tool, Manifest { replicas: None, ..Manifest::new("written-surge") }).await
}

/// `kubectl apply`.
pub async fn apply(world: &mut World) -> Result<(), Failure> {
    in_place(world, Tool::Apply).await
}

/// `kubectl apply` with extra pods.
pub async fn apply_surge(world: &mut World) -> Result<(), Failure> {
    surge(world, Tool::Apply).await
}

/// `kubectl apply --server-side`.
pub async fn server_side(world: &mut World) -> Result<(), Failure> {
    in_place(world, Tool::ServerSide).await
}

/// `kubectl apply --server-side --force-conflicts` with extra pods.
pub async fn forced_surge(world: &mut World) -> Result<(), Failure> {
    surge(world, Tool::Forced).await
}

/// Helm 3, and its rollback.
pub async fn helm_3(world: &mut World) -> Result<(), Failure> {
    in_place(world, Tool::Helm3).await?;
    helm_rolls_back(world, Tool::Helm3).await
}

/// Helm 3 with extra pods.
pub async fn helm_3_surge(world: &mut World) -> Result<(), Failure> {
    surge(world, Tool::Helm3).await
}

/// Helm 4, and its rollback.
pub async fn helm_4(world: &mut World) -> Result<(), Failure> {
    in_place(world, Tool::Helm4).await?;
    helm_rolls_back(world, Tool::Helm4).await
}

/// Helm 4 with extra pods.
pub async fn helm_4_surge(world: &mut World) -> Result<(), Failure> {
    surge(world, Tool::Helm4).await
}

/// A rollback by Helm is a new template as any other: it is judged.
async fn helm_rolls_back(world: &mut World, tool: Tool) -> Result<(), Failure> {
    let visits = world.deployed(NAME)?;
    Writer::new(world, tool).helm_rollback(1)?;
    visits.until_judged("v1", 1, 60).await?;
    visits.annotate("promote", Some(&visits.canary()?)).await?;
    visits.ends_on("v1");
    visits.until_at_rest_on("v1", 90).await.map(drop)
}

/// Argo CD heals itself all the time, in place.
pub async fn argo_cd(world: &mut World) -> Result<(), Failure> {
    all_the_time(world, Tool::ArgoCd, Manifest::new("written")).await
}

/// The same with extra pods; Git has no replicas.
pub async fn argo_cd_surge(world: &mut World) -> Result<(), Failure> {
    world.allow_claim_deletion()?;
    all_the_time(world, Tool::ArgoCd, Manifest { replicas: None, ..Manifest::new("written-surge") }).await
}

/// Flux heals itself all the time, in place.
pub async fn flux(world: &mut World) -> Result<(), Failure> {
    all_the_time(world, Tool::Flux, Manifest::new("written")).await
}

/// The same with extra pods; Git has no replicas.
pub async fn flux_surge(world: &mut World) -> Result<(), Failure> {
    world.allow_claim_deletion()?;
    all_the_time(world, Tool::Flux, Manifest { replicas: None, ..Manifest::new("written-surge") }).await
}

/// Extra pods, and replicas in the manifest: each writer by what it does to fields that are not its own.
pub async fn replicas_contested(world: &mut World) -> Result<(), Failure> {
    world.allow_claim_deletion()?;
    let git = Manifest::new("written-surge");
    let visits = installed(world, &Writer::new(world, Tool::Apply), &git).await?;
    let v2 = git.version("v2");
    Writer::new(world, Tool::Apply).write(&v2)?;
    visits.until_judged("v2", 1, 60).await?;

    // One that stops at conflicts is told that replicas are not its own.
    quiet(&visits, "after a conflict", || {
        let answer = Writer::new(world, Tool::ServerSide).write(&v2)?;
        ensure(answer == Answer::Conflict, || "applied on the server, replicas should conflict".into())
    })
    .await?;

    // One that takes the extra pod away: it is added again once, then Siskin asks.
    let first = visits.look(|set| set.pod(4).and_then(|pod| pod.metadata.uid.clone()))?;
    Writer::new(world, Tool::Apply).write(&v2)?;
    visits
        .until("judged on another extra pod", 60, |set| {
            let now = set.pod(4).and_then(|pod| pod.metadata.uid.clone());
            set.in_phase("Baking") && set.replicas() == 5 && set.ready_on("v2") == 1 && now != first
        })
        .await?;
    Writer::new(world, Tool::Flux).write(&v2)?;
    visits.until_paused("ReplicasContested", 30).await?;
    visits.until("the extra pod is gone", 30, |set| set.all_ready_on("v1")).await?;

    // From now on nothing of it is fought over.
    let healing = Loop::start(Writer::new(world, Tool::Flux), v2.clone());
    quiet(&visits, "while replicas are contested", || Ok(())).await?;
    drop(healing);
    world.told_once(&visits, "PausedReplicasContested")?;
    visits.annotate("abort", Some(&visits.rollout()?)).await?;
    visits.until_at_rest_on("v1", 60).await.map(drop)
}

/// A manifest with a partition, without admission policies: parked again each time, told once, and a tool that writes
/// it every second is not fought.
pub async fn partition_contested(world: &mut World) -> Result<(), Failure> {
    let git = Manifest { partition: Some(0), ..Manifest::new("written") };
    let apply = Writer::new(world, Tool::Apply);
    let visits = installed(world, &apply, &git).await?;
    quiet(&visits, "after a conflict", || {
        let answer = Writer::new(world, Tool::ServerSide).write(&git)?;
        ensure(answer == Answer::Conflict, || "applied on the server, the partition should conflict".into())
    })
    .await?;
    apply.write(&git)?;
    visits.until("parked again", 10, |set| set.partition() >= PARKED).await?;
    let before = writes(&visits)?;
    let healing = Loop::start(Writer::new(world, Tool::Flux), git);
    visits.stays("four pods on v1", 15, |set| set.ready_on("v1") == 4).await?;
    drop(healing);
    let written = writes(&visits)? - before;
    world.note(format!("Siskin wrote {written} times beside 15 s of Flux with a partition in Git"));
    ensure(written <= 4, || format!("Siskin wrote {written} times against a tool that writes every second"))?;
    world.told_once(&visits, "PartitionContested")?;
    visits.until("parked when the tool has ended", 60, |set| set.partition() >= PARKED).await.map(drop)
}

/// A manifest with a partition at each moment of a rollout, in place.
pub async fn partition_in_rollout(world: &mut World) -> Result<(), Failure> {
    opened_at_each_moment(world, Manifest::new("written")).await
}

/// The same with an extra pod.
pub async fn partition_in_surge(world: &mut World) -> Result<(), Failure> {
    world.allow_claim_deletion()?;
    opened_at_each_moment(world, Manifest { replicas: None, ..Manifest::new("written-surge") }).await
}

/// Without admission policies a manifest with a partition is written while a step opens, is judged and is taken back:
/// parked again each time, and v2 runs on no other pod than the step's own.
async fn opened_at_each_moment(world: &mut World, git: Manifest) -> Result<(), Failure> {
    let apply = Writer::new(world, Tool::Apply);
    let visits = installed(world, &apply, &git).await?;
    let v2 = git.clone().version("v2");
    let opening = Manifest { partition: Some(0), ..v2.clone() };
    close_to_canaries(world, &git).await?;
    apply.write(&v2)?;
    until_open(&visits, &git).await?;
    apply.write(&opening)?;
    until_open(&visits, &git).await?;
    world.limit_pods(None).await?;
    let judged = |set: Workload<'_>| {
        let stable = if surges(&git) { 4 } else { 3 };
        set.in_phase("Baking") && set.parked() && set.ready_on("v2") == 1 && set.ready_on("v1") == stable
    };
    visits.until("one pod is judged", 60, judged).await?;
    apply.write(&opening)?;
    // Kubernetes has taken a pod before anybody could park again; it comes back stable.
    visits.until("a pod is taken", 30, |set| !judged(set)).await?;
    visits.until("one pod is judged again", 60, judged).await?;
    visits.annotate("abort", Some(&visits.rollout()?)).await?;
    visits.until_phase("Reverting", 10).await?;
    apply.write(&opening)?;
    visits.until_at_rest_on("v1", 60).await?;
    world.told_once(&visits, "PartitionContested")?;
    never_more_than(world, "v2", 1)
}

/// The same under the admission policies: the partition in Git does nothing at any moment.
pub async fn partition_guarded(world: &mut World) -> Result<(), Failure> {
    world.protect(Protection::RECOMMENDED).await?;
    all_the_time(world, Tool::Flux, Manifest { partition: Some(0), ..Manifest::new("written") }).await
}

/// Argo CD under the admission policies.
pub async fn argo_cd_guarded(world: &mut World) -> Result<(), Failure> {
    world.protect(Protection::RECOMMENDED).await?;
    all_the_time(world, Tool::ArgoCd, Manifest::new("written")).await
}

/// A person scales at each moment while extra pods run.
pub async fn person(world: &mut World) -> Result<(), Failure> {
    world.allow_claim_deletion()?;
    let git = Manifest { replicas: None, ..Manifest::new("written-surge") };
    let writer = Writer::new(world, Tool::ServerSide);
    let visits = installed(world, &writer, &git).await?;
    visits.scale(5).await?;
    visits
        .until("five at rest", 60, |set| set.parked() && set.replicas() == 5 && set.all_ready_on("v1"))
        .await?;
    writer.write(&git.version("v2"))?;
    visits.until_judged("v2", 1, 60).await?;
    let one_above = |replicas: i32| {
        move |set: Workload<'_>| {
            set.in_phase("Baking")
                && set.replicas() == replicas + 1
                && set.ready_on("v2") == 1
                && set.ready_on("v1") == replicas.unsigned_abs() as usize
        }
    };
    // With the extra pod it is what it was: nothing changed for the API server, nor for Siskin.
    visits.merge("patches replicas to 6", json!({ "spec": { "replicas": 6 } })).await?;
    visits.stays("one above five", 3, one_above(5)).await?;
    visits.merge("patches replicas to 7", json!({ "spec": { "replicas": 7 } })).await?;
    visits.until("judged above seven", 90, one_above(7)).await?;
    visits.annotate("abort", Some(&visits.rollout()?)).await?;
    visits.until_phase("Reverting", 10).await?;
    visits.scale(8).await?;
    visits
        .until("back, with eight pods", 90, |set| set.at_rest_on("v1") && set.replicas() == 8)
        .await
        .map(drop)
}
