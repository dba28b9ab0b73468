use super::*;

const RATIO: &str = "scrape: { port: web, path: /metrics, ratio: { bad: 'x{code=~\"5..\"}', total: x } }";

fn limited(limit: &str) -> Policy {
    policy("within: 60s", &format!("- name: errors\n  every: 1s\n  {RATIO}\n  limit: {{ {limit} }}"))
}

fn world(ordinals: &[u32]) -> World {
    World::with_canary(limited("maxShare: 5%, window: 10s, minCount: 50, failureThreshold: 2"), ordinals)
}

#[test]
fn a_canary_pods_first_counts_are_what_it_added() {
    let mut world = world(&[4]);
    world.says(
        "errors",
        Outcome::Undecided,
        "pod db-4: 0 of 0 events bad in 10s, limit 5%; at least 50 events are \
        needed; pod db-4: not asked yet",
    );
    world.ratio(4, 0, 49);
    world.says(
        "errors",
        Outcome::Undecided,
        "pod db-4: 0 of 49 events bad (0.0%) in 10s, limit 5%; at least 50 events are needed",
    );
    world.after(1000).ratio(4, 3, 60);
    world.says("errors", Outcome::Pass, "pod db-4: 3 of 60 events bad (5.0%) in 10s, limit 5%");
}

#[test]
fn the_nth_consecutive_tick_over_the_bound_fails() {
    let mut world = world(&[4]);
    world.ratio(4, 12, 60);
    let evidence = "pod db-4: 12 of 60 events bad (20.0%) in 10s, limit 5%; 1 of 2 ticks over it";
    world.says("errors", Outcome::Undecided, evidence);
    world.says("errors", Outcome::Undecided, evidence);
    world.after(1000).ratio(4, 12, 61);
    world.says("errors", Outcome::Fail, "pod db-4: 12 of 61 events bad (19.7%) in 10s, limit 5%");
}

#[test]
fn several_pods_are_one_sum_and_one_tick() {
    let mut world = world(&[4, 5, 6]);
    for ordinal in [4, 5, 6] {
        world.ratio(ordinal, 4, 40);
    }
    let evidence = "3 canary pods: 12 of 120 events bad (10.0%) in 10s, limit 5%; 1 of 2 ticks over it";
    world.says("errors", Outcome::Undecided, evidence);
    world.after(1000).ratio(5, 4, 41);
    assert_eq!(world.outcome("errors"), Outcome::Fail);
}

#[test]
fn a_tick_within_the_bound_ends_the_row_and_one_with_few_events_does_not() {
    let mut world = world(&[4]);
    world.ratio(4, 10, 100);
    world.after(1000).ratio(4, 10, 400);
    assert_eq!(world.outcome("errors"), Outcome::Pass);
    world.after(11_000).ratio(4, 20, 500);
    assert_eq!(world.outcome("errors"), Outcome::Undecided);
    world.after(11_000).ratio(4, 20, 510);
    let evidence = "pod db-4: 0 of 10 events bad (0.0%) in 10s, limit 5%; at least 50 events are needed";
    world.says("errors", Outcome::Undecided, evidence);
    world.after(11_000).ratio(4, 30, 610);
    assert_eq!(world.outcome("errors"), Outcome::Fail);
}

#[test]
fn the_window_slides() {
    let mut world = world(&[4]);
    world.ratio(4, 10, 100);
    for second in 1..10 {
        world.after(1000).ratio(4, 10, 100 + second * 5);
    }
    assert_eq!(world.outcome("errors"), Outcome::Fail);
    world.after(1000).ratio(4, 10, 150);
    world.says("errors", Outcome::Pass, "pod db-4: 0 of 50 events bad (0.0%) in 10s, limit 5%");
}

#[test]
fn a_counter_that_fell_began_again_at_zero() {
    let mut world = world(&[4]);
    world.ratio(4, 0, 1000);
    world.after(1000).ratio(4, 70, 90);
    world.says(
        "errors",
        Outcome::Undecided,
        "pod db-4: 70 of 1090 events bad (6.4%) in 10s, limit 5%; 1 of 2 ticks over it",
    );
}

#[test]
fn counts_that_come_late_are_dropped() {
    let mut world = world(&[4]);
    let before = world.now;
    world.after(1000).ratio(4, 0, 100);
    let now = std::mem::replace(&mut world.now, before);
    world.ratio(4, 70, 90);
    world.now = now;
    world.says("errors", Outcome::Pass, "pod db-4: 0 of 100 events bad (0.0%) in 10s, limit 5%");
}

#[test]
fn a_restarted_process_is_another_series_even_if_it_passed_the_old_value() {
    let mut world = World::with_canary(
        policy(
            "maxRestarts: 5",
            &format!("- name: errors\n  every: 1s\n  {RATIO}\n  limit: {{ maxShare: 5% }}"),
        ),
        &[4],
    );
    world.ratio(4, 0, 100);
    world.pod(4).containers[0].restarts = 1;
    world.after(1000).ratio(4, 60, 140);
    world.says("errors", Outcome::Fail, "pod db-4: 60 of 240 events bad (25.0%) in 10s, limit 5%");
}

/// A policy that forgives restarts, and a pod that answers with counts and since when they count.
fn begun_world() -> World {
    let check = format!("- name: errors\n  every: 1s\n  {RATIO}\n  limit: {{ maxShare: 5% }}");
    World::with_canary(policy("maxRestarts: 5", &check), &[4])
}

fn since(oldest: f64, newest: f64, bad: u64, total: u64) -> Reading {
    let counts = Counts::Ratio { bad, total };
    Reading::Counts(Scraped { counts, begun: Some(Begun { oldest, newest }) })
}

#[test]
fn counters_that_say_they_began_again_did_even_if_they_passed_the_old_value() {
    let mut world = begun_world();
    world.answer("errors", 4, since(100.0, 100.0, 0, 100));
    world.after(1000).answer("errors", 4, since(160.5, 161.0, 60, 140));
    world.says("errors", Outcome::Fail, "pod db-4: 60 of 240 events bad (25.0%) in 10s, limit 5%");
}

#[test]
fn a_series_that_begins_late_is_no_new_begin() {
    let mut world = begun_world();
    world.answer("errors", 4, since(100.0, 100.0, 0, 100));
    world.after(1000).answer("errors", 4, since(100.0, 160.0, 2, 160));
    world.says("errors", Outcome::Pass, "pod db-4: 2 of 160 events bad (1.2%) in 10s, limit 5%");
}

#[test]
fn a_restart_of_another_container_repeats_nothing_when_the_page_says_since_when_it_counts() {
    let mut world = begun_world();
    world.answer("errors", 4, since(100.0, 100.0, 0, 100));
    world.pod(4).containers[0].restarts = 1;
    world.after(1000).answer("errors", 4, since(100.0, 100.0, 0, 110));
    world.says("errors", Outcome::Pass, "pod db-4: 0 of 110 events bad (0.0%) in 10s, limit 5%");
}

#[test]
fn a_series_that_went_makes_a_new_base() {
    let mut world = begun_world();
    world.answer("errors", 4, since(100.0, 130.0, 0, 100));
    world.after(1000).answer("errors", 4, since(130.0, 130.0, 0, 40));
    world.after(1000).answer("errors", 4, since(130.0, 130.0, 0, 50));
    world.says("errors", Outcome::Pass, "pod db-4: 0 of 110 events bad (0.0%) in 10s, limit 5%");
}

#[test]
fn no_counts_are_neither_pass_nor_failure() {
    let mut world = world(&[4, 5]);
    world.ratio(4, 0, 100);
    world.ratio(5, 0, 100);
    assert_eq!(world.outcome("errors"), Outcome::Pass);
    let unusable = || Reading::Unusable("line 3 is not Prometheus text".to_owned());
    world.after(1000).ratio(4, 0, 101);
    world.answer("errors", 5, unusable());
    world.says("errors", Outcome::Undecided, "pod db-5: line 3 is not Prometheus text");
    world.after(3001).ratio(4, 0, 102);
    world.answer("errors", 5, unusable());
    let evidence = "pod db-5: no counts that can be used for 4s: line 3 is not Prometheus text";
    world.says("errors", Outcome::NoData, evidence);
    world.after(4001);
    assert_eq!(world.verdict("errors").0, Outcome::NoData);
    world.ratio(5, 0, 103);
    world.says("errors", Outcome::NoData, "pod db-4: no counts came in for 4s");
}

#[test]
fn a_known_failure_outweighs_missing_data() {
    let mut world = world(&[4]);
    world.ratio(4, 50, 100);
    world.after(1000).ratio(4, 51, 102);
    world.after(10_000);
    assert_eq!(world.outcome("errors"), Outcome::Fail);
}

#[test]
fn stable_pods_dont_count_for_a_limit() {
    let mut world = world(&[4]);
    for second in 1..4 {
        world.after(1000).ratio(4, 0, second * 100);
        world.ratio(0, second * 100, second * 100);
    }
    assert_eq!(world.outcome("errors"), Outcome::Pass);
}

fn latency() -> World {
    let check = "- name: latency\n  every: 1s\n  scrape: { port: web, path: /metrics, histogram: seconds }\n  \
                 limit: { quantile: 0.99, maxLatency: 400ms, window: 30s, minCount: 200 }";
    World::with_canary(policy("within: 60s", check), &[4])
}

fn buckets(buckets: &[(f64, u64)]) -> Reading {
    Reading::Counts(Counts::Histogram { buckets: buckets.to_vec() }.into())
}

#[test]
fn a_quantile_fails_when_more_than_its_rest_is_surely_above_the_bound() {
    let mut world = latency();
    world.answer("latency", 4, buckets(&[(0.1, 50), (0.5, 990), (1.0, 1000), (f64::INFINITY, 1000)]));
    let evidence = "pod db-4: 10 of 1000 events above bucket edge 0.5s (1.0%) in 30s, limit p99 at 400ms";
    world.says("latency", Outcome::Pass, evidence);
    world.after(1000);
    world.answer("latency", 4, buckets(&[(0.1, 50), (0.5, 990), (1.0, 1001), (f64::INFINITY, 1001)]));
    let evidence = "pod db-4: 11 of 1001 events above bucket edge 0.5s (1.1%) in 30s, limit p99 at 400ms";
    world.says("latency", Outcome::Fail, evidence);
}

#[test]
fn a_histogram_that_cant_show_the_bound_is_no_data() {
    let mut world = latency();
    for _ in 0..4 {
        world.after(1500);
        world.answer("latency", 4, buckets(&[(0.1, 50), (f64::INFINITY, 1000)]));
    }
    let evidence =
        "pod db-4: no counts that can be used for 6s: the histogram has no bucket edge at or above 400ms";
    world.says("latency", Outcome::NoData, evidence);
}

#[test]
fn another_layout_of_the_histogram_is_a_new_base() {
    let mut world = latency();
    world.answer("latency", 4, buckets(&[(0.5, 990), (f64::INFINITY, 1000)]));
    world.after(1000).answer("latency", 4, buckets(&[(0.4, 500), (f64::INFINITY, 1100)]));
    world.after(1000).answer("latency", 4, buckets(&[(0.4, 600), (f64::INFINITY, 1200)]));
    let evidence = "pod db-4: 10 of 1100 events above bucket edge 0.4s (0.91%) in 30s, limit p99 at 400ms";
    world.says("latency", Outcome::Pass, evidence);
}

fn compared(rules: &str) -> World {
    let check = format!("- name: errors\n  every: 1s\n  {RATIO}\n  {}", rules.replace('\n', "\n  "));
    World::with_canary(policy("within: 60s", &check), &[4])
}

#[test]
fn a_comparison_is_a_plain_ratio_and_says_so() {
    let mut world = compared("compare: { to: Stable, maxRatio: 1.5, warmUp: 0s, minCount: 100 }");
    world.ratio(0, 5000, 5000);
    world.after(1000).ratio(0, 5009, 5900);
    world.ratio(4, 1, 90);
    world.says(
        "errors",
        Outcome::Undecided,
        "plain ratio, no statistics: canary 90, stable 900 events, at least 100 of each are needed",
    );
    world.ratio(4, 1, 100);
    world.says(
        "errors",
        Outcome::Pass,
        "plain ratio, no statistics: canary 1.0% of 100, stable 1.0% of 900, ratio 1.0, at most 1.5",
    );
    world.after(1000).ratio(4, 6, 200);
    world.ratio(0, 5009, 5901);
    assert_eq!(world.outcome("errors"), Outcome::Fail);
}

#[test]
fn stable_pods_without_a_bad_event_are_taken_to_have_one() {
    let mut world = compared("compare: { to: Stable, maxRatio: 1.5, warmUp: 0s, minCount: 50 }");
    world.ratio(0, 0, 0);
    world.ratio(0, 0, 100);
    world.ratio(4, 1, 100);
    world.says(
        "errors",
        Outcome::Pass,
        "plain ratio, no statistics: canary 1.0% of 100, stable 1.0% of 100 (none bad, taken as one), ratio 1.0, at \
         most 1.5",
    );
    world.ratio(4, 2, 100);
    assert_eq!(world.outcome("errors"), Outcome::Fail);
}

#[test]
fn what_was_counted_during_the_warm_up_is_left_out_on_both_sides() {
    let mut world = compared("compare: { to: Stable, maxRatio: 1.5, warmUp: 60s, minCount: 50 }");
    for second in 1..=60 {
        world.after(1000).ratio(4, second * 10, second * 10);
        world.ratio(0, second, second * 100);
    }
    world.after(1000).ratio(4, 600, 700);
    world.ratio(0, 70, 7000);
    world.says(
        "errors",
        Outcome::Pass,
        "plain ratio, no statistics: canary 0.0% of 100, stable 1.0% of 1000, ratio 0.0, at most 1.5",
    );
}

#[test]
fn of_a_limit_and_a_comparison_the_worse_wins() {
    let rules = "limit: { maxShare: 50%, minCount: 10 }\n\
                 compare: { to: Stable, maxRatio: 1.5, warmUp: 0s, minCount: 50 }";
    let mut world = compared(rules);
    world.ratio(0, 0, 0);
    world.ratio(4, 3, 30);
    world.says(
        "errors",
        Outcome::Undecided,
        "plain ratio, no statistics: canary 30, stable 0 events, at least 50 of each are needed",
    );
    world.after(1000).ratio(0, 1, 100);
    world.ratio(4, 6, 60);
    assert_eq!(world.outcome("errors"), Outcome::Fail);
}

#[test]
fn a_comparison_needs_counts_of_one_stable_pod_and_asks_them_all() {
    let mut world = compared("compare: { to: Stable, maxRatio: 1.5, warmUp: 0s, minCount: 1 }");
    let canary: Vec<&Pod> = world.canary.iter().collect();
    let stable: Vec<&Pod> = world.stable.iter().collect();
    let plan = plan(&world.policy, &canary, &stable);
    assert_eq!(plan.targets.len(), 5);
    assert_eq!(plan.targets[1].role, Role::Stable);
    assert!(plan.probes[0].stable_too);

    for _ in 0..5 {
        world.after(1000).ratio(4, 0, 10);
    }
    let (outcome, evidence) = world.verdict("errors");
    assert_eq!(outcome, Outcome::NoData);
    assert!(evidence.starts_with("pod db-0: no counts came in for 5s;"), "{evidence}");
    world.ratio(2, 0, 10);
    assert_eq!(world.outcome("errors"), Outcome::Undecided);
}

#[test]
fn observed_checks_are_evaluated_and_do_not_decide() {
    let check =
        format!("- name: errors\n  mode: Observe\n  every: 1s\n  {RATIO}\n  limit: {{ maxShare: 5% }}");
    let mut world = World::with_canary(policy("within: 60s", &check), &[4]);
    world.ratio(4, 100, 100);
    let Verdicts(verdicts) = world.checks.verdicts(world.now);
    assert_eq!((verdicts[1].enforced, verdicts[1].outcome), (false, Outcome::Fail));
}

proptest::proptest! {
    #[test]
    fn no_counts_upset_the_rules(samples in proptest::collection::vec((4..7_u32, 0..3_u32, 0..4000_u64, 0..=u64::MAX, 0..=u64::MAX), 0..60)) {
        let mut world = compared("limit: { maxShare: 5% }\ncompare: { to: Stable, maxRatio: 1.5, warmUp: 2s }");
        world.canary = (4..7).map(|ordinal| Pod { ready: true, ..pod(ordinal) }).collect();
        for (ordinal, restarts, millis, bad, total) in samples {
            world.pod(ordinal).containers[0].restarts = restarts;
            world.after(millis).ratio(ordinal, bad, total);
            world.ratio(0, total, bad);
            world.checks.verdicts(world.now);
        }
        world.restart(0);
    }
}
