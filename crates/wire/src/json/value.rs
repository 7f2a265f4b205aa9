//! One message, field by field.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use prost_reflect::{DynamicMessage, Kind, MapKey, ReflectMessage as _, SerializeOptions, Value as Field};
use serde_json::{Map, Value};

use super::Descriptors;

/// What stands in a secret's place, as Envoy has it.
const REDACTED: &str = "[redacted]";

/// Whether a value may be seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shown {
    /// As it is.
    Open,
    /// It is a secret, or part of one: only that there is something.
    Redacted,
}

impl Shown {
    pub(super) fn bytes(self, bytes: &[u8]) -> Value {
        match self {
            Self::Open => BASE64_STANDARD.encode(bytes).into(),
            Self::Redacted => BASE64_STANDARD.encode(REDACTED).into(),
        }
    }
}

/// Messages that JSON writes otherwise than as an object of their fields.
pub(super) fn has_own_form(name: &str) -> bool {
    let well_known = name.strip_prefix("google.protobuf.").unwrap_or_default();
    well_known.ends_with("Value") || matches!(well_known, "Duration" | "Timestamp" | "Struct" | "FieldMask")
}

impl Descriptors {
    pub(super) fn message(&self, message: &DynamicMessage, shown: Shown, depth: u8) -> Value {
        let descriptor = message.descriptor();
        let name = descriptor.full_name();
        if name == "google.protobuf.Any" {
            return self.packed_within(message, shown, depth);
        }
        if has_own_form(name) {
            return match shown {
                Shown::Open => own_form(message),
                Shown::Redacted => REDACTED.into(),
            };
        }
        let mut object = Map::new();
        for (field, value) in message.fields() {
            let shown = if self.secrets.contains(field.full_name()) { Shown::Redacted } else { shown };
            if let Some(value) = self.field(value, &field.kind(), shown, depth) {
                object.insert(field.name().to_owned(), value);
            }
        }
        object.into()
    }

    fn packed_within(&self, any: &DynamicMessage, shown: Shown, depth: u8) -> Value {
        let (url, bytes) = (any.get_field_by_name("type_url"), any.get_field_by_name("value"));
        let url = url.as_deref().and_then(Field::as_str).unwrap_or_default();
        let bytes = bytes.as_deref().and_then(Field::as_bytes).map_or(&[][..], |bytes| bytes);
        self.any(url, bytes, shown, depth)
    }

    /// `None`: a number or a switch within a secret is not shown at all.
    fn field(&self, value: &Field, kind: &Kind, shown: Shown, depth: u8) -> Option<Value> {
        match value {
            Field::Message(message) => return Some(self.message(message, shown, depth)),
            Field::List(values) => {
                let values = values.iter().filter_map(|value| self.field(value, kind, shown, depth));
                return Some(values.collect::<Vec<_>>().into());
            }
            Field::Map(entries) => {
                let Kind::Message(entry) = kind else { return None };
                let kind = entry.map_entry_value_field().kind();
                let entries = entries.iter();
                let shown = entries
                    .filter_map(|(name, value)| Some((key(name), self.field(value, &kind, shown, depth)?)));
                return Some(shown.collect::<Map<_, _>>().into());
            }
            Field::Bytes(bytes) => return Some(shown.bytes(bytes)),
            Field::String(_) if shown == Shown::Redacted => return Some(REDACTED.into()),
            _ if shown == Shown::Redacted => return None,
            _ => {}
        }
        Some(match value {
            Field::Bool(value) => (*value).into(),
            Field::I32(value) => (*value).into(),
            Field::U32(value) => (*value).into(),
            // JSON's numbers are doubles: 64 bits would not all arrive.
            Field::I64(value) => value.to_string().into(),
            Field::U64(value) => value.to_string().into(),
            Field::F32(value) => number(f64::from(*value)),
            Field::F64(value) => number(*value),
            Field::String(value) => value.as_str().into(),
            Field::EnumNumber(number) => match kind {
                Kind::Enum(known) => {
                    known.get_value(*number).map_or_else(|| (*number).into(), |value| value.name().into())
                }
                _ => (*number).into(),
            },
            Field::Bytes(_) | Field::Message(_) | Field::List(_) | Field::Map(_) => return None,
        })
    }
}

/// Durations, wrappers, structs and the like. One out of bounds has no such form, and is shown field by field.
fn own_form(message: &DynamicMessage) -> Value {
    let options = SerializeOptions::new().use_proto_field_name(true).stringify_64_bit_integers(true);
    message
        .serialize_with_options(serde_json::value::Serializer, &options)
        .unwrap_or_else(|error| format!("no {}: {error}", message.descriptor().full_name()).into())
}

/// Whole numbers without a point, as Envoy writes them.
fn number(value: f64) -> Value {
    #[expect(clippy::cast_possible_truncation, reason = "it is whole, and as small as a double is exact")]
    let whole = (value.fract() == 0.0 && value.abs() < 9e15).then_some(value as i64);
    match whole {
        Some(whole) => whole.into(),
        None if value.is_finite() => value.into(),
        None if value.is_nan() => "NaN".into(),
        None => if value > 0.0 { "Infinity" } else { "-Infinity" }.into(),
    }
}

fn key(key: &MapKey) -> String {
    match key {
        MapKey::Bool(value) => value.to_string(),
        MapKey::I32(value) => value.to_string(),
        MapKey::I64(value) => value.to_string(),
        MapKey::U32(value) => value.to_string(),
        MapKey::U64(value) => value.to_string(),
        MapKey::String(value) => value.clone(),
    }
}
