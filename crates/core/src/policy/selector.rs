//! Metric selectors, written as Prometheus writes them; names of other than the usual characters in quotes, as
//! Prometheus 3 does: `{"my.metric","my.label"="x"}`.

use std::fmt::{self, Write as _};

use super::{MatchOp, Matcher, Pattern, PatternError, Selector};

/// A text that is not a metric selector.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SelectorError {
    /// The text stops making sense at some place.
    #[error("`{text}` is not a metric selector: expected {expected} at character {at}, found {found}")]
    Syntax {
        /// The whole text.
        text: String,
        /// What would have been right.
        expected: &'static str,
        /// Counted from 1.
        at: usize,
        /// What is there.
        found: String,
    },
    /// The value of `=~` or `!~`.
    #[error(transparent)]
    Pattern(#[from] PatternError),
}

impl TryFrom<String> for Selector {
    type Error = SelectorError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Parser { text: &text, at: 0 }.selector()
    }
}

impl From<Selector> for String {
    fn from(selector: Selector) -> Self {
        selector.to_string()
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bare = is_bare(&self.metric, |c| c == ':');
        if bare {
            f.write_str(&self.metric)?;
        } else {
            write!(f, "{{\"{}\"", Escaped(&self.metric))?;
        }
        for (index, Matcher { label, op }) in self.matchers.iter().enumerate() {
            f.write_char(if index == 0 && bare { '{' } else { ',' })?;
            let (op, value) = match op {
                MatchOp::Equal(value) => ("=", value.as_str()),
                MatchOp::NotEqual(value) => ("!=", value.as_str()),
                MatchOp::Matches(pattern) => ("=~", pattern.as_str()),
                MatchOp::NotMatches(pattern) => ("!~", pattern.as_str()),
            };
            if is_bare(label, |_| false) {
                f.write_str(label)?;
            } else {
                write!(f, "\"{}\"", Escaped(label))?;
            }
            write!(f, "{op}\"{}\"", Escaped(value))?;
        }
        if bare && self.matchers.is_empty() { Ok(()) } else { f.write_char('}') }
    }
}

/// `[a-zA-Z_][a-zA-Z0-9_]*`, with `extra` characters allowed anywhere: such a name needs no quotes.
fn is_bare(name: &str, extra: fn(char) -> bool) -> bool {
    name.starts_with(|c: char| !c.is_ascii_digit())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || extra(c))
}

/// A name or value between double quotes.
struct Escaped<'a>(&'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for character in self.0.chars() {
            match character {
                '\\' => f.write_str("\\\\")?,
                '"' => f.write_str("\\\"")?,
                '\n' => f.write_str("\\n")?,
                other => f.write_char(other)?,
            }
        }
        Ok(())
    }
}

struct Parser<'a> {
    text: &'a str,
    /// A byte index on a character boundary.
    at: usize,
}

impl Parser<'_> {
    fn selector(mut self) -> Result<Selector, SelectorError> {
        self.space();
        let mut matchers = Vec::new();
        let metric = if self.eat("{") {
            let metric = self.quoted_name("a metric name in quotes, as there is none before the brace")?;
            self.comma()?;
            self.matchers(&mut matchers)?;
            metric
        } else {
            let metric = self.name("a metric name", |c| c == ':')?;
            self.space();
            if self.eat("{") {
                self.matchers(&mut matchers)?;
            }
            metric
        };
        self.space();
        if self.rest().is_empty() { Ok(Selector { metric, matchers }) } else { Err(self.expected("the end")) }
    }

    /// Up to and with the closing brace.
    fn matchers(&mut self, matchers: &mut Vec<Matcher>) -> Result<(), SelectorError> {
        self.space();
        while !self.eat("}") {
            matchers.push(self.matcher()?);
            self.comma()?;
        }
        Ok(())
    }

    fn comma(&mut self) -> Result<(), SelectorError> {
        self.space();
        if !self.eat(",") && !self.rest().starts_with('}') {
            return Err(self.expected("`,` or `}`"));
        }
        self.space();
        Ok(())
    }

    fn matcher(&mut self) -> Result<Matcher, SelectorError> {
        let label = if self.rest().starts_with(['"', '\'']) {
            self.quoted_name("a label name")?
        } else {
            self.name("a label name", |_| false)?
        };
        self.space();
        let op = if self.eat("=~") {
            MatchOp::Matches(Pattern::new(&self.value()?)?)
        } else if self.eat("!~") {
            MatchOp::NotMatches(Pattern::new(&self.value()?)?)
        } else if self.eat("!=") {
            MatchOp::NotEqual(self.value()?)
        } else if self.eat("=") {
            MatchOp::Equal(self.value()?)
        } else {
            return Err(self.expected("`=`, `!=`, `=~` or `!~`"));
        };
        Ok(Matcher { label, op })
    }

    /// `[a-zA-Z_][a-zA-Z0-9_]*`, with `extra` characters allowed anywhere.
    fn name(&mut self, what: &'static str, extra: fn(char) -> bool) -> Result<String, SelectorError> {
        let rest = self.rest();
        let end =
            rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || extra(c))).unwrap_or(rest.len());
        let (name, _) = rest.split_at_checked(end).unwrap_or_default();
        if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) {
            return Err(self.expected(what));
        }
        let name = name.to_owned();
        self.at += name.len();
        Ok(name)
    }

    fn quoted_name(&mut self, what: &'static str) -> Result<String, SelectorError> {
        self.space();
        let before = self.at;
        let name = self.quoted(what)?;
        if name.is_empty() {
            self.at = before;
            return Err(self.expected(what));
        }
        Ok(name)
    }

    fn value(&mut self) -> Result<String, SelectorError> {
        self.space();
        self.quoted("a value in quotes")
    }

    fn quoted(&mut self, what: &'static str) -> Result<String, SelectorError> {
        let Some(quote @ ('"' | '\'')) = self.rest().chars().next() else {
            return Err(self.expected(what));
        };
        self.at += 1;
        let mut value = String::new();
        while let Some(character) = self.rest().chars().next() {
            self.at += character.len_utf8();
            if character == quote {
                return Ok(value);
            }
            value.push(if character == '\\' { self.escape()? } else { character });
        }
        Err(self.expected("a closing quote"))
    }

    fn escape(&mut self) -> Result<char, SelectorError> {
        let escaped = match self.rest().chars().next() {
            Some(same @ ('\\' | '"' | '\'')) => same,
            Some('n') => '\n',
            Some('t') => '\t',
            _ => {
                return Err(self.expected(
                    "one of `\\`, `\"`, `'`, `n`, `t` after a backslash (two backslashes write one)",
                ));
            }
        };
        self.at += 1;
        Ok(escaped)
    }

    fn eat(&mut self, token: &str) -> bool {
        let found = self.rest().starts_with(token);
        if found {
            self.at += token.len();
        }
        found
    }

    fn space(&mut self) {
        self.at += self.rest().len() - self.rest().trim_start().len();
    }

    fn rest(&self) -> &str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn expected(&self, expected: &'static str) -> SelectorError {
        let found = self.rest().chars().next().map_or_else(|| "the end".to_owned(), |c| format!("`{c}`"));
        let at = self.text.get(..self.at).unwrap_or_default().chars().count() + 1;
        SelectorError::Syntax { text: self.text.to_owned(), expected, at, found }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Selector, String> {
        Selector::try_from(text.to_owned()).map_err(|error| error.to_string())
    }

    #[test]
    fn selectors_are_prometheus_selectors() {
        let selector =
            parse(r#" http_requests_total { code=~"5..", method!='GET', path!~"/a\\.b", x="" , } "#).unwrap();
        assert_eq!(
            selector.to_string(),
            r#"http_requests_total{code=~"5..",method!="GET",path!~"/a\\.b",x=""}"#
        );
        assert_eq!(parse(&selector.to_string()), Ok(selector));
        assert_eq!(parse("job:errors:rate{}").unwrap().to_string(), "job:errors:rate");
    }

    #[test]
    fn names_of_any_characters_are_quoted() {
        for (text, shown) in [
            (r#"{"my.metric"}"#, r#"{"my.metric"}"#),
            (r#" { 'my.metric' , "my.label" = "x" , b!="" , } "#, r#"{"my.metric","my.label"="x",b!=""}"#),
            (r#"x{"a"="1","0"="2"}"#, r#"x{a="1","0"="2"}"#),
            (r#"{"x","le"=~"1"}"#, r#"x{le=~"1"}"#),
            (r#"{"é \"\n"}"#, r#"{"é \"\n"}"#),
        ] {
            let selector = parse(text).unwrap();
            assert_eq!(selector.to_string(), shown);
            assert_eq!(parse(shown), Ok(selector));
        }
    }

    #[test]
    fn errors_say_where_and_what() {
        for (text, message) in [
            ("", "`` is not a metric selector: expected a metric name at character 1, found the end"),
            (
                r#"{code="5"}"#,
                "`{code=\"5\"}` is not a metric selector: expected a metric name in quotes, as there is none before \
                 the brace at character 2, found `c`",
            ),
            (
                r#"{"code"="5"}"#,
                "`{\"code\"=\"5\"}` is not a metric selector: expected `,` or `}` at character 8, found `=`",
            ),
            (
                r#"x{""="5"}"#,
                "`x{\"\"=\"5\"}` is not a metric selector: expected a label name at character 3, found `\"`",
            ),
            ("5xx", "`5xx` is not a metric selector: expected a metric name at character 1, found `5`"),
            (
                "a{b}",
                "`a{b}` is not a metric selector: expected `=`, `!=`, `=~` or `!~` at character 4, found `}`",
            ),
            (
                "a{b=c}",
                "`a{b=c}` is not a metric selector: expected a value in quotes at character 5, found `c`",
            ),
            (
                r#"a{b="c"#,
                "`a{b=\"c` is not a metric selector: expected a closing quote at character 7, found the end",
            ),
            (
                r#"a{b="c" d="e"}"#,
                "`a{b=\"c\" d=\"e\"}` is not a metric selector: expected `,` or `}` at character 9, found `d`",
            ),
            ("a > 5", "`a > 5` is not a metric selector: expected the end at character 3, found `>`"),
            (r#"a{b=~"("}"#, "`(` is not a regular expression: unclosed group"),
        ] {
            assert_eq!(parse(text).unwrap_err(), message);
        }
    }
}
