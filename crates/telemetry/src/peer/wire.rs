//! The header's bytes: as much of `google.protobuf.Struct` as Istio's metadata exchange uses.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use prost::Message;

use super::PeerMetadata;

/// No longer header is looked at.
pub const MAX_HEADER: usize = 8 * 1024;
/// No longer value is kept: Kubernetes names have at most 253 bytes, labels 63.
const MAX_VALUE: usize = 256;

/// Why a peer's metadata cannot be read. Its labels are then `unknown`; nothing else depends on it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PeerError {
    /// Too long.
    #[error("peer metadata of {0} bytes: more than {MAX_HEADER} are not read")]
    TooLong(usize),
    /// Not base64.
    #[error("peer metadata is not standard base64: {0}")]
    Base64(#[from] base64::DecodeError),
    /// Not a Struct.
    #[error("peer metadata is not a google.protobuf.Struct: {0}")]
    Struct(#[from] prost::DecodeError),
}

// A BTreeMap, because the bytes must not depend on chance: peers cache by them.
#[derive(Clone, PartialEq, Message)]
struct Struct {
    #[prost(btree_map = "string, message", tag = "1")]
    fields: BTreeMap<String, Value>,
}

// Numbers, booleans, nulls and lists are skipped as unknown fields: the metadata has none.
#[derive(Clone, PartialEq, Message)]
struct Value {
    #[prost(oneof = "Kind", tags = "3, 5")]
    kind: Option<Kind>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
enum Kind {
    #[prost(string, tag = "3")]
    Text(String),
    #[prost(message, tag = "5")]
    Nested(Struct),
}

const CANONICAL_NAME: &str = "service.istio.io/canonical-name";
const CANONICAL_REVISION: &str = "service.istio.io/canonical-revision";

pub(super) fn encode(metadata: &PeerMetadata) -> String {
    let labels = fields([
        (CANONICAL_NAME, &metadata.canonical_service),
        (CANONICAL_REVISION, &metadata.canonical_revision),
        ("app", &metadata.app),
        ("version", &metadata.version),
    ]);
    let mut all = fields([
        ("NAME", &metadata.name),
        ("NAMESPACE", &metadata.namespace),
        ("WORKLOAD_NAME", &metadata.workload),
        ("CLUSTER_ID", &metadata.cluster),
        ("OWNER", &metadata.owner),
    ]);
    if !labels.is_empty() {
        all.insert("LABELS".to_owned(), Value { kind: Some(Kind::Nested(Struct { fields: labels })) });
    }
    STANDARD.encode(Struct { fields: all }.encode_to_vec())
}

fn fields<const N: usize>(entries: [(&str, &String); N]) -> BTreeMap<String, Value> {
    entries
        .into_iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(key, value)| (key.to_owned(), Value { kind: Some(Kind::Text(value.clone())) }))
        .collect()
}

pub(super) fn decode(header: &[u8]) -> Result<PeerMetadata, PeerError> {
    if header.len() > MAX_HEADER {
        return Err(PeerError::TooLong(header.len()));
    }
    let all = Struct::decode(STANDARD.decode(header)?.as_slice())?;
    let nothing = Struct::default();
    let labels = match all.fields.get("LABELS").and_then(|value| value.kind.as_ref()) {
        Some(Kind::Nested(labels)) => labels,
        _ => &nothing,
    };
    Ok(PeerMetadata {
        name: text(&all, "NAME"),
        namespace: text(&all, "NAMESPACE"),
        workload: text(&all, "WORKLOAD_NAME"),
        cluster: text(&all, "CLUSTER_ID"),
        owner: text(&all, "OWNER"),
        canonical_service: text(labels, CANONICAL_NAME),
        canonical_revision: text(labels, CANONICAL_REVISION),
        app: text(labels, "app"),
        version: text(labels, "version"),
    })
}

fn text(from: &Struct, key: &str) -> String {
    match from.fields.get(key).and_then(|value| value.kind.as_ref()) {
        Some(Kind::Text(text)) => clean(text),
        _ => String::new(),
    }
}

/// A stranger's word made fit for a label: no control characters, of bounded length.
pub(super) fn clean(text: &str) -> String {
    let mut clean = String::new();
    for c in text.chars().filter(|c| !c.is_control()) {
        if clean.len() + c.len_utf8() > MAX_VALUE {
            break;
        }
        clean.push(c);
    }
    clean
}
