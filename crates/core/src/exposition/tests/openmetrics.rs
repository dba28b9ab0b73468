//! Pages in OpenMetrics.

use super::*;
use crate::checks::Begun;

const OPEN_METRICS: (Format, Encoding) = (Format::OpenMetrics, Encoding::Identity);

fn scraped(measure: &Measure, page: &str) -> Result<Scraped, Problem> {
    let whole = read_as(OPEN_METRICS, measure, page.as_bytes(), usize::MAX);
    assert_eq!(read_as(OPEN_METRICS, measure, page.as_bytes(), 7), whole);
    whole
}

fn counts(measure: &Measure, page: &str) -> Result<Counts, Problem> {
    scraped(measure, page).map(|scraped| scraped.counts)
}

fn told(measure: &Measure, page: &str) -> String {
    scraped(measure, page).unwrap_err().to_string()
}

fn begun(measure: &Measure, page: &str) -> Option<Begun> {
    scraped(measure, page).unwrap().begun
}

const PAGE: &str = r##"# TYPE http_requests counter
# UNIT http_requests requests
# HELP http_requests Requests, by "code" \n and {method}.
http_requests_total{code="200",method="GET"} 90 1700000000.5 # {trace_id="a } 7 # {b"} 1 1700000000.25
http_requests_created{code="200",method="GET"} 1700000000.125
http_requests_total{code="200",method="POST"} 1.0e1
http_requests_created{code="200",method="POST"} 1700000000.125
http_requests_total{code="503",method="GET"} 7 # {} 0.5
http_requests_created{code="503",method="GET"} 1700000060
# TYPE seconds histogram
# UNIT seconds 
seconds_bucket{code="200",le="0.1"} 50 # {trace_id="x"} 0.07
seconds_bucket{code="200",le="+Inf"} 100 # {"odd.id"="\"# EOF\""} 17.5 1700000000
seconds_count{code="200"} 100
seconds_sum{code="200"} 31.4
seconds_created{code="200"} 1700000000.125
seconds_bucket{code="500",le="0.1"} 1
seconds_bucket{code="500",le="1.0"} 2
seconds_bucket{code="500",le="+Inf"} 10
seconds_created{code="500"} 1700000061
# TYPE queue gaugehistogram
queue_bucket{le="10"} 4
queue_bucket{le="+Inf"} 5
queue_gcount 5
queue_gsum 12.5
# TYPE build info
build_info{version="1.2"} 1
# TYPE feature stateset
feature{feature="on"} 1
feature{feature="off"} 0
# TYPE temperature gauge
temperature -1.5
# TYPE latency summary
latency{quantile="0.5"} 0.1
latency_count 17
latency_sum 3.5
# TYPE odd unknown
odd 3
# EOF
"##;

#[test]
fn every_kind_of_family_can_stand_beside_the_one_that_is_asked_for() {
    assert_eq!(counts(&errors(), PAGE), Ok(Counts::Ratio { bad: 7, total: 107 }));
    let buckets = vec![(0.1, 51), (f64::INFINITY, 110)];
    assert_eq!(counts(&histogram("seconds"), PAGE), Ok(Counts::Histogram { buckets }));
    assert_eq!(counts(&ratio("odd", "latency_count"), PAGE), Ok(Counts::Ratio { bad: 3, total: 17 }));
}

#[test]
fn a_unit_must_end_the_name() {
    assert_eq!(
        told(&errors(), "# TYPE seconds histogram\n# UNIT seconds bytes\n# EOF\n"),
        "line 2 of the metrics page is not OpenMetrics: expected a metric name that ends in `_` and the unit, found \
         `seconds bytes`"
    );
}

#[test]
fn a_counter_is_found_with_and_without_total() {
    for name in ["http_requests", "http_requests_total"] {
        let measure = ratio(&format!("{name}{{code=~\"5..\"}}"), name);
        assert_eq!(counts(&measure, PAGE), Ok(Counts::Ratio { bad: 7, total: 107 }), "{name}");
    }
    assert_eq!(
        told(&ratio("none", "temperature_total"), PAGE),
        "the metrics page has no series of temperature_total",
        "only a counter's samples have another name than their family"
    );
    let text = "# TYPE http_requests counter\nhttp_requests_total 1\n";
    assert_eq!(
        super::told(&ratio("none", "http_requests"), text),
        "the metrics page has no series of http_requests",
        "in text a name is a name"
    );
}

#[test]
fn what_is_not_counted_up_is_refused() {
    for (name, family, kind) in [
        ("temperature", "temperature", "gauge"),
        ("build_info", "build", "info"),
        ("feature", "feature", "stateset"),
        ("queue_gcount", "queue", "gaugehistogram"),
        ("queue_bucket", "queue", "gaugehistogram"),
        ("latency", "latency", "summary"),
    ] {
        let message = told(&ratio("none", name), PAGE);
        assert!(
            message.ends_with(&format!("says that `{family}` is a {kind}; a counter is needed")),
            "{message}"
        );
    }
    let message = told(&histogram("queue"), PAGE);
    assert!(message.ends_with("says that `queue` is a gaugehistogram; a histogram is needed"), "{message}");
}

#[test]
fn created_says_since_when_each_series_counts() {
    let both = Some(Begun { oldest: 1_700_000_000.125, newest: 1_700_000_060.0 });
    assert_eq!(begun(&errors(), PAGE), both);
    assert_eq!(begun(&ratio("none", "http_requests"), PAGE), both);
    let good = Some(Begun { oldest: 1_700_000_000.125, newest: 1_700_000_000.125 });
    assert_eq!(begun(&ratio("none", "http_requests_total{code=\"200\"}"), PAGE), good);
    let seconds = Some(Begun { oldest: 1_700_000_000.125, newest: 1_700_000_061.0 });
    assert_eq!(begun(&histogram("seconds"), PAGE), seconds);
    let count = Some(Begun { oldest: 1_700_000_000.125, newest: 1_700_000_000.125 });
    assert_eq!(
        begun(
            &ratio("none", "seconds_count"),
            &PAGE.replace("seconds_created{code=\"500\"} 1700000061\n", "")
        ),
        count
    );
}

#[test]
fn a_begin_that_one_series_lacks_is_not_known() {
    for (from, to) in [
        ("http_requests_created{code=\"503\",method=\"GET\"} 1700000060\n", ""),
        (
            "http_requests_created{code=\"503\",method=\"GET\"} 1700000060",
            "http_requests_created{code=\"503\",method=\"GET\"} NaN",
        ),
    ] {
        let page = PAGE.replace(from, to);
        assert_eq!(begun(&errors(), &page), None);
        assert!(begun(&ratio("none", "http_requests_total{code=\"200\"}"), &page).is_some());
    }
    let elsewhere = "# TYPE x counter\nx_total 1\n# TYPE y counter\nx_created 5\n# EOF\n";
    assert_eq!(begun(&ratio("none", "x"), elsewhere), None, "a sample outside of its family");
    let gauge = "# TYPE x counter\n# TYPE x_created gauge\nx 1\nx_created 5\n";
    assert_eq!(
        read_as(TEXT, &ratio("none", "x"), gauge.as_bytes(), 9).unwrap().begun,
        None,
        "text has no begins"
    );
}

#[test]
fn a_series_or_its_begin_twice_refuses_the_page() {
    for twice in ["x_total{a=\"b\"} 1", "x_created{a=\"b\"} 1"] {
        let page = format!("# TYPE x counter\n{twice}\n{twice}\n# EOF\n");
        let series = twice.trim_end_matches(" 1");
        assert_eq!(
            told(&ratio("none", "x"), &page),
            format!("line 3 of the metrics page repeats the series `{series}`")
        );
    }
}

#[test]
fn a_page_without_its_end_is_cut_off() {
    let whole = counts(&errors(), PAGE);
    assert_eq!(counts(&errors(), PAGE.trim_end()), whole, "the last line feed may be left out");
    for end in 0..PAGE.len() - 1 {
        let Some(cut) = PAGE.get(..end) else { continue };
        assert!(counts(&errors(), cut).is_err(), "{cut}");
    }
    assert_eq!(
        told(&errors(), "http_requests_total 1\n"),
        "the metrics page is cut off in line 2: OpenMetrics ends with `# EOF`"
    );
    for after in ["\n", "x 1\n", "# EOF\n", "# EOF"] {
        let message = told(&errors(), &format!("http_requests_total 1\n# EOF\n{after}"));
        assert!(message.contains("expected nothing after `# EOF`") || after == "# EOF", "{message}");
    }
}

#[test]
fn names_of_any_characters_are_quoted_in_both_formats() {
    let page = "# TYPE \"http.requests\" counter\n{\"http.requests_total\",\"http.code\"=\"500\"} 3\n\
                {\"http.requests_total\",\"http.code\"=\"200\"} 4\nup 1\n{\"up\",a=\"b\"} 2\n# EOF\n";
    for wanted in [OPEN_METRICS, TEXT] {
        let read = |bad, total| read_as(wanted, &ratio(bad, total), page.as_bytes(), 11).map(|it| it.counts);
        assert_eq!(
            read(r#"{"http.requests_total","http.code"=~"5.."}"#, r#"{"http.requests_total"}"#),
            Ok(Counts::Ratio { bad: 3, total: 7 })
        );
        assert_eq!(
            read("up{a=\"b\"}", "up"),
            Ok(Counts::Ratio { bad: 2, total: 3 }),
            "quoted or not is one name"
        );
    }
    assert_eq!(
        counts(&ratio("none", r#"{"http.requests"}"#), page),
        Ok(Counts::Ratio { bad: 0, total: 7 }),
        "`_total` goes without saying here too"
    );
}
