//! Protobuf to the JSON in which Envoy shows it: `/config_dump` and whatever else people and their tools read.
//!
//! Field names as in the protocol (snake_case), `@type` for what is packed, enums by name, durations as `5s`, defaults
//! left out, secrets replaced. It works from the bytes alone, by the descriptors that lie packed in the program
//! (`descriptors/`, made by `examples/descriptors.rs`): so that also what weft does not honour is shown.
//!
//! The descriptors take a few MiB once unpacked. Whoever shows something opens them, and lets them go afterwards.

mod value;

use std::collections::HashSet;
use std::io::Read;

use flate2::read::GzDecoder;
use prost_reflect::{DescriptorPool, DynamicMessage};
use serde_json::{Value, json};

const PACKED: &[u8] = include_bytes!("../descriptors/resources.bin.gz");

/// The fields that Envoy's protocol calls sensitive, by their full names.
const SECRETS: &str = include_str!("../descriptors/secrets.txt");

/// Packed messages within packed messages; deeper ones are shown as bytes.
const DEEPEST: u8 = 16;

/// What messages look like, unpacked: to be held for as long as something is shown.
#[derive(Debug)]
pub struct Descriptors {
    pool: DescriptorPool,
    secrets: HashSet<&'static str>,
}

/// Why messages cannot be shown.
#[derive(Debug, thiserror::Error)]
#[error("the descriptors within this program cannot be read: {0}; it was built wrongly")]
pub struct Unreadable(String);

impl Descriptors {
    /// Unpacks them.
    ///
    /// # Errors
    /// If the program was built with broken ones.
    pub fn open() -> Result<Self, Unreadable> {
        let mut bytes = Vec::new();
        GzDecoder::new(PACKED).read_to_end(&mut bytes).map_err(|error| Unreadable(error.to_string()))?;
        let pool = DescriptorPool::decode(&*bytes).map_err(|error| Unreadable(error.to_string()))?;
        Ok(Self { pool, secrets: SECRETS.lines().collect() })
    }

    /// A packed message: an object with its `@type`. What cannot be read, or is of an unknown type, is there as bytes
    /// in base64.
    pub fn packed(&self, type_url: &str, bytes: &[u8]) -> Value {
        self.any(type_url, bytes, value::Shown::Open, DEEPEST)
    }

    fn any(&self, type_url: &str, bytes: &[u8], shown: value::Shown, depth: u8) -> Value {
        let name = type_url.rsplit('/').next().unwrap_or_default();
        let descriptor = self.pool.get_message_by_name(name).filter(|_| depth > 0);
        let message = descriptor.and_then(|descriptor| DynamicMessage::decode(descriptor, bytes).ok());
        let Some(message) = message else {
            return json!({ "@type": type_url, "value": shown.bytes(bytes) });
        };
        match self.message(&message, shown, depth - 1) {
            Value::Object(mut fields) if !value::has_own_form(name) => {
                fields.insert("@type".into(), type_url.into());
                fields.into()
            }
            own => json!({ "@type": type_url, "value": own }),
        }
    }
}

#[cfg(test)]
mod tests;
