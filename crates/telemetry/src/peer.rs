//! Who is at the other end: the workload's metadata as Istio's proxies tell it each other in
//! `x-envoy-peer-metadata`.
//!
//! The header is a stranger's: it is bounded, cleaned of control characters, and believed for labels only.
//! Who the peer really is (the principal) comes from its certificate.

mod cache;
mod wire;

use std::fmt;

use crate::identifier::Identifier;

pub use cache::PeerCache;
pub use wire::{MAX_HEADER, PeerError};

/// The header that carries the metadata.
pub const PEER_METADATA: &str = "x-envoy-peer-metadata";
/// The header that carries the node's id.
pub const PEER_METADATA_ID: &str = "x-envoy-peer-metadata-id";

/// What a workload says about itself. Unknown parts are empty.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct PeerMetadata {
    /// The pod's name (`NAME`).
    pub name: String,
    /// `NAMESPACE`.
    pub namespace: String,
    /// `WORKLOAD_NAME`: the Deployment, or whatever owns the pod.
    pub workload: String,
    /// `CLUSTER_ID`.
    pub cluster: String,
    /// `OWNER`: the owner as a Kubernetes URL.
    pub owner: String,
    /// Label `service.istio.io/canonical-name`.
    pub canonical_service: String,
    /// Label `service.istio.io/canonical-revision`.
    pub canonical_revision: String,
    /// Label `app`.
    pub app: String,
    /// Label `version`.
    pub version: String,
}

/// A workload with the identity it proved. Shared; compared by a number on the hot path.
#[derive(Debug)]
pub struct Peer {
    id: Identifier,
    metadata: PeerMetadata,
    principal: Option<Box<str>>,
}

impl PeerMetadata {
    /// Istio's short form in an endpoint's metadata: `workload;namespace;canonical name;canonical
    /// revision;cluster`.
    pub fn from_endpoint(short: &str) -> Self {
        let mut parts = short.splitn(5, ';').map(wire::clean);
        let mut next = || parts.next().unwrap_or_default();
        Self {
            workload: next(),
            namespace: next(),
            canonical_service: next(),
            canonical_revision: next(),
            cluster: next(),
            ..Self::default()
        }
    }

    /// The header's value: base64 of a deterministically serialized `google.protobuf.Struct`.
    pub fn encode(&self) -> String {
        wire::encode(self)
    }

    /// Reads a header's value.
    pub fn decode(header: &[u8]) -> Result<Self, PeerError> {
        wire::decode(header)
    }
}

impl Peer {
    /// A workload, and the SPIFFE ID that its certificate proves.
    pub fn new(metadata: PeerMetadata, principal: Option<&str>) -> Self {
        Self { id: Identifier::next(), metadata, principal: principal.map(Into::into) }
    }

    /// Somebody who said nothing about himself.
    pub fn unknown(principal: Option<&str>) -> Self {
        Self::new(PeerMetadata::default(), principal)
    }

    /// What it says about itself.
    pub fn metadata(&self) -> &PeerMetadata {
        &self.metadata
    }

    /// The identity its certificate proves.
    pub fn principal(&self) -> Option<&str> {
        self.principal.as_deref()
    }

    pub(crate) fn id(&self) -> Identifier {
        self.id
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.metadata.workload.as_str(), self.principal()) {
            ("", None) => f.write_str("unknown"),
            ("", Some(principal)) => f.write_str(principal),
            (workload, _) => write!(f, "{workload}.{}", self.metadata.namespace),
        }
    }
}

#[cfg(test)]
mod tests;
