//! Scenarios of Siskin on real Kubernetes, and the cluster they run on. Started by `tests/cluster/run`, which
//! builds what it needs.

mod admission;
mod bench;
mod cluster;
mod deployed;
mod ending;
mod failure;
mod gauge;
mod http;
mod images;
mod observer;
mod outcome;
mod prometheus;
mod receiver;
mod scenario;
mod scenarios;
mod siskin;
mod traffic;
mod view;
mod visits;
mod world;
mod writer;

use std::collections::BTreeSet;
use std::env;
use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::process::ExitCode;

use clap::Parser;
use kube::Client;
use tokio::signal::unix::{SignalKind, signal};

use crate::bench::Bench;
use crate::cluster::Layout;
use crate::failure::Failure;
use crate::scenario::{Scenario, Tag};

/// Scenarios of Siskin on real Kubernetes.
#[derive(Parser)]
struct Arguments {
    /// Scenarios, or one of: ci, all, list, up, down; or: images FILE; or: tools and scenarios; or: compare, with two
    /// folders of outcomes.
    #[arg(required = true)]
    names: Vec<String>,
    /// Scenarios that run at once.
    #[arg(long, default_value_t = 3)]
    jobs: usize,
    /// Print the timelines of scenarios that pass, too.
    #[arg(long)]
    timelines: bool,
}

#[derive(Debug, thiserror::Error)]
enum Fatal {
    #[error("there is no scenario {0:?}; see `tests/cluster/run list`")]
    Unknown(String),
    #[error("another bench runs on this machine (it holds {0})")]
    Busy(String),
    #[error("interrupted")]
    Interrupted,
    #[error("failed: {}", .0.join(", "))]
    Failed(Vec<&'static str>),
    #[error("{0} scenarios came out differently")]
    Different(usize),
    #[error("compare wants two folders of outcomes, or none for those of the last runs")]
    Folders,
    #[error(transparent)]
    Outcomes(#[from] outcome::Error),
    #[error(transparent)]
    Cluster(#[from] cluster::Error),
    #[error(transparent)]
    Images(#[from] images::Error),
    #[error(transparent)]
    Scenario(#[from] Failure),
    #[error("the cluster of KUBECONFIG can't be reached: {0}")]
    External(#[from] kube::Error),
    #[error("{0}")]
    Io(#[from] io::Error),
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(Arguments::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(fatal) => {
            eprintln!("bench: {fatal}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: Arguments) -> Result<(), Fatal> {
    let layout = Layout::from_environment();
    let names: Vec<&str> = arguments.names.iter().map(String::as_str).collect();
    if names == ["list"] {
        list();
        return Ok(());
    }
    if let ["images", file] = names.as_slice() {
        images::write(&layout, Path::new(file))?;
        println!("{file} holds {} and the sample application", images::SISKIN);
        return Ok(());
    }
    if let ["tools", wanted @ ..] = names.as_slice() {
        tools(wanted)?.iter().for_each(|tool| println!("{tool}"));
        return Ok(());
    }
    if let ["compare", folders @ ..] = names.as_slice() {
        return compare(&layout, folders);
    }
    if env::var("SISKIN_BENCH_EXTERNAL").is_ok_and(|value| value == "1") {
        let client = Client::try_default().await?;
        return scenarios(
            &Bench::new(client, layout, true, arguments.timelines),
            &chosen(&names)?,
            arguments.jobs,
        )
        .await;
    }

    let _lock = lock(&layout)?;
    let (up, down) = (names == ["up"], names == ["down"]);
    let chosen = if up || down { Vec::new() } else { chosen(&names)? };
    // A cluster that somebody has started with `up` outlives the scenarios.
    let keep = !down && cluster::running(&layout);
    let work = async {
        if down {
            return Ok(());
        }
        let client = cluster::up(&layout).await?;
        images::provide(&layout)?;
        if up {
            println!("The cluster runs. KUBECONFIG={}", layout.kubeconfig().display());
            println!("kubectl is {}", layout.kubernetes("kubectl").display());
            return Ok(());
        }
        scenarios(&Bench::new(client, layout.clone(), false, arguments.timelines), &chosen, arguments.jobs)
            .await
    };
    let ended = tokio::select! {
        ended = work => ended,
        interrupted = interrupted() => interrupted.and(Err(Fatal::Interrupted)),
    };
    if !keep && (!up || ended.is_err()) {
        cluster::down(&layout);
    }
    ended
}

async fn scenarios(bench: &Bench, wanted: &[&'static Scenario], jobs: usize) -> Result<(), Fatal> {
    let mut all = wanted.to_vec();
    if !bench.has_baseline() && !wanted.iter().any(|scenario| scenario.name == scenarios::BASELINE) {
        println!("No baseline was measured in the last day, so it comes first");
        all.splice(..0, chosen(&[scenarios::BASELINE])?);
    }
    let failed = scenario::run_all(bench, &all, jobs).await?;
    println!("{} of {} scenarios passed", all.len() - failed.len(), all.len());
    if failed.is_empty() { Ok(()) } else { Err(Fatal::Failed(failed)) }
}

fn chosen(names: &[&str]) -> Result<Vec<&'static Scenario>, Fatal> {
    let mut chosen: Vec<&Scenario> = Vec::new();
    for name in names {
        let matching = scenarios::ALL.iter().filter(|scenario| {
            *name == "all" || *name == "ci" && scenario.is(Tag::Ci) || *name == scenario.name
        });
        let before = chosen.len();
        chosen.extend(matching);
        if chosen.len() == before {
            return Err(Fatal::Unknown((*name).into()));
        }
    }
    Ok(chosen)
}

/// What has to be built before `names` can run, for `tests/cluster/run`.
fn tools(names: &[&str]) -> Result<BTreeSet<&'static str>, Fatal> {
    let chosen = if matches!(names, ["up" | "down"]) { Vec::new() } else { chosen(names)? };
    Ok(chosen.iter().flat_map(|scenario| scenario.tags).flat_map(|tag| tag.tools()).copied().collect())
}

/// Tells how two runs differ: those of two folders, or the last ones on real Kubernetes and on the embedded cluster.
fn compare(layout: &Layout, folders: &[&str]) -> Result<(), Fatal> {
    let [first, second] = match folders {
        [] => [layout.outcomes("real"), layout.outcomes("embedded")],
        [first, second] => [first.into(), second.into()],
        _ => return Err(Fatal::Folders),
    };
    let of = |folder: &Path| {
        let mut outcomes = outcome::read(folder)?;
        let drawn = |name: &str| scenarios::ALL.iter().any(|one| one.name == name && one.is(Tag::Drawn));
        outcomes.retain(|name, _| !drawn(name));
        Ok::<_, Fatal>(outcomes)
    };
    let comparison = outcome::compare(&of(&first)?, &of(&second)?);
    print!("{comparison}");
    if comparison.different.is_empty() { Ok(()) } else { Err(Fatal::Different(comparison.different.len())) }
}

fn list() {
    for scenario in scenarios::ALL {
        let ci = if scenario.is(Tag::Ci) { "ci" } else { "" };
        println!("{:<20} {ci:<3} {}", scenario.name, scenario.about);
    }
}

/// Held until the process ends. The addresses of the cluster are fixed, so there is one per machine.
fn lock(layout: &Layout) -> Result<File, Fatal> {
    fs::create_dir_all(&layout.sockets)?;
    let path = layout.sockets.with_extension("lock");
    let file = File::create(&path)?;
    file.try_lock().map_err(|_| Fatal::Busy(path.display().to_string()))?;
    Ok(file)
}

async fn interrupted() -> Result<(), Fatal> {
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    Ok(())
}
