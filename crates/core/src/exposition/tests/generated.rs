//! Pages that chance writes.

use proptest::prelude::*;

use super::*;
use crate::checks::Begun;

/// One series of a generated page.
#[derive(Clone, Debug)]
struct Series {
    labels: Vec<(String, String)>,
    count: u64,
    /// The metric's name stands in the braces.
    quoted: bool,
    timestamp: bool,
    /// An exemplar with these labels.
    exemplar: Option<Vec<(String, String)>>,
}

fn labels() -> impl Strategy<Value = Vec<(String, String)>> {
    let name = prop_oneof!["[a-z_][a-z0-9_]{0,5}", "\\PC{1,5}"];
    prop::collection::btree_map(name, any::<String>(), 0..4).prop_map(|labels| labels.into_iter().collect())
}

fn series() -> impl Strategy<Value = Series> {
    let all = (labels(), 0..1_u64 << 40, any::<bool>(), any::<bool>(), prop::option::of(labels()));
    all.prop_map(|(labels, count, quoted, timestamp, exemplar)| Series {
        labels,
        count,
        quoted,
        timestamp,
        exemplar,
    })
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n"))
}

fn in_braces(name: Option<&str>, labels: &[(String, String)]) -> String {
    let bare = |label: &str| {
        label.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
            && !label.starts_with(|c: char| c.is_ascii_digit())
    };
    let labels = labels.iter().map(|(label, value)| {
        let label = if bare(label) { label.clone() } else { quoted(label) };
        format!("{label}={}", quoted(value))
    });
    format!("{{{}}}", name.map(quoted).into_iter().chain(labels).collect::<Vec<_>>().join(","))
}

fn written(format: Format, name: &str, series: &Series) -> String {
    let Series { labels, count, quoted, timestamp, exemplar } = series;
    let mut line =
        if *quoted { in_braces(Some(name), labels) } else { name.to_owned() + &in_braces(None, labels) };
    line = format!("{line} {count}");
    if *timestamp {
        line.push_str(if format == Format::Text { " 1700000000123" } else { " 1700000000.123" });
    }
    if let (Format::OpenMetrics, Some(exemplar)) = (format, exemplar) {
        line = format!("{line} # {} {count} 1.5", in_braces(None, exemplar));
    }
    line + "\n"
}

fn either_format() -> impl Strategy<Value = Format> {
    prop::sample::select(vec![Format::Text, Format::OpenMetrics])
}

fn sent(page: &[u8], encoding: Encoding) -> Vec<u8> {
    match encoding {
        Encoding::Identity => page.to_vec(),
        Encoding::Gzip => gzip::gzip(page),
    }
}

/// A page of both formats, to be mutated.
const PIECES: [&str; 37] = [
    "# HELP x ",
    "Any text.",
    "\n",
    "# TYPE x counter\n",
    "x_total",
    "{code=\"5\"",
    "}",
    " ",
    "7",
    "\n",
    "x_total",
    "{",
    "code=\"2\"",
    ",a=\"b\\\\\\\"\"",
    "}",
    " 12",
    "\n",
    "{\"x_total\"",
    ",code=\"5\"",
    ",b=\"c\"} ",
    "1e1",
    "\n",
    "y",
    " ",
    "NaN",
    "\n",
    "x_total{code=\"3\"}",
    " 1",
    "5",
    "\n",
    "x_total ",
    "1",
    "\n",
    "z{q=\"x_total 9\"}",
    " 1.5",
    "\n",
    "# EOF\n",
];

#[test]
fn the_page_to_be_mutated_is_one() {
    let page = PIECES.concat();
    let counts = Counts::Ratio { bad: 17, total: 45 };
    assert_eq!(by_expressions(&page), Some(counts.clone()));
    for format in [Format::Text, Format::OpenMetrics] {
        let read = read_as(
            (format, Encoding::Identity),
            &ratio("x_total{code=\"5\"}", "x_total"),
            page.as_bytes(),
            9,
        );
        assert_eq!(read.unwrap().counts, counts);
    }
}

/// What `x_total` and its code 5 count on a page of lower-case names, read by regular expressions.
fn by_expressions(page: &str) -> Option<Counts> {
    let line = regex::Regex::new(
        r#"(?m)^ *(?:x_total(?: *\{(?P<bare>[^}]*)\} *| +)|\{ *"x_total" *,?(?P<quoted>[^}]*)\} *)(?P<value>[^ \n]+)"#,
    )
    .unwrap();
    let (mut bad, mut total, mut any) = (0, 0, false);
    for found in line.captures_iter(page) {
        let value: f64 = found.name("value")?.as_str().parse().ok()?;
        let labels = found.name("bare").or(found.name("quoted")).map_or("", |labels| labels.as_str());
        let count = format!("{value:.0}").parse::<u64>().ok()?;
        any = true;
        total += count;
        bad += if labels.replace(' ', "").contains("code=\"5\"") { count } else { 0 };
    }
    any.then_some(Counts::Ratio { bad, total })
}

proptest! {
    #[test]
    fn what_was_written_is_read(
        all in prop::collection::vec(series(), 1..8),
        code in "\\PC{0,8}",
        format in either_format(),
        encoding in prop::sample::select(vec![Encoding::Identity, Encoding::Gzip]),
        created in any::<bool>(),
        size in 1_usize..200,
    ) {
        let family = if format == Format::Text { "x_total" } else { "x" };
        let mut page = format!("# TYPE {family} counter\n");
        let (mut bad, mut total) = (0, 0);
        for (index, series) in all.iter().enumerate() {
            let mut series = series.clone();
            series.labels.retain(|(label, _)| label != "Index" && label != "Code");
            series.labels.push(("Index".to_owned(), index.to_string()));
            series.labels.push(("Code".to_owned(), if index % 2 == 0 { code.clone() } else { format!("{code}.") }));
            page.push_str(&written(format, "x_total", &series));
            page.push_str(&written(format, "y", &series));
            if created {
                let begun = Series { count: 1000 + index as u64, timestamp: false, exemplar: None, ..series.clone() };
                page.push_str(&written(format, "x_created", &begun));
            }
            total += series.count;
            bad += if index % 2 == 0 { series.count } else { 0 };
        }
        if format == Format::OpenMetrics {
            page.push_str("# EOF\n");
        }
        let mut wanted = selector("x_total");
        wanted.matchers.push(crate::policy::Matcher {
            label: "Code".to_owned(),
            op: crate::policy::MatchOp::Equal(code),
        });
        let measure = Measure::Ratio { bad: wanted, total: selector("x_total") };
        let begun = (created && format == Format::OpenMetrics)
            .then_some(Begun { oldest: 1000.0, newest: f64::from(999 + u32::try_from(all.len()).unwrap()) });
        let page = sent(page.as_bytes(), encoding);
        let read = read_as((format, encoding), &measure, &page, size);
        prop_assert_eq!(read, Ok(Scraped { counts: Counts::Ratio { bad, total }, begun }));
    }

    /// Pieces are dropped, doubled, swapped and put in. What is still a page says what is written on it.
    #[test]
    fn a_mutated_page_is_refused_or_read_as_it_stands(
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), 0..4_u8), 0..4),
        format in either_format(),
    ) {
        let mut pieces = PIECES.to_vec();
        for (at, with, kind) in edits {
            let (at, with) = (at.index(pieces.len()), with.index(PIECES.len()));
            match kind {
                0 => drop(pieces.remove(at)),
                1 => pieces.insert(at, pieces[at]),
                2 => pieces[at] = PIECES[with],
                _ => pieces.insert(at, PIECES[with]),
            }
        }
        let page = pieces.concat();
        let measure = ratio("x_total{code=\"5\"}", "x_total");
        if let Ok(scraped) = read_as((format, Encoding::Identity), &measure, page.as_bytes(), 13) {
            prop_assert_eq!(Some(scraped.counts), by_expressions(&page), "{}", page);
        }
    }

    #[test]
    fn a_damaged_stream_gives_no_other_number(at in 0..4000_usize, bit in 0..8_u32, size in 1_usize..100) {
        let mut stream = gzip::gzip(PAGE.as_bytes());
        let at = at % stream.len();
        stream[at] ^= 1 << bit;
        let read = read_as(gzip::GZIP, &errors(), &stream, size);
        prop_assert!(read.is_err() || read == read_as(TEXT, &errors(), PAGE.as_bytes(), size));
    }

    #[test]
    fn any_bytes_are_no_gzip_stream(bytes in prop::collection::vec(any::<u8>(), 0..300), size in 1_usize..50) {
        let headed = [&[0x1f, 0x8b, 8, 0][..], &bytes].concat();
        for stream in [bytes, headed] {
            prop_assert!(read_as(gzip::GZIP, &errors(), &stream, size).is_err());
        }
    }

    #[test]
    fn any_bytes_in_any_chunks_give_one_answer(
        pieces in prop::collection::vec(prop_oneof![
            3 => prop::sample::select(PAGE.split_inclusive([' ', ',', '\n']).collect::<Vec<_>>())
                .prop_map(|piece| piece.as_bytes().to_vec()),
            1 => prop::collection::vec(any::<u8>(), 0..4),
        ], 0..40),
        size in 1_usize..50,
    ) {
        let page = pieces.concat();
        for measure in [errors(), histogram("http_request_duration_seconds")] {
            for format in [Format::Text, Format::OpenMetrics] {
                let read = |size| read_as((format, Encoding::Identity), &measure, &page, size);
                prop_assert_eq!(read(size), read(usize::MAX));
            }
        }
    }

    #[test]
    fn a_good_page_reads_the_same_cut_anywhere(at in 0..PAGE.len()) {
        for measure in [errors(), histogram("http_request_duration_seconds")] {
            let (head, tail) = PAGE.as_bytes().split_at(at);
            let mut scraper = Scraper::new(&measure, Format::Text, Encoding::Identity);
            scraper.feed(head).unwrap();
            scraper.feed(tail).unwrap();
            prop_assert_eq!(scraper.finish().map(|scraped| scraped.counts), read(&measure, PAGE));
        }
    }

    /// On pages without colons, and without braces, commas, equals signs, escapes and blanks in label values,
    /// `prometheus-parse` is right.
    #[test]
    fn prometheus_parse_reads_the_same_where_it_is_right(
        all in prop::collection::btree_map(
            prop::collection::btree_map("[a-z_][a-z0-9_]{0,5}", "[a-z0-9/.?*-]{1,8}", 1..4),
            0..1_u64 << 50,
            1..8,
        ),
    ) {
        let lines = all.iter().flat_map(|(labels, count)| {
            let labels = in_braces(None, &labels.clone().into_iter().collect::<Vec<_>>());
            [format!("x{labels} {count}\n"), format!("y{labels} 1\n")]
        });
        let page: String = lines.collect();
        let theirs = prometheus_parse::Scrape::parse(page.lines().map(|line| Ok(line.to_owned()))).unwrap();
        let counts = theirs.samples.iter().filter(|sample| sample.metric == "x").map(|sample| match sample.value {
            prometheus_parse::Value::Untyped(value) => format!("{value}").parse::<u64>().unwrap(),
            ref other => panic!("{other:?}"),
        });
        prop_assert_eq!(read(&ratio("none", "x"), &page), Ok(Counts::Ratio { bad: 0, total: counts.sum() }));
    }
}
