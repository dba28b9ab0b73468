//! Keeps an embedded cluster up until Ctrl-C, for kubectl and everything else that takes a kubeconfig:
//! `cargo run -p siskin-embedded-cluster --example serve -- [--guarded] KUBECONFIG [SERVICE RATE]`.
//!
//! Writes the kubeconfig to the path, and takes it away at the end. With a Service (of the namespace default) and a
//! rate, clients send so many requests a second through it, and what they met is told every ten
//! seconds. `--guarded` puts Siskin's admission policies in force.

use std::{error::Error, net::Ipv4Addr, process::ExitCode, time::Duration};

use siskin_embedded::model::traffic::Clients;
use siskin_embedded_api::serve::{kubeconfig, listen};
use siskin_embedded_cluster::{Cluster, policies::Policies};

const USAGE: &str = "usage: serve [--guarded] KUBECONFIG [SERVICE RATE]";

#[tokio::main]
async fn main() -> ExitCode {
    let mut arguments: Vec<String> = std::env::args().skip(1).collect();
    let guarded = arguments.first().is_some_and(|first| first == "--guarded");
    arguments.drain(..usize::from(guarded));
    let asked = match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        [path] => Some(((*path).to_owned(), None)),
        [path, service, rate] => {
            rate.parse().ok().map(|rate| ((*path).to_owned(), Some(Clients::new(*service, rate))))
        }
        _ => None,
    };
    let Some((path, clients)) = asked else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    match serve(&path, clients, guarded).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the cluster has no clock of its own; this is the one of this command"
)]
async fn serve(path: &str, clients: Option<Clients>, guarded: bool) -> Result<(), Box<dyn Error>> {
    let network = Ipv4Addr::from_bits(0x7f00_0000 | (std::process::id() << 8 & 0x00ff_ff00));
    let cluster = Cluster::new(1, jiff::Timestamp::now(), network);
    if guarded {
        cluster.server().store(|store| store.admit_by(Policies::ALL));
    }
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    std::fs::write(path, kubeconfig(listener.local_addr()?))?;
    println!("export KUBECONFIG={path}");
    if let Some(clients) = clients {
        cluster.open_traffic("default", clients);
    }
    let told = async {
        let mut ticks = tokio::time::interval(Duration::from_secs(10));
        loop {
            ticks.tick().await;
            cluster.change(|memory| {
                for (_, Clients { service, sent, failed, refused, .. }) in memory.clients() {
                    println!("{service}: {sent} sent, {failed} failed, {refused} refused");
                }
            });
        }
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = listen(cluster.server().clone(), listener) => {}
        () = cluster.clone().run() => {}
        () = told => {}
    }
    std::fs::remove_file(path)?;
    Ok(())
}
