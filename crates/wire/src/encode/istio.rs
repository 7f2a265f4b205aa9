//! Istio's own filters.

use prost::Name;
use weft_model::http::{PeerMetadata, Stats};

use super::value::{json, json_list, json_object, json_text, pack, pack_json};
use crate::istio;
use crate::pb::{Any, Kind, Struct, Value};

pub(crate) fn stats(value: Stats) -> Any {
    let reporter = if value.server_gateway {
        istio::stats::Reporter::ServerGateway
    } else {
        istio::stats::Reporter::Unspecified
    };
    pack(&istio::stats::PluginConfig {
        disable_host_header_fallback: value.disable_host_header_fallback,
        reporter: reporter as i32,
        ..Default::default()
    })
}

pub(crate) fn alpn() -> Any {
    pack(&alpn_config())
}

/// What is offered for each protocol: the mesh's own names first.
pub(crate) fn alpn_config() -> istio::alpn::FilterConfig {
    use istio::alpn::filter_config::{AlpnOverride, Protocol};
    let offer = |protocol: Protocol, names: [&str; 3]| AlpnOverride {
        upstream_protocol: protocol as i32,
        alpn_override: names.map(str::to_owned).to_vec(),
    };
    istio::alpn::FilterConfig {
        alpn_override: vec![
            offer(Protocol::Http10, ["istio-http/1.0", "istio", "http/1.0"]),
            offer(Protocol::Http11, ["istio-http/1.1", "istio", "http/1.1"]),
            offer(Protocol::Http2, ["istio-h2", "istio", "h2"]),
        ],
    }
}

pub(crate) fn metadata_exchange(protocol: &str) -> Any {
    let fields = [("enable_discovery", json(Kind::BoolValue(true))), ("protocol", json_text(protocol))];
    pack_json(&istio::metadata_exchange::MetadataExchange::type_url(), json_object(fields))
}

pub(crate) fn peer_metadata(value: PeerMetadata) -> Any {
    let headers = |skip: bool| {
        let config = skip.then(|| ("skip_external_clusters", json(Kind::BoolValue(true))));
        method("istio_headers", json_object(config))
    };
    let discovery = || json_list([headers(false), method("workload_discovery", Struct::default())]);
    let mut fields = Vec::new();
    if value.downstream_discovery {
        fields.push(("downstream_discovery", discovery()));
    }
    if value.upstream_discovery {
        fields.push(("upstream_discovery", discovery()));
    }
    if value.downstream_propagation {
        fields.push(("downstream_propagation", json_list([headers(false)])));
    }
    if value.upstream_propagation {
        fields.push(("upstream_propagation", json_list([headers(value.skip_external)])));
    }
    pack_json(&istio::peer_metadata::Config::type_url(), json_object(fields))
}

fn method(name: &str, config: Struct) -> Value {
    json(Kind::StructValue(json_object([(name, json(Kind::StructValue(config)))])))
}

/// Whether two packed JSON messages say the same; their bytes may differ in the order of fields.
pub(crate) fn same_packed(one: &Any, other: &Any) -> bool {
    use prost::Message;
    let read = |any: &Any| istio::udpa::TypedStruct::decode(any.value.as_slice()).ok();
    one.type_url == other.type_url && read(one) == read(other)
}
