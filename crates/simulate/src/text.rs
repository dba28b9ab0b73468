//! What came of a simulation, for people.

use std::fmt::Write as _;

use crate::{
    run::{By, End},
    simulation::{Simulation, Summary},
    statistics::{Proportion, Quantile, Spread},
};

/// The whole page. Brackets hold 95 % intervals.
pub fn text(simulation: &Simulation) -> String {
    let Simulation { scenario, advice, good, bad } = simulation;
    let setting = &scenario.setting;
    let mut page = Page::default();
    page.line(&title(simulation));
    for difference in &scenario.differences {
        page.line(&format!("  note: {difference}"));
    }
    page.line("");
    page.line(&format!("A good release: {}", setting.releases.good()));
    page.share("promoted", &good.promoted, "");
    if good.promoted.count > 0 {
        page.spread("  takes", &good.promotion, &duration);
    }
    page.share("rolled back", &good.stopped, &alarms(good));
    page.standing(good);
    page.line("");
    page.line(&format!("A bad release: {}", setting.releases.bad()));
    page.share("caught", &bad.stopped, &alarms(bad));
    if bad.stopped.count > 0 {
        page.spread("  seen after", &bad.alarm, &duration);
        if bad.runs.iter().any(|run| run.end == End::RolledBack) {
            page.spread("  all back after", &bad.back, &duration);
        }
        page.spread("  bad requests", &bad.bad_requests, &|count| count.to_string());
        page.spread("  answered by it", &bad.answered, &|count| count.to_string());
    }
    page.share("never caught", &bad.promoted, "");
    page.standing(bad);
    if !advice.is_empty() {
        page.line("");
        page.line("Worth knowing");
        for sentence in advice {
            page.line(&format!("  - {sentence}"));
        }
    }
    page.0
}

/// What was simulated, in a line.
pub fn title(simulation: &Simulation) -> String {
    let setting = &simulation.scenario.setting;
    let plural = if setting.replicas == 1 { "" } else { "s" };
    format!(
        "Policy {} on {} pod{plural} at {}: {} runs of each release, seed {}",
        simulation.scenario.policy.name, setting.replicas, setting.rate, setting.runs, setting.seed
    )
}

/// What decided against a release where, most often first.
fn alarms(summary: &Summary) -> String {
    let mut alarms: Vec<_> = summary.alarms.iter().collect();
    alarms.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
    let tell = |((by, step), count): (&(By, String), &u32)| {
        let by = match by {
            By::Check(check) => format!("check {check}"),
            By::Other(cause) => cause.clone(),
        };
        format!("{by} in step {step} ({count})")
    };
    let mut told: Vec<String> = alarms.iter().take(4).map(|(alarm, count)| tell((alarm, count))).collect();
    let others: u32 = alarms.iter().skip(4).map(|(_, count)| **count).sum();
    if others > 0 {
        told.push(format!("elsewhere ({others})"));
    }
    told.join(", ")
}

/// Milliseconds as people say them.
pub fn duration(millis: u64) -> String {
    let seconds = millis / 1000;
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, seconds) => format!("{seconds}.{}s", millis % 1000 / 100),
        (0, minutes, seconds) => format!("{minutes}m{seconds:02}s"),
        (hours, minutes, _) => format!("{hours}h{minutes:02}m"),
    }
}

#[derive(Default)]
struct Page(String);

impl Page {
    fn line(&mut self, text: &str) {
        // Writing to a String cannot fail.
        let _ = writeln!(self.0, "{}", text.trim_end());
    }

    /// A share of the runs, with what it consists of.
    fn share(&mut self, what: &str, share: &Proportion, of: &str) {
        let of = if of.is_empty() { String::new() } else { format!(": {of}") };
        let (low, high) = (percent(share.low), percent(share.high));
        self.line(&format!(
            "  {what:<16} {:>7}  [{low}, {high}]  {} of {}{of}",
            percent(share.share()),
            share.count,
            share.of
        ));
    }

    fn standing(&mut self, summary: &Summary) {
        if summary.standing.count > 0 {
            let reasons: Vec<String> =
                summary.reasons.iter().map(|(end, count)| format!("{} ({count})", reason(*end))).collect();
            self.share("no verdict", &summary.standing, &reasons.join(", "));
        }
    }

    fn spread(&mut self, what: &str, spread: &Spread, unit: &dyn Fn(u64) -> String) {
        let tell = |quantile: &Quantile| {
            let bound = |bound: Option<u64>| bound.map_or_else(|| "?".to_owned(), unit);
            match quantile.value {
                Some(value) => format!("{} [{}, {}]", unit(value), bound(quantile.low), bound(quantile.high)),
                None => "not reached".to_owned(),
            }
        };
        self.line(&format!("  {what:<16} median {},  95 %: {}", tell(&spread.median), tell(&spread.p95)));
    }
}

fn percent(share: f64) -> String {
    let percent = share * 100.0;
    // What isn't quite all or nothing isn't called so.
    let near_an_end = (percent > 0.0 && percent < 0.1) || (percent < 100.0 && percent > 99.9);
    if near_an_end { format!("{:.2}%", percent.clamp(0.01, 99.99)) } else { format!("{percent:.1}%") }
}

/// Why a run stands still.
pub fn reason(end: End) -> String {
    match end {
        End::Paused(reason) => format!("paused, {reason:?}"),
        End::Unfinished => "without end".to_owned(),
        End::Promoted | End::RolledBack => "ended".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_and_shares_read_well() {
        let told = [0, 950, 59_999, 60_000, 754_000, 3_600_000, 93_780_000].map(duration);
        assert_eq!(told, ["0.0s", "0.9s", "59.9s", "1m00s", "12m34s", "1h00m", "26h03m"]);
        let told = [0.0, 0.000_04, 0.0005, 0.002, 0.5, 0.998, 0.9995, 0.999_999, 1.0].map(percent);
        assert_eq!(told, ["0.0%", "0.01%", "0.05%", "0.2%", "50.0%", "99.8%", "99.95%", "99.99%", "100.0%"]);
    }
    #[test]
    fn a_page_tells_both_releases_and_what_to_know() {
        use crate::{
            Scenario,
            scenario::tests::{quick, setting},
            simulate,
        };
        let scenario = Scenario::new(quick(), setting("0%..30%", 20)).unwrap();
        let page = text(&simulate(scenario.clone(), std::num::NonZeroUsize::MIN));
        let line =
            |start: &str| page.lines().find(|line| line.trim_start().starts_with(start)).map(str::trim);
        assert!(page.starts_with(
            "Policy tried on 5 pods at 100 requests a second: 20 runs of each release, seed 1\n\nA good release: 0% errors, "
        ));
        assert_eq!(line("promoted"), Some("promoted          100.0%  [83.9%, 100.0%]  20 of 20"));
        assert_eq!(line("rolled back"), Some("rolled back         0.0%  [0.0%, 16.1%]  0 of 20"));
        let caught = "caught            100.0%  [83.9%, 100.0%]  20 of 20: check errors in step first (20)";
        assert_eq!(line("caught"), Some(caught));
        assert!(
            line("takes").is_some_and(|line| line.contains("median 5") && line.contains("s [")),
            "{page}"
        );
        assert!(line("bad requests").is_some() && line("all back after").is_some(), "{page}");
        assert!(!page.contains("Worth knowing") && !page.contains("no verdict"), "{page}");

        let missed = Scenario::new(quick(), setting("0%..1%", 5)).unwrap();
        let page = text(&simulate(missed, std::num::NonZeroUsize::MIN));
        assert!(page.contains("  never caught      100.0%  [56.6%, 100.0%]  5 of 5\n"), "{page}");
        assert!(page.contains("Worth knowing\n  - check `errors`: its limit bears 5% errors"), "{page}");
        assert!(!page.contains("seen after"), "{page}");
    }
}
