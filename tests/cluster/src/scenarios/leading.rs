//! Two daemons: one leads, the other takes over. Whatever happens to them, a rollout ends as if nothing had.

use std::fs;
use std::time::{Duration, Instant};

use kube::ResourceExt;
use tokio::time::{sleep, timeout};

use crate::deployed::Deployed;
use crate::failure::{Failure, ensure};
use crate::siskin::Siskin;
use crate::view::Workload;
use crate::visits::Visits;
use crate::world::World;

/// The Lease's duration on the bench.
const LEASE: Duration = Duration::from_secs(8);
const ROUNDS: usize = 5;
/// Kills of one story.
const KILLS: u32 = 20;
/// Between a new leader and its end, in milliseconds; a step bakes for 3 s.
const LONGEST_PAUSE: u64 = 6000;

/// The leader is told to end in the middle of a rollout: it gives the Lease back, and the other goes on at once.
pub async fn hand_over(world: &mut World) -> Result<(), Failure> {
    let siskin = world.siskin()?;
    let db = world.deploy(Visits::new("db").policy("in-place")).await?;
    world.load(&db, 50).await?;
    db.set_version("v2").await?;
    db.until_judged("v2", 1, 60).await?;
    let term = siskin.term().await?;
    let told = Instant::now();
    siskin.process().await?.terminate();
    let (led, next) = siskin.next_term(&term).await?;
    world.figure("SIGTERM to the next leader (at most 1 s)", told, led);
    ensure(next.pod != term.pod, || format!("{} follows itself", next.pod))?;
    db.ends_on("v2");
    db.until_at_rest_on("v2", 90).await?;
    siskin.ready().await
}

/// How soon somebody leads after the leader was told to end, killed, or killed with its pod.
pub async fn take_over(world: &mut World) -> Result<(), Failure> {
    let siskin = world.siskin()?;
    let (mut told, mut killed, mut gone) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        // New pods: the kubelet starts a container that ended before only after a pause.
        siskin.roll().await?;
        told.push(succession(&siskin, End::Told).await?);
        siskin.roll().await?;
        killed.push(succession(&siskin, End::Killed).await?);
        gone.push(succession(&siskin, End::Gone).await?);
    }
    siskin.roll().await?;
    let most = LEASE.as_secs_f64() + 1.0;
    super::figures::spread(world, "SIGTERM to the next leader", &mut told, None, 1.0);
    super::figures::spread(world, "SIGKILL to the next leader, in the same pod", &mut killed, None, most);
    super::figures::spread(world, "SIGKILL of the whole pod to the next leader", &mut gone, None, most);
    Ok(())
}

/// How a leader ends.
#[derive(Clone, Copy, PartialEq)]
enum End {
    Told,
    Killed,
    Gone,
}

/// Ends the leader; gives the time until somebody leads.
async fn succession(siskin: &Siskin, end: End) -> Result<Duration, Failure> {
    siskin.ready().await?;
    let term = siskin.term().await?;
    let (pod, process) = siskin.holder().await?;
    let ended = Instant::now();
    match end {
        End::Told => process.terminate(),
        End::Killed => process.kill(false),
        End::Gone => {
            process.kill(false);
            siskin.remove(&pod.name_any()).await?;
        }
    }
    let (led, _) = siskin.next_term(&term).await?;
    Ok(led.duration_since(ended))
}

/// All pods of Siskin are replaced, as by an upgrade, in the middle of a rollout.
pub async fn rolled(world: &mut World) -> Result<(), Failure> {
    let siskin = world.siskin()?;
    let db = world.deploy(Visits::new("db").policy("in-place")).await?;
    world.load(&db, 50).await?;
    db.set_version("v2").await?;
    db.until_judged("v2", 1, 60).await?;
    let mut term = siskin.term().await?;
    let rolling = siskin.clone();
    let rolled = tokio::spawn(async move { rolling.roll().await });
    // Two pods are replaced, so the Lease changes hands once or twice.
    while !rolled.is_finished() {
        let given_back = siskin.without_leader(&term);
        if let Ok(given_back) = timeout(Duration::from_millis(500), given_back).await {
            let given_back = given_back?;
            let (led, next) = siskin.next_term(&term).await?;
            world.figure("nobody led for (at most 1 s)", given_back, led);
            term = next;
        }
    }
    rolled.await.map_err(|error| Failure::Untrue(error.to_string()))??;
    db.ends_on("v2");
    db.until_at_rest_on("v2", 90).await.map(drop)
}

/// The leader stands still in the middle of a rollout, as a paused machine does: the other takes over. When the first
/// goes on it has nothing to say.
pub async fn frozen(world: &mut World) -> Result<(), Failure> {
    let siskin = world.siskin()?;
    let db = world.deploy(Visits::new("db").policy("gated")).await?;
    world.load(&db, 50).await?;
    db.set_version("v2").await?;
    db.until_judged("v2", 1, 60).await?;
    siskin.ready().await?;
    let term = siskin.term().await?;
    let (pod, process) = siskin.holder().await?;
    let froze = Instant::now();
    process.freeze();
    let taken = siskin.next_term(&term).await;
    let approved = async {
        let (led, next) = taken?;
        world.figure("frozen to the next leader", froze, led);
        ensure(next.pod != term.pod, || format!("{} follows itself", next.pod))?;
        // The first would approve this as well if it didn't know that its time is over.
        db.until_phase("AwaitingApproval", 60).await?;
        approve(&db, "first").await
    };
    let approved = approved.await;
    process.thaw();
    let thawed = world.timeline.mark("the first leader goes on");
    approved?;
    db.until("the second gate", 60, |set| set.in_phase("AwaitingApproval") && set.ready_on("v2") == 2)
        .await?;
    sleep(Duration::from_secs(3)).await;
    let writes = siskin.writes_of(&pod).await?;
    sleep(Duration::from_secs(5)).await;
    ensure(siskin.writes_of(&pod).await? == writes, || "who was frozen still writes".into())?;
    ensure(!siskin.leads(&pod).await?, || "who was frozen says that it leads".into())?;
    let refused =
        world.timeline.first(thawed, "set/db", "siskin.dev/state", |state| state.contains("Reverting"));
    ensure(refused.is_none(), || "the rollout went back".into())?;
    approve(&db, "half").await?;
    db.ends_on("v2");
    db.until_at_rest_on("v2", 90).await?;
    siskin.ready().await
}

async fn approve(db: &Deployed, step: &str) -> Result<(), Failure> {
    let gate = format!("{}/{step}/ann", db.canary()?);
    db.annotate("approve", Some(&gate)).await.map(drop)
}

/// Killed at random in promotions.
pub async fn killed_promoting(world: &mut World) -> Result<(), Failure> {
    let db = world.deploy(Visits::new("db").policy("in-place")).await?;
    world.load(&db, 50).await?;
    let mut kills = Kills::new(world, 20_261_121);
    let mut version = "v1";
    while kills.left > 0 {
        version = if version == "v1" { "v2" } else { "v1" };
        let last = db.last_rollout()?;
        db.set_version(version).await?;
        db.ends_on(version);
        kills.until(world, &db, version, &last).await?;
    }
    world.siskin()?.ready().await
}

/// Killed at random in rollbacks.
pub async fn killed_rolling_back(world: &mut World) -> Result<(), Failure> {
    let db = world.deploy(Visits::new("db").policy("in-place")).await?;
    world.load(&db, 50).await?;
    let mut kills = Kills::new(world, 20_261_122);
    for round in 1.. {
        if kills.left == 0 {
            break;
        }
        // A version of its own each time: what was rejected once is not tried again.
        let version = format!("bad-{round}");
        world.excused.refused_by.insert(version.clone());
        let last = db.last_rollout()?;
        db.set_faulty(&version, "v2", Some("errors=1")).await?;
        kills.until(world, &db, "v1", &last).await?;
    }
    world.siskin()?.ready().await
}

/// SIGKILLs at times that a seed draws.
struct Kills {
    state: u64,
    left: u32,
}

impl Kills {
    fn new(world: &mut World, seed: u64) -> Self {
        world.note(format!("{KILLS} kills, seed {seed}"));
        Self { state: seed, left: KILLS }
    }

    /// A number below `bound` (Knuth's linear congruential generator).
    fn draw(&mut self, bound: u64) -> u64 {
        self.state =
            self.state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.state >> 33) % bound
    }

    /// Kills until another rollout than `last` has ended, and `db` is at rest on `version`.
    async fn until(
        &mut self,
        world: &World,
        db: &Deployed,
        version: &str,
        last: &str,
    ) -> Result<(), Failure> {
        let over = |set: Workload<'_>| set.at_rest_on(version) && set.last_rollout() != last;
        while self.left > 0 {
            let pause = Duration::from_millis(self.draw(LONGEST_PAUSE));
            if let Ok(ended) = timeout(pause, db.until("the end of the rollout", 600, over)).await {
                return ended.map(drop);
            }
            self.kill(world).await?;
        }
        db.until("the end of the rollout", 120, over).await.map(drop)
    }

    /// Kills whoever leads, and waits for the next. A pod whose container ended before would wait for the kubelet, so it
    /// goes as a whole: then it is the standby that takes over.
    async fn kill(&mut self, world: &World) -> Result<(), Failure> {
        let siskin = world.siskin()?;
        let term = siskin.term().await?;
        let (pod, process) = siskin.holder().await?;
        let name = pod.name_any();
        world.timeline.mark(format!("kills {name}"));
        process.kill(false);
        self.left -= 1;
        let statuses = pod.status.and_then(|status| status.container_statuses).unwrap_or_default();
        if statuses.iter().any(|status| status.restart_count > 0) {
            siskin.remove(&name).await?;
        }
        siskin.next_term(&term).await.map(drop)
    }
}

/// Two installations, one of a class: each looks after its own workloads, and leaves the other's alone.
pub async fn two_classes(world: &mut World) -> Result<(), Failure> {
    let bench = world.bench.clone();
    let rendered =
        bench.kubectl(&["kustomize", &bench.layout.bench.join("kustomize/class").to_string_lossy()])?;
    let manifest = bench.layout.run.join("class.yaml");
    fs::write(&manifest, rendered.replace("siskin-class", &world.namespace))
        .map_err(|error| Failure::Untrue(format!("{} can't be written: {error}", manifest.display())))?;
    let plain = world.deploy(Visits::new("plain").policy("in-place")).await?;
    let blue = world.create(Visits::new("blue").class("blue").policy("standard")).await?;
    blue.until_all_on("v1", 60).await?;
    blue.stays("nobody looks after it", 5, |set| set.annotation("state").is_none()).await?;
    bench.kubectl(&["apply", "-f", &manifest.to_string_lossy()])?;
    blue.until("adopted and parked", 60, |set| set.parked() && set.annotation("stable").is_some()).await?;
    world.load(&plain, 50).await?;
    plain.set_version("v2").await?;
    plain.ends_on("v2");
    plain.until_at_rest_on("v2", 90).await?;
    blue.set_version("v2").await?;
    blue.until_judged("v2", 1, 60).await?;
    bench.kubectl(&["delete", "deployment/siskin", "-n", &world.namespace])?;
    let pods = ["-n", &world.namespace, "-l", "app.kubernetes.io/name=siskin"];
    bench.kubectl(&[&["wait", "--for=delete", "pods", "--timeout=30s"][..], &pods].concat())?;
    blue.annotate("abort", Some(&blue.rollout()?)).await?;
    blue.stays("nobody acts for the class", 5, |set| set.in_phase("Baking")).await?;
    // A person hands it over, in the middle: who finds the state goes on with it.
    blue.annotate("class", None).await?;
    blue.until_at_rest_on("v1", 60).await.map(drop)
}
