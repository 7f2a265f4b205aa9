//! The line before. Of two records of one worker most fields say the same: whose they are, whose certificates, which
//! cluster, which status. What says the same again is copied, all that stands beside each other at once, rather than made
//! again; what a value is made into depends on nothing but the value.

use std::cell::RefCell;
use std::net::{IpAddr, SocketAddr};

use super::super::parse::{Part, Slot};
use super::{Dictionary, Node, Opening, Value, write_field, write_typed};
use crate::flags::ResponseFlags;
use crate::identifier::Identifier;
use crate::record::{Record, Reporter};

thread_local! {
    /// A worker's lines as the client's sidecar and as the server's: those have little in common.
    static LINES: RefCell<[Line; 2]> = const { RefCell::new([Line::NONE, Line::NONE]) };
}

/// A line that was written, as far as one behind it can use it.
#[derive(Debug)]
struct Line {
    of: (Identifier, bool),
    /// Its fields, each with a comma in front.
    text: Vec<u8>,
    fields: Vec<Field>,
}

#[derive(Debug, Clone, Copy)]
struct Field {
    said: Said,
    /// Where it ends in the text.
    end: usize,
}

/// What a field's text was made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Said {
    /// Nothing that can be compared.
    Other,
    Missing,
    Dash,
    /// Bytes, or words, that stand in the text as they are.
    Bytes,
    Words,
    Number(u64),
    Digits(u64),
    Address(SocketAddr),
    Ip(IpAddr),
    Flags(ResponseFlags),
    FlagsLong(ResponseFlags),
}

impl Line {
    const NONE: Self = Self { of: (Identifier::ABSENT, false), text: Vec::new(), fields: Vec::new() };

    fn of(of: (Identifier, bool), fields: usize) -> Self {
        Self { of, text: Vec::new(), fields: vec![Field { said: Said::Other, end: 0 }; fields] }
    }
}

/// Appends the fields of `record`, each with a comma in front.
pub(super) fn write(dictionary: &Dictionary, record: &Record<'_>, omit_empty: bool, out: &mut Vec<u8>) {
    let place = usize::from(record.reporter == Reporter::Destination);
    LINES.with_borrow_mut(|lines| {
        // Taken out, so that nothing half done stays.
        let mut line = std::mem::replace(&mut lines[place], Line::NONE);
        if line.of != (dictionary.id, omit_empty) {
            line = Line::of((dictionary.id, omit_empty), dictionary.fields.len());
        }
        let start = out.len();
        line.write_next(dictionary, record, omit_empty, out);
        line.text.clear();
        line.text.extend_from_slice(&out[start..]);
        lines[place] = line;
    });
}

impl Line {
    /// Appends the fields of the line behind this one. They are this line's from now on; its text is still the old one.
    fn write_next(
        &mut self,
        dictionary: &Dictionary,
        record: &Record<'_>,
        omit_empty: bool,
        out: &mut Vec<u8>,
    ) {
        let base = out.len();
        // Of the old text: where the field at hand begins, and from where on it says the same and was not copied yet.
        let (mut at, mut same) = (0, 0);
        for ((key, node), field) in dictionary.fields.iter().zip(&mut self.fields) {
            let old = at..field.end;
            at = old.end;
            let found = match node {
                Node::Typed(Part::Value(slot)) => Some((slot, slot.operator.value(record))),
                _ => None,
            };
            if let Some((_, value)) = found
                && field.said.is(value, key.behind(&self.text[old.clone()]))
            {
                field.end = out.len() - base + old.end - same;
                continue;
            }
            out.extend_from_slice(&self.text[same..old.start]);
            same = old.end;
            let start = out.len();
            match found {
                Some((slot, value)) => {
                    write_typed(Some(key), slot, value, omit_empty, out);
                    field.said = Said::of(value, slot, key.behind(&out[start..]));
                }
                None => write_field(key, node, record, omit_empty, out),
            }
            field.end = out.len() - base;
        }
        out.extend_from_slice(&self.text[same..]);
    }
}

impl Opening {
    /// What stands between this key of a string and its last quote.
    fn behind<'t>(&self, field: &'t [u8]) -> &'t [u8] {
        field.get(self.len..field.len().saturating_sub(1)).unwrap_or_default()
    }
}

impl Said {
    /// Of a value that was made into `text`.
    fn of(value: Value<'_>, slot: &Slot, text: &[u8]) -> Self {
        match value {
            Value::Missing => Self::Missing,
            Value::Dash => Self::Dash,
            Value::Bytes(bytes) if bytes.len() <= slot.max && text == bytes => Self::Bytes,
            Value::Words(words) if words.len() <= slot.max && text == words.as_bytes() => Self::Words,
            Value::Number(number) => Self::Number(number),
            Value::Digits(number) => Self::Digits(number),
            Value::Address(address) => Self::Address(address),
            Value::Ip(ip) => Self::Ip(ip),
            Value::Flags(flags) => Self::Flags(flags),
            Value::FlagsLong(flags) => Self::FlagsLong(flags),
            Value::Bytes(_) | Value::Words(_) | Value::Trace(_) | Value::Time(..) => Self::Other,
        }
    }

    /// Is `value` what this was, of which `text` was made?
    fn is(&self, value: Value<'_>, text: &[u8]) -> bool {
        match (self, value) {
            (Self::Bytes, Value::Bytes(bytes)) => text == bytes,
            (Self::Words, Value::Words(words)) => text == words.as_bytes(),
            (Self::Number(was), Value::Number(number)) | (Self::Digits(was), Value::Digits(number)) => {
                *was == number
            }
            (Self::Address(was), Value::Address(address)) => *was == address,
            (Self::Ip(was), Value::Ip(ip)) => *was == ip,
            (Self::Flags(was), Value::Flags(flags)) | (Self::FlagsLong(was), Value::FlagsLong(flags)) => {
                *was == flags
            }
            (Self::Missing, Value::Missing) | (Self::Dash, Value::Dash) => true,
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests;
