//! Prints block-style YAML.

use std::fmt::Write as _;

use super::tree::{Value, plain};

/// Appends lines; what is written is read back as the same values.
#[derive(Default)]
pub struct Writer {
    out: String,
    depth: usize,
    /// The next line continues a `- `.
    item: bool,
}

impl Writer {
    /// `name: value`, where `value` is printed as it is: a number, duration, share or enum.
    pub fn field(&mut self, name: &str, value: impl std::fmt::Display) {
        self.line(&format!("{name}: {value}"));
    }

    /// `name: text`, quoted if need be.
    pub fn text(&mut self, name: &str, text: &str) {
        self.field(&scalar(name), scalar(text));
    }

    /// `name:` and, indented, what `body` writes. `body` writes at least one line.
    pub fn section(&mut self, name: &str, body: impl FnOnce(&mut Self)) {
        self.line(&format!("{name}:"));
        self.depth += 1;
        body(self);
        self.depth -= 1;
    }

    /// One item of a list of maps, within the section of the list; its dash stands below the list's name.
    pub fn list_item(&mut self, body: impl FnOnce(&mut Self)) {
        self.item = true;
        body(self);
    }

    /// `name: [a, b]`, where the values are printed as they are.
    pub fn inline(&mut self, name: &str, values: impl Iterator<Item = String>) {
        self.field(name, format_args!("[{}]", values.collect::<Vec<_>>().join(", ")));
    }

    /// The whole text.
    pub fn finish(self) -> String {
        self.out
    }

    fn line(&mut self, text: &str) {
        let indent = "  ".repeat(self.depth - usize::from(self.item));
        let mark = if self.item { "- " } else { "" };
        self.item = false;
        // Writing to a String cannot fail.
        let _ = writeln!(self.out, "{indent}{mark}{text}");
    }
}

/// A text as a scalar: bare where that reads back the same, otherwise in the quotes that need fewer escapes.
pub fn scalar(text: &str) -> String {
    let bare = text.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '/' || c == '_')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "/_.-".contains(c))
        && matches!(plain(text), Value::Text(_));
    if bare {
        text.to_owned()
    } else if text.contains('\'') || text.chars().any(|c| c.is_control() || !c.is_ascii()) {
        double_quoted(text)
    } else {
        format!("'{text}'")
    }
}

fn double_quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for character in text.chars() {
        match character {
            '"' | '\\' => quoted.extend(['\\', character]),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            visible if visible.is_ascii_graphic() || visible == ' ' || visible.is_alphanumeric() => {
                quoted.push(visible);
            }
            other => {
                let _ = write!(quoted, "\\U{:08x}", u32::from(other));
            }
        }
    }
    quoted.push('"');
    quoted
}
