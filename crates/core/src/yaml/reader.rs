//! A cursor over the tree that collects errors and knows which fields it was asked for.

use std::{cell::RefCell, cmp::Ordering, collections::HashMap, fmt::Display};

use super::{
    Error, Place,
    tree::{Node, Value, plain},
};

/// Errors beyond these are counted only.
const MAX_ERRORS: usize = 100;
/// How much of a value or name is repeated in a message.
const MAX_SHOWN: usize = 60;

/// The errors of one file.
pub struct Sink {
    file: String,
    errors: RefCell<Vec<Error>>,
    dropped: RefCell<usize>,
}

impl Sink {
    pub fn new(file: &str) -> Self {
        Self { file: file.to_owned(), errors: RefCell::default(), dropped: RefCell::default() }
    }

    pub fn push(&self, place: Place, path: &str, message: String) {
        let mut errors = self.errors.borrow_mut();
        if errors.len() < MAX_ERRORS {
            errors.push(Error { file: self.file.clone(), place, path: path.to_owned(), message });
        } else {
            *self.dropped.borrow_mut() += 1;
        }
    }

    /// Sorted by place; what was only counted is told last.
    pub fn into_errors(self) -> Vec<Error> {
        let mut errors = self.errors.into_inner();
        errors.sort_by_key(|error| error.place);
        let dropped = self.dropped.into_inner();
        if let Some(last) = errors.last().filter(|_| dropped > 0) {
            let message = format!("and {dropped} more");
            errors.push(Error { file: self.file, place: last.place, path: String::new(), message });
        }
        errors
    }
}

/// One value of a document, with the way that led to it.
///
/// Every method that returns `None` has reported why.
#[derive(Clone)]
pub struct Reader<'a> {
    node: &'a Node,
    path: String,
    sink: &'a Sink,
}

impl<'a> Reader<'a> {
    pub fn new(node: &'a Node, sink: &'a Sink) -> Self {
        Self { node, path: String::new(), sink }
    }

    /// Where the value begins.
    pub fn place(&self) -> Place {
        self.node.place
    }

    /// Reports a mistake in this value.
    pub fn refuse(&self, message: impl Into<String>) {
        self.sink.push(self.node.place, &self.path, message.into());
    }

    /// Reports that this value is not what it should be.
    pub fn expected(&self, expected: impl Display) {
        self.refuse(format!("found {}, expected {expected}", self.found()));
    }

    /// What is there, for a message.
    pub fn found(&self) -> String {
        match &self.node.value {
            Value::Null => "nothing".to_owned(),
            Value::Bool(value) => format!("`{value}`"),
            Value::Number(text) => format!("the number {}", shown(text)),
            Value::Text(text) if matches!(plain(text), Value::Text(_)) => shown(text),
            Value::Text(text) => format!("the text {} in quotes", shown(text)),
            Value::List(_) => "a list".to_owned(),
            Value::Map(_) => "a map".to_owned(),
        }
    }

    /// The text of a field, without reporting anything.
    pub fn peek(&self, name: &str) -> Option<&'a str> {
        match &self.node.get(name)?.value {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// A text; numbers and the like want quotes.
    pub fn text(&self, expected: impl Display) -> Option<&'a str> {
        match &self.node.value {
            Value::Text(text) => return Some(text),
            Value::Number(_) | Value::Bool(_) => self.expected(format_args!("{expected}, in quotes")),
            _ => self.expected(expected),
        }
        None
    }

    /// A text or number as written, for values like `5m`, `25%` and port names that may be either.
    pub fn scalar(&self) -> Option<Scalar<'a>> {
        match &self.node.value {
            Value::Text(text) => Some(Scalar::Text(text)),
            Value::Number(text) => Some(Scalar::Number(text)),
            _ => None,
        }
    }

    pub fn bool(&self) -> Option<bool> {
        if let Value::Bool(value) = self.node.value {
            return Some(value);
        }
        self.expected("`true` or `false`");
        None
    }

    /// One of `choices`. The names in `later` are in the schema, but this version cannot do them.
    pub fn choice<T: Copy>(&self, choices: &[(&str, T)], later: &[&str]) -> Option<T> {
        let names = || choices.iter().map(|(name, _)| *name);
        let Value::Text(text) = &self.node.value else {
            self.expected(list(names(), "or"));
            return None;
        };
        let found = choices.iter().find(|(name, _)| name == text).map(|(_, value)| *value);
        if found.is_none() {
            let hint = if later.contains(&text.as_str()) {
                "; this version of Siskin doesn't support it".to_owned()
            } else {
                did_you_mean(text, names())
            };
            self.expected(format_args!("{}{hint}", list(names(), "or")));
        }
        found
    }

    /// The items of a list, each decoded; `None` if any is wrong.
    pub fn list<T>(&self, expected: &str, decode: impl Fn(&Reader<'a>) -> Option<T>) -> Option<Vec<T>> {
        let Value::List(items) = &self.node.value else {
            self.expected(expected);
            return None;
        };
        let decoded: Vec<Option<T>> = items
            .iter()
            .enumerate()
            .map(|(index, node)| {
                decode(&Reader { node, path: format!("{}[{index}]", self.path), sink: self.sink })
            })
            .collect();
        decoded.into_iter().collect()
    }

    /// The fields of a map.
    pub fn fields(&self) -> Option<Fields<'a>> {
        let entries = self.entries("a map of fields")?;
        Some(Fields { entries, known: Vec::new(), map: self.clone() })
    }

    /// The entries of a map by name. A name that repeats is reported; the first one counts.
    pub fn entries(&self, expected: &str) -> Option<Vec<Entry<'a>>> {
        let Value::Map(entries) = &self.node.value else {
            self.expected(expected);
            return None;
        };
        let mut first: HashMap<&str, usize> = HashMap::with_capacity(entries.len());
        let mut distinct = Vec::with_capacity(entries.len());
        for (key, node) in entries {
            let path = if self.path.is_empty() {
                clipped(&key.name)
            } else {
                format!("{}.{}", self.path, clipped(&key.name))
            };
            if let Some(line) = first.get(key.name.as_str()) {
                let message = format!("found a second time, expected once; the first is on line {line}");
                self.sink.push(key.place, &path, message);
            } else {
                first.insert(&key.name, key.place.line);
                let value = Reader { node, path, sink: self.sink };
                distinct.push(Entry { name: &key.name, place: key.place, value });
            }
        }
        Some(distinct)
    }
}

/// A field as it stands in the text.
pub struct Entry<'a> {
    pub name: &'a str,
    /// Where the name begins.
    pub place: Place,
    pub value: Reader<'a>,
}

/// A scalar as written.
#[derive(Clone, Copy)]
pub enum Scalar<'a> {
    Text(&'a str),
    Number(&'a str),
}

/// The fields of one map. Fields that nobody asked for are reported when it is dropped, so that no decoder
/// can forget to.
pub struct Fields<'a> {
    entries: Vec<Entry<'a>>,
    known: Vec<&'static str>,
    map: Reader<'a>,
}

impl<'a> Fields<'a> {
    /// The value of a field, if it is there.
    pub fn get(&mut self, name: &'static str) -> Option<Reader<'a>> {
        self.known.push(name);
        self.entries.iter().find(|entry| entry.name == name).map(|entry| entry.value.clone())
    }

    /// A field that must be there.
    pub fn required<T>(
        &mut self,
        name: &'static str,
        expected: &str,
        decode: impl FnOnce(&Reader<'a>) -> Option<T>,
    ) -> Option<T> {
        let found = self.get(name);
        if found.is_none() {
            self.map.refuse(format!("found no field `{name}`, expected {expected}"));
        }
        decode(&found?)
    }

    /// A field that may be left out; the outer `None` means that it is wrong.
    #[expect(clippy::option_option, reason = "absent and wrong are two things")]
    pub fn optional<T>(
        &mut self,
        name: &'static str,
        decode: impl FnOnce(&Reader<'a>) -> Option<T>,
    ) -> Option<Option<T>> {
        match self.get(name) {
            Some(reader) => decode(&reader).map(Some),
            None => Some(None),
        }
    }

    /// A field with a default.
    pub fn or<T>(
        &mut self,
        name: &'static str,
        default: T,
        decode: impl FnOnce(&Reader<'a>) -> Option<T>,
    ) -> Option<T> {
        self.get(name).map_or(Some(default), |reader| decode(&reader))
    }

    /// A field of the schema that this version cannot do; `reason` is a sentence for the user.
    pub fn later(&mut self, name: &'static str, reason: &str) {
        self.misplaced(name, format!("not supported by this version of Siskin: {reason}"));
    }

    /// A field of the schema that has no place here; true if it is there.
    pub fn misplaced(&mut self, name: &'static str, message: impl Into<String>) -> bool {
        let Some(index) = self.entries.iter().position(|entry| entry.name == name) else { return false };
        let Entry { place, value, .. } = self.entries.remove(index);
        self.map.sink.push(place, &value.path, message.into());
        true
    }

    /// Gives up the report of fields that nobody asked for.
    pub fn ignore_others(&mut self) {
        self.entries.clear();
    }

    /// Reports a mistake in the map as a whole.
    pub fn refuse(&self, message: impl Into<String>) {
        self.map.refuse(message);
    }
}

impl Drop for Fields<'_> {
    fn drop(&mut self) {
        for Entry { name, place, value } in &self.entries {
            if !self.known.contains(name) {
                let known = self.known.iter().copied();
                let hint = did_you_mean(name, known.clone());
                let expected =
                    if hint.is_empty() { format!(", expected {}", list(known, "or")) } else { hint };
                self.map.sink.push(*place, &value.path, format!("found an unknown field{expected}"));
            }
        }
    }
}

/// `` `a`, `b` or `c` ``
pub fn list<'n>(names: impl Iterator<Item = &'n str>, word: &str) -> String {
    let names: Vec<String> = names.map(|name| format!("`{name}`")).collect();
    match names.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, others)) => format!("{} {word} {last}", others.join(", ")),
        None => "nothing".to_owned(),
    }
}

fn clipped(text: &str) -> String {
    let mut clipped: String =
        text.chars().take(MAX_SHOWN).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if text.chars().nth(MAX_SHOWN).is_some() {
        clipped.push_str("...");
    }
    clipped
}

fn shown(text: &str) -> String {
    format!("`{}`", clipped(text))
}

/// `; did you mean ...?`, or nothing when no name is near.
fn did_you_mean<'n>(wrong: &str, names: impl Iterator<Item = &'n str>) -> String {
    // A third of the letters may be wrong: more makes proposals that nobody meant.
    let near = (wrong.len() / 3).max(1);
    let folded = wrong.to_ascii_lowercase();
    names
        .filter(|name| name.len().abs_diff(wrong.len()) <= near)
        .map(|name| (distance(&folded, &name.to_ascii_lowercase()), name))
        .filter(|(distance, _)| *distance <= near)
        .min_by(|(a, _), (b, _)| a.partial_cmp(b).unwrap_or(Ordering::Equal))
        .map_or_else(String::new, |(_, name)| format!("; did you mean `{name}`?"))
}

/// The number of insertions, deletions, replacements and swaps of neighbours between two names
/// (optimal string alignment).
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=b.len()).collect();
    let mut last = None;
    for (row, x) in a.chars().enumerate() {
        let mut current = vec![row + 1];
        for (column, y) in b.iter().enumerate() {
            let cell = |line: &[usize], at: usize| line.get(at).copied().unwrap_or(usize::MAX - 1);
            let mut best = (cell(&above, column) + usize::from(x != *y))
                .min(cell(&above, column + 1) + 1)
                .min(cell(&current, column) + 1);
            let swapped = column > 0 && last == Some(*y) && b.get(column - 1) == Some(&x);
            if swapped {
                best = best.min(cell(&before, column - 1) + 1);
            }
            current.push(best);
        }
        before = std::mem::replace(&mut above, current);
        last = Some(x);
    }
    above.last().copied().unwrap_or_default()
}
