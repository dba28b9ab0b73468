//! The command line.

mod adopt;
mod check;
mod daemon;
mod demo;
mod doctor;
mod order;
mod out;
mod simulate;
mod status;
mod workload;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use siskin_daemon::{
    cluster::Access,
    run::{self, Run},
};

/// Progressive delivery for a Kubernetes StatefulSet.
///
/// A StatefulSet that carries the annotation `siskin.dev/policy: <name>` rolls only as Siskin lets it: a new revision
/// is tried on canary pods, judged by checks, and promoted or rolled back.
#[derive(Parser)]
#[command(name = "siskin", version, arg_required_else_help = true, after_help = EXAMPLES)]
struct Cli {
    #[command(flatten)]
    access: Access,
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
Examples:
  siskin demo                                see it work, without a cluster
  siskin check policies/*.yaml               find every mistake before the cluster does
  siskin simulate db.yaml --errors 0.1%..1%  does it catch a bad release, and how soon?
  siskin adopt -n payments db --dry-run      what would happen, and what stands against it
  siskin adopt -n payments db --policy careful
                                             let Siskin look after db
  siskin status -n payments db               where the rollout stands, and why
  siskin approve -n payments db              let a waiting rollout go on
  siskin doctor -n payments db               what protects db while Siskin is dead

Exit codes: 0 done; 1 refused, or there was nothing to do; 2 wrong usage.";

#[derive(Subcommand)]
enum Command {
    Demo(siskin_demo::Demo),
    Run(Run),
    Check(check::Check),
    Simulate(simulate::Simulate),
    Doctor(doctor::Doctor),
    /// Says what Siskin would do with a workload and what stands against it, and lets Siskin look after it
    Adopt(adopt::Adopt),
    /// Takes a workload out of Siskin's care
    Leave(workload::Named),
    /// Shows where a workload stands, and why
    Status(workload::Named),
    /// Lets a rollout that waits for approval go on
    Approve(order::Approve),
    /// Skips the remaining steps and makes the canary revision the stable one
    Promote(order::Promote),
    /// Takes a rollout back to the stable revision
    Abort(workload::Named),
    /// Takes a rollout back also when Kubernetes has completed it, by writing the stable template
    Undo(workload::Named),
    /// Stops a rollout from going forward; a failing check still takes it back
    Pause(workload::Named),
    /// Lets a paused rollout go on
    Resume(workload::Named),
    /// Tries a revision that was rolled back once more
    Retry(workload::Named),
}

/// Runs the command of this process.
pub fn main() -> ExitCode {
    let Cli { access, command } = Cli::parse();
    match &command {
        Command::Check(check) => return check::check(check),
        Command::Simulate(simulate) => return simulate::main(simulate),
        Command::Demo(demo) => return demo::demo(&access, demo),
        _ => {}
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return refused(&format!("the runtime can't start: {error}")),
    };
    let done = runtime.block_on(dispatch(&access, command));
    // What still runs is a watch or a write that is given up.
    runtime.shutdown_background();
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(text) => refused(&text),
    }
}

async fn dispatch(access: &Access, command: Command) -> Result<(), String> {
    let order = match command {
        Command::Run(run) => return run::run(access, run).await.map_err(|error| error.to_string()),
        Command::Status(named) => {
            return status::status(access, &named).await.map_err(|error| error.to_string());
        }
        Command::Doctor(doctor) => {
            let well = doctor::doctor(access, doctor).await.map_err(|error| error.to_string())?;
            return if well { Ok(()) } else { Err("something is to be mended, see above".to_owned()) };
        }
        Command::Adopt(arguments) => {
            return adopt::adopt(access, &arguments).await.map_err(|error| error.to_string());
        }
        Command::Leave(named) => {
            return adopt::leave(access, &named).await.map_err(|error| error.to_string());
        }
        Command::Check(_) | Command::Simulate(_) | Command::Demo(_) => return Ok(()),
        Command::Approve(order::Approve { named, user }) => (named, order::Verb::Approve { user }),
        Command::Promote(order::Promote { named, revision }) => (named, order::Verb::Promote { revision }),
        Command::Abort(named) => (named, order::Verb::Abort),
        Command::Undo(named) => (named, order::Verb::Undo),
        Command::Pause(named) => (named, order::Verb::Pause),
        Command::Resume(named) => (named, order::Verb::Resume),
        Command::Retry(named) => (named, order::Verb::Retry),
    };
    let (named, verb) = order;
    order::give(access, &named, &verb).await.map_err(|error| error.to_string())
}

fn refused(text: &str) -> ExitCode {
    eprintln!("siskin: {text}");
    ExitCode::from(1)
}
