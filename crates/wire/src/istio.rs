//! Istio's own messages: the few types on the wire that Envoy's protos do not hold.
//!
//! `proto/` states them, `build.rs` compiles them. Each message knows its full name (`prost::Name`), so it packs into
//! an `Any` as any Envoy type does. `Struct` and `Duration` are those of `envoy-types`; note that a `Struct` of theirs
//! keeps its fields in a `HashMap`, so its bytes are not the same from one encoding to the next.
//!
//! `istio.v1.HealthInformation` has no message: an agent's report of its health is a discovery request of that type
//! URL, and `error_detail` is all that it says.

/// `istio.v1.auth`: the certificate signing API, client and server.
pub mod ca {
    tonic::include_proto!("istio.v1.auth");
}

/// `istio.networking.nds.v1`: the name table of a sidecar's DNS.
pub mod nds {
    tonic::include_proto!("istio.networking.nds.v1");
}

/// `istio.envoy.config.filter.http.alpn.v2alpha1`: the filter `istio.alpn`.
pub mod alpn {
    tonic::include_proto!("istio.envoy.config.filter.http.alpn.v2alpha1");
}

/// `stats`: the filter `istio.stats`.
pub mod stats {
    tonic::include_proto!("stats");
}

/// `envoy.tcp.metadataexchange.config`: the network filter `istio.metadata_exchange`.
pub mod metadata_exchange {
    tonic::include_proto!("envoy.tcp.metadataexchange.config");
}

/// `io.istio.http.peer_metadata`: the HTTP filter `istio.metadata_exchange`.
pub mod peer_metadata {
    tonic::include_proto!("io.istio.http.peer_metadata");
}

/// `udpa.type.v1`: the older flavour of a message written as JSON, the one that Istio sends.
pub mod udpa {
    tonic::include_proto!("udpa.r#type.v1");
}

/// `xds.type.v3`: the newer flavour of a message written as JSON.
pub mod xds {
    tonic::include_proto!("xds.r#type.v3");
}

/// The type URL of the name table.
pub const NAME_TABLE: &str = "type.googleapis.com/istio.networking.nds.v1.NameTable";

/// The type URL under which an agent reports its health; see the module's words on why it has no message.
pub const HEALTH_INFORMATION: &str = "type.googleapis.com/istio.v1.HealthInformation";

#[cfg(test)]
mod tests;
