//! From the text of a file to its documents, each a tree of values with their places.
//!
//! The text is cut at its `---` lines first, so that a document which is not YAML hides nothing of the others. What a
//! file may cost is bounded: aliases are charged for everything that they stand for.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, Span, Tag};

use super::node::{Entry, Meaning, Node, Position, Value};
use super::{json, scalar};

/// How deep lists and mappings may stand in each other.
const DEEPEST: usize = 100;
/// How many values one file may have, with aliases written out.
const MOST_NODES: usize = 1_000_000;
/// More slips than these in one document say nothing new.
const MOST_SLIPS: usize = 100;

/// Why a document could not be read.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct SyntaxError {
    pub(crate) at: Position,
    pub(crate) message: String,
    pub(crate) hint: Option<String>,
    /// What the document says apart from this and the errors just before: to be looked at, never to be used.
    pub(crate) rest: Option<Box<Node>>,
}

impl SyntaxError {
    const fn new(at: Position, message: String) -> Self {
        Self { at, message, hint: None, rest: None }
    }
}

/// The documents of `text`, in order; empty ones are left out.
pub(crate) fn documents(text: &str) -> Vec<Result<Node, SyntaxError>> {
    read(pieces(text))
}

/// The documents of a JSON file's text, where they also stand behind each other with nothing between.
pub(crate) fn json_documents(text: &str) -> Vec<Result<Node, SyntaxError>> {
    read(pieces(text).iter().flat_map(values).collect())
}

fn read(pieces: Vec<Piece<'_>>) -> Vec<Result<Node, SyntaxError>> {
    let mut left = MOST_NODES;
    let mut all = Vec::new();
    for piece in pieces {
        // A parser that panics on some odd text must cost this document, not the control plane.
        let read = catch_unwind(AssertUnwindSafe(|| {
            let mut found = Vec::new();
            let ended = Builder::new(&piece, &mut left).documents(&mut found);
            (found, ended)
        }));
        let (found, ended) = read.unwrap_or_else(|_| {
            let at = Position { line: piece.line + 1, column: piece.column + 1 };
            (Vec::new(), Err(SyntaxError::new(at, "this is not YAML that can be read".to_owned())))
        });
        all.extend(found);
        if let Err(mut error) = ended {
            explain(&mut error, piece.text);
            all.push(Err(error));
        }
        if left == 0 {
            break;
        }
    }
    all
}

/// One document's text, the number of lines before it, and of characters before it on its first one.
struct Piece<'t> {
    text: &'t str,
    line: u32,
    column: u32,
}

/// A piece of JSON, cut behind each of its values.
fn values<'t>(piece: &Piece<'t>) -> Vec<Piece<'t>> {
    let ends = json::ends(piece.text).into_iter().chain([piece.text.len()]);
    let (mut start, mut line, mut column) = (0, piece.line, piece.column);
    let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    ends.map(|end| {
        let text = &piece.text[start..end];
        let value = Piece { text, line, column };
        start = end;
        if let Some((before, last)) = text.rsplit_once('\n') {
            line = line.saturating_add(count(before.matches('\n').count() + 1));
            column = count(last.chars().count());
        } else {
            column = column.saturating_add(count(text.chars().count()));
        }
        value
    })
    .collect()
}

/// Cuts at lines that begin with `---`. What stands before the first one stays with it when it is only comments and
/// directives (`%YAML`), which belong to the document that follows.
fn pieces(text: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let (mut start, mut start_line) = (0, 0);
    let mut offset = 0;
    let mut has_content = false;
    for (number, line) in (0u32..).zip(text.split_inclusive('\n')) {
        let marker = line
            .strip_prefix("---")
            .is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t', '\r', '\n']));
        if marker && has_content {
            pieces.push(Piece { text: &text[start..offset], line: start_line, column: 0 });
            (start, start_line) = (offset, number);
        }
        has_content |= marker || !(line.trim().is_empty() || line.starts_with(['#', '%']));
        offset += line.len();
    }
    if has_content {
        pieces.push(Piece { text: &text[start..], line: start_line, column: 0 });
    }
    pieces
}

/// Puts the commonest causes of a syntax error into words.
fn explain(error: &mut SyntaxError, text: &str) {
    if error.hint.is_some() {
        return;
    }
    if text.contains("{{") {
        error.hint = Some(TEMPLATE.to_owned());
    } else if text.lines().any(|line| line.trim_start_matches(' ').starts_with('\t')) {
        error.hint = Some("YAML is indented with spaces; a line here begins with a tab".to_owned());
    }
}

/// What to do with a template.
pub(crate) const TEMPLATE: &str =
    "this looks like a Helm template; give weft what `helm template` makes of it";

/// Makes trees of the parser's events.
struct Builder<'t, 'l> {
    parser: Parser<'t, saphyr_parser::StrInput<'t>>,
    /// Lines of the file before this text.
    line: u32,
    /// Characters before it on its first line.
    column: u32,
    left: &'l mut usize,
    anchors: HashMap<usize, (Node, usize)>,
    /// What is wrong with the document at hand and yet lets the rest of it be read.
    slips: Vec<SyntaxError>,
}

type Built<T> = Result<T, SyntaxError>;

impl<'t, 'l> Builder<'t, 'l> {
    fn new(piece: &Piece<'t>, left: &'l mut usize) -> Self {
        Self {
            parser: Parser::new_from_str(piece.text),
            line: piece.line,
            column: piece.column,
            left,
            anchors: HashMap::new(),
            slips: Vec::new(),
        }
    }

    fn documents(mut self, found: &mut Vec<Built<Node>>) -> Built<()> {
        loop {
            let (event, span) = self.next()?;
            match event {
                Event::StreamEnd => return Ok(()),
                Event::DocumentStart(_) => self.anchors.clear(),
                Event::StreamStart | Event::DocumentEnd | Event::Nothing => {}
                event => {
                    let root = self.node(event, span, 0);
                    let mut slips = std::mem::take(&mut self.slips);
                    match (root, slips.pop()) {
                        (Ok(root), Some(last)) => {
                            found.extend(slips.into_iter().map(Err));
                            found.push(Err(SyntaxError { rest: Some(Box::new(root)), ..last }));
                        }
                        (Ok(root), None) if root.is_null() => {}
                        (Ok(root), None) => found.push(Ok(root)),
                        (Err(error), last) => {
                            found.extend(slips.into_iter().chain(last).map(Err));
                            return Err(error);
                        }
                    }
                }
            }
        }
    }

    fn next(&mut self) -> Built<(Event<'t>, Span)> {
        match self.parser.next_event() {
            Some(Ok(event)) => Ok(event),
            Some(Err(error)) => Err(self.error(*error.marker(), error.info().to_owned())),
            None => Ok((Event::StreamEnd, Span::default())),
        }
    }

    fn node(&mut self, event: Event<'t>, span: Span, depth: usize) -> Built<Node> {
        let at = self.place(span.start);
        self.charge(1, span)?;
        if depth > DEEPEST {
            return Err(self.error(span.start, format!("nested deeper than {DEEPEST} levels")));
        }
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let meaning = self.meaning(&text, style, tag.as_deref(), span)?;
                let node = Node { at, value: Value::Scalar(Arc::from(&*text), meaning) };
                self.remember(anchor, &node, 1, span)?;
                Ok(node)
            }
            Event::SequenceStart(anchor, _) => {
                let before = *self.left;
                let mut items = Vec::new();
                loop {
                    let (event, span) = self.next()?;
                    if event == Event::SequenceEnd {
                        break;
                    }
                    items.push(self.node(event, span, depth + 1)?);
                }
                let node = Node { at, value: Value::List(items) };
                self.remember(anchor, &node, before - *self.left + 1, span)?;
                Ok(node)
            }
            Event::MappingStart(anchor, _) => {
                let before = *self.left;
                let entries = self.mapping(depth)?;
                let node = Node { at, value: Value::Map(entries) };
                self.remember(anchor, &node, before - *self.left + 1, span)?;
                Ok(node)
            }
            Event::Alias(id) => {
                let Some((_, size)) = self.anchors.get(&id) else {
                    return Err(self.error(span.start, "this alias stands inside its own anchor".to_owned()));
                };
                // The alias itself was charged above.
                self.charge(size - 1, span)?;
                let mut node = self.anchors[&id].0.clone();
                node.at = at;
                Ok(node)
            }
            _ => Err(self.error(span.start, "a value was expected here".to_owned())),
        }
    }

    /// The entries of a mapping: each key once; `<<` brings those of another mapping that are not there themselves.
    fn mapping(&mut self, depth: usize) -> Built<Vec<Entry>> {
        let mut entries: Vec<Entry> = Vec::new();
        let mut merged: Vec<Entry> = Vec::new();
        let mut seen: HashMap<Arc<str>, Position> = HashMap::new();
        loop {
            let (event, span) = self.next()?;
            if event == Event::MappingEnd {
                break;
            }
            let is_merge = matches!(&event, Event::Scalar(text, ScalarStyle::Plain, _, None) if text == "<<");
            let key = self.node(event, span, depth + 1)?;
            let (event, value_span) = self.next()?;
            let mut value = self.node(event, value_span, depth + 1)?;
            if value.is_null() {
                // The parser puts what is not there at the next token.
                value.at = key.at;
            }
            if is_merge {
                self.merge(value, value_span, &mut merged)?;
                continue;
            }
            let name = self.key_text(&key, span)?;
            if let Some(first) = seen.get(&name) {
                let message = format!("the key `{name}` stands here a second time");
                let hint = Some(format!("the first is at line {}, column {}", first.line, first.column));
                if self.slips.len() < MOST_SLIPS {
                    self.slips.push(SyntaxError { hint, ..SyntaxError::new(key.at, message) });
                }
                continue;
            }
            seen.insert(name.clone(), key.at);
            let written = key.boolean().filter(|text| **text != name).cloned();
            entries.push(Entry { key: name, written, at: key.at, value });
        }
        for entry in merged {
            if !seen.contains_key(&entry.key) {
                seen.insert(entry.key.clone(), entry.at);
                entries.push(entry);
            }
        }
        Ok(entries)
    }

    fn merge(&self, value: Node, span: Span, into: &mut Vec<Entry>) -> Built<()> {
        let wrong = || self.error(span.start, "`<<` merges a mapping or a list of mappings".to_owned());
        match value.value {
            Value::Map(entries) => into.extend(entries),
            Value::List(items) => {
                for item in items {
                    let Value::Map(entries) = item.value else { return Err(wrong()) };
                    into.extend(entries);
                }
            }
            Value::Scalar(..) => return Err(wrong()),
        }
        Ok(())
    }

    /// A key as JSON would have it: numbers and booleans become strings.
    fn key_text(&self, key: &Node, span: Span) -> Built<Arc<str>> {
        match &key.value {
            Value::Scalar(text, Meaning::Text | Meaning::Block | Meaning::Float(_)) => Ok(text.clone()),
            Value::Scalar(_, Meaning::Int(number)) => Ok(number.to_string().into()),
            Value::Scalar(_, Meaning::UInt(number)) => Ok(number.to_string().into()),
            Value::Scalar(_, Meaning::Bool(value)) => Ok(value.to_string().into()),
            Value::Scalar(_, Meaning::Null) => {
                Err(self.error(span.start, "a key is missing here".to_owned()))
            }
            Value::List(_) | Value::Map(_) => {
                Err(self.error(span.start, "a key is a string, not a list or a mapping".to_owned()))
            }
        }
    }

    fn meaning(&self, text: &str, style: ScalarStyle, tag: Option<&Tag>, span: Span) -> Built<Meaning> {
        if let Some(tag) = tag {
            let meaning = match tag.suffix.as_str() {
                "str" if tag.is_yaml_core_schema() => Some(Meaning::Text),
                "int" | "float" | "bool" | "null" if tag.is_yaml_core_schema() => {
                    Some(scalar::plain(text)).filter(|meaning| *meaning != Meaning::Text)
                }
                // The non-specific tag `!` makes a string of anything.
                "" | "!" => Some(Meaning::Text),
                _ => None,
            };
            return meaning.ok_or_else(|| {
                self.error(span.start, format!("the tag {tag} means nothing to Kubernetes here"))
            });
        }
        Ok(match style {
            ScalarStyle::Plain => scalar::plain(text),
            ScalarStyle::Literal | ScalarStyle::Folded => Meaning::Block,
            ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted => Meaning::Text,
        })
    }

    /// Keeps what an anchor names; the copy is charged like any value, since anchors may stand in each other.
    fn remember(&mut self, anchor: usize, node: &Node, size: usize, span: Span) -> Built<()> {
        if anchor != 0 {
            self.charge(size, span)?;
            self.anchors.insert(anchor, (node.clone(), size));
        }
        Ok(())
    }

    fn charge(&mut self, nodes: usize, span: Span) -> Built<()> {
        match self.left.checked_sub(nodes) {
            Some(left) => {
                *self.left = left;
                Ok(())
            }
            None => {
                *self.left = 0;
                Err(self.error(
                    span.start,
                    format!("more than {MOST_NODES} values in one file, aliases written out"),
                ))
            }
        }
    }

    fn place(&self, marker: Marker) -> Position {
        let line = u32::try_from(marker.line()).unwrap_or(u32::MAX).max(1);
        let before = if line == 1 { self.column } else { 0 };
        let column = u32::try_from(marker.col()).unwrap_or(u32::MAX).saturating_add(1).saturating_add(before);
        Position { line: line.saturating_add(self.line), column }
    }

    fn error(&self, marker: Marker, message: String) -> SyntaxError {
        SyntaxError::new(self.place(marker), message)
    }
}

#[cfg(test)]
mod tests;
