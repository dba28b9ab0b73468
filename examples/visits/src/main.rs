//! A small stateful HTTP server that counts visits on its volume, with faults to flip at run time.
//!
//! `visits` serves; `visits pause` only waits for SIGTERM, which is what a pod's sandbox container does.

mod faults;
mod metrics;
mod server;
mod store;

use std::env::{self, VarError};
use std::process::ExitCode;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::sleep;

use crate::faults::Change;
use crate::server::App;
use crate::store::Store;

const USAGE: &str =
    "usage: visits          serve; see PORT, VERSION, POD_NAME, DATA_DIR and FAULT in the environment
       visits pause    wait for SIGTERM or SIGINT";

#[derive(Debug, thiserror::Error)]
enum Fatal {
    #[error("{name}={value:?} is not valid: expected {expected}")]
    Environment { name: &'static str, value: String, expected: &'static str },
    #[error("FAULT: {0}")]
    Fault(#[from] faults::Refused),
    #[error(transparent)]
    Store(#[from] store::Error),
    #[error("cannot listen on port {port}: {source}")]
    Listen { port: u16, source: std::io::Error },
    #[error("cannot serve: {0}")]
    Serve(std::io::Error),
    #[error("cannot watch for signals: {0}")]
    Signals(std::io::Error),
    #[error("crashed, as FAULT asked for")]
    Crash,
}

/// The two signals that end the process. As PID 1 a process without a handler would ignore them.
struct Termination {
    terminate: Signal,
    interrupt: Signal,
}

impl Termination {
    fn watch() -> Result<Self, Fatal> {
        let watch = |kind| signal(kind).map_err(Fatal::Signals);
        Ok(Self { terminate: watch(SignalKind::terminate())?, interrupt: watch(SignalKind::interrupt())? })
    }

    async fn arrived(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

#[tokio::main(worker_threads = 2)]
async fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let ended = match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        [] => serve().await,
        ["pause"] => pause().await,
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(fatal) => {
            eprintln!("visits: {fatal}");
            ExitCode::FAILURE
        }
    }
}

async fn pause() -> Result<(), Fatal> {
    let mut termination = Termination::watch()?;
    println!("visits: waiting for SIGTERM or SIGINT");
    termination.arrived().await;
    Ok(())
}

async fn serve() -> Result<(), Fatal> {
    let mut termination = Termination::watch()?;
    let port = port()?;
    let change = Change::parse(&variable("FAULT")?.unwrap_or_default())?;
    match change.crash {
        Some(Duration::ZERO) => return Err(Fatal::Crash),
        Some(after) => server::crash_after(after),
        None => {}
    }
    let store = Store::open(variable("DATA_DIR")?.unwrap_or_else(|| "/data".into()).as_ref())?;
    let pod = variable("POD_NAME")?.or_else(hostname).unwrap_or_else(|| "visits".into());
    let version = variable("VERSION")?.unwrap_or_else(|| "dev".into());
    let app = App::new(pod, version, store);

    if let Some(start) = change.start {
        tokio::select! {
            () = termination.arrived() => return Ok(()),
            () = sleep(start) => {}
        }
    }
    app.apply(&change).await;
    let listener =
        TcpListener::bind(("0.0.0.0", port)).await.map_err(|source| Fatal::Listen { port, source })?;
    println!("visits: listening on {}", listener.local_addr().map_err(Fatal::Serve)?);
    server::run(listener, app, async move { termination.arrived().await }).await.map_err(Fatal::Serve)
}

fn port() -> Result<u16, Fatal> {
    let Some(value) = variable("PORT")? else { return Ok(8000) };
    value.parse().map_err(|_| Fatal::Environment {
        name: "PORT",
        value,
        expected: "a number from 0 to 65535 (0: any free port)",
    })
}

/// An empty variable counts as not set: that is what an unfilled template field leaves behind.
fn variable(name: &'static str) -> Result<Option<String>, Fatal> {
    match env::var(name) {
        Ok(value) => Ok(Some(value).filter(|value| !value.is_empty())),
        Err(VarError::NotPresent) => Ok(None),
        Err(VarError::NotUnicode(value)) => Err(Fatal::Environment {
            name,
            value: value.to_string_lossy().into_owned(),
            expected: "valid UTF-8",
        }),
    }
}

fn hostname() -> Option<String> {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").ok()?;
    Some(name.trim().to_owned()).filter(|name| !name.is_empty())
}
