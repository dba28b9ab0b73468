//! Lines for people, before anything is known of where they are shown.

use std::time::Duration;

/// What a line is about, as a colour or not at all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tone {
    /// Nothing special.
    #[default]
    Plain,
    /// It goes well.
    Good,
    /// It isn't known yet, or is on its way.
    Open,
    /// It goes wrong.
    Bad,
    /// Headings, and what people do.
    Strong,
}

/// A line, as long as it has to be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Line {
    /// Its tone.
    pub tone: Tone,
    /// Its text, without control characters.
    pub text: String,
    /// How far the rows after the first are indented where it doesn't fit in one.
    pub indent: usize,
}

impl Line {
    /// A line of this tone; what comes from elsewhere loses its control characters.
    pub fn new(tone: Tone, text: impl Into<String>) -> Self {
        let text = text.into().chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect();
        Self { tone, text, indent: 0 }
    }

    /// The same with its further rows indented.
    pub fn indented(self, indent: usize) -> Self {
        Self { indent, ..self }
    }

    /// The rows that it takes where there is room for `width` characters: broken between words, or within one that is
    /// longer than a row.
    pub fn rows(&self, width: usize) -> Vec<String> {
        let width = width.max(1);
        let indent = " ".repeat(if self.indent * 2 < width { self.indent } else { 0 });
        let mut rows = Vec::new();
        let mut rest = self.text.as_str();
        loop {
            let lead = if rows.is_empty() { "" } else { indent.as_str() };
            let room = width - lead.len();
            let Some((end, _)) = rest.char_indices().nth(room) else {
                rows.push(format!("{lead}{rest}"));
                return rows;
            };
            let (head, tail) = rest.split_at(end);
            let broken = if tail.starts_with(' ') { Some(end) } else { head.rfind(' ') };
            let at =
                broken.filter(|&at| !head.get(..at).unwrap_or_default().trim().is_empty()).unwrap_or(end);
            let (row, after) = rest.split_at(at);
            rows.push(format!("{lead}{}", row.trim_end()));
            rest = after.trim_start();
        }
    }
}

/// Minutes and seconds, as in `1:05`.
pub fn clock(time: Duration) -> String {
    format!("{}:{:02}", time.as_secs() / 60, time.as_secs() % 60)
}

/// Whole seconds, as in `1m 30s`.
pub fn seconds(time: Duration) -> String {
    match (time.as_secs() / 60, time.as_secs() % 60) {
        (0, seconds) => format!("{seconds}s"),
        (minutes, 0) => format!("{minutes}m"),
        (minutes, seconds) => format!("{minutes}m {seconds}s"),
    }
}

/// A number that can be read: `12,345`.
pub fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_broken_between_words_and_loses_nothing() {
        let line = Line::new(Tone::Plain, "errors  Fail  12 of 60 requests failed").indented(8);
        assert_eq!(line.rows(80), ["errors  Fail  12 of 60 requests failed"]);
        assert_eq!(line.rows(20), ["errors  Fail  12 of", "        60 requests", "        failed"]);
    }

    #[test]
    fn a_word_that_is_longer_than_a_row_is_broken_itself() {
        assert_eq!(Line::new(Tone::Plain, "abcdefgh ij").rows(3), ["abc", "def", "gh", "ij"]);
        assert_eq!(Line::new(Tone::Plain, "ab").indented(9).rows(0), ["a", "b"]);
    }

    #[test]
    fn what_would_move_the_cursor_is_taken_out() {
        assert_eq!(Line::new(Tone::Plain, "a\u{1b}[2Jb\nc").text, "a [2Jb c");
    }

    #[test]
    fn numbers_can_be_read() {
        assert_eq!([0, 999, 1000, 1_234_567].map(thousands), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!(clock(Duration::from_secs(65)), "1:05");
    }
}
