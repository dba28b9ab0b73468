//! How long a rollout of five pods takes on one core:
//! `cargo run --release -p siskin-embedded --example rollout_speed`.

// An example ends where its own cluster refuses something.
#![allow(clippy::expect_used)]

use std::time::{Duration, Instant};

use siskin_embedded::{
    cluster::Cluster,
    model::traffic::Clients,
    object::{PodManagement, StatefulSetSpec, Template, labels},
};

const ROUNDS: u32 = 2_000;

fn main() {
    for (what, rate) in [("without traffic", None), ("with 100 requests a second", Some(100))] {
        let (spent, writes, time) = measure(rate);
        println!(
            "{what}: {:?} a rollout of {writes} writes in {} s of virtual time",
            spent / ROUNDS,
            time / 1000
        );
    }
}

/// Rolls five pods in as many clusters as there are rounds. Returns the time of all, and what the last one was like.
fn measure(rate: Option<u64>) -> (Duration, u64, u64) {
    let app = labels([("app", "db")]);
    let mut spec = StatefulSetSpec::new(app.clone(), Template::of_image("v1", &app));
    spec.replicas = 5;
    spec.pod_management = PodManagement::OrderedReady;
    let mut last = (Duration::ZERO, 0, 0);
    for seed in 0..ROUNDS {
        let mut cluster = Cluster::new(u64::from(seed));
        cluster.create_statefulset("user", "db", spec.clone()).expect("it is new");
        cluster.create_service("user", "web", app.clone()).expect("it is new");
        cluster.run_for(60_000);
        if let Some(rate) = rate {
            cluster.open_traffic(Clients::new("web", rate));
        }
        let (version, begin) = (cluster.version(), cluster.now());
        let clock = Instant::now();
        cluster.set_template("user", "db", Template::of_image("v2", &app)).expect("it exists");
        cluster.run_while(600_000, |cluster| {
            cluster.statefulset("db").is_some_and(|set| {
                set.status.observed_generation < set.metadata.generation
                    || set.status.current_revision != set.status.update_revision
            })
        });
        last = (last.0 + clock.elapsed(), cluster.version() - version, cluster.now() - begin);
    }
    last
}
