//! A document as a tree of values that know where they stand in the file.

use std::sync::Arc;

use super::path::{Hop, Trail};

/// A place in a file; both count from 1, columns in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Position {
    pub(crate) line: u32,
    pub(crate) column: u32,
}

/// One value and its place.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Node {
    pub(crate) at: Position,
    pub(crate) value: Value,
}

/// What a value is.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    /// A scalar as it was written, and what it means.
    Scalar(Arc<str>, Meaning),
    List(Vec<Node>),
    Map(Vec<Entry>),
}

/// What a scalar means, by the rules of Kubernetes' parser.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Meaning {
    Null,
    Bool(bool),
    Int(i64),
    /// An integer above what `Int` holds.
    UInt(u64),
    Float(f64),
    Text,
    /// Text of a block (`|` or `>`), whose lines follow the line of its header.
    Block,
}

/// One key of a mapping with its value.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Entry {
    pub(crate) key: Arc<str>,
    /// How the key is written, where it is a boolean by another name: `n` for false.
    pub(crate) written: Option<Arc<str>>,
    pub(crate) at: Position,
    pub(crate) value: Node,
}

impl Node {
    /// The value of `key`, if this is a mapping that has it.
    pub(crate) fn key(&self, key: &str) -> Option<&Self> {
        self.entry(key).map(|entry| &entry.value)
    }

    /// The entry of `key`, if this is a mapping that has it.
    pub(crate) fn entry(&self, key: &str) -> Option<&Entry> {
        match &self.value {
            Value::Map(entries) => entries.iter().find(|entry| &*entry.key == key),
            _ => None,
        }
    }

    /// Has this text as the value of `key`, which the file leaves to be understood, or has wrong.
    pub(crate) fn set(&mut self, key: &str, text: &str) {
        let at = self.at;
        let Value::Map(entries) = &mut self.value else { return };
        let text = Value::Scalar(text.into(), Meaning::Text);
        match entries.iter_mut().find(|entry| &*entry.key == key) {
            Some(entry) => entry.value.value = text,
            None => {
                let value = Self { at, value: text };
                entries.push(Entry { key: key.into(), written: None, at, value });
            }
        }
    }

    /// The text, if this is a string.
    pub(crate) fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Scalar(text, Meaning::Text | Meaning::Block) => Some(text),
            _ => None,
        }
    }

    /// How it is written, if this is a boolean.
    pub(crate) fn boolean(&self) -> Option<&Arc<str>> {
        match &self.value {
            Value::Scalar(text, Meaning::Bool(_)) => Some(text),
            _ => None,
        }
    }

    /// The elements, if this is a list.
    pub(crate) fn list(&self) -> Option<&[Self]> {
        match &self.value {
            Value::List(items) => Some(items),
            _ => None,
        }
    }

    /// Nothing stands here: `key:` with nothing after it, `~`, `null`.
    pub(crate) fn is_null(&self) -> bool {
        matches!(self.value, Value::Scalar(_, Meaning::Null))
    }

    /// What stands here, in words.
    pub(crate) fn describe(&self) -> String {
        match &self.value {
            Value::Scalar(_, Meaning::Null) => "nothing".to_owned(),
            Value::Scalar(text, Meaning::Bool(_)) => format!("the boolean {text}"),
            Value::Scalar(text, Meaning::Int(_) | Meaning::UInt(_) | Meaning::Float(_)) => {
                format!("the number {text}")
            }
            Value::Scalar(text, Meaning::Text | Meaning::Block) => format!("the string {}", short(text)),
            Value::List(_) => "a list".to_owned(),
            Value::Map(_) => "a mapping".to_owned(),
        }
    }

    /// The place of what `trail` names, or of the deepest part of the way that exists.
    pub(crate) fn locate(&self, trail: &Trail) -> Position {
        let mut here = self;
        let mut at = self.at;
        for hop in &trail.0 {
            match hop {
                Hop::Key(key) => match here.entry(key) {
                    Some(entry) => (here, at) = (&entry.value, entry.at),
                    None => break,
                },
                Hop::Index(index) => match here.list().and_then(|items| items.get(*index)) {
                    Some(item) => (here, at) = (item, item.at),
                    None => break,
                },
            }
        }
        at
    }

    /// Moves the whole tree: a document that stood inside another one's block scalar.
    pub(crate) fn shift(&mut self, lines: u32, columns: u32) {
        self.at = self.at.shifted(lines, columns);
        match &mut self.value {
            Value::Scalar(..) => {}
            Value::List(items) => items.iter_mut().for_each(|item| item.shift(lines, columns)),
            Value::Map(entries) => {
                for entry in entries {
                    entry.at = entry.at.shifted(lines, columns);
                    entry.value.shift(lines, columns);
                }
            }
        }
    }
}

impl Position {
    /// The same place `lines` further down and `columns` further right.
    pub(crate) fn shifted(self, lines: u32, columns: u32) -> Self {
        Self { line: self.line.saturating_add(lines), column: self.column.saturating_add(columns) }
    }
}

/// A text in quotes, cut so that a message stays one line.
pub(crate) fn short(text: &str) -> String {
    const LONGEST: usize = 60;
    if text.chars().count() <= LONGEST {
        return format!("{text:?}");
    }
    let cut: String = text.chars().take(LONGEST).collect();
    format!("{cut:?}...")
}
