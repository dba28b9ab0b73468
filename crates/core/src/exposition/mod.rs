//! Metrics pages in the Prometheus text format and in OpenMetrics 1.0, read strictly and as a stream.
//!
//! A gate must not read wrong numbers, so a page that isn't well-formed in every line is refused as a whole, with
//! the line and the reason. Only the series that a [`Measure`] asks for are looked at more closely; lines of other
//! families are checked and skipped without allocation. What a page may cost is bounded by [`MAX_BODY`] (inflated),
//! [`MAX_RATIO`], [`MAX_LINE`] and [`MAX_SAMPLES`].
//!
//! Choices where the formats leave room:
//! - A text page ends with a line feed, as the format says; without one it may be cut inside a number. An
//!   OpenMetrics page ends with `# EOF`, and without it counts as cut off.
//! - Counts are whole numbers from 0 to 2^53; a fraction, a larger number, NaN or an infinity in a series that is
//!   asked for refuses the page. `12.0` and `1.2e1` are the whole number 12.
//! - A `TYPE` line for a family that is asked for must say counter (of a histogram: histogram); `untyped`, `unknown`
//!   or none is fine. Deltas of a gauge, a gauge histogram, an info or a state set would mean nothing.
//! - A selector names samples as the page writes them. In OpenMetrics the samples of the counter `requests` are called
//!   `requests_total`, and there a selector `requests` means them too, as the same program would call them
//!   `requests` in text.
//! - `_created` in an OpenMetrics family says since when a series counts; see [`crate::checks::Begun`].
//! - A label with an empty value is the same as no label.
//! - Names are bare or, as Prometheus 3 writes other characters, quoted: `{"my.metric","my.label"="x"} 1`.
//! - Blanks are free in text; in OpenMetrics one space stands between words, and only in braces they are free.
//! - Timestamps and exemplars are checked and ignored.

mod cursor;
mod encoding;
mod family;
mod format;
mod line;
mod tally;
#[cfg(test)]
mod tests;

use self::{cursor::Unexpected, encoding::Inflater, line::Line, tally::Tally};
pub use self::{
    encoding::{ACCEPT_ENCODING, Encoding, MAX_RATIO},
    format::{ACCEPT, Format},
};
use crate::{checks::Scraped, policy::Measure};

/// The most bytes of a page, inflated.
pub const MAX_BODY: usize = 16 << 20;
/// The most bytes of a line, without its line feed.
pub const MAX_LINE: usize = 64 << 10;
/// The most samples of a page, those not asked for included.
pub const MAX_SAMPLES: u32 = 50_000;

/// Why a page can't be used. The first problem counts, whatever the chunks the page comes in.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// More than [`MAX_BODY`].
    #[error("the metrics page is larger than {} MiB", MAX_BODY >> 20)]
    BodyTooLarge,
    /// More than [`MAX_LINE`].
    #[error("line {line} of the metrics page is longer than {} KiB", MAX_LINE >> 10)]
    LineTooLong {
        /// Counted from 1.
        line: u32,
    },
    /// More than [`MAX_SAMPLES`].
    #[error("the metrics page has more than {MAX_SAMPLES} samples")]
    TooManySamples,
    /// The last line has no line feed.
    #[error("the metrics page is cut off in line {line}: its last line has no line feed")]
    Truncated {
        /// Counted from 1.
        line: u32,
    },
    /// An OpenMetrics page without its end.
    #[error("the metrics page is cut off in line {line}: OpenMetrics ends with `# EOF`")]
    NoEof {
        /// Counted from 1.
        line: u32,
    },
    /// A format that wasn't asked for.
    #[error("the metrics page is protobuf, although OpenMetrics or Prometheus text was asked for")]
    Protobuf,
    /// Another format.
    #[error(
        "the metrics page says that it is `{content_type}`; OpenMetrics 1 (application/openmetrics-text) or \
         Prometheus text (text/plain) is needed"
    )]
    UnknownFormat {
        /// The content type.
        content_type: String,
    },
    /// Another compression.
    #[error("the metrics page is encoded by `{encoding}`; gzip or none is needed")]
    UnknownEncoding {
        /// The content encoding.
        encoding: String,
    },
    /// A gzip stream that isn't one.
    #[error("the metrics page is no good gzip stream: {0}")]
    BrokenGzip(&'static str),
    /// More than [`MAX_RATIO`].
    #[error("the metrics page inflates to more than {MAX_RATIO} times its size")]
    Bomb,
    /// A line that is not text.
    #[error("line {line} of the metrics page is not UTF-8")]
    NotUtf8 {
        /// Counted from 1.
        line: u32,
    },
    /// A line that is not of the format.
    #[error("line {line} of the metrics page is not {format}: expected {expected}, found {found}")]
    Malformed {
        /// Counted from 1.
        line: u32,
        /// `Prometheus text` or `OpenMetrics`.
        format: &'static str,
        /// What would have been right.
        expected: &'static str,
        /// The beginning of what is there.
        found: String,
    },
    /// A `TYPE` that can't be counted.
    #[error("line {line} of the metrics page says that `{family}` is a {found}; a {expected} is needed")]
    WrongType {
        /// Counted from 1.
        line: u32,
        /// The family.
        family: String,
        /// Its type.
        found: String,
        /// `counter` or `histogram`.
        expected: &'static str,
    },
    /// A label that occurs twice in one sample.
    #[error("line {line} of the metrics page has the label `{label}` twice")]
    DuplicateLabel {
        /// Counted from 1.
        line: u32,
        /// The label.
        label: String,
    },
    /// The same name and labels as in an earlier line.
    #[error("line {line} of the metrics page repeats the series `{series}`")]
    DuplicateSeries {
        /// Counted from 1.
        line: u32,
        /// The series.
        series: String,
    },
    /// A value that is not a count.
    #[error(
        "line {line} of the metrics page: `{value}` is not a count; a whole number from 0 to 2^53 is needed"
    )]
    NotACount {
        /// Counted from 1.
        line: u32,
        /// The value as written.
        value: String,
    },
    /// A bucket whose `le` is missing or not a number.
    #[error("line {line} of the metrics page: a bucket needs a number in the label `le`")]
    NoEdge {
        /// Counted from 1.
        line: u32,
    },
    /// A histogram series that is no cumulative distribution.
    #[error("the histogram series `{series}`: {reason}")]
    BrokenHistogram {
        /// The series, without `le`.
        series: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The sum over the series passes 64 bits.
    #[error("the counts of the metrics page are too large to add")]
    Overflow,
    /// Nothing that was asked for is there: no evidence, which isn't zero.
    #[error("the metrics page has no series of {selector}")]
    NoSeries {
        /// The selector that found nothing.
        selector: String,
    },
}

/// Reads one page for one measure.
#[derive(Debug)]
pub struct Scraper<'m> {
    /// If it comes compressed.
    inflater: Option<Inflater>,
    page: Page<'m>,
    problem: Option<Problem>,
}

/// A page as far as it was read.
#[derive(Debug)]
struct Page<'m> {
    format: Format,
    tally: Tally<'m>,
    /// The begun line that the last chunk ended in.
    partial: Vec<u8>,
    /// The number of the line being read.
    line: u32,
    samples: u32,
    body: usize,
    /// `# EOF` was read.
    ended: bool,
}

impl<'m> Scraper<'m> {
    /// A reader for what `measure` counts on a page that comes in this way.
    pub fn new(measure: &'m Measure, format: Format, encoding: Encoding) -> Self {
        let page = Page {
            format,
            tally: Tally::new(measure, format),
            partial: Vec::new(),
            line: 1,
            samples: 0,
            body: 0,
            ended: false,
        };
        let inflater = (encoding == Encoding::Gzip).then(Inflater::new);
        Self { inflater, page, problem: None }
    }

    /// Takes the next bytes of the page. After a problem the rest needn't be read; each further call gives the
    /// same problem.
    pub fn feed(&mut self, chunk: &[u8]) -> Result<(), Problem> {
        if self.problem.is_none() {
            let taken = match &mut self.inflater {
                Some(inflater) => inflater.feed(chunk, |piece| self.page.take(piece)),
                None => self.page.take(chunk),
            };
            self.problem = taken.err();
        }
        self.problem.clone().map_or(Ok(()), Err)
    }

    /// The counts, once the page is read to its end.
    pub fn finish(self) -> Result<Scraped, Problem> {
        let Self { inflater, mut page, problem } = self;
        match (problem, inflater) {
            (Some(problem), _) => return Err(problem),
            (None, Some(inflater)) => inflater.finish(|piece| page.take(piece))?,
            (None, None) => {}
        }
        page.finish()
    }
}

impl Page<'_> {
    fn finish(mut self) -> Result<Scraped, Problem> {
        let last = std::mem::take(&mut self.partial);
        match self.format {
            Format::Text if last.is_empty() => {}
            Format::Text => return Err(Problem::Truncated { line: self.line }),
            // Only the last line of all may lack its line feed, and it is the one that nothing is cut from.
            Format::OpenMetrics if last == b"# EOF" => self.line(&last)?,
            Format::OpenMetrics if last.is_empty() && self.ended => {}
            Format::OpenMetrics => return Err(Problem::NoEof { line: self.line }),
        }
        self.tally.finish()
    }

    fn take(&mut self, chunk: &[u8]) -> Result<(), Problem> {
        let (mut rest, too_much) = chunk.split_at_checked(MAX_BODY - self.body).unwrap_or((chunk, &[]));
        self.body += rest.len();
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            let (piece, tail) = rest.split_at_checked(end).unwrap_or((rest, &[]));
            rest = tail.get(1..).unwrap_or_default();
            if self.partial.is_empty() {
                self.line(piece)?;
            } else {
                self.keep(piece)?;
                let mut line = std::mem::take(&mut self.partial);
                self.line(&line)?;
                line.clear();
                self.partial = line;
            }
            self.line += 1;
        }
        self.keep(rest)?;
        if too_much.is_empty() { Ok(()) } else { Err(Problem::BodyTooLarge) }
    }

    fn keep(&mut self, piece: &[u8]) -> Result<(), Problem> {
        if self.partial.len() + piece.len() > MAX_LINE {
            return Err(Problem::LineTooLong { line: self.line });
        }
        self.partial.extend_from_slice(piece);
        Ok(())
    }

    fn line(&mut self, bytes: &[u8]) -> Result<(), Problem> {
        let line = self.line;
        if bytes.len() > MAX_LINE {
            return Err(Problem::LineTooLong { line });
        }
        let text = std::str::from_utf8(bytes).map_err(|_| Problem::NotUtf8 { line })?;
        let malformed = |Unexpected { expected, found }: Unexpected<'_>| Problem::Malformed {
            line,
            format: match self.format {
                Format::Text => "Prometheus text",
                Format::OpenMetrics => "OpenMetrics",
            },
            expected,
            found: if found.is_empty() {
                "the end of the line".to_owned()
            } else {
                format!("`{}`", excerpt(found))
            },
        };
        if self.ended {
            return Err(malformed(Unexpected { expected: "nothing after `# EOF`", found: text }));
        }
        match line::parse(text, self.format).map_err(malformed)? {
            Line::Nothing => Ok(()),
            Line::End => {
                self.ended = true;
                Ok(())
            }
            Line::Type { family, kind } => self.tally.family(line, &family.value(), kind),
            Line::Sample(_) if self.samples == MAX_SAMPLES => Err(Problem::TooManySamples),
            Line::Sample(sample) => {
                self.samples += 1;
                self.tally.sample(line, &sample)
            }
        }
    }
}

/// The beginning of a text in one line: problems reach people's chat rooms.
fn excerpt(text: &str) -> String {
    const SHOWN: usize = 80;
    let mut shown: String = text.chars().take(SHOWN).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if text.chars().nth(SHOWN).is_some() {
        shown.push_str("...");
    }
    shown
}
