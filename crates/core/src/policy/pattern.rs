//! Regular expressions that keep their source.

use std::fmt;

use regex::{Regex, RegexBuilder};
use serde::{Deserialize, Serialize};

/// The most memory that one compiled expression may take; a few hundred times what people write.
const SIZE_LIMIT: usize = 1 << 20;

/// A regular expression with its source text, which is what makes two of them equal.
///
/// The syntax is that of the `regex` crate (RE2's without the rare parts); matching takes linear time.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Pattern {
    source: String,
    anywhere: Regex,
    whole: Regex,
}

/// A text that is not a regular expression, or one that is too large.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{pattern}` is not a regular expression: {reason}")]
pub struct PatternError {
    pattern: String,
    reason: String,
}

impl Pattern {
    /// Compiles `source`.
    pub fn new(source: &str) -> Result<Self, PatternError> {
        // Compiled alone first: `a)(?:b` is only wrong without what is put around it for `whole`.
        let compiled =
            compile(source).and_then(|anywhere| Ok((anywhere, compile(&format!("^(?:{source})$"))?)));
        match compiled {
            Ok((anywhere, whole)) => Ok(Self { source: source.to_owned(), anywhere, whole }),
            Err(error) => Err(PatternError { pattern: source.to_owned(), reason: reason(&error) }),
        }
    }

    /// The text it was made from.
    pub fn as_str(&self) -> &str {
        &self.source
    }

    /// Whether some part of `text` matches.
    pub fn is_match(&self, text: &str) -> bool {
        self.anywhere.is_match(text)
    }

    /// Whether `text` matches from its first to its last character, as Prometheus matches label values.
    pub fn matches_whole(&self, text: &str) -> bool {
        self.whole.is_match(text)
    }
}

fn compile(source: &str) -> Result<Regex, regex::Error> {
    RegexBuilder::new(source).size_limit(SIZE_LIMIT).dfa_size_limit(SIZE_LIMIT / 4).build()
}

/// The last line of the parser's drawing says what is wrong; the lines above repeat the expression.
fn reason(error: &regex::Error) -> String {
    match error {
        regex::Error::CompiledTooBig(_) => {
            format!("it takes more than {} KiB when compiled", SIZE_LIMIT >> 10)
        }
        other => {
            let text = other.to_string();
            let last = text.lines().next_back().unwrap_or_default();
            last.strip_prefix("error: ").unwrap_or(last).to_owned()
        }
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.source == other.source
    }
}

impl Eq for Pattern {}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.source)
    }
}

impl From<Pattern> for String {
    fn from(pattern: Pattern) -> Self {
        pattern.source
    }
}

impl TryFrom<String> for Pattern {
    type Error = PatternError;

    fn try_from(source: String) -> Result<Self, Self::Error> {
        Self::new(&source)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn label_values_match_as_a_whole_and_bodies_anywhere() {
        let pattern = Pattern::new("a|ab").unwrap();
        assert!(pattern.is_match("xaby"));
        assert!(pattern.matches_whole("ab"));
        assert!(!pattern.matches_whole("abc"));
        assert!(!pattern.matches_whole("ab\n"));
    }

    #[test]
    fn errors_name_the_expression_and_the_reason() {
        let text = |source: &str| Pattern::new(source).unwrap_err().to_string();
        assert_eq!(text("5("), "`5(` is not a regular expression: unclosed group");
        assert_eq!(text("a)(?:b"), "`a)(?:b` is not a regular expression: unopened group");
        assert_eq!(
            text(r"(?:\w{100}){100}"),
            r"`(?:\w{100}){100}` is not a regular expression: it takes more than 1024 KiB when compiled"
        );
    }
}
