//! Siskin: progressive delivery for Kubernetes' `StatefulSet`s.

mod act;
mod admission;
mod cause;
mod cli;
mod clock;
mod cluster;
mod drive;
mod lease;
mod policies;
mod probe;
mod report;
mod run;
mod server;
mod watch;

use std::process::ExitCode;

fn main() -> ExitCode {
    // One provider for everything that speaks TLS; without it building a client panics.
    if rustls::crypto::ring::default_provider().install_default().is_err() {
        eprintln!("siskin: another TLS provider is installed already");
        return ExitCode::from(1);
    }
    cli::main()
}
