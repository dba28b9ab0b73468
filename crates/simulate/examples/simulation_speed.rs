//! How many rollouts are simulated in a second on one core:
//! `cargo run --release -p siskin-simulate --example simulation_speed`.

// An example ends where its own policies can't be simulated.
#![allow(clippy::expect_used)]

use std::{num::NonZeroUsize, time::Instant};

use siskin_core::policy::{self, GoDuration, Policy};
use siskin_simulate::{Releases, Scenario, Setting, simulate};

const RUNS: u32 = 200;
const WEB: &str = include_str!("../../../config/policies/web.yaml");

fn main() {
    let standard = policy::builtin("standard").expect("it is built in");
    let web = policy::parse("web.yaml", WEB).expect("a test loads it").remove(0);
    for (what, policy, rate) in [
        ("standard: readiness only, 50 requests a second", &standard, "50"),
        ("web: three checks each second, 50 requests a second", &web, "50"),
        ("web, 5000 requests a second", &web, "5000"),
    ] {
        let clock = Instant::now();
        let simulation = simulate(scenario(policy, rate), NonZeroUsize::MIN);
        let seconds = clock.elapsed().as_secs_f64();
        let minutes: u64 = [&simulation.good, &simulation.bad]
            .iter()
            .flat_map(|it| &it.runs)
            .map(|run| run.at / 1000)
            .sum::<u64>()
            / 60;
        println!(
            "{what}: {:.0} runs a second, {minutes} minutes of rollouts in {seconds:.1} s",
            f64::from(2 * RUNS) / seconds
        );
    }
}

fn scenario(policy: &Policy, rate: &str) -> Scenario {
    let releases = Releases {
        errors: "0.1%..10%".parse().expect("a course"),
        latency: "20ms".parse().expect("a course"),
        start_up: "5s".parse().expect("a pair"),
        unhealthy: None,
        crash: None,
        no_image: false,
    };
    let setting = Setting {
        replicas: 5,
        rate: rate.parse().expect("a rate"),
        releases,
        approval_after: GoDuration::default(),
        runs: RUNS,
        seed: 1,
    };
    Scenario::new(policy.clone(), setting).expect("it fits")
}
