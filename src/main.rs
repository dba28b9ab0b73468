//! Siskin: progressive delivery for Kubernetes' `StatefulSet`s.

mod cli;

use std::process::ExitCode;

fn main() -> ExitCode {
    // One provider for everything that speaks TLS; without it building a client panics.
    if rustls::crypto::ring::default_provider().install_default().is_err() {
        eprintln!("siskin: another TLS provider is installed already");
        return ExitCode::from(1);
    }
    cli::main()
}
