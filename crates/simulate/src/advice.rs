//! What follows from policy and setting without a single run.

use siskin_core::policy::{Bound, Check, Limit, Measure, Mode, Probe, ScrapeProbe, Signal};
use siskin_core::strategy::PlannedStep;

use crate::{quantity::Share, scenario::Scenario};

/// Sentences for the policy's author.
pub fn advice(scenario: &Scenario) -> Vec<String> {
    let mut advice = Vec::new();
    for (check, scrape) in scrapes(scenario) {
        let Some(limit) = &scrape.limit else { continue };
        advice.extend(too_few(scenario, check, limit));
        advice.extend(below_the_limit(scenario, check, limit));
    }
    let looks = |wanted: fn(&Measure) -> bool| {
        scrapes(scenario).any(|(check, scrape)| check.mode == Mode::Enforce && wanted(&scrape.measure))
    };
    let releases = &scenario.setting.releases;
    if releases.errors.pair.changes() && !looks(|measure| matches!(measure, Measure::Ratio { .. })) {
        advice.push(
            "no check of the policy counts errors, so none can see those of the bad release".to_owned(),
        );
    }
    if releases.latency.pair.changes() && !looks(|measure| matches!(measure, Measure::Histogram { .. })) {
        advice.push(
            "no check of the policy looks at answer times, so none can see those of the bad release"
                .to_owned(),
        );
    }
    if scenario.plan.steps.iter().any(|step| step.approval) {
        let after = scenario.setting.approval_after;
        let when = if after.is_zero() { "at once".to_owned() } else { format!("after {after}") };
        advice.push(format!("a person is taken to approve {when}, whenever a step waits for it"));
    }
    advice
}

fn scrapes(scenario: &Scenario) -> impl Iterator<Item = (&Check, &ScrapeProbe)> {
    scenario.policy.checks.iter().filter_map(|check| match &check.signal {
        Signal::Pods(Probe::Scrape(scrape)) => Some((check, scrape)),
        _ => None,
    })
}

/// The first step in which a limit's window is too empty to decide.
fn too_few(scenario: &Scenario, check: &Check, limit: &Limit) -> Option<String> {
    let needed = float(limit.min_count);
    let (step, expected) = scenario
        .plan
        .steps
        .iter()
        .map(|step| (step, expected(scenario, step, limit)))
        .find(|(_, expected)| *expected < needed)?;
    // Requests fall on the pods by chance: a window holds more than the mean and four standard deviations once in
    // 30,000 times.
    let out_of_reach = expected + 4.0 * expected.sqrt() < needed;
    let how = if out_of_reach { "can't be met" } else { "is met by luck only" };
    Some(format!(
        "check `{}`: minCount {} {how} in step `{}`: of {} about {expected:.0} reach its pods in a window of {}",
        check.name, limit.min_count, step.name, scenario.setting.rate, limit.window
    ))
}

/// Requests that a step's canary pods get in a window, on the average.
fn expected(scenario: &Scenario, step: &PlannedStep, limit: &Limit) -> f64 {
    let exposure = step.exposure;
    let canary = f64::from(exposure.surge + exposure.in_place);
    let all = f64::from(scenario.setting.replicas + exposure.surge);
    scenario.setting.rate.per_second() * limit.window.0.as_secs_f64() * canary / all
}

/// A limit that the bad release keeps.
fn below_the_limit(scenario: &Scenario, check: &Check, limit: &Limit) -> Option<String> {
    let errors = scenario.setting.releases.errors.pair;
    let Bound::MaxShare { max } = limit.bound else { return None };
    let Share(millionths) = errors.canary;
    (errors.changes() && f64::from(millionths) / 1e6 <= max).then(|| {
        format!(
            "check `{}`: its limit bears {}% errors, and the bad release has {}: only chance takes it over the limit",
            check.name,
            rounded(max * 100.0),
            errors.canary
        )
    })
}

/// Without the noise of binary fractions.
fn rounded(percent: f64) -> f64 {
    (percent * 1e6).round() / 1e6
}

fn float(count: u64) -> f64 {
    u32::try_from(count).map_or(f64::INFINITY, f64::from)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::tests::{policy, quick, setting};

    fn of(rate: &str, errors: &str) -> Vec<String> {
        let setting = crate::Setting { rate: rate.parse().unwrap(), ..setting(errors, 1) };
        advice(&Scenario::new(quick(), setting).unwrap())
    }

    #[test]
    fn a_window_that_stays_too_empty_is_told() {
        assert_eq!(of("100", "0%..10%"), Vec::<String>::new());
        assert_eq!(
            of("5", "0%..10%"),
            [
                "check `errors`: minCount 20 is met by luck only in step `first`: of 5 requests a second about 10 reach \
              its pods in a window of 5s"
            ]
        );
        assert_eq!(
            of("60/m", "0%..10%"),
            [
                "check `errors`: minCount 20 can't be met in step `first`: of 60 requests a minute about 2 reach its \
              pods in a window of 5s"
            ]
        );
    }

    #[test]
    fn a_release_within_the_limit_is_told() {
        assert_eq!(
            of("100", "0.1%..1%"),
            [
                "check `errors`: its limit bears 5% errors, and the bad release has 1%: only chance takes it over the \
              limit"
            ]
        );
    }

    #[test]
    fn what_no_check_looks_at_is_told() {
        let mut setting = setting("0%..10%", 1);
        setting.releases.latency = "20ms..1s".parse().unwrap();
        let blind = policy("  strategy: { type: Canary }\n");
        assert_eq!(
            advice(&Scenario::new(blind, setting).unwrap()),
            [
                "no check of the policy counts errors, so none can see those of the bad release",
                "no check of the policy looks at answer times, so none can see those of the bad release",
            ]
        );
    }
}
