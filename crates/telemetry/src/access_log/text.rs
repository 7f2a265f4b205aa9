//! A record as a line of text.

use super::escape::{self, Place};
use super::format;
use super::parse::{Part, Slot};
use super::value::Value;
use crate::record::Record;

/// Appends the parts of a format, filled from `record`.
pub(super) fn write(parts: &[Part], record: &Record<'_>, omit_empty: bool, out: &mut Vec<u8>) {
    for part in parts {
        match part {
            Part::Literal(text) => out.extend_from_slice(text.as_bytes()),
            Part::Value(slot) => write_slot(slot, record, omit_empty, out),
        }
    }
}

fn write_slot(slot: &Slot, record: &Record<'_>, omit_empty: bool, out: &mut Vec<u8>) {
    let start = out.len();
    match slot.operator.value(record) {
        Value::Missing | Value::Dash if omit_empty => {}
        Value::Missing | Value::Dash => out.push(b'-'),
        // Cut before it is escaped, so that no escape is cut in two.
        Value::Bytes(bytes) => return escape::text(out, &bytes[..bytes.len().min(slot.max)], slot.place),
        Value::Words(words) => {
            let words = words.as_bytes();
            return words_in_one_field(out, &words[..words.len().min(slot.max)]);
        }
        Value::Number(number) | Value::Digits(number) => format::number(out, number),
        Value::Address(address) => format::address(out, address),
        Value::Ip(ip) => format::ip(out, ip),
        Value::Trace(id) => format::hex(out, &id.to_bytes()),
        Value::Flags(flags) if flags.is_empty() => out.push(b'-'),
        Value::Flags(flags) => short_flags(out, flags),
        Value::FlagsLong(flags) if flags.is_empty() => out.push(b'-'),
        Value::FlagsLong(flags) => long_flags(out, flags),
        Value::Time(shape, moment) => shape.write(out, moment),
    }
    out.truncate(start.saturating_add(slot.max));
}

/// Appends words of our own as one field: a blank becomes an underscore.
pub(super) fn words_in_one_field(out: &mut Vec<u8>, words: &[u8]) {
    for (i, word) in words.split(u8::is_ascii_whitespace).enumerate() {
        if i > 0 {
            out.push(b'_');
        }
        escape::text(out, word, Place::Bare);
    }
}

/// Appends Envoy's letters of flags.
pub(super) fn short_flags(out: &mut Vec<u8>, flags: crate::flags::ResponseFlags) {
    for (i, flag) in flags.iter().enumerate() {
        if i > 0 {
            out.push(b',');
        }
        out.extend_from_slice(flag.short().as_bytes());
    }
}

/// Appends the long names of flags.
pub(super) fn long_flags(out: &mut Vec<u8>, flags: crate::flags::ResponseFlags) {
    for (i, flag) in flags.iter().enumerate() {
        if i > 0 {
            out.push(b',');
        }
        out.extend_from_slice(flag.long().as_bytes());
    }
}
