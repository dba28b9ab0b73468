//! Request metrics in the Prometheus text format 0.0.4.

use std::fmt::Write as _;
use std::time::Duration;

/// The media type of what [`RequestMetrics::render`] returns.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The status codes `/` answers with. Each has its counter from the start: a series that appears with its
/// first error has no increase that a query could see.
const CODES: [u16; 2] = [200, 500];

/// Upper bounds in seconds: the defaults of the Prometheus client libraries.
const BOUNDS: [f64; 11] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// What happened to the requests for `/`.
#[derive(Debug, Default)]
pub struct RequestMetrics {
    requests: [u64; CODES.len()],
    /// Requests by their lowest bound; those above all bounds are only in `count`.
    buckets: [u64; BOUNDS.len()],
    count: u64,
    sum: Duration,
}

impl RequestMetrics {
    /// Records one answered request. A code that `/` doesn't answer with would be no error of a client, so
    /// it counts as 500.
    pub fn record(&mut self, code: u16, took: Duration) {
        let [ok, error] = &mut self.requests;
        *(if code == 200 { ok } else { error }) += 1;
        let seconds = took.as_secs_f64();
        if let Some((_, bucket)) = BOUNDS.iter().zip(&mut self.buckets).find(|(bound, _)| seconds <= **bound)
        {
            *bucket += 1;
        }
        self.count += 1;
        self.sum += took;
    }

    /// All metrics, with the number of visits on disk.
    pub fn render(&self, visits: u64) -> String {
        let mut text = String::with_capacity(1536);
        let mut line = |arguments: std::fmt::Arguments<'_>| {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{arguments}");
        };
        line(format_args!("# HELP http_requests_total Requests answered, by status code."));
        line(format_args!("# TYPE http_requests_total counter"));
        for (code, count) in CODES.iter().zip(self.requests) {
            line(format_args!("http_requests_total{{code=\"{code}\"}} {count}"));
        }
        line(format_args!("# HELP http_request_duration_seconds How long answers took."));
        line(format_args!("# TYPE http_request_duration_seconds histogram"));
        let mut cumulative = 0;
        for (bound, count) in BOUNDS.iter().zip(self.buckets) {
            cumulative += count;
            line(format_args!("http_request_duration_seconds_bucket{{le=\"{bound}\"}} {cumulative}"));
        }
        line(format_args!("http_request_duration_seconds_bucket{{le=\"+Inf\"}} {}", self.count));
        line(format_args!("http_request_duration_seconds_sum {}", self.sum.as_secs_f64()));
        line(format_args!("http_request_duration_seconds_count {}", self.count));
        line(format_args!("# HELP visits_on_disk Visits counted in the file on the volume."));
        line(format_args!("# TYPE visits_on_disk gauge"));
        line(format_args!("visits_on_disk {visits}"));
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_there_before_the_first_request() {
        let text = RequestMetrics::default().render(7);
        assert!(text.contains("http_requests_total{code=\"200\"} 0\nhttp_requests_total{code=\"500\"} 0\n"));
        assert!(text.ends_with("\nvisits_on_disk 7\n"));
    }

    #[test]
    fn buckets_are_cumulative_and_include_their_bound() {
        let mut metrics = RequestMetrics::default();
        for milliseconds in [1, 5, 6, 10_000, 10_001] {
            metrics.record(200, Duration::from_millis(milliseconds));
        }
        metrics.record(500, Duration::from_millis(1));
        let text = metrics.render(0);
        for line in [
            "http_requests_total{code=\"200\"} 5",
            "http_requests_total{code=\"500\"} 1",
            "http_request_duration_seconds_bucket{le=\"0.005\"} 3",
            "http_request_duration_seconds_bucket{le=\"0.01\"} 4",
            "http_request_duration_seconds_bucket{le=\"1\"} 4",
            "http_request_duration_seconds_bucket{le=\"10\"} 5",
            "http_request_duration_seconds_bucket{le=\"+Inf\"} 6",
            "http_request_duration_seconds_sum 20.014",
            "http_request_duration_seconds_count 6",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
        }
    }
}
