//! Istio's own filters, packed as protobuf or as JSON.

use weft_model::http::{PeerMetadata, Stats};

use super::at::{At, Decoded, unpack};
use super::value::{Packed, message};
use crate::istio;
use crate::pb::{Kind, Struct, Value};

pub(super) const STATS: &str = "stats.PluginConfig";
pub(super) const METADATA_EXCHANGE: &str = "envoy.tcp.metadataexchange.config.MetadataExchange";
pub(super) const PEER_METADATA: &str = "io.istio.http.peer_metadata.Config";
pub(super) const ALPN: &str = "istio.envoy.config.filter.http.alpn.v2alpha1.FilterConfig";

pub(super) fn stats(at: &At<'_>, packed: &Packed<'_>) -> Decoded<Stats> {
    match packed {
        Packed::Message(_, bytes) => {
            let value: istio::stats::PluginConfig = message(at, bytes)?;
            unpack!(at, value, istio::stats::PluginConfig { disable_host_header_fallback, reporter } else { tcp_reporting_duration, metrics, definitions, rescoping_duration, scope_grace_period_duration });
            let server_gateway = reporter == istio::stats::Reporter::ServerGateway as i32;
            Ok(Stats { disable_host_header_fallback, server_gateway })
        }
        Packed::Json(_, value) => {
            let mut stats = Stats::default();
            for (key, value) in &value.fields {
                match (key.as_str(), &value.kind) {
                    ("disable_host_header_fallback", Some(Kind::BoolValue(value))) => {
                        stats.disable_host_header_fallback = *value;
                    }
                    ("reporter", Some(Kind::StringValue(value))) if value == "SERVER_GATEWAY" => {
                        stats.server_gateway = true;
                    }
                    _ => at.field(key).note("it has no effect"),
                }
            }
            Ok(stats)
        }
    }
}

/// The ALPN that the exchange needs.
pub(super) fn metadata_exchange(at: &At<'_>, packed: &Packed<'_>) -> Decoded<String> {
    let (protocol, discovery, labels) = match packed {
        Packed::Message(_, bytes) => {
            let value: istio::metadata_exchange::MetadataExchange = message(at, bytes)?;
            (value.protocol, value.enable_discovery, !value.additional_labels.is_empty())
        }
        Packed::Json(_, value) => {
            let discovery = matches!(kind(value, "enable_discovery"), Some(Kind::BoolValue(true)));
            let Some(Kind::StringValue(protocol)) = kind(value, "protocol") else {
                return Err(at.field("protocol").fault("it is missing"));
            };
            (protocol.clone(), discovery, kind(value, "additional_labels").is_some())
        }
    };
    if !discovery {
        at.note("a peer that tells nothing is looked up all the same");
    }
    if labels {
        at.field("additional_labels").note("no further labels are told");
    }
    Ok(protocol)
}

/// The filter has one known shape.
pub(super) fn alpn(at: &At<'_>, packed: &Packed<'_>) -> Decoded<()> {
    let same = match packed {
        Packed::Message(_, bytes) => {
            message::<istio::alpn::FilterConfig>(at, bytes)? == crate::encode::istio::alpn_config()
        }
        Packed::Json(..) => false,
    };
    if !same {
        at.note("the offers are Istio's usual ones, whatever is said here");
    }
    Ok(())
}

pub(super) fn peer_metadata(at: &At<'_>, packed: &Packed<'_>) -> Decoded<PeerMetadata> {
    let Packed::Json(_, config) = packed else {
        let Packed::Message(_, bytes) = packed else { return Ok(PeerMetadata::default()) };
        return peer_metadata_message(at, message(at, bytes)?);
    };
    let mut peer = PeerMetadata::default();
    for (key, value) in &config.fields {
        let at = at.field(key);
        match key.as_str() {
            "downstream_discovery" => {
                peer.downstream_discovery = by_headers(&at, value, &mut peer.skip_external)
            }
            "upstream_discovery" => peer.upstream_discovery = by_headers(&at, value, &mut peer.skip_external),
            "downstream_propagation" => {
                peer.downstream_propagation = by_headers(&at, value, &mut peer.skip_external)
            }
            "upstream_propagation" => {
                peer.upstream_propagation = by_headers(&at, value, &mut peer.skip_external)
            }
            _ => at.note("it has no effect"),
        }
    }
    Ok(peer)
}

fn peer_metadata_message(at: &At<'_>, value: istio::peer_metadata::Config) -> Decoded<PeerMetadata> {
    use istio::peer_metadata::config::discovery_method::MethodSpecifier as Discovery;
    use istio::peer_metadata::config::propagation_method::MethodSpecifier as Propagation;
    unpack!(at, value, istio::peer_metadata::Config {
        downstream_discovery, upstream_discovery, downstream_propagation, upstream_propagation
    } else { shared_with_upstream, additional_labels });
    let discovers = |methods: &[istio::peer_metadata::config::DiscoveryMethod]| {
        methods.iter().any(|method| matches!(method.method_specifier, Some(Discovery::IstioHeaders(_))))
    };
    let skip = |methods: &[istio::peer_metadata::config::PropagationMethod]| {
        methods.iter().find_map(|method| {
            let headers = method.method_specifier.as_ref();
            headers.map(|Propagation::IstioHeaders(headers)| headers.skip_external_clusters)
        })
    };
    Ok(PeerMetadata {
        downstream_discovery: discovers(&downstream_discovery),
        upstream_discovery: discovers(&upstream_discovery),
        downstream_propagation: skip(&downstream_propagation).is_some(),
        upstream_propagation: skip(&upstream_propagation).is_some(),
        skip_external: skip(&upstream_propagation).unwrap_or(false),
    })
}

/// Whether a list of methods holds Istio's headers.
fn by_headers(at: &At<'_>, value: &Value, skip_external: &mut bool) -> bool {
    let Some(Kind::ListValue(list)) = &value.kind else {
        at.note("it is no list");
        return false;
    };
    let mut found = false;
    for method in &list.values {
        let Some(Kind::StructValue(method)) = &method.kind else { continue };
        for (name, config) in &method.fields {
            match (name.as_str(), &config.kind) {
                ("istio_headers", Some(Kind::StructValue(config))) => {
                    found = true;
                    *skip_external |=
                        matches!(kind(config, "skip_external_clusters"), Some(Kind::BoolValue(true)));
                }
                // Looked up without being asked; it changes labels alone.
                ("workload_discovery", _) => {}
                _ => at.field(name).note("it has no effect"),
            }
        }
    }
    found
}

fn kind<'a>(value: &'a Struct, key: &str) -> Option<&'a Kind> {
    value.fields.get(key)?.kind.as_ref()
}
