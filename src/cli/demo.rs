//! `siskin demo`: Siskin at work, without a cluster.

use std::process::ExitCode;

use siskin_daemon::cluster::Access;
use siskin_demo::Demo;

/// Shows it; 2 where the arguments have to be others, or another process has what they name.
pub fn demo(access: &Access, demo: &Demo) -> ExitCode {
    match siskin_demo::demo(demo, access.kubeconfig.as_deref()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("siskin: {error}");
            ExitCode::from(if error.is_usage() { 2 } else { 1 })
        }
    }
}
