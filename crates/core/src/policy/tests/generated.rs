//! Policies and texts by chance.

use std::collections::BTreeMap;

use proptest::{collection::vec, option, prelude::*, strategy::Strategy};

use super::super::*;
use crate::window::{TimeOfDay, Weekday, Window};

fn name() -> impl Strategy<Value = String> {
    "[a-z0-9]([a-z0-9-]{0,8}[a-z0-9])?"
}

fn duration(from_millis: u64) -> impl Strategy<Value = GoDuration> {
    (from_millis..2_000_000).prop_map(GoDuration::from_millis)
}

fn amount() -> impl Strategy<Value = Amount> {
    prop_oneof![(1_u32..50).prop_map(Amount::Count), (1_u32..=100).prop_map(Amount::Percent)]
}

fn batches() -> impl Strategy<Value = Batches> {
    (amount(), duration(1000), any::<bool>()).prop_map(|(batch, bake, approval)| Batches {
        batch,
        bake,
        approval,
    })
}

fn step() -> impl Strategy<Value = Step> {
    (name(), amount(), duration(1000), option::of(2_000_001..9_000_000_u64), any::<bool>()).prop_map(
        |(name, exposure, bake, within, approval)| {
            let decide_within = within.map(GoDuration::from_millis);
            Step { name, exposure, bake, decide_within, approval }
        },
    )
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    vec(step(), 1..6).prop_map(|mut steps| {
        let size = |step: &Step| match step.exposure {
            Amount::Count(pods) | Amount::Percent(pods) => pods,
        };
        steps.sort_by_key(size);
        for (index, step) in steps.iter_mut().enumerate() {
            step.name.push_str(&index.to_string());
        }
        steps
    })
}

fn canary() -> impl Strategy<Value = Canary> {
    let claims = prop_oneof![Just(ClaimUse::Discard), Just(ClaimUse::Keep), Just(ClaimUse::Reuse)];
    let autoscaler = prop_oneof![Just(AutoscalerUse::Refuse), Just(AutoscalerUse::Follow)];
    let surge =
        (option::of(amount()), option::of(claims), autoscaler).prop_map(|(pods, claims, autoscaler)| {
            let pods = if autoscaler == AutoscalerUse::Follow { Some(Amount::Count(1)) } else { pods };
            Placement::Surge(Surge { pods, claims, autoscaler })
        });
    (prop_oneof![Just(Placement::InPlace), surge], steps(), batches())
        .prop_map(|(placement, steps, remainder)| Canary { placement, steps, remainder })
}

fn endpoint() -> impl Strategy<Value = Endpoint> {
    let port = prop_oneof![(1..=u16::MAX).prop_map(Port::Number), "[a-z]{1,15}".prop_map(Port::Name)];
    let header = ("[A-Za-z0-9!#$%&'*+.^_`|~-]{1,12}", "([!-~]([ -~]{0,12}[!-~])?)?");
    let headers = vec(header, 0..3).prop_map(|headers| headers.into_iter().collect::<BTreeMap<_, _>>());
    (port, "/[!-\"$-~]{0,20}", prop_oneof![Just(Scheme::Http), Just(Scheme::Https)], headers, any::<bool>())
        .prop_map(|(port, path, scheme, headers, allow_host_network)| Endpoint {
            port,
            path,
            scheme,
            headers,
            allow_host_network,
        })
}

fn selector() -> impl Strategy<Value = Selector> {
    let pattern = || "[a-z.\\PC\n]{0,6}".prop_map(|text| Pattern::new(&regex::escape(&text)).unwrap());
    let op = prop_oneof![
        any::<String>().prop_map(MatchOp::Equal),
        "\\PC{0,8}".prop_map(MatchOp::NotEqual),
        pattern().prop_map(MatchOp::Matches),
        pattern().prop_map(MatchOp::NotMatches),
    ];
    let label = prop_oneof!["[a-km-z_][a-z0-9_]{0,5}", "\\PC{1,5}"];
    let matcher = (label, op).prop_map(|(label, op)| Matcher { label, op });
    (prop_oneof!["[a-z_:][a-z0-9_:]{0,6}", "\\PC{1,6}"], vec(matcher, 0..3))
        .prop_map(|(metric, matchers)| Selector { metric, matchers })
}

fn http() -> impl Strategy<Value = Probe> {
    let body = "\\PC{0,10}".prop_map(|text| Pattern::new(&regex::escape(&text)).unwrap());
    (endpoint(), vec(100_u16..600, 0..4), option::of(body), 1_u32..1000).prop_map(
        |(endpoint, expected_status, body_match, failure_threshold)| {
            Probe::Http(HttpProbe { endpoint, expected_status, body_match, failure_threshold })
        },
    )
}

fn rule(bound: impl Strategy<Value = Bound>) -> impl Strategy<Value = Limit> {
    (bound, 60_000_u64..3_600_000, 1_u64..1_000_000, 1_u32..1000).prop_map(
        |(bound, window, min_count, failure_threshold)| Limit {
            bound,
            window: GoDuration::from_millis(window),
            min_count,
            failure_threshold,
        },
    )
}

fn compare() -> impl Strategy<Value = Compare> {
    (1.000_001_f64..1000.0, duration(0), 1_u64..1_000_000)
        .prop_map(|(max_ratio, warm_up, min_count)| Compare { max_ratio, warm_up, min_count })
}

fn ratio() -> impl Strategy<Value = Probe> {
    let rules = prop_oneof![
        (rule(share()).prop_map(Some), option::of(compare())),
        (Just(None), compare().prop_map(Some)),
    ];
    (endpoint(), selector(), selector(), rules).prop_map(|(endpoint, bad, total, (limit, compare))| {
        Probe::Scrape(ScrapeProbe { endpoint, measure: Measure::Ratio { bad, total }, limit, compare })
    })
}

fn share() -> impl Strategy<Value = Bound> {
    prop_oneof![0.0_f64..1.0, (0_u32..10_000).prop_map(|n| f64::from(n) / 10_000.0)]
        .prop_map(|max| Bound::MaxShare { max })
}

fn histogram() -> impl Strategy<Value = Probe> {
    let quantile = (0.000_001_f64..1.0, duration(1))
        .prop_map(|(quantile, max_latency)| Bound::Quantile { quantile, max_latency });
    (endpoint(), selector(), rule(quantile)).prop_filter_map(
        "a family without suffix",
        |(endpoint, family, limit)| {
            let measure = Measure::Histogram { family };
            Some(Probe::Scrape(ScrapeProbe { endpoint, measure, limit: Some(limit), compare: None }))
        },
    )
}

fn template(text: &'static str) -> impl Strategy<Value = QueryTemplate> {
    let variable =
        prop_oneof![Just("{{ canary.pods }}"), Just("{{stable.revision}}"), Just("{{ workload.name }}")];
    vec((text, variable), 1..3).prop_map(|parts| {
        let text: String = parts.into_iter().map(|(text, variable)| text + variable).collect();
        QueryTemplate::try_from(text).unwrap()
    })
}

fn query() -> impl Strategy<Value = Query> {
    let question = prop_oneof![
        (template("[ -z|~éß]{1,12}"), any::<bool>())
            .prop_map(|(query, accept_warnings)| Question::Prometheus { query, accept_warnings }),
        (template("/[!-\"$-z|~]{0,8}"), "(/([ -}]|~0|~1){0,5}){0,3}")
            .prop_map(|(path, pointer)| Question::Json { path, pointer }),
    ];
    let bounds = prop_oneof![
        any::<f64>().prop_map(|min| (Some(min), None)),
        any::<f64>().prop_map(|max| (None, Some(max))),
        (-1e9_f64..1e9, 0.0_f64..1e9).prop_map(|(min, more)| (Some(min), Some(min + more))),
    ];
    let finite = |bound: &Option<f64>| bound.is_none_or(f64::is_finite);
    let bounds = bounds.prop_filter("numbers", move |(min, max)| finite(min) && finite(max));
    (name(), question, bounds, 1_u32..1000, duration(0)).prop_map(
        |(source, question, (min, max), failure_threshold, warm_up)| Query {
            source,
            question,
            limit: Range { min, max, failure_threshold },
            warm_up,
        },
    )
}

fn signal() -> impl Strategy<Value = Signal> {
    prop_oneof![
        prop_oneof![http(), ratio(), histogram()].prop_map(Signal::Pods),
        query().prop_map(Signal::Source),
    ]
}

fn check() -> impl Strategy<Value = Check> {
    let mode = prop_oneof![Just(Mode::Enforce), Just(Mode::Observe)];
    (name(), mode, 1000_u64..60_000, 1_u64..=30_000, signal()).prop_map(
        |(name, mode, every, timeout, signal)| Check {
            name,
            mode,
            every: GoDuration::from_millis(every),
            connect_timeout: GoDuration::from_millis(timeout.div_ceil(2)),
            timeout: GoDuration::from_millis(timeout),
            signal,
        },
    )
}

fn outcome() -> impl Strategy<Value = Outcome> {
    let on_failure = || prop_oneof![Just(OnFailure::RollBack), Just(OnFailure::Pause)];
    let on_no_data = prop_oneof![Just(OnNoData::Hold), Just(OnNoData::Pause), Just(OnNoData::RollBack)];
    let after = prop_oneof![Just(AfterCompletion::Undo), Just(AfterCompletion::Pause)];
    let refused = prop_oneof![
        Just(OnSurgeRefused::Pause),
        Just(OnSurgeRefused::InPlace),
        Just(OnSurgeRefused::RollBack)
    ];
    let forgotten = prop_oneof![Just(OnForgotten::Hold), Just(OnForgotten::Restore)];
    let config_change = prop_oneof![Just(OnConfigChange::Warn), Just(OnConfigChange::Pause)];
    let ways = (on_failure(), on_failure(), on_no_data, after);
    (ways, forgotten, refused, config_change).prop_map(
        |(
            (on_failure, on_undecided, on_no_data, after_completion),
            on_forgotten,
            on_surge_refused,
            on_config_change,
        )| Outcome {
            on_failure,
            on_undecided,
            on_no_data,
            after_completion,
            on_forgotten,
            on_surge_refused,
            on_config_change,
        },
    )
}

fn notify() -> impl Strategy<Value = Vec<Notify>> {
    let topics = vec![Topic::Started, Topic::Paused, Topic::Failed, Topic::Promoted];
    vec(proptest::sample::subsequence(topics, 1..4), 0..3).prop_map(|events| {
        let notify = |(index, events)| Notify { receiver: format!("r{index}"), events };
        events.into_iter().enumerate().map(notify).collect()
    })
}

fn windows() -> impl Strategy<Value = Vec<Window>> {
    let zone = prop_oneof![Just("UTC"), Just("Europe/Berlin"), Just("Pacific/Chatham")];
    let days = proptest::sample::subsequence(Weekday::ALL.to_vec(), 1..=7);
    let time = |text: String| TimeOfDay::try_from(text).unwrap();
    vec((days, 0..24, 0..=24, zone), 0..3).prop_map(move |windows| {
        let window = |(days, from, to, zone): (Vec<Weekday>, i32, i32, &str)| Window {
            days,
            from: time(format!("{from:02}:59")),
            to: time(format!("{to:02}:00")),
            time_zone: zone.to_owned(),
        };
        windows.into_iter().map(window).collect()
    })
}

prop_compose! {
    fn policy()(
        name in name(),
        mode in prop_oneof![Just(Mode::Enforce), Just(Mode::Observe)],
        strategy in prop_oneof![
            canary().prop_map(crate::policy::Strategy::Canary),
            batches().prop_map(crate::policy::Strategy::RollingUpdate),
        ],
        windows in windows(),
        bounds in (amount(), duration(1000)),
        readiness in (duration(1000), 0_u32..1000, duration(0), duration(0)),
        mut checks in vec(check(), 0..4),
        outcome in outcome(),
        notify in notify(),
        pod_labels: bool,
    ) -> Policy {
        for (index, check) in checks.iter_mut().enumerate() {
            check.name.push_str(&index.to_string());
        }
        let (within, max_restarts, pull_error_grace, unschedulable_grace) = readiness;
        Policy {
            name,
            mode,
            strategy,
            windows,
            bounds: Bounds { max_unavailable: bounds.0, progress_deadline: bounds.1 },
            readiness: Readiness { within, max_restarts, pull_error_grace, unschedulable_grace },
            checks,
            outcome,
            notify,
            pod_labels,
        }
    }
}

proptest! {
    #[test]
    fn a_rendered_policy_parses_to_itself(policy in policy()) {
        let text = render(&policy);
        let parsed = parse("p.yaml", &text).map_err(|errors| TestCaseError::fail(format!("{errors}\n{text}")))?;
        prop_assert_eq!(parsed, vec![policy], "{}", text);
    }

    #[test]
    fn a_policy_survives_the_state(policy in policy()) {
        let json = serde_json::to_string(&policy).unwrap();
        prop_assert_eq!(serde_json::from_str::<Policy>(&json).unwrap(), policy);
    }

    #[test]
    fn any_text_is_read_without_panic(text in "\\PC*|[-:{}\\[\\],&*!|>'\"#%@` \na-c0-9]*") {
        let _ = parse("p.yaml", &text);
        let _ = crate::document::parse("p.yaml", &text);
    }

    #[test]
    fn a_damaged_policy_is_read_without_panic(policy in policy(), at: prop::sample::Index, byte in "[-:{}\\[\\], \n'\"a0%]") {
        let mut text = render(&policy);
        let places: Vec<usize> = text.char_indices().map(|(place, _)| place).collect();
        text.insert_str(places[at.index(places.len())], &byte);
        if let Err(errors) = parse("p.yaml", &text) {
            prop_assert!(errors.0.iter().all(|error| error.place.line >= 1 && error.place.column >= 1));
        }
    }
}
