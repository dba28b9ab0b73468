//! The grammar of one line, of the text format and of OpenMetrics.
//!
//! Nothing here allocates, so a page costs its lines' lengths however many families it has.

use super::{
    Format,
    cursor::{Cursor, Label, Text, Unexpected},
};

/// What a line is.
#[derive(Debug, PartialEq)]
pub(super) enum Line<'a> {
    /// Empty, a comment, or metadata that nothing is read from.
    Nothing,
    /// `# TYPE <family> <kind>`.
    Type { family: Text<'a>, kind: &'a str },
    /// `<name>{<labels>} <value> <timestamp>`.
    Sample(Sample<'a>),
    /// `# EOF`.
    End,
}

/// One sample. Its timestamp and its exemplar are checked and left out: what counts is when the page was read.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Sample<'a> {
    pub name: Text<'a>,
    /// From behind the opening brace and the name in it; known to be well-formed.
    labels: Option<Cursor<'a>>,
    /// The value as it was written; known to be a number.
    pub value: &'a str,
}

/// The types of OpenMetrics. The text format has fewer, and pages in it have others all the same.
const KINDS: [&str; 8] =
    ["counter", "gauge", "gaugehistogram", "histogram", "info", "stateset", "summary", "unknown"];

/// Reads one line, which comes without its line feed.
pub(super) fn parse(line: &str, format: Format) -> Result<Line<'_>, Unexpected<'_>> {
    let mut cursor = Cursor { rest: line, format };
    match format {
        Format::Text => {
            cursor.blanks();
            if cursor.eat("#") {
                comment(cursor)
            } else if cursor.rest.is_empty() {
                Ok(Line::Nothing)
            } else {
                sample(cursor).map(Line::Sample)
            }
        }
        Format::OpenMetrics if cursor.eat("#") => metadata(cursor),
        Format::OpenMetrics => sample(cursor).map(Line::Sample),
    }
}

/// What follows a `#` in the text format.
fn comment(mut cursor: Cursor<'_>) -> Result<Line<'_>, Unexpected<'_>> {
    cursor.blanks();
    match cursor.word() {
        "HELP" => {
            cursor.blanks();
            cursor.metric("a metric name after HELP")?;
            Ok(Line::Nothing)
        }
        "TYPE" => kind(cursor),
        _ => Ok(Line::Nothing),
    }
}

/// What follows a `#` in OpenMetrics, which has no other comments.
fn metadata(cursor: Cursor<'_>) -> Result<Line<'_>, Unexpected<'_>> {
    let mut after = cursor;
    match if after.gap() { after.word() } else { "" } {
        "EOF" => after.end("the end of the line after EOF").map(|()| Line::End),
        "TYPE" => kind(after),
        "HELP" => {
            after.gap();
            after.metric("a metric name after HELP")?;
            Ok(Line::Nothing)
        }
        "UNIT" => {
            after.gap();
            let before = after;
            let family = after.metric("a metric name after UNIT")?;
            after.gap();
            let unit = after.word();
            let family = family.value();
            if !unit.is_empty() && family.strip_suffix(unit).is_none_or(|rest| !rest.ends_with('_')) {
                return Err(before.expected("a metric name that ends in `_` and the unit"));
            }
            after.end("nothing after the unit")?;
            Ok(Line::Nothing)
        }
        _ => Err(cursor.expected("HELP, TYPE, UNIT or EOF after `#` and a space")),
    }
}

/// What follows a TYPE.
fn kind(mut cursor: Cursor<'_>) -> Result<Line<'_>, Unexpected<'_>> {
    cursor.gap();
    let family = cursor.metric("a metric name after TYPE")?;
    cursor.gap();
    let before = cursor;
    let kind = cursor.word();
    if kind.is_empty() {
        return Err(before.expected("a type after the metric name"));
    }
    match cursor.format {
        Format::Text => drop(cursor.blanks()),
        Format::OpenMetrics if !KINDS.contains(&kind) => {
            return Err(before.expected("a type that OpenMetrics has"));
        }
        Format::OpenMetrics => {}
    }
    cursor.end("nothing after the type")?;
    Ok(Line::Type { family, kind })
}

fn sample(mut cursor: Cursor<'_>) -> Result<Sample<'_>, Unexpected<'_>> {
    let (name, labels);
    if cursor.eat("{") {
        name = cursor.metric_in_braces()?;
        labels = Some(cursor);
        cursor.labels()?;
        gap_after_labels(&mut cursor)?;
    } else {
        name = cursor.name("a metric name", true)?;
        let blank = cursor.gap();
        if (!blank || cursor.format == Format::Text) && cursor.eat("{") {
            labels = Some(cursor);
            cursor.labels()?;
            gap_after_labels(&mut cursor)?;
        } else if blank {
            labels = None;
        } else {
            return Err(cursor.expected("a blank or `{` after the metric name"));
        }
    }
    let value = cursor.number("a number as value")?;
    match cursor.format {
        Format::Text => milliseconds(cursor)?,
        Format::OpenMetrics => seconds_and_exemplar(cursor)?,
    }
    Ok(Sample { name, labels, value })
}

fn gap_after_labels<'a>(cursor: &mut Cursor<'a>) -> Result<(), Unexpected<'a>> {
    if cursor.gap() || cursor.format == Format::Text {
        Ok(())
    } else {
        Err(cursor.expected("a space after the labels"))
    }
}

/// What follows the value in the text format.
fn milliseconds(mut cursor: Cursor<'_>) -> Result<(), Unexpected<'_>> {
    cursor.blanks();
    if cursor.rest.is_empty() {
        return Ok(());
    }
    let before = cursor;
    if cursor.word().parse::<i64>().is_err() {
        return Err(before.expected("a timestamp in whole milliseconds or the end of the line"));
    }
    cursor.blanks();
    cursor.end("the end of the line")
}

/// What follows the value in OpenMetrics.
fn seconds_and_exemplar(mut cursor: Cursor<'_>) -> Result<(), Unexpected<'_>> {
    if cursor.rest.is_empty() {
        return Ok(());
    }
    let exemplar = |cursor: &Cursor<'_>| cursor.rest.starts_with(" #");
    if !exemplar(&cursor) {
        seconds(&mut cursor, "a timestamp in seconds, an exemplar or the end of the line")?;
        if cursor.rest.is_empty() {
            return Ok(());
        }
    }
    if !cursor.eat(" # {") {
        return Err(cursor.expected("an exemplar (` # {...} <value>`) or the end of the line"));
    }
    cursor.labels()?;
    gap_after_labels(&mut cursor)?;
    cursor.number("a number as the value of the exemplar")?;
    if !cursor.rest.is_empty() {
        seconds(&mut cursor, "a timestamp in seconds or the end of the line")?;
    }
    cursor.end("the end of the line")
}

fn seconds<'a>(cursor: &mut Cursor<'a>, expected: &'static str) -> Result<(), Unexpected<'a>> {
    cursor.gap();
    let before = *cursor;
    match cursor.word().parse::<f64>() {
        Ok(seconds) if seconds.is_finite() => Ok(()),
        _ => Err(before.expected(expected)),
    }
}

impl<'a> Sample<'a> {
    /// Its labels in the order of the line.
    pub fn labels(&self) -> impl Iterator<Item = Label<'a>> + use<'a> {
        let mut cursor = self.labels;
        std::iter::from_fn(move || cursor.as_mut()?.label().ok().flatten())
    }
}

#[cfg(test)]
mod tests;
