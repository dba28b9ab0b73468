//! Compressed pages.

use std::io::Write as _;

use flate2::{Compression, write::GzEncoder};

use super::*;

pub(super) const GZIP: (Format, Encoding) = (Format::Text, Encoding::Gzip);

pub(super) fn gzip(page: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(page).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn a_compressed_page_reads_as_it_would_plain() {
    let compressed = gzip(PAGE.as_bytes());
    for size in [1, 7, 100, usize::MAX] {
        let read = read_as(GZIP, &errors(), &compressed, size);
        assert_eq!(read, read_as(TEXT, &errors(), PAGE.as_bytes(), usize::MAX), "in chunks of {size}");
    }
}

#[test]
fn the_content_encoding_says_how_a_page_comes() {
    for (named, encoding) in [
        (None, Encoding::Identity),
        (Some("identity"), Encoding::Identity),
        (Some("gzip"), Encoding::Gzip),
        (Some(" X-GZIP "), Encoding::Gzip),
    ] {
        assert_eq!(Encoding::of(named), Ok(encoding), "{named:?}");
    }
    for other in ["br", "zstd", "deflate", "gzip, gzip"] {
        assert_eq!(
            Encoding::of(Some(other)).unwrap_err().to_string(),
            format!("the metrics page is encoded by `{other}`; gzip or none is needed")
        );
    }
}

#[test]
fn a_stream_that_is_cut_off_or_damaged_is_refused() {
    let compressed = gzip(PAGE.as_bytes());
    for end in 0..compressed.len() {
        let cut = compressed.get(..end).unwrap();
        assert_eq!(
            read_as(GZIP, &errors(), cut, 50),
            Err(Problem::BrokenGzip("it is cut off or damaged")),
            "after {end} bytes"
        );
    }
    assert_eq!(
        read_as(GZIP, &errors(), PAGE.as_bytes(), 50),
        Err(Problem::BrokenGzip("it can't be inflated")),
        "a page that only claims to be compressed"
    );
    let twice = [compressed.clone(), compressed].concat();
    assert_eq!(read_as(GZIP, &errors(), &twice, 50), Err(Problem::BrokenGzip("there is more after its end")));
}

#[test]
fn what_a_stream_may_inflate_to_is_bounded() {
    let bomb = gzip(&vec![b'\n'; 8 << 20]);
    assert!(bomb.len() < 16 << 10);
    for size in [1, 1000, usize::MAX] {
        assert_eq!(read_as(GZIP, &errors(), &bomb, size), Err(Problem::Bomb), "in chunks of {size}");
    }
    let line = |i: u32| {
        format!(
            "# a comment that is no bomb, with number {i} and a code of {:x}\n",
            i.wrapping_mul(2_654_435_761)
        )
    };
    let large = gzip((0..280_000).map(line).collect::<String>().as_bytes());
    assert_eq!(read_as(GZIP, &errors(), &large, 1000), Err(Problem::BodyTooLarge));
}

#[test]
fn an_everyday_page_is_far_from_the_bound() {
    let series =
        |i: u32| format!("http_requests_total{{code=\"200\",path=\"/things/{}\"}} {}\n", i / 8, i % 3);
    let page: String = (0..40_000).map(series).collect::<String>();
    let compressed = gzip(page.as_bytes());
    assert!(page.len() / compressed.len() < MAX_RATIO / 4, "{} of {}", page.len(), compressed.len());
}
