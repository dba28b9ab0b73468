use super::*;

fn world(ordinals: &[u32]) -> World {
    let check = "- { name: health, every: 1s, http: { port: web, path: /healthz, failureThreshold: 3 } }";
    World::with_canary(policy("within: 60s", check), ordinals)
}

fn refused() -> Reading {
    Reading::Unhealthy("connection refused".to_owned())
}

#[test]
fn every_canary_pod_must_answer() {
    let mut world = world(&[4, 5]);
    world.answer("health", 4, Reading::Healthy);
    world.says("health", Outcome::Undecided, "pod db-5: not asked yet");
    world.answer("health", 5, Reading::Healthy);
    world.says("health", Outcome::Pass, "2 of 2 canary pods answer well");
}

#[test]
fn the_nth_consecutive_failure_of_one_pod_fails() {
    let mut world = world(&[4, 5]);
    for second in 0..3 {
        world.answer("health", 4, Reading::Healthy);
        world.answer("health", 5, refused());
        world.after(1000);
        if second < 2 {
            let evidence = format!(
                "pod db-5: consecutive failures: {}, 3 fail the check: connection refused",
                second + 1
            );
            world.says("health", Outcome::Undecided, &evidence);
        }
    }
    let evidence = "pod db-5: consecutive failures: 3, 3 fail the check: connection refused";
    world.says("health", Outcome::Fail, evidence);
}

#[test]
fn a_good_answer_ends_the_row_of_failures() {
    let mut world = world(&[4]);
    for _ in 0..10 {
        world.answer("health", 4, refused());
        world.answer("health", 4, refused());
        assert_eq!(world.outcome("health"), Outcome::Undecided);
        world.answer("health", 4, Reading::Healthy);
        assert_eq!(world.outcome("health"), Outcome::Pass);
    }
}

#[test]
fn pods_that_were_never_ready_are_left_to_readiness() {
    let mut world = world(&[4]);
    world.pod(4).ready = false;
    world.pod(4).uid = Uid::from("fresh");
    world.after(0);
    for _ in 0..5 {
        world.answer("health", 4, refused());
    }
    world.says("health", Outcome::Undecided, "no canary pod was Ready yet");
}

#[test]
fn a_pod_that_lost_ready_is_still_asked() {
    let mut world = world(&[4]);
    world.pod(4).ready = false;
    world.after(1000);
    for _ in 0..3 {
        world.answer("health", 4, refused());
    }
    assert_eq!(world.outcome("health"), Outcome::Fail);
}

#[test]
fn old_answers_are_no_data_and_no_pass() {
    let mut world = world(&[4, 5]);
    world.answer("health", 4, Reading::Healthy);
    world.answer("health", 5, Reading::Healthy);
    // Of a probe of every second with a timeout of 2 s.
    world.after(4000).answer("health", 5, Reading::Healthy);
    assert_eq!(world.outcome("health"), Outcome::Pass);
    world.after(1);
    world.says("health", Outcome::NoData, "pod db-4: no answer that can be used for 4s");
}

#[test]
fn an_answer_that_cant_be_used_is_borne_for_a_moment() {
    let mut world = world(&[4]);
    let unusable = || Reading::Unusable("the pod has no port `web`".to_owned());
    world.answer("health", 4, Reading::Healthy);
    world.after(1000).answer("health", 4, unusable());
    world.says("health", Outcome::Undecided, "pod db-4: the pod has no port `web`");
    world.after(3001).answer("health", 4, unusable());
    let evidence = "pod db-4: no answer that can be used for 4s: the pod has no port `web`";
    world.says("health", Outcome::NoData, evidence);
    world.answer("health", 4, Reading::Healthy);
    assert_eq!(world.outcome("health"), Outcome::Pass);
}

#[test]
fn late_answers_from_before_a_restart_and_of_other_pods_are_dropped() {
    let mut world = world(&[4]);
    let sample = |pod: &str, restarts, at| Sample {
        check: "health".to_owned(),
        origin: Origin::Pod { pod: Uid::from(pod), restarts },
        at,
        reading: refused(),
    };
    let before = world.now;
    world.pod(4).containers[0].restarts = 1;
    world.after(1000);
    let now = world.now;
    for _ in 0..3 {
        world.checks.sample(sample("uid-4", 0, now));
        world.checks.sample(sample("uid-0", 0, now));
        world.checks.sample(sample("uid-9", 0, now));
    }
    world.says("health", Outcome::Undecided, "pod db-4: not asked yet");
    world.answer("health", 4, Reading::Healthy);
    for _ in 0..3 {
        world.checks.sample(sample("uid-4", 1, before));
    }
    assert_eq!(world.outcome("health"), Outcome::Pass);
}

#[test]
fn the_plan_asks_the_canary_pods_only() {
    let world = world(&[4, 5]);
    let canary: Vec<&Pod> = world.canary.iter().collect();
    let stable: Vec<&Pod> = world.stable.iter().collect();
    let plan = plan(&world.policy, &canary, &stable);
    let names = |plan: &ProbePlan| plan.targets.iter().map(|target| target.name.clone()).collect::<Vec<_>>();
    assert_eq!(names(&plan), ["db-4", "db-5"]);
    assert_eq!(plan.probes.len(), 1);
    assert!(!plan.probes[0].stable_too);
    assert_eq!(crate::checks::plan(&world.policy, &[], &stable), ProbePlan::default());
}
