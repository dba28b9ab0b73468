//! How fast metrics pages are read: `cargo run --release -p siskin-core --example exposition_speed`.
//!
//! The page has a mebibyte of one histogram by path and code, as web services have it, once asked for and once not.

// An example ends where its own page isn't read.
#![allow(clippy::expect_used)]

use std::{fmt::Write as _, hint::black_box, time::Instant};

use siskin_core::{
    exposition::{Encoding, Format, Scraper},
    policy::{Measure, Selector},
};

const SIZE: usize = 1 << 20;
const ROUNDS: usize = 60;
/// As they come from a socket.
const CHUNK: usize = 16 << 10;
const EDGES: [&str; 8] = ["0.005", "0.025", "0.1", "0.5", "1", "5", "10", "+Inf"];

fn page() -> String {
    let mut page = String::from("# HELP seconds How long answers took.\n# TYPE seconds histogram\n");
    for path in 0_u64.. {
        for (count, edge) in EDGES.iter().enumerate() {
            // Writing to a String cannot fail.
            let _ = writeln!(
                page,
                "seconds_bucket{{code=\"200\",path=\"/api/v1/things/{path}\",le=\"{edge}\"}} {}",
                path * 1000 + count as u64
            );
        }
        if page.len() >= SIZE {
            break;
        }
    }
    page
}

fn main() {
    let page = page();
    for (asked, name) in [("for its histogram", "seconds"), ("for another", "none")] {
        let family = Selector::try_from(name.to_owned()).expect("a name is a selector");
        let measure = Measure::Histogram { family };
        let mut took: Vec<_> = (0..ROUNDS)
            .map(|_| {
                let began = Instant::now();
                let mut scraper = Scraper::new(&measure, Format::Text, Encoding::Identity);
                for chunk in page.as_bytes().chunks(CHUNK) {
                    scraper.feed(chunk).expect("the page is well-formed");
                }
                let _ = black_box(scraper.finish());
                began.elapsed()
            })
            .collect();
        took.sort();
        let [fastest, median] =
            [0, ROUNDS / 2].map(|at| took.get(at).expect("there are rounds").as_secs_f64());
        #[expect(clippy::cast_precision_loss, reason = "a few megabytes")]
        let speed = |seconds: f64| page.len() as f64 / 1e6 / seconds;
        println!(
            "asked {asked}: {:.0} MB/s at best ({:.2} ms), {:.0} MB/s in the median of {ROUNDS}",
            speed(fastest),
            fastest * 1e3,
            speed(median)
        );
    }
}
