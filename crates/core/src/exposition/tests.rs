mod generated;
mod gzip;
mod openmetrics;

use super::*;
use crate::{checks::Counts, policy::Selector};

fn selector(text: &str) -> Selector {
    Selector::try_from(text.to_owned()).unwrap()
}

fn ratio(bad: &str, total: &str) -> Measure {
    Measure::Ratio { bad: selector(bad), total: selector(total) }
}

fn histogram(family: &str) -> Measure {
    Measure::Histogram { family: selector(family) }
}

fn errors() -> Measure {
    ratio(r#"http_requests_total{code=~"5.."}"#, "http_requests_total")
}

/// The page in chunks of `size` bytes.
fn read_as(
    (format, encoding): (Format, Encoding),
    measure: &Measure,
    page: &[u8],
    size: usize,
) -> Result<Scraped, Problem> {
    let mut scraper = Scraper::new(measure, format, encoding);
    for chunk in page.chunks(size) {
        if scraper.feed(chunk).is_err() {
            break;
        }
    }
    scraper.finish()
}

const TEXT: (Format, Encoding) = (Format::Text, Encoding::Identity);

fn read_in(measure: &Measure, page: &[u8], size: usize) -> Result<Counts, Problem> {
    read_as(TEXT, measure, page, size).map(|scraped| scraped.counts)
}

fn read(measure: &Measure, page: &str) -> Result<Counts, Problem> {
    read_in(measure, page.as_bytes(), usize::MAX)
}

fn told(measure: &Measure, page: &str) -> String {
    read(measure, page).unwrap_err().to_string()
}

const PAGE: &str = r#"# HELP http_requests_total Requests, by "code" {and} method.
# TYPE http_requests_total counter
http_requests_total{code="200",method="GET",path="/a,b={\"x\"}\\"} 90
http_requests_total{code="200",method="POST",} 1.0e1 1700000000000
http_requests_total{code="503",method="GET"} 7
http_requests_total{code="500",method="POST"} 3

# a comment
go_goroutines 12.5
process_resident_memory_bytes NaN
http_request_duration_seconds_bucket{code="200",le="0.1"} 50
http_request_duration_seconds_bucket{code="200",le="1"} 90
http_request_duration_seconds_bucket{code="200",le="+Inf"} 100
http_request_duration_seconds_bucket{code="500",le="0.10"} 1
http_request_duration_seconds_bucket{code="500",le="1.0"} 2
http_request_duration_seconds_bucket{code="500",le="2.5"} 3
http_request_duration_seconds_bucket{code="500",le="Inf"} 10
http_request_duration_seconds_sum{code="200"} 31.4
http_request_duration_seconds_count{code="200"} 100
"#;

#[test]
fn a_ratio_sums_the_series_that_its_selectors_match() {
    for (bad, total, expected) in [
        (r#"http_requests_total{code=~"5.."}"#, "http_requests_total", (10, 110)),
        (r#"http_requests_total{code=~"5.."}"#, r#"http_requests_total{method="GET"}"#, (10, 97)),
        (r#"http_requests_total{code=~"50"}"#, "http_requests_total", (0, 110)),
        (r#"http_requests_total{code!~"2..",method!="POST"}"#, "http_requests_total", (7, 110)),
        (r#"http_requests_total{path=""}"#, "http_requests_total", (20, 110)),
        (r#"http_requests_total{path!=""}"#, "http_requests_total", (90, 110)),
        (r#"http_requests_total{path="/a,b={\"x\"}\\"}"#, "http_requests_total", (90, 110)),
        ("http_errors_total", "http_requests_total", (0, 110)),
        (
            r#"http_request_duration_seconds_count{code!~"5.."}"#,
            "http_request_duration_seconds_count",
            (100, 100),
        ),
    ] {
        let (bad_count, total_count) = expected;
        let counts = Counts::Ratio { bad: bad_count, total: total_count };
        assert_eq!(read(&ratio(bad, total), PAGE), Ok(counts), "{bad} of {total}");
    }
}

#[test]
fn a_total_without_series_is_no_evidence_even_if_there_are_errors() {
    assert_eq!(
        told(&ratio("http_requests_total", r#"visits{code="200"}"#), PAGE),
        r#"the metrics page has no series of visits{code="200"}"#
    );
    assert_eq!(told(&errors(), ""), "the metrics page has no series of http_requests_total");
}

#[test]
fn histogram_series_are_added_at_their_common_edges() {
    let all = histogram("http_request_duration_seconds");
    let buckets = vec![(0.1, 51), (1.0, 92), (f64::INFINITY, 110)];
    assert_eq!(read(&all, PAGE), Ok(Counts::Histogram { buckets }));

    let failed = histogram(r#"http_request_duration_seconds{code="500"}"#);
    let buckets = vec![(0.1, 1), (1.0, 2), (2.5, 3), (f64::INFINITY, 10)];
    assert_eq!(read(&failed, PAGE), Ok(Counts::Histogram { buckets }));
}

#[test]
fn edges_rise_by_value_whatever_their_order_on_the_page() {
    let page =
        "x_bucket{le=\"+Inf\"} 4\nx_bucket{le=\"10\"} 3\nx_bucket{le=\"-1\"} 1\nx_bucket{le=\"-0\"} 2\n";
    let buckets = vec![(-1.0, 1), (0.0, 2), (10.0, 3), (f64::INFINITY, 4)];
    assert_eq!(read(&histogram("x"), page), Ok(Counts::Histogram { buckets }));
}

#[test]
fn broken_histograms_are_refused() {
    for (page, message) in [
        ("x_sum 1\nx_count 1\n", "the metrics page has no series of x_bucket"),
        ("x_bucket 1\n", "line 1 of the metrics page: a bucket needs a number in the label `le`"),
        ("x_bucket{le=\"a\"} 1\n", "line 1 of the metrics page: a bucket needs a number in the label `le`"),
        ("x_bucket{le=\"NaN\"} 1\n", "line 1 of the metrics page: a bucket needs a number in the label `le`"),
        (
            "x_bucket{le=\"1\"} 1\nx_bucket{le=\"1.0\"} 1\n",
            "line 2 of the metrics page repeats the series `x le=1.0`",
        ),
        (
            "x_bucket{le=\"0\"} 1\nx_bucket{le=\"-0\"} 1\n",
            "line 2 of the metrics page repeats the series `x le=0.0`",
        ),
        (
            "x_bucket{a=\"b\",le=\"1\"} 1\n",
            "the histogram series `x{a=\"b\"}`: there is no bucket le=\"+Inf\"",
        ),
        (
            "x_bucket{le=\"1\"} 2\nx_bucket{le=\"+Inf\"} 1\n",
            "the histogram series `x`: a bucket holds less than the one below it, but buckets are cumulative",
        ),
        (
            "# TYPE x summary\n",
            "line 1 of the metrics page says that `x` is a summary; a histogram is needed",
        ),
        (
            "x_bucket{le=\"1\"} 0.5\n",
            "line 1 of the metrics page: `0.5` is not a count; a whole number from 0 to 2^53 is needed",
        ),
    ] {
        assert_eq!(told(&histogram("x"), page), message, "{page}");
    }
}

#[test]
fn values_that_are_no_counts_refuse_the_page() {
    for value in ["NaN", "+Inf", "-Inf", "-1", "-0.5", "0.5", "1e300", "9007199254740994"] {
        let page = format!("up 1\nhttp_requests_total {value}\n");
        assert_eq!(
            told(&errors(), &page),
            format!(
                "line 2 of the metrics page: `{value}` is not a count; a whole number from 0 to 2^53 is needed"
            )
        );
        let elsewhere = format!("http_requests_total 4\nup {value}\n");
        assert_eq!(read(&errors(), &elsewhere), Ok(Counts::Ratio { bad: 0, total: 4 }), "{value}");
    }
    for (value, total) in [("0", 0), ("-0", 0), ("12.0", 12), ("1.2e1", 12), ("9007199254740992", 1 << 53)] {
        let page = format!("http_requests_total {value}\n");
        assert_eq!(read(&errors(), &page), Ok(Counts::Ratio { bad: 0, total }), "{value}");
    }
}

#[test]
fn sums_past_64_bits_refuse_the_page() {
    let series = |i: u32| format!("http_requests_total{{i=\"{i}\"}} 9007199254740992\n");
    let page: String = (0..2048).map(series).collect();
    assert_eq!(told(&errors(), &page), "the counts of the metrics page are too large to add");
}

#[test]
fn a_series_may_occur_once_and_a_label_once_in_it() {
    let page =
        "up 1\nup 1\nhttp_requests_total{a=\"1\",b=\"2\"} 1\nhttp_requests_total{b=\"2\",c=\"\",a=\"1\"} 1\n";
    assert_eq!(
        told(&errors(), page),
        "line 4 of the metrics page repeats the series `http_requests_total{a=\"1\",b=\"2\"}`"
    );
    let page = "http_requests_total{a=\"1\",a=\"2\"} 1\n";
    assert_eq!(told(&errors(), page), "line 1 of the metrics page has the label `a` twice");
}

#[test]
fn a_line_of_garbage_refuses_the_page_wherever_it_is() {
    assert_eq!(
        told(&errors(), "http_requests_total 1\n\n<html><body>login</body></html>\n"),
        "line 3 of the metrics page is not Prometheus text: expected a metric name, found \
         `<html><body>login</body></html>`"
    );
    assert_eq!(
        told(&errors(), "up\n"),
        "line 1 of the metrics page is not Prometheus text: expected a blank or `{` after the metric name, found \
         the end of the line"
    );
    let long = format!("http_requests_total {}\n", "\u{1b}é".repeat(100));
    assert!(told(&errors(), &long).ends_with("é é...`"), "{}", told(&errors(), &long));
}

#[test]
fn a_page_of_another_type_or_encoding_is_refused() {
    assert_eq!(
        told(&errors(), "# TYPE http_requests_total gauge\nhttp_requests_total 1\n"),
        "line 1 of the metrics page says that `http_requests_total` is a gauge; a counter is needed"
    );
    let page = b"http_requests_total{a=\"\xff\"} 1\n";
    assert_eq!(read_in(&errors(), page, 5), Err(Problem::NotUtf8 { line: 1 }));
}

#[test]
fn a_page_without_a_last_line_feed_may_be_cut_inside_a_number() {
    assert_eq!(
        told(&errors(), "up 1\nhttp_requests_total 12"),
        "the metrics page is cut off in line 2: its last line has no line feed"
    );
}

#[test]
fn what_a_page_may_cost_is_bounded() {
    let line = format!("# {}\n", "x".repeat(MAX_LINE - 2));
    for size in [1, 1000, usize::MAX] {
        let page = format!("{line}http_requests_total 1\n");
        assert_eq!(read_in(&errors(), page.as_bytes(), size), Ok(Counts::Ratio { bad: 0, total: 1 }));
        let page = format!("up 1\n#{line}");
        assert_eq!(read_in(&errors(), page.as_bytes(), size), Err(Problem::LineTooLong { line: 2 }));
        let endless = page.trim_end();
        assert_eq!(read_in(&errors(), endless.as_bytes(), size), Err(Problem::LineTooLong { line: 2 }));
    }

    let samples = "up 1\n".repeat(50_000);
    assert_eq!(told(&errors(), &samples), "the metrics page has no series of http_requests_total");
    assert_eq!(read(&errors(), &(samples + "up 1\n")), Err(Problem::TooManySamples));

    let body = line.repeat(MAX_BODY / line.len());
    let mut scraper = Scraper::new(&PAGE_MEASURE, Format::Text, Encoding::Identity);
    scraper.feed(body.as_bytes()).unwrap();
    let filling = "\n".repeat(MAX_BODY - body.len());
    scraper.feed(filling.as_bytes()).unwrap();
    assert_eq!(scraper.feed(b"\n"), Err(Problem::BodyTooLarge));
    assert_eq!(scraper.feed(b""), Err(Problem::BodyTooLarge));
    assert_eq!(scraper.finish(), Err(Problem::BodyTooLarge));
}

static PAGE_MEASURE: std::sync::LazyLock<Measure> = std::sync::LazyLock::new(errors);
