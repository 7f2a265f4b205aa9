//! A record as a line of JSON, in the shape of Envoy's `json_format`.
//!
//! An operator that is a value's whole text keeps its type; text around it makes a string. What is not known
//! is null, or its key is left out.

mod aspect;
mod last;
mod seen;

use serde_json::Value as Json;

use self::aspect::{Aspect, Set};
use super::escape;
use super::format::{self, FormatError, Surroundings};
use super::parse::{Part, Slot, parse};
use super::text;
use super::value::Value;
use crate::identifier::Identifier;
use crate::record::Record;

/// How deep a format may nest.
const MAX_DEPTH: usize = 16;

/// A compiled dictionary: what a line is made of.
#[derive(Debug, Clone)]
pub(super) struct Dictionary {
    fields: Vec<Field>,
    /// What any of them is made of.
    reads: Set,
    /// Which of them are made of each aspect: of the first 64, of the next.
    readers: Vec<[Set; 64]>,
    id: Identifier,
}

impl Dictionary {
    fn new(fields: Vec<Field>) -> Self {
        let reads = fields.iter().fold(Set::NONE, |reads, field| reads.and(field.node.reads()));
        let readers = fields.chunks(64).map(readers).collect();
        Self { fields, reads, readers, id: Identifier::next() }
    }

    /// Shows every format string's parts to `look`.
    pub(super) fn visit(&self, look: &mut impl FnMut(&[Part])) {
        self.fields.iter().for_each(|field| field.node.visit(look));
    }

    /// Appends an object, filled from `record`.
    pub(super) fn write(&self, record: &Record<'_>, omit_empty: bool, out: &mut Vec<u8>) {
        let start = out.len();
        last::write(self, record, omit_empty, out);
        close(start, out);
    }
}

/// Which of so many fields are made of each aspect.
fn readers(fields: &[Field]) -> [Set; 64] {
    let mut readers = [Set::NONE; 64];
    for (place, field) in (0..).zip(fields) {
        field.node.reads().iter().for_each(|aspect| readers[aspect].insert_if(place, true));
    }
    readers
}

/// A field of an object.
#[derive(Debug, Clone)]
struct Field {
    /// As it stands between the value before and its own: `,"key":`.
    key: Box<[u8]>,
    node: Node,
}

impl Field {
    fn new(key: &str, node: Node) -> Self {
        let mut text = b",\"".to_vec();
        escape::json(&mut text, key.as_bytes());
        text.extend_from_slice(b"\":");
        Self { key: text.into(), node }
    }
}

/// A compiled value.
#[derive(Debug, Clone)]
enum Node {
    Object(Vec<Field>),
    List(Vec<Self>),
    /// One operator, which keeps its type.
    Typed(Part),
    Text(Vec<Part>),
}

impl Node {
    fn visit(&self, look: &mut impl FnMut(&[Part])) {
        match self {
            Self::Object(fields) => fields.iter().for_each(|field| field.node.visit(look)),
            Self::List(nodes) => nodes.iter().for_each(|node| node.visit(look)),
            Self::Typed(part) => look(std::slice::from_ref(part)),
            Self::Text(parts) => look(parts),
        }
    }

    /// What it is made of.
    fn reads(&self) -> Set {
        let mut reads = Set::from(Aspect::Line);
        self.visit(&mut |parts| {
            for part in parts {
                let Part::Value(slot) = part else { continue };
                reads = reads.and(slot.operator.aspects());
            }
        });
        reads
    }
}

/// Compiles a dictionary.
pub(super) fn compile(
    format: &Json,
    surroundings: &Surroundings<'_>,
    warnings: &mut Vec<String>,
) -> Result<Dictionary, FormatError> {
    match compile_at(format, surroundings, warnings, 0)? {
        Node::Object(fields) => Ok(Dictionary::new(fields)),
        _ => Err(FormatError::Json(format!("it is {}, not an object", kind_of(format)))),
    }
}

fn compile_at(
    format: &Json,
    surroundings: &Surroundings<'_>,
    warnings: &mut Vec<String>,
    depth: usize,
) -> Result<Node, FormatError> {
    if depth > MAX_DEPTH {
        return Err(FormatError::Json(format!("it nests deeper than {MAX_DEPTH}")));
    }
    match format {
        Json::String(format) => compile_text(format, surroundings, warnings),
        Json::Object(fields) => fields
            .iter()
            .map(|(key, value)| Ok(Field::new(key, compile_at(value, surroundings, warnings, depth + 1)?)))
            .collect::<Result<_, _>>()
            .map(Node::Object),
        Json::Array(values) => values
            .iter()
            .map(|value| compile_at(value, surroundings, warnings, depth + 1))
            .collect::<Result<_, _>>()
            .map(Node::List),
        other => Err(FormatError::Json(format!("{other} is {}", kind_of(other)))),
    }
}

/// Compiles fields in the order given.
pub(super) fn flat<'a>(
    fields: impl Iterator<Item = &'a (&'a str, &'a str)>,
) -> Result<Dictionary, FormatError> {
    let node = |format| compile_text(format, &Surroundings::NONE, &mut Vec::new());
    fields
        .map(|(key, format)| Ok(Field::new(key, node(format)?)))
        .collect::<Result<_, _>>()
        .map(Dictionary::new)
}

fn compile_text(
    format: &str,
    surroundings: &Surroundings<'_>,
    warnings: &mut Vec<String>,
) -> Result<Node, FormatError> {
    let mut parts = parse(format, surroundings, warnings)?;
    if let [Part::Value(_)] = parts[..] {
        return Ok(Node::Typed(parts.remove(0)));
    }
    Ok(Node::Text(parts))
}

fn kind_of(json: &Json) -> &'static str {
    match json {
        Json::Null => "null",
        Json::Bool(_) => "a boolean",
        Json::Number(_) => "a number",
        Json::String(_) => "a string",
        Json::Array(_) => "a list",
        Json::Object(_) => "an object",
    }
}

/// Appends a compiled value, filled from `record`; or nothing, where that is to be left out.
fn write(node: &Node, record: &Record<'_>, omit_empty: bool, out: &mut Vec<u8>) {
    match node {
        Node::Object(fields) => {
            let start = out.len();
            fields.iter().for_each(|field| write_field(field, record, omit_empty, out));
            close(start, out);
        }
        Node::List(nodes) => {
            out.push(b'[');
            for (i, node) in nodes.iter().enumerate() {
                if i > 0 {
                    out.push(b',');
                }
                // Here is no key to leave out.
                write(node, record, omit_empty && !matches!(node, Node::Typed(_)), out);
            }
            out.push(b']');
        }
        Node::Typed(Part::Value(slot)) => write_typed(slot, slot.operator.value(record), omit_empty, out),
        Node::Typed(literal) => write_text(std::slice::from_ref(literal), record, omit_empty, out),
        Node::Text(parts) => write_text(parts, record, omit_empty, out),
    }
}

/// Appends a field of an object, with a comma in front.
fn write_field(field: &Field, record: &Record<'_>, omit_empty: bool, out: &mut Vec<u8>) {
    let start = out.len();
    out.extend_from_slice(&field.key);
    let value = out.len();
    write(&field.node, record, omit_empty, out);
    if out.len() == value {
        out.truncate(start);
    }
}

/// Makes an object of fields that stand at the end of `out`.
fn close(start: usize, out: &mut Vec<u8>) {
    match out.get_mut(start) {
        Some(comma) => *comma = b'{',
        None => out.push(b'{'),
    }
    out.push(b'}');
}

/// Appends what an operator has found.
fn write_typed(slot: &Slot, value: Value<'_>, omit_empty: bool, out: &mut Vec<u8>) {
    match value {
        value if omit_empty && is_missing(value) => {}
        Value::Missing => out.extend_from_slice(b"null"),
        Value::Number(number) => format::number(out, number),
        value => {
            out.push(b'"');
            write_inside(value, slot, out);
            out.push(b'"');
        }
    }
}

fn is_missing(value: Value<'_>) -> bool {
    match value {
        Value::Missing | Value::Dash => true,
        Value::Flags(flags) | Value::FlagsLong(flags) => flags.is_empty(),
        _ => false,
    }
}

fn write_text(parts: &[Part], record: &Record<'_>, omit_empty: bool, out: &mut Vec<u8>) {
    out.push(b'"');
    for part in parts {
        match part {
            Part::Literal(text) => escape::json(out, text.as_bytes()),
            Part::Value(slot) => match slot.operator.value(record) {
                Value::Missing | Value::Dash if omit_empty => {}
                value => write_inside(value, slot, out),
            },
        }
    }
    out.push(b'"');
}

/// Appends a value inside a string.
fn write_inside(value: Value<'_>, slot: &Slot, out: &mut Vec<u8>) {
    match value {
        Value::Missing | Value::Dash => out.push(b'-'),
        Value::Bytes(bytes) => escape::json(out, &bytes[..bytes.len().min(slot.max)]),
        Value::Words(words) => {
            let start = out.len();
            text::words_in_one_field(out, &words.as_bytes()[..words.len().min(slot.max)]);
            escape::json_from(out, start);
        }
        Value::Number(number) | Value::Digits(number) => format::number(out, number),
        Value::Address(address) => format::address(out, address),
        Value::Ip(ip) => format::ip(out, ip),
        Value::Trace(id) => format::hex(out, &id.to_bytes()),
        Value::Flags(flags) if flags.is_empty() => out.push(b'-'),
        Value::Flags(flags) => text::short_flags(out, flags),
        Value::FlagsLong(flags) if flags.is_empty() => out.push(b'-'),
        Value::FlagsLong(flags) => text::long_flags(out, flags),
        Value::Time(shape, moment) => {
            let start = out.len();
            shape.write(out, moment);
            if shape.needs_escape() {
                escape::json_from(out, start);
            }
        }
    }
}
