//! The grammar of one line of the text format 0.0.4.
//!
//! Nothing here allocates but [`Label::value`] of a value with escapes, so a page costs its lines' lengths however
//! many families it has.

use std::borrow::Cow;

/// What a line is.
#[derive(Debug, PartialEq)]
pub(super) enum Line<'a> {
    /// Empty, a comment, or a HELP line.
    Nothing,
    /// `# TYPE <family> <kind>`.
    Type { family: &'a str, kind: &'a str },
    /// `<name>{<labels>} <value> <timestamp>`.
    Sample(Sample<'a>),
}

/// One sample. Its timestamp is checked and left out: what counts is when the page was read.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Sample<'a> {
    pub name: &'a str,
    /// From behind the opening brace; known to be well-formed.
    labels: &'a str,
    /// The value as it was written; known to be a number.
    pub value: &'a str,
}

/// One label of a sample.
#[derive(Clone, Copy, Debug)]
pub(super) struct Label<'a> {
    pub name: &'a str,
    /// As between the quotes.
    raw: &'a str,
}

/// What was expected where the line stops making sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Unexpected<'a> {
    pub expected: &'static str,
    /// The rest of the line.
    pub found: &'a str,
}

/// Reads one line, which comes without its line feed.
pub(super) fn parse(line: &str) -> Result<Line<'_>, Unexpected<'_>> {
    let mut cursor = Cursor { rest: line };
    cursor.blanks();
    if cursor.eat('#') {
        comment(cursor)
    } else if cursor.rest.is_empty() {
        Ok(Line::Nothing)
    } else {
        sample(cursor).map(Line::Sample)
    }
}

fn comment(mut cursor: Cursor<'_>) -> Result<Line<'_>, Unexpected<'_>> {
    cursor.blanks();
    match cursor.word() {
        "HELP" => {
            cursor.blanks();
            cursor.name("a metric name after HELP", true)?;
            Ok(Line::Nothing)
        }
        "TYPE" => {
            cursor.blanks();
            let family = cursor.name("a metric name after TYPE", true)?;
            cursor.blanks();
            let kind = cursor.word();
            if kind.is_empty() {
                return Err(cursor.expected("a type after the metric name"));
            }
            cursor.blanks();
            cursor.end("nothing after the type")?;
            Ok(Line::Type { family, kind })
        }
        _ => Ok(Line::Nothing),
    }
}

fn sample(mut cursor: Cursor<'_>) -> Result<Sample<'_>, Unexpected<'_>> {
    let name = cursor.name("a metric name", true)?;
    let blank = cursor.blanks();
    let mut labels = "";
    if cursor.eat('{') {
        labels = cursor.rest;
        while cursor.label()?.is_some() {}
        cursor.blanks();
    } else if !blank {
        return Err(cursor.expected("a blank or `{` after the metric name"));
    }
    let before = cursor;
    let value = cursor.word();
    if value.parse::<f64>().is_err() {
        return Err(before.expected("a number as value"));
    }
    cursor.blanks();
    if !cursor.rest.is_empty() {
        let before = cursor;
        if cursor.word().parse::<i64>().is_err() {
            return Err(before.expected("a timestamp in whole milliseconds or the end of the line"));
        }
        cursor.blanks();
        cursor.end("the end of the line")?;
    }
    Ok(Sample { name, labels, value })
}

impl<'a> Sample<'a> {
    /// Its labels in the order of the line.
    pub fn labels(&self) -> impl Iterator<Item = Label<'a>> + use<'a> {
        let mut cursor = Cursor { rest: self.labels };
        std::iter::from_fn(move || cursor.label().ok().flatten())
    }
}

impl<'a> Label<'a> {
    /// The value with its escapes resolved.
    pub fn value(&self) -> Cow<'a, str> {
        if !self.raw.contains('\\') {
            return Cow::Borrowed(self.raw);
        }
        let mut value = String::with_capacity(self.raw.len());
        let mut escaped = false;
        for character in self.raw.chars() {
            match character {
                '\\' if !escaped => escaped = true,
                other => {
                    value.push(if escaped && other == 'n' { '\n' } else { other });
                    escaped = false;
                }
            }
        }
        Cow::Owned(value)
    }
}

#[derive(Clone, Copy)]
struct Cursor<'a> {
    rest: &'a str,
}

impl<'a> Cursor<'a> {
    /// Skips spaces and tabs; whether there were any.
    fn blanks(&mut self) -> bool {
        let rest = self.rest.trim_start_matches([' ', '\t']);
        let any = rest.len() < self.rest.len();
        self.rest = rest;
        any
    }

    fn eat(&mut self, character: char) -> bool {
        let rest = self.rest.strip_prefix(character);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    /// Up to the next blank.
    fn word(&mut self) -> &'a str {
        let end = self.rest.find([' ', '\t']).unwrap_or(self.rest.len());
        self.take(end)
    }

    /// `[a-zA-Z_][a-zA-Z0-9_]*`, for metrics also with colons.
    fn name(&mut self, expected: &'static str, colons: bool) -> Result<&'a str, Unexpected<'a>> {
        let in_name = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_' || (colons && *byte == b':');
        let end = self.rest.bytes().take_while(in_name).count();
        if end == 0 || self.rest.starts_with(|first: char| first.is_ascii_digit()) {
            return Err(self.expected(expected));
        }
        Ok(self.take(end))
    }

    /// The next label up to and with its comma; `None` after the closing brace.
    fn label(&mut self) -> Result<Option<Label<'a>>, Unexpected<'a>> {
        self.blanks();
        if self.eat('}') {
            return Ok(None);
        }
        let name = self.name("a label name or `}`", false)?;
        self.blanks();
        if !self.eat('=') {
            return Err(self.expected("`=` after the label name"));
        }
        self.blanks();
        if !self.eat('"') {
            return Err(self.expected("a label value in double quotes"));
        }
        let raw = self.quoted()?;
        self.blanks();
        if !self.eat(',') && !self.rest.starts_with('}') {
            return Err(self.expected("`,` or `}` after the label value"));
        }
        Ok(Some(Label { name, raw }))
    }

    /// Up to the closing quote, which is skipped.
    fn quoted(&mut self) -> Result<&'a str, Unexpected<'a>> {
        let mut bytes = self.rest.bytes().enumerate();
        while let Some((at, byte)) = bytes.next() {
            match byte {
                b'"' => {
                    let raw = self.take(at);
                    self.eat('"');
                    return Ok(raw);
                }
                b'\\' if !matches!(bytes.next(), Some((_, b'\\' | b'"' | b'n'))) => {
                    self.take(at);
                    return Err(self.expected("`\\\\`, `\\\"` or `\\n` as escape"));
                }
                _ => {}
            }
        }
        Err(self.expected("a closing quote"))
    }

    fn end(&self, expected: &'static str) -> Result<(), Unexpected<'a>> {
        if self.rest.is_empty() { Ok(()) } else { Err(self.expected(expected)) }
    }

    fn take(&mut self, end: usize) -> &'a str {
        let (taken, rest) = self.rest.split_at_checked(end).unwrap_or((self.rest, ""));
        self.rest = rest;
        taken
    }

    fn expected(&self, expected: &'static str) -> Unexpected<'a> {
        Unexpected { expected, found: self.rest }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Read = (String, Vec<(String, String)>, String);

    fn sample(line: &str) -> Result<Read, String> {
        match parse(line) {
            Ok(Line::Sample(sample)) => {
                let labels = sample.labels().map(|l| (l.name.to_owned(), l.value().into_owned())).collect();
                Ok((sample.name.to_owned(), labels, sample.value.to_owned()))
            }
            Ok(other) => Err(format!("{other:?}")),
            Err(Unexpected { expected, found }) => Err(format!("{expected} | {found}")),
        }
    }

    #[test]
    fn samples_are_read_whatever_their_labels_hold() {
        for (line, name, labels, value) in [
            ("x 1", "x", vec![], "1"),
            ("\t x \t 1 \t ", "x", vec![], "1"),
            ("x{} 1", "x", vec![], "1"),
            ("x {\t} +Inf", "x", vec![], "+Inf"),
            ("x{}1", "x", vec![], "1"),
            ("job:x:rate5m NaN -17", "job:x:rate5m", vec![], "NaN"),
            (":x 1e-3 1700000000000", ":x", vec![], "1e-3"),
            (r#"x{a="1"} 2"#, "x", vec![("a", "1")], "2"),
            (r#"x{ a = "1" , b = "2" , } 2"#, "x", vec![("a", "1"), ("b", "2")], "2"),
            (r#"x{a="b,c=\"d\"}"} 2"#, "x", vec![("a", "b,c=\"d\"}")], "2"),
            (r#"x{a="\\n\n\\"} 2"#, "x", vec![("a", "\\n\n\\")], "2"),
            (r#"x{a="{",b="é # "} 2"#, "x", vec![("a", "{"), ("b", "é # ")], "2"),
        ] {
            let labels = labels.into_iter().map(|(n, v)| (n.to_owned(), v.to_owned())).collect();
            assert_eq!(sample(line), Ok((name.to_owned(), labels, value.to_owned())), "{line}");
        }
    }

    #[test]
    fn garbage_is_told_with_what_was_expected() {
        for (line, message) in [
            ("<html>", "a metric name | <html>"),
            ("5xx 1", "a metric name | 5xx 1"),
            ("x", "a blank or `{` after the metric name | "),
            ("x-y 1", "a blank or `{` after the metric name | -y 1"),
            ("x ", "a number as value | "),
            ("x one", "a number as value | one"),
            ("x 0x1p4", "a number as value | 0x1p4"),
            ("x 1_000", "a number as value | 1_000"),
            ("x 1\r", "a number as value | 1\r"),
            ("x 1 1.5", "a timestamp in whole milliseconds or the end of the line | 1.5"),
            (
                "x 1 # {id=\"7\"} 1",
                "a timestamp in whole milliseconds or the end of the line | # {id=\"7\"} 1",
            ),
            ("x 1 2 3", "the end of the line | 3"),
            ("x{,} 1", "a label name or `}` | ,} 1"),
            ("x{a=\"1\",,} 1", "a label name or `}` | ,} 1"),
            ("x{a:b=\"1\"} 1", "`=` after the label name | :b=\"1\"} 1"),
            ("x{\"a\"} 1", "a label name or `}` | \"a\"} 1"),
            ("x{a='1'} 1", "a label value in double quotes | '1'} 1"),
            ("x{a=\"1\" b=\"2\"} 1", "`,` or `}` after the label value | b=\"2\"} 1"),
            (r#"x{a="\t"} 1"#, r#"`\\`, `\"` or `\n` as escape | \t"} 1"#),
            (r#"x{a="1"#, "a closing quote | 1"),
            (r#"x{a="1""#, "`,` or `}` after the label value | "),
            ("# TYPE", "a metric name after TYPE | "),
            ("# TYPE x", "a type after the metric name | "),
            ("# TYPE x counter x", "nothing after the type | x"),
            ("# HELP 7 x", "a metric name after HELP | 7 x"),
        ] {
            assert_eq!(sample(line), Err(message.to_owned()), "{line}");
        }
    }

    #[test]
    fn other_lines_are_types_or_nothing() {
        for line in ["", " \t", "#", "# anything", "# HELP x", "# HELP x {\"", "# EOF", "# HELPX"] {
            assert_eq!(parse(line), Ok(Line::Nothing), "{line}");
        }
        for line in ["# TYPE a:x counter", "#TYPE a:x counter ", " # \t TYPE\ta:x  counter"] {
            assert_eq!(parse(line), Ok(Line::Type { family: "a:x", kind: "counter" }), "{line}");
        }
    }
}
