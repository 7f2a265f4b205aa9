//! Network filters.

use weft_model::http::ExtAuthz;
use weft_model::listener::{NetworkFilter, TcpProxy};
use weft_model::route::{HashKey, HashPolicy};

use super::access_log::access_logs;
use super::at::{At, Decoded, unpack};
use super::value::{Packed, duration, message, packed};
use super::{ext_authz, http, istio, rbac};
use crate::pb::{listener, network_ext_authz, tcp_proxy, types};

pub(super) fn filter(at: &At<'_>, value: listener::Filter) -> Decoded<NetworkFilter> {
    let Some(listener::filter::ConfigType::TypedConfig(any)) = value.config_type else {
        at.note("a filter without configuration in place is not known: its chain is not served");
        return Ok(NetworkFilter::Unknown { name: value.name, type_url: String::new() });
    };
    let config = at.field("typed_config");
    let known = known(&config, &packed(&config, &any)?)?;
    let Some((canonical, filter)) = known else {
        let type_name = packed(&config, &any)?.type_name().to_owned();
        config
            .note(format!("the filter {:?} ({type_name}) is not known: its chain is not served", value.name));
        return Ok(NetworkFilter::Unknown { name: value.name, type_url: any.type_url });
    };
    if value.name != canonical {
        at.field("name").note(format!("it is known as {canonical}"));
    }
    Ok(filter)
}

fn known(at: &At<'_>, packed: &Packed<'_>) -> Decoded<Option<(&'static str, NetworkFilter)>> {
    let known = match *packed {
        Packed::Message(
            "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
            bytes,
        ) => {
            let manager = http::manager(at, message(at, bytes)?)?;
            ("envoy.filters.network.http_connection_manager", NetworkFilter::Http(Box::new(manager)))
        }
        Packed::Message("envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy", bytes) => {
            match tcp_proxy(at, message(at, bytes)?)? {
                Some(proxy) => ("envoy.filters.network.tcp_proxy", NetworkFilter::TcpProxy(proxy)),
                None => return Ok(None),
            }
        }
        Packed::Message("envoy.extensions.filters.network.rbac.v3.RBAC", bytes) => {
            ("envoy.filters.network.rbac", NetworkFilter::Rbac(rbac::network(at, message(at, bytes)?)?))
        }
        Packed::Message("envoy.extensions.filters.network.ext_authz.v3.ExtAuthz", bytes) => {
            let value: network_ext_authz::ExtAuthz = message(at, bytes)?;
            unpack!(at, value, network_ext_authz::ExtAuthz { grpc_service, filter_enabled_metadata } else { stat_prefix, failure_mode_allow, include_peer_certificate, transport_api_version, bootstrap_metadata_labels_key, include_tls_session, send_tls_alert_on_denial, metadata_context_namespaces, typed_metadata_context_namespaces, shadow_mode });
            let cluster = ext_authz::grpc_cluster(at, grpc_service);
            let provider = ext_authz::provider(at, filter_enabled_metadata);
            let asked = ExtAuthz { provider, cluster, grpc: true };
            ("envoy.filters.network.ext_authz", NetworkFilter::ExtAuthz(asked))
        }
        _ if packed.type_name() == istio::STATS => {
            ("istio.stats", NetworkFilter::Stats(istio::stats(at, packed)?))
        }
        _ if packed.type_name() == istio::METADATA_EXCHANGE => {
            let protocol = istio::metadata_exchange(at, packed)?;
            ("istio.metadata_exchange", NetworkFilter::MetadataExchange { protocol })
        }
        _ => return Ok(None),
    };
    Ok(Some(known))
}

/// `None` if it wraps the connection in a way that nobody here speaks.
#[allow(deprecated, reason = "what older control planes write is noted too")]
fn tcp_proxy(at: &At<'_>, value: tcp_proxy::TcpProxy) -> Decoded<Option<TcpProxy>> {
    use tcp_proxy::tcp_proxy::ClusterSpecifier;
    unpack!(at, value, tcp_proxy::TcpProxy {
        stat_prefix, cluster_specifier, idle_timeout, access_log, max_connect_attempts, hash_policy, tunneling_config,
        max_downstream_connection_duration
    } else { on_demand, metadata_match, downstream_idle_timeout, upstream_idle_timeout, backoff_options, max_downstream_connection_duration_jitter_percentage, access_log_flush_interval, flush_access_log_on_connected, access_log_options, proxy_protocol_tlvs, proxy_protocol_tlv_merge_policy, upstream_connect_mode, max_early_data_bytes, check_drain_close });
    if tunneling_config.is_some() {
        return Ok(None);
    }
    let (clusters, weighted) = match cluster_specifier {
        Some(ClusterSpecifier::Cluster(name)) => (vec![(name, 1)], false),
        Some(ClusterSpecifier::WeightedClusters(value)) => {
            let at = at.field("weighted_clusters");
            let mut clusters = Vec::with_capacity(value.clusters.len());
            for (n, value) in value.clusters.into_iter().enumerate() {
                let at = at.item("clusters", n);
                at.left("metadata_match", &value.metadata_match);
                clusters.push((value.name, value.weight));
            }
            (clusters, true)
        }
        None => return Err(at.field("cluster").fault("it names no cluster")),
    };
    if clusters.is_empty() || clusters.iter().any(|(name, _)| name.is_empty()) {
        return Err(at.field("cluster").fault("a cluster's name is missing"));
    }
    let mut hash = Vec::new();
    for (n, value) in hash_policy.into_iter().enumerate() {
        match value.policy_specifier {
            Some(types::hash_policy::PolicySpecifier::SourceIp(_)) => {
                hash.push(HashPolicy { key: HashKey::SourceIp, terminal: false });
            }
            _ => at.item("hash_policy", n).note("only the source IP is hashed"),
        }
    }
    Ok(Some(TcpProxy {
        stat_prefix,
        clusters,
        weighted,
        idle_timeout: duration(at, "idle_timeout", idle_timeout)?,
        max_connection_duration: duration(
            at,
            "max_downstream_connection_duration",
            max_downstream_connection_duration,
        )?,
        hash,
        access_log: access_logs(at, access_log)?,
        max_connect_attempts: max_connect_attempts.map(|value| value.value),
    }))
}
