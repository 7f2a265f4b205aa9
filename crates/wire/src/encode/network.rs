//! Network filters.

use weft_model::listener::{NetworkFilter, TcpProxy};

use super::access_log::access_logs;
use super::value::{maybe_duration, number, pack};
use super::{ext_authz, http, istio, rbac};
use crate::pb::{Any, listener, tcp_proxy, types};

pub(crate) fn filter(value: &NetworkFilter) -> listener::Filter {
    let (name, config) = match value {
        NetworkFilter::Rbac(value) => ("envoy.filters.network.rbac", pack(&rbac::network(value))),
        NetworkFilter::TcpProxy(value) => ("envoy.filters.network.tcp_proxy", pack(&tcp_proxy(value))),
        NetworkFilter::Http(value) => {
            ("envoy.filters.network.http_connection_manager", pack(&http::manager(value)))
        }
        NetworkFilter::ExtAuthz(value) => {
            ("envoy.filters.network.ext_authz", pack(&ext_authz::network(value)))
        }
        NetworkFilter::Stats(value) => ("istio.stats", istio::stats(*value)),
        NetworkFilter::MetadataExchange { protocol } => {
            ("istio.metadata_exchange", istio::metadata_exchange(protocol))
        }
        NetworkFilter::Unknown { name, type_url } if type_url.is_empty() => {
            return listener::Filter { name: name.clone(), config_type: None };
        }
        NetworkFilter::Unknown { name, type_url } => {
            (name.as_str(), Any { type_url: type_url.clone(), value: Vec::new() })
        }
    };
    listener::Filter {
        name: name.to_owned(),
        config_type: Some(listener::filter::ConfigType::TypedConfig(config)),
    }
}

fn tcp_proxy(value: &TcpProxy) -> tcp_proxy::TcpProxy {
    use tcp_proxy::tcp_proxy::{ClusterSpecifier, WeightedCluster, weighted_cluster::ClusterWeight};
    let cluster = match value.clusters.as_slice() {
        [(name, _)] if !value.weighted => ClusterSpecifier::Cluster(name.clone()),
        clusters => {
            let clusters = clusters.iter().map(|(name, weight)| ClusterWeight {
                name: name.clone(),
                weight: *weight,
                metadata_match: None,
            });
            ClusterSpecifier::WeightedClusters(WeightedCluster { clusters: clusters.collect() })
        }
    };
    let source_ip = types::hash_policy::PolicySpecifier::SourceIp(types::hash_policy::SourceIp {});
    let hash = types::HashPolicy { policy_specifier: Some(source_ip) };
    tcp_proxy::TcpProxy {
        stat_prefix: value.stat_prefix.clone(),
        cluster_specifier: Some(cluster),
        idle_timeout: maybe_duration(value.idle_timeout),
        max_downstream_connection_duration: maybe_duration(value.max_connection_duration),
        // TCP knows one key: the source IP.
        hash_policy: if value.hash.is_empty() { Vec::new() } else { vec![hash] },
        access_log: access_logs(&value.access_log),
        max_connect_attempts: number(value.max_connect_attempts),
        ..Default::default()
    }
}
