use super::*;

const CHECKS: &str = r#"- { name: health, every: 1s, http: { port: web, path: /healthz, failureThreshold: 3 } }
- name: errors
  every: 1s
  scrape: { port: web, path: /metrics, ratio: { bad: 'x{code=~"5.."}', total: x } }
  limit: { maxShare: 5%, failureThreshold: 2, minCount: 50 }
  compare: { to: Stable, maxRatio: 1.5, warmUp: 30s, minCount: 50 }"#;

fn world() -> World {
    World::with_canary(policy("within: 60s, pullErrorGrace: 20s", CHECKS), &[4])
}

#[test]
fn a_deadline_goes_on_after_a_restart() {
    let mut world = world();
    world.canary.push(pod(5));
    world.after(0).after(50_000);
    world.restart(0);
    world.after(9000);
    assert_eq!(world.outcome("readiness"), Outcome::Undecided);
    world.after(1000);
    world.says("readiness", Outcome::Fail, "pod db-5: was not Ready within 1m");
}

#[test]
fn a_pod_that_was_ready_once_stays_one_that_was() {
    let mut world = world();
    world.pod(4).ready = false;
    world.after(1000).after(50_000);
    world.restart(5_000_000);
    world.after(5000);
    world.says("readiness", Outcome::Undecided, "pod db-4 is not Ready any more after 55s of 1m");
    for _ in 0..3 {
        world.answer("health", 4, Reading::Unhealthy("refused".to_owned()));
    }
    assert_eq!(world.outcome("health"), Outcome::Fail);
}

#[test]
fn consecutive_failures_go_on() {
    let mut world = world();
    world.answer("health", 4, Reading::Unhealthy("refused".to_owned()));
    world.answer("health", 4, Reading::Unhealthy("refused".to_owned()));
    world.ratio(4, 50, 100);
    world.restart(0);
    assert_eq!(world.outcome("health"), Outcome::Undecided);
    world.answer("health", 4, Reading::Unhealthy("refused".to_owned()));
    assert_eq!(world.outcome("health"), Outcome::Fail);
    world.ratio(4, 50, 100);
    assert_eq!(world.outcome("errors"), Outcome::Undecided);
    world.after(1000).ratio(4, 60, 200);
    assert_eq!(world.outcome("errors"), Outcome::Fail);
}

#[test]
fn counts_from_before_a_restart_are_not_counted_again() {
    let mut world = world();
    world.after(30_000).ratio(4, 1, 1);
    world.ratio(0, 10, 1000);
    world.after(1000).ratio(4, 1, 101);
    world.ratio(0, 11, 1100);
    world.after(1000).ratio(4, 2, 201);
    let before = world.verdict("errors");
    assert_eq!(before.0, Outcome::Pass);
    world.restart(0);
    world.ratio(4, 900, 900);
    world.ratio(0, 11, 1100);
    world.says(
        "errors",
        Outcome::Undecided,
        "pod db-4: 0 of 0 events bad in 10s, limit 5%; at least 50 events are needed",
    );
    world.after(1000).ratio(4, 901, 1000);
    assert_eq!(world.verdict("errors").0, Outcome::Pass);
}

#[test]
fn a_settled_rollout_needs_no_checkpoint_but_its_comparison() {
    let mut world = world();
    world.after(40_000);
    world.answer("health", 4, Reading::Healthy);
    world.ratio(4, 0, 100);
    let checkpoint = serde_json::to_string(&world.checks.checkpoint(world.now)).unwrap();
    assert_eq!(checkpoint, r#"{"errors":{"compare":{"canary":[0,0],"stable":[0,0]}}}"#);
}

#[test]
fn pods_that_are_gone_are_forgotten() {
    let mut world = world();
    world.canary.push(pod(5));
    world.pod(4).ready = false;
    world.after(1000).answer("health", 4, Reading::Unhealthy("refused".to_owned()));
    let checkpoint = world.checks.checkpoint(world.now);
    assert_eq!(checkpoint["health"], serde_json::json!({ "failures": { "uid-4": 1 } }));
    assert_eq!(
        checkpoint["readiness"],
        serde_json::json!({ "uid-4": { "age": 1000, "ready": 1000, "unready": 0 }, "uid-5": { "age": 0 } })
    );
    world.canary.clear();
    world.after(1000);
    let checks: Vec<String> = world.checks.checkpoint(world.now).into_keys().collect();
    assert_eq!(checks, ["errors"]);
}

#[test]
fn a_checkpoint_that_does_not_read_is_none() {
    let garbage = serde_json::json!({
        "readiness": { "uid-4": { "age": -1 } },
        "health": { "failures": { "uid-4": "three" } },
        "errors": 7,
        "unknown": null,
    });
    let policy = policy("within: 60s", CHECKS);
    let resumed = Checks::resume(&policy, &serde_json::from_value(garbage).unwrap());
    assert_eq!(resumed.verdicts(Instant::default()), Checks::new(&policy).verdicts(Instant::default()));

    let huge = serde_json::json!({
        "readiness": { "uid-4": { "age": u64::MAX, "ready": u64::MAX, "unready": u64::MAX } },
        "health": { "failures": { "uid-4": u32::MAX } },
        "errors": { "over": u32::MAX, "compare": { "canary": [u64::MAX, u64::MAX], "stable": [u64::MAX, 0] } },
    });
    let mut world = world();
    world.checks = Checks::resume(&policy, &serde_json::from_value(huge).unwrap());
    world.look();
    world.answer("health", 4, Reading::Unhealthy("refused".to_owned()));
    world.ratio(4, 1, 1);
    world.after(1000).ratio(4, 2, 100);
    assert_eq!(world.outcome("readiness"), Outcome::Pass);
    assert_eq!(world.outcome("health"), Outcome::Fail);
}
