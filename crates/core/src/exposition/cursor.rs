//! The tokens of a line.

use std::borrow::Cow;

use super::Format;

/// What was expected where the line stops making sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Unexpected<'a> {
    pub expected: &'static str,
    /// The rest of the line.
    pub found: &'a str,
}

/// A name or value as it was written, with escapes if it stood between quotes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Text<'a>(pub &'a str);

/// One label.
#[derive(Clone, Copy, Debug)]
pub(super) struct Label<'a> {
    pub name: Text<'a>,
    pub value: Text<'a>,
}

/// A place in a line.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Cursor<'a> {
    pub rest: &'a str,
    pub format: Format,
}

impl<'a> Text<'a> {
    /// With its escapes resolved.
    pub fn value(self) -> Cow<'a, str> {
        if !self.0.contains('\\') {
            return Cow::Borrowed(self.0);
        }
        let mut value = String::with_capacity(self.0.len());
        let mut characters = self.0.chars();
        while let Some(character) = characters.next() {
            match (character, if character == '\\' { characters.next() } else { None }) {
                ('\\', Some('n')) => value.push('\n'),
                ('\\', Some(itself @ ('\\' | '"'))) => value.push(itself),
                // OpenMetrics lets every character be escaped and gives no meaning to the rest.
                (first, second) => value.extend([first].into_iter().chain(second)),
            }
        }
        Cow::Owned(value)
    }
}

impl<'a> Cursor<'a> {
    /// Skips spaces and tabs; whether there were any.
    pub fn blanks(&mut self) -> bool {
        let blanks = self.rest.bytes().take_while(|byte| *byte == b' ' || *byte == b'\t').count();
        self.take(blanks);
        blanks > 0
    }

    /// Skips what stands between two words of a line: blanks, in OpenMetrics exactly one space.
    pub fn gap(&mut self) -> bool {
        match self.format {
            Format::Text => self.blanks(),
            Format::OpenMetrics => self.eat(" "),
        }
    }

    pub fn eat(&mut self, token: &str) -> bool {
        let rest = self.rest.strip_prefix(token);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    /// Up to the next blank.
    pub fn word(&mut self) -> &'a str {
        let end = self.rest.bytes().position(|byte| byte == b' ' || byte == b'\t');
        self.take(end.unwrap_or(self.rest.len()))
    }

    pub fn number(&mut self, expected: &'static str) -> Result<&'a str, Unexpected<'a>> {
        let before = *self;
        let word = self.word();
        if word.parse::<f64>().is_ok() { Ok(word) } else { Err(before.expected(expected)) }
    }

    /// A metric's name, bare or quoted.
    pub fn metric(&mut self, expected: &'static str) -> Result<Text<'a>, Unexpected<'a>> {
        if self.eat("\"") { self.quoted().map(Text) } else { self.name(expected, true) }
    }

    /// `[a-zA-Z_][a-zA-Z0-9_]*`, for metrics also with colons.
    pub fn name(&mut self, expected: &'static str, colons: bool) -> Result<Text<'a>, Unexpected<'a>> {
        let in_name = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_' || (colons && *byte == b':');
        let end = self.rest.bytes().take_while(in_name).count();
        if end == 0 || self.rest.starts_with(|first: char| first.is_ascii_digit()) {
            return Err(self.expected(expected));
        }
        Ok(Text(self.take(end)))
    }

    /// The quoted name of a metric, which stands before its labels, up to and with its comma.
    pub fn metric_in_braces(&mut self) -> Result<Text<'a>, Unexpected<'a>> {
        self.blanks();
        if !self.eat("\"") {
            return Err(self.expected("a metric name in double quotes, as there is none before the brace"));
        }
        let name = self.quoted()?;
        self.comma("`,` or `}` after the metric name")?;
        Ok(Text(name))
    }

    /// The next label up to and with its comma; `None` after the closing brace.
    pub fn label(&mut self) -> Result<Option<Label<'a>>, Unexpected<'a>> {
        self.blanks();
        if self.eat("}") {
            return Ok(None);
        }
        let name =
            if self.eat("\"") { Text(self.quoted()?) } else { self.name("a label name or `}`", false)? };
        self.blanks();
        if !self.eat("=") {
            return Err(self.expected("`=` after the label name"));
        }
        self.blanks();
        if !self.eat("\"") {
            return Err(self.expected("a label value in double quotes"));
        }
        let value = Text(self.quoted()?);
        self.comma("`,` or `}` after the label value")?;
        Ok(Some(Label { name, value }))
    }

    /// All labels up to and with the closing brace.
    pub fn labels(&mut self) -> Result<(), Unexpected<'a>> {
        while self.label()?.is_some() {}
        Ok(())
    }

    fn comma(&mut self, expected: &'static str) -> Result<(), Unexpected<'a>> {
        self.blanks();
        if self.eat(",") || self.rest.starts_with('}') { Ok(()) } else { Err(self.expected(expected)) }
    }

    /// Up to the closing quote, which is skipped.
    fn quoted(&mut self) -> Result<&'a str, Unexpected<'a>> {
        let mut bytes = self.rest.bytes().enumerate();
        while let Some((at, byte)) = bytes.next() {
            match byte {
                b'"' => {
                    let raw = self.take(at);
                    self.eat("\"");
                    return Ok(raw);
                }
                b'\\' => {
                    let known = matches!(bytes.next(), Some((_, b'\\' | b'"' | b'n')));
                    if !known && self.format == Format::Text {
                        self.take(at);
                        return Err(self.expected("`\\\\`, `\\\"` or `\\n` as escape"));
                    }
                }
                _ => {}
            }
        }
        Err(self.expected("a closing quote"))
    }

    pub fn end(&self, expected: &'static str) -> Result<(), Unexpected<'a>> {
        if self.rest.is_empty() { Ok(()) } else { Err(self.expected(expected)) }
    }

    fn take(&mut self, end: usize) -> &'a str {
        let (taken, rest) = self.rest.split_at_checked(end).unwrap_or((self.rest, ""));
        self.rest = rest;
        taken
    }

    pub fn expected(&self, expected: &'static str) -> Unexpected<'a> {
        Unexpected { expected, found: self.rest }
    }
}
