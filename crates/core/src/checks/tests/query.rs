//! Answers of sources. The rows 9a to 9e are those of another controller that was watched, case by case.

use super::*;

const CHECK: &str = "- { name: lag, every: 10s, timeout: 5s, \
                     prometheus: { source: main, query: 'lag{pod=~\"{{ canary.pods }}\"}' }, \
                     limit: { max: 5, failureThreshold: 2, warmUp: 60s } }";
const COMPARING: &str = "- { name: lag, every: 10s, \
                         prometheus: { source: main, query: 'lag{pod=~\"{{ canary.pods }}\"} / lag{pod=~\"{{ stable.pods }}\"}' }, \
                         limit: { max: 2, warmUp: 0s } }";

/// Canary pods that have been Ready for long enough to be asked about.
fn warm(ordinals: &[u32]) -> World {
    let mut world = World::with_canary(policy("within: 60s", CHECK), ordinals);
    world.after(60_000);
    world
}

fn limited(limit: &str) -> World {
    let check = CHECK.replace("max: 5, failureThreshold: 2", limit);
    let mut world = World::with_canary(policy("within: 60s", &check), &[4]);
    world.after(60_000);
    world
}

fn value(of: &str, value: f64) -> Value {
    Value { of: of.to_owned(), value }
}

fn one(number: f64) -> Reading {
    Reading::Values(vec![value("", number)])
}

impl World {
    fn planned(&self) -> Vec<PlannedQuery> {
        let (canary, stable) = (Revision::from("db-new"), Revision::from("db-old"));
        let names = Names { namespace: "a", workload: "db", canary: &canary, stable: Some(&stable) };
        self.checks.queries(&names, self.now)
    }

    /// The source answers to what it is asked now.
    fn replies(&mut self, reading: Reading) -> &mut Self {
        let [query] = self.planned().try_into().expect("the source is asked");
        let origin = Origin::Source { about: query.about };
        self.checks.sample(Sample { check: query.check, origin, at: self.now, reading });
        self
    }

    #[track_caller]
    fn lag(&self, outcome: Outcome, evidence: &str) {
        self.says("lag", outcome, evidence);
    }
}

#[test]
fn a_value_within_the_bounds_passes_and_one_that_equals_a_bound_is_within() {
    let mut world = warm(&[4]);
    world.lag(Outcome::Undecided, "not asked yet");
    world.replies(one(5.0)).lag(Outcome::Pass, "5, at most 5");
    limited("min: -1").replies(one(-1.0)).lag(Outcome::Pass, "-1, at least -1");
    limited("min: 1, max: 2").replies(one(1.5)).lag(Outcome::Pass, "1.5, limit 1 to 2");
}

#[test]
fn the_nth_answer_outside_in_a_row_fails() {
    let mut world = warm(&[4]);
    world.replies(one(5.1)).lag(Outcome::Undecided, "5.1, at most 5; 1 of 2 answers in a row");
    world.after(10_000).replies(one(4.0)).lag(Outcome::Pass, "4, at most 5");
    world.after(10_000).replies(one(6.0)).after(10_000).replies(one(7.0));
    world.lag(Outcome::Fail, "7, at most 5; 2 of 2 answers in a row");
    limited("min: 1").replies(one(0.5)).lag(Outcome::Fail, "0.5, at least 1; 1 of 1 answers in a row");
}

#[test]
fn all_series_must_hold_and_the_worst_is_named() {
    let mut world = warm(&[4, 5]);
    let series = |a: f64, b: f64| {
        Reading::Values(vec![value(r#"lag{pod="db-4"}"#, a), value(r#"lag{pod="db-5"}"#, b)])
    };
    world.replies(series(1.0, 3.0));
    world.lag(Outcome::Pass, r#"2 values, the worst 3 for lag{pod="db-5"}, at most 5"#);
    world.after(10_000).replies(series(9.0, 3.0));
    world.lag(
        Outcome::Undecided,
        r#"1 of 2 values outside, the worst 9 for lag{pod="db-4"}, at most 5; 1 of 2 answers in a row"#,
    );
}

/// Row 9e: NaN fails a good release at the first measurement there.
#[test]
fn nan_is_neither_a_pass_nor_a_failure() {
    let mut world = warm(&[4]);
    world.replies(one(f64::NAN));
    world.lag(Outcome::Undecided, "source main: the answer is NaN, which says nothing");
    for _ in 0..4 {
        world.after(10_000).replies(one(f64::NAN));
    }
    world.lag(Outcome::NoData, "no value for 40s: source main: the answer is NaN, which says nothing");
    world.replies(one(1.0)).lag(Outcome::Pass, "1, at most 5");
}

/// Row 9e, its second half: the measurement is taken before any canary pod exists there.
#[test]
fn nothing_is_asked_before_there_is_a_canary_pod_that_was_ready_long_enough() {
    let mut world = World::new(policy("within: 60s", CHECK));
    assert_eq!(world.planned(), []);
    world.canary = vec![pod(4)];
    world.after(1000);
    assert_eq!(world.planned(), [], "never Ready");
    world.pod(4).ready = true;
    world.after(0).after(59_999);
    assert_eq!(world.planned(), []);
    world.lag(Outcome::Undecided, "not asked before 60s of being Ready about pod db-4");
    world.after(1);
    let [query] = world.planned().try_into().unwrap();
    assert_eq!((query.text.as_str(), query.source.as_str()), ("lag{pod=~\"db-4\"}", "main"));
    assert_eq!((query.every, query.timeout), (Duration::from_secs(10), Duration::from_secs(5)));
}

#[test]
fn one_nan_among_good_values_says_nothing_and_among_bad_ones_hides_nothing() {
    let mut world = warm(&[4]);
    let both = |other: f64| Reading::Values(vec![value("a", other), value("b", f64::NAN)]);
    world.replies(both(1.0));
    world.lag(Outcome::Undecided, "source main: the answer is NaN for b, which says nothing");
    world.after(10_000).replies(both(6.0)).after(10_000).replies(both(6.0));
    world.lag(Outcome::Fail, "1 of 2 values outside, the worst 6 for a, at most 5; 2 of 2 answers in a row");
}

#[test]
fn an_infinity_fails_on_the_bad_side_and_says_nothing_on_the_good_one() {
    limited("max: 5")
        .replies(one(f64::INFINITY))
        .lag(Outcome::Fail, "+Inf, at most 5; 1 of 1 answers in a row");
    limited("min: 5")
        .replies(one(f64::NEG_INFINITY))
        .lag(Outcome::Fail, "-Inf, at least 5; 1 of 1 answers in a row");
    let says_nothing = "source main: the answer is +Inf, which says nothing";
    limited("min: 5").replies(one(f64::INFINITY)).lag(Outcome::Undecided, says_nothing);
}

/// Row 9c: an empty result rolls a good release back there.
#[test]
fn an_empty_answer_is_no_failure() {
    let mut world = warm(&[4]);
    for _ in 0..10 {
        world.replies(Reading::Values(Vec::new())).after(10_000);
    }
    assert_eq!(world.outcome("lag"), Outcome::NoData);
}

/// Row 9d: with the documented guard an empty result promotes to 100 % there.
#[test]
fn an_empty_answer_is_no_pass_also_after_a_pass() {
    let mut world = warm(&[4]);
    world.replies(one(1.0)).after(10_000).replies(Reading::Values(Vec::new()));
    let why = "source main: the answer is empty: no series matches, or none is fresh";
    world.lag(Outcome::Undecided, why);
    world.after(10_000).replies(Reading::Values(Vec::new())).after(10_001);
    world.lag(Outcome::NoData, &format!("no value for 30s: {why}"));
}

/// Row 9a: five refused connections abort a good release there.
#[test]
fn a_source_that_refuses_connections_fails_nothing_however_long() {
    let mut world = warm(&[4]);
    world.replies(one(1.0));
    for _ in 0..100 {
        world.after(10_000).replies(Reading::Unusable("Connection refused".into()));
    }
    world.lag(Outcome::NoData, "no value for 1000s: source main: Connection refused");
    world.after(10_000).replies(one(1.0)).lag(Outcome::Pass, "1, at most 5");
}

/// Row 9b: a source that accepts and never answers holds a decision up for minutes there.
#[test]
fn a_source_that_never_answers_is_known_after_three_intervals() {
    let mut world = warm(&[4]);
    world.replies(one(1.0)).after(30_000).lag(Outcome::Pass, "1, at most 5");
    world.after(1).lag(Outcome::NoData, "no answer for 30s");
}

#[test]
fn answers_that_say_nothing_neither_add_to_a_row_nor_end_it() {
    let mut world = warm(&[4]);
    world.replies(one(6.0)).after(10_000).replies(one(f64::NAN)).after(10_000).replies(one(6.0));
    world.lag(Outcome::Fail, "6, at most 5; 2 of 2 answers in a row");
}

#[test]
fn a_refused_query_is_told_at_once() {
    let mut world = warm(&[4]);
    let reason = "refuses the query (status 400): bad_data: parse error";
    world.replies(one(1.0)).after(10_000).replies(Reading::Refused(reason.into()));
    world.lag(Outcome::NoData, &format!("source main: {reason}"));
}

#[test]
fn a_pass_covers_the_pods_that_were_asked_about_only() {
    let mut world = warm(&[4]);
    world.replies(one(1.0));
    world.canary.push(Pod { ready: true, ..pod(5) });
    world.after(0);
    world.lag(Outcome::Undecided, "1, at most 5; not asked before 60s of being Ready about pod db-5");
    world.after(60_000).replies(one(2.0)).lag(Outcome::Pass, "2, at most 5");
    assert_eq!(world.planned()[0].text, "lag{pod=~\"db-4|db-5\"}");
}

#[test]
fn a_failure_counts_while_other_pods_are_cold() {
    let mut world = warm(&[4]);
    world.canary.push(Pod { ready: true, ..pod(5) });
    world.after(0).replies(one(6.0)).after(10_000).replies(one(6.0));
    assert_eq!(world.outcome("lag"), Outcome::Fail);
}

#[test]
fn late_answers_and_those_about_pods_that_are_gone_are_dropped() {
    let mut world = warm(&[4]);
    let (before, old) = (world.now, world.planned().remove(0));
    world.after(10_000).replies(one(1.0));
    let sample = |about: &BTreeSet<Uid>, at| Sample {
        check: "lag".into(),
        origin: Origin::Source { about: about.clone() },
        at,
        reading: one(9.0),
    };
    world.checks.sample(sample(&old.about, before));
    world.lag(Outcome::Pass, "1, at most 5");
    let now = world.now;
    world.checks.sample(sample(&[Uid::from("gone")].into(), now));
    world.lag(Outcome::Pass, "1, at most 5");
}

#[test]
fn a_comparison_keeps_its_pass_when_no_stable_pod_is_left() {
    let mut world = World::with_canary(policy("within: 60s", COMPARING), &[4]);
    world.replies(one(1.0)).lag(Outcome::Pass, "1, at most 2");
    assert_eq!(world.planned()[0].text, "lag{pod=~\"db-4\"} / lag{pod=~\"db-0|db-1|db-2|db-3\"}");
    world.stable.clear();
    world.after(600_000);
    assert_eq!(world.planned(), []);
    let why = "no pod is left on the stable revision to compare with; last: ";
    world.lag(Outcome::Pass, &format!("{why}1, at most 2"));
    world.restart(1000);
    world.lag(Outcome::Pass, &format!("{why}before a restart of siskin"));
}

#[test]
fn a_comparison_that_never_passed_does_not_pass_without_stable_pods() {
    let mut world = World::with_canary(policy("within: 60s", COMPARING), &[4]);
    world.stable.clear();
    world.after(0).lag(Outcome::Undecided, "no pod runs the stable revision, so nothing can be asked");
}

#[test]
fn a_restart_keeps_the_row_and_the_warm_up_and_wants_a_new_answer_for_a_pass() {
    let mut world = warm(&[4]);
    world.replies(one(1.0)).restart(1000);
    world.pod(4).ready = true;
    world.lag(Outcome::Undecided, "not asked before 60s of being Ready about pod db-4");
    let mut world = World::with_canary(policy("within: 60s", CHECK), &[4]);
    world.after(59_000).restart(1000);
    world.after(1000).replies(one(6.0)).restart(1000);
    world.after(60_000).replies(one(6.0));
    world.lag(Outcome::Fail, "6, at most 5; 2 of 2 answers in a row");
}

#[test]
fn the_plan_of_the_pods_leaves_sources_out() {
    let world = warm(&[4]);
    let canary: Vec<&Pod> = world.canary.iter().collect();
    assert_eq!(plan(&world.policy, &canary, &[]).probes, []);
}
