//! What came of a simulation, for programs. docs/simulate.md describes the document.

use serde_json::{Value, json};
use siskin_core::policy::GoDuration;

use crate::{
    quantity::Times,
    run::{By, End},
    simulation::{Simulation, Summary},
    statistics::{Proportion, Quantile, Spread},
    text::reason,
};

/// One simulation. Times are in seconds, shares from 0 to 1.
pub fn json(simulation: &Simulation) -> Value {
    let Simulation { scenario, advice, good, bad } = simulation;
    let setting = &scenario.setting;
    let releases = &setting.releases;
    let (errors, latency) = (releases.errors, releases.latency);
    json!({
        "policy": scenario.policy.name,
        "replicas": setting.replicas,
        "requestsPerSecond": setting.rate.per_second(),
        "approvalAfterSeconds": seconds(setting.approval_after),
        "runs": setting.runs,
        "seed": setting.seed,
        "releases": {
            "errors": {
                "stable": f64::from(errors.pair.stable.0) / 1e6,
                "canary": f64::from(errors.pair.canary.0) / 1e6,
                "onsetSeconds": seconds(errors.onset),
            },
            "latency": {
                "stable": times(latency.pair.stable),
                "canary": times(latency.pair.canary),
                "onsetSeconds": seconds(latency.onset),
            },
            "startUp": {
                "stableSeconds": seconds(releases.start_up.stable.0),
                "canarySeconds": seconds(releases.start_up.canary.0),
            },
            "unhealthyAfterSeconds": releases.unhealthy.map(|age| seconds(age.0)),
            "crashAfterSeconds": releases.crash.map(|age| seconds(age.0)),
            "noImage": releases.no_image,
        },
        "differences": scenario.differences,
        "advice": advice,
        "good": summary(good),
        "bad": summary(bad),
    })
}

fn summary(summary: &Summary) -> Value {
    let alarms = summary.alarms.iter().map(|((by, step), count)| {
        let (check, cause) = match by {
            By::Check(check) => (Some(check), None),
            By::Other(cause) => (None, Some(cause)),
        };
        json!({ "check": check, "cause": cause, "step": step, "runs": count })
    });
    let reasons = summary.reasons.iter().map(|(end, count)| {
        let pause = match end {
            End::Paused(reason) => Some(format!("{reason:?}")),
            _ => None,
        };
        json!({ "pause": pause, "reason": reason(*end), "runs": count })
    });
    json!({
        "promoted": proportion(&summary.promoted),
        "stopped": proportion(&summary.stopped),
        "standing": proportion(&summary.standing),
        "alarms": alarms.collect::<Vec<_>>(),
        "reasons": reasons.collect::<Vec<_>>(),
        "promotionSeconds": spread(&summary.promotion, &in_seconds),
        "alarmSeconds": spread(&summary.alarm, &in_seconds),
        "backSeconds": spread(&summary.back, &in_seconds),
        "badRequests": spread(&summary.bad_requests, &Value::from),
        "answeredRequests": spread(&summary.answered, &Value::from),
    })
}

fn proportion(proportion: &Proportion) -> Value {
    json!({
        "runs": proportion.count,
        "share": proportion.share(),
        "low": proportion.low,
        "high": proportion.high,
    })
}

fn spread(spread: &Spread, unit: &dyn Fn(u64) -> Value) -> Value {
    let tell = |quantile: &Quantile| json!({ "value": quantile.value.map(unit), "low": quantile.low.map(unit), "high": quantile.high.map(unit) });
    json!({ "median": tell(&spread.median), "p95": tell(&spread.p95) })
}

fn times(times: Times) -> Value {
    json!({ "medianSeconds": seconds(times.median), "p99Seconds": seconds(times.p99) })
}

fn in_seconds(millis: u64) -> Value {
    seconds(GoDuration::from_millis(millis)).into()
}

fn seconds(time: GoDuration) -> f64 {
    time.0.as_secs_f64()
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;

    use super::*;
    use crate::{
        Scenario,
        scenario::tests::{quick, setting},
        simulate,
    };

    #[test]
    fn the_document_holds_every_figure_with_its_unit() {
        let scenario = Scenario::new(quick(), setting("0.1%..30%@1s", 20)).unwrap();
        let simulation = simulate(scenario, NonZeroUsize::MIN);
        let document = json(&simulation);
        let at = |pointer: &str| document.pointer(pointer).unwrap_or_else(|| panic!("{pointer}")).clone();
        assert_eq!((at("/policy"), at("/requestsPerSecond")), (json!("tried"), json!(100.0)));
        assert_eq!(at("/releases/errors"), json!({ "stable": 0.001, "canary": 0.3, "onsetSeconds": 1.0 }));
        assert_eq!(at("/releases/latency/stable"), json!({ "medianSeconds": 0.02, "p99Seconds": 0.08 }));
        assert_eq!((at("/good/promoted/runs"), at("/good/promoted/share")), (json!(20), json!(1.0)));
        assert_eq!(
            at("/bad/alarms"),
            json!([{ "check": "errors", "cause": null, "step": "first", "runs": 20 }])
        );
        assert_eq!(at("/bad/promotionSeconds/median/value"), Value::Null);
        let millis = simulation.bad.alarm.median.value.unwrap();
        let seconds = at("/bad/alarmSeconds/median/value").as_f64().unwrap();
        assert!((seconds * 1000.0 - f64::from(u32::try_from(millis).unwrap())).abs() < 1e-6);
        assert_eq!(at("/bad/badRequests/p95/value"), json!(simulation.bad.bad_requests.p95.value));
    }
}
