//! Request metrics, as the Prometheus text format 0.0.4 or as OpenMetrics 1.0.

use std::fmt::{self, Write as _};
use std::io::{self, Write as _};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use flate2::Compression;
use flate2::write::GzEncoder;

/// The status codes `/` answers with. Each has its counter from the start: a series that appears with its
/// first error has no increase that a query could see.
const CODES: [u16; 2] = [200, 500];

/// Upper bounds in seconds: the defaults of the Prometheus client libraries.
const BOUNDS: [f64; 11] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// A format of the page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Prometheus text 0.0.4.
    Text,
    /// OpenMetrics 1.0.
    OpenMetrics,
}

impl Format {
    const ALL: [Self; 2] = [Self::Text, Self::OpenMetrics];

    /// The format that an `Accept` header likes best; text if it names neither.
    pub fn accepted(accept: &str) -> Self {
        let quality = |format: Self| {
            let of = |range: &str| {
                let (media, quality) = media_range(range);
                (media == format.media_type()).then_some(quality)
            };
            accept.split(',').filter_map(of).fold(0.0, f32::max)
        };
        if quality(Self::OpenMetrics) > quality(Self::Text) { Self::OpenMetrics } else { Self::Text }
    }

    fn media_type(self) -> &'static str {
        match self {
            Self::Text => "text/plain",
            Self::OpenMetrics => "application/openmetrics-text",
        }
    }

    /// The `Content-Type` of a page.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }

    fn label(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::OpenMetrics => "openmetrics",
        }
    }
}

/// Whether an `Accept-Encoding` header takes gzip.
pub fn accepts_gzip(accept: &str) -> bool {
    accept.split(',').map(media_range).any(|(coding, quality)| coding == "gzip" && quality > 0.0)
}

/// Compresses a page.
pub fn gzip(page: &str) -> io::Result<Vec<u8>> {
    let mut compressed = GzEncoder::new(Vec::new(), Compression::fast());
    compressed.write_all(page.as_bytes())?;
    compressed.finish()
}

/// What a range of an `Accept` header names, in lower case, and its quality from 0 to 1.
fn media_range(range: &str) -> (String, f32) {
    let mut parts = range.split(';').map(str::trim);
    let named = parts.next().unwrap_or_default().to_ascii_lowercase();
    let quality = parts.find_map(|parameter| parameter.strip_prefix("q=")?.parse().ok());
    (named, quality.unwrap_or(1.0))
}

/// What happened to the requests for `/`.
#[derive(Debug)]
pub struct RequestMetrics {
    /// When counting began.
    created: SystemTime,
    requests: [u64; CODES.len()],
    /// Requests by their lowest bound; those above all bounds are only in `count`.
    buckets: [u64; BOUNDS.len()],
    count: u64,
    sum: Duration,
    /// The slowest request, which its bucket shows as an example.
    slowest: Option<Exemplar>,
    /// Pages served, by format and whether they were compressed.
    pages: [[u64; 2]; Format::ALL.len()],
}

#[derive(Debug, Clone, Copy)]
struct Exemplar {
    request: u64,
    took: Duration,
}

impl RequestMetrics {
    /// Nothing was counted before `created`.
    pub fn new(created: SystemTime) -> Self {
        Self {
            created,
            requests: Default::default(),
            buckets: Default::default(),
            count: 0,
            sum: Duration::ZERO,
            slowest: None,
            pages: Default::default(),
        }
    }

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
        if self.slowest.is_none_or(|slowest| took > slowest.took) {
            self.slowest = Some(Exemplar { request: self.count, took });
        }
    }

    /// All metrics with the number of visits on disk, for one page more.
    pub fn page(&mut self, visits: u64, format: Format, compressed: bool) -> String {
        let [text, open_metrics] = &mut self.pages;
        let [plain, gzip] = if format == Format::Text { text } else { open_metrics };
        *(if compressed { gzip } else { plain }) += 1;
        let mut page = Page { text: String::with_capacity(2048), format, created: self.created };
        page.counter("http_requests", "Requests answered, by status code.");
        for (code, count) in CODES.iter().zip(self.requests) {
            page.count("http_requests", format_args!("{{code=\"{code}\"}}"), count);
        }
        page.counter("metrics_pages", "Pages of metrics served, this one included.");
        for (format, counts) in Format::ALL.iter().zip(self.pages) {
            for (encoding, count) in ["identity", "gzip"].iter().zip(counts) {
                let format = format.label();
                let labels = format_args!("{{format=\"{format}\",encoding=\"{encoding}\"}}");
                page.count("metrics_pages", labels, count);
            }
        }
        self.histogram(&mut page);
        page.describe("visits_on_disk", "gauge", "Visits counted in the file on the volume.");
        page.line(format_args!("visits_on_disk {visits}"));
        if format == Format::OpenMetrics {
            page.line(format_args!("# EOF"));
        }
        page.text
    }

    fn histogram(&self, page: &mut Page) {
        const NAME: &str = "http_request_duration_seconds";
        page.describe(NAME, "histogram", "How long answers took.");
        let bounds = BOUNDS.iter().copied().chain([f64::INFINITY]);
        let rest = self.count - self.buckets.iter().sum::<u64>();
        let (mut cumulative, mut below) = (0, -1.0);
        for (bound, count) in bounds.zip(self.buckets.into_iter().chain([rest])) {
            cumulative += count;
            let edge = if bound.is_finite() { bound.to_string() } else { "+Inf".to_owned() };
            let within = |exemplar: &Exemplar| {
                let seconds = exemplar.took.as_secs_f64();
                below < seconds && seconds <= bound
            };
            let exemplar = self.slowest.filter(|it| page.format == Format::OpenMetrics && within(it));
            match exemplar {
                Some(Exemplar { request, took }) => page.line(format_args!(
                    "{NAME}_bucket{{le=\"{edge}\"}} {cumulative} # {{request=\"{request}\"}} {}",
                    took.as_secs_f64()
                )),
                None => page.line(format_args!("{NAME}_bucket{{le=\"{edge}\"}} {cumulative}")),
            }
            below = bound;
        }
        page.line(format_args!("{NAME}_sum {}", self.sum.as_secs_f64()));
        page.line(format_args!("{NAME}_count {}", self.count));
        page.created(NAME, format_args!(""));
    }
}

/// A page that is being written.
struct Page {
    text: String,
    format: Format,
    created: SystemTime,
}

impl Page {
    fn line(&mut self, arguments: fmt::Arguments<'_>) {
        // Writing to a String cannot fail.
        let _ = writeln!(self.text, "{arguments}");
    }

    fn describe(&mut self, family: &str, kind: &str, help: &str) {
        self.line(format_args!("# HELP {family} {help}"));
        self.line(format_args!("# TYPE {family} {kind}"));
    }

    /// Text calls a counter's family by the name of its samples.
    fn counter(&mut self, family: &str, help: &str) {
        match self.format {
            Format::Text => self.describe(&format!("{family}_total"), "counter", help),
            Format::OpenMetrics => self.describe(family, "counter", help),
        }
    }

    fn count(&mut self, family: &str, labels: fmt::Arguments<'_>, count: u64) {
        self.line(format_args!("{family}_total{labels} {count}"));
        self.created(family, labels);
    }

    fn created(&mut self, family: &str, labels: fmt::Arguments<'_>) {
        if self.format == Format::OpenMetrics {
            let created = self.created.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
            self.line(format_args!("{family}_created{labels} {created:.3}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metrics() -> RequestMetrics {
        RequestMetrics::new(UNIX_EPOCH + Duration::from_millis(1_700_000_000_500))
    }

    #[test]
    fn every_code_is_there_before_the_first_request() {
        let text = metrics().page(7, Format::Text, false);
        assert!(text.contains("http_requests_total{code=\"200\"} 0\nhttp_requests_total{code=\"500\"} 0\n"));
        assert!(text.ends_with("\nvisits_on_disk 7\n"));
    }

    #[test]
    fn buckets_are_cumulative_and_include_their_bound() {
        let mut metrics = metrics();
        for milliseconds in [1, 5, 6, 10_000, 10_001] {
            metrics.record(200, Duration::from_millis(milliseconds));
        }
        metrics.record(500, Duration::from_millis(1));
        let text = metrics.page(0, Format::Text, false);
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

    #[test]
    fn openmetrics_tells_since_when_and_shows_the_slowest_request() {
        let mut metrics = metrics();
        metrics.record(200, Duration::from_millis(1));
        metrics.record(200, Duration::from_millis(70));
        let page = metrics.page(3, Format::OpenMetrics, true);
        for line in [
            "# TYPE http_requests counter",
            "http_requests_total{code=\"200\"} 2",
            "http_requests_created{code=\"200\"} 1700000000.500",
            "metrics_pages_total{format=\"text\",encoding=\"gzip\"} 0",
            "metrics_pages_total{format=\"openmetrics\",encoding=\"gzip\"} 1",
            "http_request_duration_seconds_bucket{le=\"0.05\"} 1",
            "http_request_duration_seconds_bucket{le=\"0.1\"} 2 # {request=\"2\"} 0.07",
            "http_request_duration_seconds_created 1700000000.500",
        ] {
            assert!(page.lines().any(|found| found == line), "{line} is not in\n{page}");
        }
        assert!(page.ends_with("\nvisits_on_disk 3\n# EOF\n"));
        let text = metrics.page(3, Format::Text, false);
        assert!(!text.contains("_created") && !text.contains("} 0.07") && !text.contains("EOF"), "{text}");
    }

    #[test]
    fn a_client_gets_the_format_that_it_likes_best() {
        for (accept, format) in [
            ("", Format::Text),
            ("*/*", Format::Text),
            ("text/plain;version=0.0.4", Format::Text),
            ("application/openmetrics-text", Format::OpenMetrics),
            ("Application/OpenMetrics-Text; version=1.0.0;q=0.8, text/plain;q=0.5", Format::OpenMetrics),
            ("application/openmetrics-text;q=0.3,text/plain;version=0.0.4;q=0.5,*/*;q=0.1", Format::Text),
            ("application/openmetrics-text;q=0", Format::Text),
        ] {
            assert_eq!(Format::accepted(accept), format, "{accept}");
        }
        for (accept, gzip) in [("", false), ("br, gzip;q=0.5", true), ("GZIP", true), ("gzip;q=0", false)] {
            assert_eq!(accepts_gzip(accept), gzip, "{accept}");
        }
    }
}
