//! A bounded tree of what a YAML text says, with places.
//!
//! Plain YAML only: aliases and tags are refused, so nothing in a text can stand for more than itself.

use std::fmt;

use saphyr_parser::{Event, Marker, Parser, ScalarStyle};

/// A policy takes a few KiB.
const MAX_BYTES: usize = 1 << 20;
/// The deepest schema has 8 levels.
const MAX_DEPTH: usize = 32;
/// Bounds the tree at a few MiB.
const MAX_NODES: usize = 50_000;

/// A place in a text; both count from 1, columns in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The line.
    pub line: usize,
    /// The column.
    pub column: usize,
}

impl Place {
    /// Where a text begins.
    pub const START: Self = Self { line: 1, column: 1 };
}

impl From<&Marker> for Place {
    fn from(marker: &Marker) -> Self {
        Self { line: marker.line(), column: marker.col() + 1 }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

/// A value and where it begins.
#[derive(Debug)]
pub struct Node {
    /// The first character.
    pub place: Place,
    /// The value.
    pub value: Value,
}

/// A value.
#[derive(Debug)]
pub enum Value {
    /// Nothing, `null` or `~`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A decimal number, as written.
    Number(String),
    /// Any other scalar.
    Text(String),
    /// A sequence.
    List(Vec<Node>),
    /// A mapping in the order of the text; keys may repeat.
    Map(Vec<(Key, Node)>),
}

/// A field's name and where it begins.
#[derive(Debug)]
pub struct Key {
    /// The first character.
    pub place: Place,
    /// The name.
    pub name: String,
}

impl Node {
    /// The value of the first field of that name.
    pub fn get(&self, name: &str) -> Option<&Node> {
        match &self.value {
            Value::Map(entries) => entries.iter().find(|(key, _)| key.name == name).map(|(_, node)| node),
            _ => None,
        }
    }

    /// `metadata.name`, if it is a text.
    pub fn metadata_name(&self) -> Option<String> {
        match &self.get("metadata")?.get("name")?.value {
            Value::Text(name) => Some(name.clone()),
            _ => None,
        }
    }
}

/// What a plain (unquoted) scalar means: YAML's core schema without octal, hexadecimal and infinite numbers.
pub fn plain(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "true" | "True" | "TRUE" => Value::Bool(true),
        "false" | "False" | "FALSE" => Value::Bool(false),
        number if is_number(number) => Value::Number(number.to_owned()),
        other => Value::Text(other.to_owned()),
    }
}

/// `[-+]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][-+]?[0-9]+)?`
fn is_number(text: &str) -> bool {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.strip_prefix(['-', '+']).unwrap_or(exponent)),
        None => (unsigned, "0"),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    !(whole.is_empty() && fraction.is_empty())
        && digits(whole)
        && digits(fraction)
        && !exponent.is_empty()
        && digits(exponent)
}

/// What the parser says, and how that is mostly mended.
fn not_yaml(info: &str) -> String {
    let hint = if info.contains("tabs") {
        ": indent with spaces"
    } else if info.contains("block mapping") || info.contains("block collection") || info.contains("indent") {
        ": look at the indentation of this line and of those above it"
    } else {
        ""
    };
    format!("not YAML: {info}{hint}")
}

/// The documents of `text` that hold anything. With an error, the last one is what was there before it.
pub fn parse(text: &str) -> (Vec<Node>, Option<(Place, String)>) {
    if text.len() > MAX_BYTES {
        let message =
            format!("found a file of {} KiB, expected at most {} KiB", text.len() >> 10, MAX_BYTES >> 10);
        return (Vec::new(), Some((Place::START, message)));
    }
    let mut builder = Builder { documents: Vec::new(), open: Vec::new(), nodes: 0 };
    let mut parser = Parser::new_from_str(text);
    let error = loop {
        match parser.next_event() {
            None => break None,
            Some(Err(error)) => break Some((error.marker().into(), not_yaml(error.info()))),
            Some(Ok((event, span))) => {
                if let Err(error) = builder.event(event, (&span.start).into()) {
                    break Some(error);
                }
            }
        }
    };
    while !builder.open.is_empty() {
        builder.close();
    }
    (builder.documents, error)
}

struct Builder {
    documents: Vec<Node>,
    /// The lists and maps that have begun and not ended, outermost first.
    open: Vec<Open>,
    nodes: usize,
}

enum Open {
    List(Place, Vec<Node>),
    /// With the key whose value is next.
    Map(Place, Vec<(Key, Node)>, Option<Key>),
}

impl Builder {
    fn event(&mut self, event: Event<'_>, place: Place) -> Result<(), (Place, String)> {
        let refuse = |message: &str| Err((place, message.to_owned()));
        if let Event::Scalar(_, _, _, Some(_))
        | Event::SequenceStart(_, Some(_))
        | Event::MappingStart(_, Some(_)) = &event
        {
            return refuse("found a YAML tag (`!`), expected plain YAML: put the text in quotes");
        }
        match event {
            Event::Alias(_) => return refuse("found a YAML alias (`*`), expected the value itself"),
            Event::Scalar(text, style, ..) => {
                self.count(place)?;
                if let Some(Open::Map(_, _, key @ None)) = self.open.last_mut() {
                    *key = Some(Key { place, name: text.into_owned() });
                } else {
                    let value = if style == ScalarStyle::Plain {
                        plain(&text)
                    } else {
                        Value::Text(text.into_owned())
                    };
                    self.add(Node { place, value });
                }
            }
            Event::SequenceStart(..) => self.begin(Open::List(place, Vec::new()), place)?,
            Event::MappingStart(..) => self.begin(Open::Map(place, Vec::new(), None), place)?,
            Event::SequenceEnd | Event::MappingEnd => self.close(),
            Event::Nothing
            | Event::StreamStart
            | Event::StreamEnd
            | Event::DocumentStart(_)
            | Event::DocumentEnd => {}
        }
        Ok(())
    }

    fn count(&mut self, place: Place) -> Result<(), (Place, String)> {
        self.nodes += 1;
        if self.nodes > MAX_NODES {
            return Err((place, format!("found more than {MAX_NODES} values, expected fewer")));
        }
        Ok(())
    }

    fn begin(&mut self, open: Open, place: Place) -> Result<(), (Place, String)> {
        self.count(place)?;
        if matches!(self.open.last(), Some(Open::Map(_, _, None))) {
            return Err((place, "found a list or map as a field name, expected a text".to_owned()));
        }
        if self.open.len() == MAX_DEPTH {
            return Err((place, format!("found more than {MAX_DEPTH} levels, expected fewer")));
        }
        self.open.push(open);
        Ok(())
    }

    fn close(&mut self) {
        match self.open.pop() {
            Some(Open::List(place, items)) => self.add(Node { place, value: Value::List(items) }),
            Some(Open::Map(place, entries, _)) => self.add(Node { place, value: Value::Map(entries) }),
            None => {}
        }
    }

    fn add(&mut self, node: Node) {
        match self.open.last_mut() {
            Some(Open::List(_, items)) => items.push(node),
            Some(Open::Map(_, entries, key)) => {
                if let Some(key) = key.take() {
                    entries.push((key, node));
                }
            }
            None if matches!(node.value, Value::Null) => {}
            None => self.documents.push(node),
        }
    }
}
