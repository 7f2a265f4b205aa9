//! Clusters.

use std::time::Duration;

use weft_model::cluster::{
    Balancing, CircuitBreakers, Cluster, Discovery, DnsFamily, LbPolicy, OutlierDetection, SlowStart,
    TcpKeepalive, TransportMatch,
};

use super::value::{
    duration, json_object, json_text, long, maybe_duration, number, over_ads, pack, socket_address, typed,
    yes,
};
use super::{endpoint, health, istio, metadata, tls, upstream_http};
use crate::decode::{CHOICES, HTTP_OPTIONS};
use crate::pb::{self, cares, cluster, core, types};

/// The name in statistics: a semicolon ends the cluster's name, which may hold dots.
pub(crate) fn alt_stat_name(name: &str) -> String {
    format!("{name};")
}

#[allow(deprecated, reason = "istiod writes the DNS fields of the cluster itself")]
pub(crate) fn cluster(value: &Cluster) -> cluster::Cluster {
    use cluster::cluster::EdsClusterConfig;
    let eds = match &value.discovery {
        Discovery::Eds(name) => {
            let service_name = if name.is_empty() { value.name.clone() } else { name.clone() };
            Some(EdsClusterConfig { eds_config: Some(over_ads(true)), service_name })
        }
        _ => None,
    };
    let mut encoded = cluster::Cluster {
        name: value.name.clone(),
        alt_stat_name: alt_stat_name(&value.name),
        cluster_discovery_type: Some(discovery(&value.discovery)),
        eds_cluster_config: eds,
        load_assignment: value.load_assignment.as_ref().map(endpoint::load_assignment),
        connect_timeout: maybe_duration(value.connect_timeout),
        circuit_breakers: circuit_breakers(&value.circuit_breakers),
        health_checks: value.health_check.iter().map(health::check).collect(),
        outlier_detection: value.outlier_detection.as_ref().map(outlier),
        transport_socket: tls::upstream(&value.transport),
        transport_socket_matches: value.transport_matches.iter().map(transport_match).collect(),
        upstream_bind_config: value.bind_address.map(|address| core::BindConfig {
            source_address: Some(socket_address(address)),
            ..Default::default()
        }),
        upstream_connection_options: value.tcp_keepalive.as_ref().map(keepalive),
        dns_lookup_family: dns_family(value.dns.family) as i32,
        dns_refresh_rate: maybe_duration(value.dns.refresh_rate),
        dns_jitter: dns_jitter(value),
        respect_dns_ttl: value.dns.respect_ttl,
        typed_dns_resolver_config: dns_resolver(value),
        cleanup_interval: cleanup_interval(value),
        metadata: metadata::cluster(&value.istio),
        ignore_health_on_host_removal: value.ignore_health_on_host_removal,
        ..Default::default()
    };
    if let Some(options) = upstream_http::options(&value.http) {
        encoded.typed_extension_protocol_options.insert(HTTP_OPTIONS.to_owned(), pack(&options));
    }
    if value.metadata_exchange {
        encoded.filters.push(cluster::Filter {
            name: "istio.metadata_exchange".to_owned(),
            typed_config: Some(istio::metadata_exchange("istio-peer-exchange")),
            config_discovery: None,
        });
    }
    balancing(&value.balancing, &mut encoded);
    encoded
}

fn discovery(value: &Discovery) -> cluster::cluster::ClusterDiscoveryType {
    use cluster::cluster::{ClusterDiscoveryType, CustomClusterType, DiscoveryType as Kind};
    let kind = match value {
        Discovery::Eds(_) => Kind::Eds,
        Discovery::Static => Kind::Static,
        Discovery::StrictDns => Kind::StrictDns,
        Discovery::LogicalDns => Kind::LogicalDns,
        Discovery::OriginalDst => Kind::OriginalDst,
        Discovery::Unknown(name) => {
            return ClusterDiscoveryType::ClusterType(CustomClusterType {
                name: name.clone(),
                typed_config: None,
            });
        }
    };
    ClusterDiscoveryType::Type(kind as i32)
}

const fn resolves_names(value: &Cluster) -> bool {
    matches!(value.discovery, Discovery::StrictDns | Discovery::LogicalDns)
}

/// Names are resolved a little apart from one another.
pub(crate) fn dns_jitter(value: &Cluster) -> Option<pb::Duration> {
    resolves_names(value).then(|| duration(Duration::from_millis(100)))
}

/// c-ares, which takes a new port now and then: a resolver that went away is noticed.
pub(crate) fn dns_resolver(value: &Cluster) -> Option<core::TypedExtensionConfig> {
    let config = cares::CaresDnsResolverConfig { udp_max_queries: number(Some(100)), ..Default::default() };
    resolves_names(value).then(|| typed("envoy.network.dns_resolver.cares", pack(&config)))
}

/// The app itself is never forgotten as a destination.
pub(crate) fn cleanup_interval(value: &Cluster) -> Option<pb::Duration> {
    let own = value.discovery == Discovery::OriginalDst && value.name.starts_with("inbound|");
    own.then(|| duration(Duration::from_secs(9_223_372_035)))
}

fn transport_match(value: &TransportMatch) -> cluster::cluster::TransportSocketMatch {
    cluster::cluster::TransportSocketMatch {
        name: value.name.clone(),
        r#match: Some(json_object(value.criteria.iter().map(|(key, value)| (key, json_text(value))))),
        transport_socket: Some(tls::spelled_out(&value.transport)),
    }
}

fn circuit_breakers(value: &CircuitBreakers) -> Option<cluster::CircuitBreakers> {
    use cluster::circuit_breakers::{Thresholds, thresholds::RetryBudget};
    if *value == CircuitBreakers::default() {
        return None;
    }
    let thresholds = Thresholds {
        max_connections: number(value.max_connections),
        max_pending_requests: number(value.max_pending_requests),
        max_requests: number(value.max_requests),
        max_retries: number(value.max_retries),
        retry_budget: value.retry_budget.map(|budget| RetryBudget {
            budget_percent: Some(types::Percent { value: budget.budget_percent }),
            min_retry_concurrency: number(Some(budget.min_retry_concurrency)),
            ..Default::default()
        }),
        track_remaining: value.track_remaining,
        ..Default::default()
    };
    Some(cluster::CircuitBreakers { thresholds: vec![thresholds], per_host_thresholds: Vec::new() })
}

fn outlier(value: &OutlierDetection) -> cluster::OutlierDetection {
    cluster::OutlierDetection {
        consecutive_5xx: number(value.consecutive_5xx),
        enforcing_consecutive_5xx: number(value.enforcing_consecutive_5xx),
        consecutive_gateway_failure: number(value.consecutive_gateway_failure),
        enforcing_consecutive_gateway_failure: number(value.enforcing_consecutive_gateway_failure),
        split_external_local_origin_errors: value.split_external_local_origin_errors,
        consecutive_local_origin_failure: number(value.consecutive_local_origin_failure),
        enforcing_consecutive_local_origin_failure: number(value.enforcing_consecutive_local_origin_failure),
        interval: maybe_duration(value.interval),
        base_ejection_time: maybe_duration(value.base_ejection_time),
        max_ejection_time: maybe_duration(value.max_ejection_time),
        max_ejection_percent: number(value.max_ejection_percent),
        enforcing_success_rate: number(value.enforcing_success_rate),
        enforcing_local_origin_success_rate: number(value.enforcing_local_origin_success_rate),
        successful_active_health_check_uneject_host: value.health_check_readmits.and_then(yes),
        ..Default::default()
    }
}

fn keepalive(value: &TcpKeepalive) -> cluster::UpstreamConnectionOptions {
    let seconds = |value: Option<Duration>| {
        number(value.map(|value| u32::try_from(value.as_secs()).unwrap_or(u32::MAX)))
    };
    let keepalive = core::TcpKeepalive {
        keepalive_probes: number(value.probes),
        keepalive_time: seconds(value.time),
        keepalive_interval: seconds(value.interval),
    };
    cluster::UpstreamConnectionOptions { tcp_keepalive: Some(keepalive), ..Default::default() }
}

const fn dns_family(value: DnsFamily) -> cluster::cluster::DnsLookupFamily {
    use cluster::cluster::DnsLookupFamily as Family;
    match value {
        DnsFamily::Auto => Family::Auto,
        DnsFamily::V4Only => Family::V4Only,
        DnsFamily::V6Only => Family::V6Only,
        DnsFamily::V4Preferred => Family::V4Preferred,
        DnsFamily::All => Family::All,
    }
}

fn balancing(value: &Balancing, encoded: &mut cluster::Cluster) {
    use cluster::cluster::common_lb_config::{LocalityConfigSpecifier, LocalityWeightedLbConfig};
    use cluster::cluster::{
        CommonLbConfig, LbConfig, LbPolicy as Is, LeastRequestLbConfig, MaglevLbConfig, RingHashLbConfig,
        RoundRobinLbConfig,
    };
    let slow_start_config = value.slow_start.as_ref().map(slow_start);
    let (policy, config) = match value.policy {
        LbPolicy::RoundRobin => {
            let config = LbConfig::RoundRobinLbConfig(RoundRobinLbConfig {
                slow_start_config: slow_start_config.clone(),
            });
            (Is::RoundRobin, slow_start_config.is_some().then_some(config))
        }
        LbPolicy::LeastRequest { choices } => {
            let choice_count = number((choices != CHOICES).then_some(choices));
            let unusual = choice_count.is_some() || slow_start_config.is_some();
            let config = LeastRequestLbConfig { choice_count, slow_start_config, ..Default::default() };
            (Is::LeastRequest, unusual.then_some(LbConfig::LeastRequestLbConfig(config)))
        }
        LbPolicy::Random => (Is::Random, None),
        LbPolicy::RingHash { minimum_ring_size } => {
            let config =
                RingHashLbConfig { minimum_ring_size: long(minimum_ring_size), ..Default::default() };
            (Is::RingHash, Some(LbConfig::RingHashLbConfig(config)))
        }
        LbPolicy::Maglev { table_size } => {
            (Is::Maglev, Some(LbConfig::MaglevLbConfig(MaglevLbConfig { table_size: long(table_size) })))
        }
        LbPolicy::ClusterProvided => (Is::ClusterProvided, None),
    };
    encoded.lb_policy = policy as i32;
    encoded.lb_config = config;
    let weighted = LocalityConfigSpecifier::LocalityWeightedLbConfig(LocalityWeightedLbConfig {});
    if value.panic_threshold.is_some() || value.locality_weighted {
        encoded.common_lb_config = Some(CommonLbConfig {
            healthy_panic_threshold: value.panic_threshold.map(|value| types::Percent { value }),
            locality_config_specifier: value.locality_weighted.then_some(weighted),
            ..Default::default()
        });
    }
}

fn slow_start(value: &SlowStart) -> cluster::cluster::SlowStartConfig {
    cluster::cluster::SlowStartConfig {
        slow_start_window: Some(duration(value.window)),
        aggression: Some(core::RuntimeDouble {
            default_value: value.aggression,
            // Envoy wants a name for the value, by which its runtime could change it.
            runtime_key: "upstream.slow_start.aggression".to_owned(),
        }),
        min_weight_percent: Some(types::Percent { value: value.min_weight_percent }),
    }
}
