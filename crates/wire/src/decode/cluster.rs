//! Clusters.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use weft_model::cluster::{
    CircuitBreakers, Cluster, Discovery, Dns, DnsFamily, OutlierDetection, RetryBudget, TcpKeepalive,
    TransportMatch,
};

use super::at::{At, Decoded, unpack};
use super::value::{duration, packed, percent, socket_address};
use super::{balancing, endpoint, health, metadata, tls, upstream_http};
use crate::encode;
use crate::pb::{Any, Kind, UInt32Value, cluster, core};

/// The typed options that say how HTTP is spoken.
pub(crate) const HTTP_OPTIONS: &str = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions";

#[allow(deprecated, reason = "istiod writes the DNS fields of the cluster itself")]
#[allow(clippy::too_many_lines, reason = "one line a field")]
pub(super) fn cluster(at: &At<'_>, value: cluster::Cluster) -> Decoded<Cluster> {
    unpack!(at, value, cluster::Cluster {
        name, alt_stat_name, cluster_discovery_type, eds_cluster_config, load_assignment, lb_policy, lb_config,
        common_lb_config, load_balancing_policy, connect_timeout, circuit_breakers, outlier_detection,
        typed_extension_protocol_options, http2_protocol_options, transport_socket, transport_socket_matches,
        upstream_bind_config, upstream_connection_options, dns_refresh_rate, dns_jitter, respect_dns_ttl,
        dns_lookup_family, typed_dns_resolver_config, cleanup_interval, metadata, filters,
        ignore_health_on_host_removal, health_checks
    } else { transport_socket_matcher, stats_matcher, per_connection_buffer_limit_bytes, per_connection_buffer_high_watermark_timeout, max_requests_per_connection, upstream_http_protocol_options, common_http_protocol_options, http_protocol_options, dns_failure_refresh_rate, dns_resolvers, use_tcp_for_dns_lookups, dns_resolution_config, wait_for_warm_on_init, lb_subset_config, protocol_selection, close_connections_on_host_health_failure, lrs_server, lrs_report_endpoint_metrics, track_timeout_budgets, upstream_config, track_cluster_stats, preconnect_policy, connection_pool_per_downstream_connection, queuing_policies });
    if name.is_empty() {
        return Err(at.field("name").fault("it is empty"));
    }
    if !alt_stat_name.is_empty() && alt_stat_name != encode::cluster::alt_stat_name(&name) {
        at.field("alt_stat_name").note("statistics keep the cluster's name");
    }
    let discovery = discovery(at, &name, cluster_discovery_type, eds_cluster_config)?;
    let load_assignment =
        load_assignment.map(|value| endpoint::load_assignment(&at.field("load_assignment"), value));
    let mut http = upstream_http::options(at, typed_extension_protocol_options)?;
    if let Some(options) = http2_protocol_options {
        http.protocol = weft_model::cluster::UpstreamProtocol::Http2;
        http.max_concurrent_streams = upstream_http::http2(&at.field("http2_protocol_options"), options);
    }
    let mut transport_matches = Vec::with_capacity(transport_socket_matches.len());
    for (n, value) in transport_socket_matches.into_iter().enumerate() {
        transport_matches.push(transport_match(&at.item("transport_socket_matches", n), value)?);
    }
    let mut health_check = None;
    for (n, value) in health_checks.into_iter().enumerate() {
        let at = at.item("health_checks", n);
        if health_check.is_some() {
            at.note("endpoints are asked in one way, the first");
        } else {
            health_check = Some(health::check(&at, value)?);
        }
    }
    let outlier_detection =
        outlier_detection.map(|value| outlier(&at.field("outlier_detection"), value)).transpose()?;
    let readmits = |of: &OutlierDetection| of.health_check_readmits != Some(false);
    if health_check.is_some() && outlier_detection.as_ref().is_some_and(readmits) {
        let at = at.field("outlier_detection");
        at.field("successful_active_health_check_uneject_host").note("an ejected endpoint comes back when its time is over, whether or not it passes its health checks");
    }
    let cluster = Cluster {
        health_check,
        discovery,
        load_assignment: load_assignment.transpose()?,
        balancing: balancing::balancing(at, lb_policy, lb_config, common_lb_config, load_balancing_policy)?,
        connect_timeout: duration(at, "connect_timeout", connect_timeout)?,
        circuit_breakers: circuit_breakers_of(&at.field("circuit_breakers"), circuit_breakers)?,
        outlier_detection,
        http,
        transport: tls::upstream(at, transport_socket)?,
        transport_matches,
        bind_address: bind_address(&at.field("upstream_bind_config"), upstream_bind_config)?,
        tcp_keepalive: keepalive(&at.field("upstream_connection_options"), upstream_connection_options),
        dns: Dns {
            family: dns_family(at, dns_lookup_family)?,
            refresh_rate: duration(at, "dns_refresh_rate", dns_refresh_rate)?,
            respect_ttl: respect_dns_ttl,
        },
        istio: metadata::cluster(at, metadata),
        metadata_exchange: network_filters(at, filters)?,
        ignore_health_on_host_removal,
        name,
    };
    if dns_jitter.is_some() && dns_jitter != encode::cluster::dns_jitter(&cluster) {
        at.field("dns_jitter").note("resolutions have a jitter of their own");
    }
    if typed_dns_resolver_config.is_some()
        && typed_dns_resolver_config != encode::cluster::dns_resolver(&cluster)
    {
        at.field("typed_dns_resolver_config").note("names are resolved by the system's resolvers");
    }
    if cleanup_interval.is_some() && cleanup_interval != encode::cluster::cleanup_interval(&cluster) {
        at.field("cleanup_interval").note("destinations are forgotten when they are idle");
    }
    Ok(cluster)
}

fn discovery(
    at: &At<'_>,
    name: &str,
    value: Option<cluster::cluster::ClusterDiscoveryType>,
    eds: Option<cluster::cluster::EdsClusterConfig>,
) -> Decoded<Discovery> {
    use cluster::cluster::{ClusterDiscoveryType as By, DiscoveryType as Kind};
    let kind = match value {
        None => Kind::Static,
        Some(By::Type(kind)) => Kind::try_from(kind)
            .map_err(|_| at.field("type").fault(format!("{kind} is no type of cluster")))?,
        Some(By::ClusterType(custom)) => {
            at.field("cluster_type").note("a cluster of this type has no endpoints");
            return Ok(Discovery::Unknown(custom.name));
        }
    };
    let at = at.field("eds_cluster_config");
    if kind != Kind::Eds {
        if eds.is_some() {
            at.note("only a cluster of type EDS has a use for it");
        }
        return Ok(match kind {
            Kind::StrictDns => Discovery::StrictDns,
            Kind::LogicalDns => Discovery::LogicalDns,
            Kind::OriginalDst => Discovery::OriginalDst,
            Kind::Static | Kind::Eds => Discovery::Static,
        });
    }
    let eds = eds.ok_or_else(|| at.fault("it is missing"))?;
    if eds.eds_config.as_ref() != Some(&encode::value::over_ads(true)) {
        at.field("eds_config").note("endpoints come over ADS, whatever else is said here");
    }
    // A service name that is the cluster's own says nothing; istiod writes it nonetheless.
    Ok(Discovery::Eds(if eds.service_name == name { String::new() } else { eds.service_name }))
}

fn transport_match(at: &At<'_>, value: cluster::cluster::TransportSocketMatch) -> Decoded<TransportMatch> {
    unpack!(at, value, cluster::cluster::TransportSocketMatch { name, r#match, transport_socket } else {});
    let mut criteria = BTreeMap::new();
    for (key, value) in r#match.unwrap_or_default().fields {
        match value.kind {
            Some(Kind::StringValue(value)) => criteria.insert(key, value),
            // A criterion that cannot be compared must not make the match wider.
            _ => return Err(at.field("match").field(&key).fault("only strings are compared")),
        };
    }
    Ok(TransportMatch { name, criteria, transport: tls::upstream(at, transport_socket)? })
}

fn circuit_breakers_of(at: &At<'_>, value: Option<cluster::CircuitBreakers>) -> Decoded<CircuitBreakers> {
    let Some(value) = value else { return Ok(CircuitBreakers::default()) };
    unpack!(at, value, cluster::CircuitBreakers { thresholds } else { per_host_thresholds });
    let mut breakers = CircuitBreakers::default();
    for (n, value) in thresholds.into_iter().enumerate() {
        let at = at.item("thresholds", n);
        if value.priority == core::RoutingPriority::Default as i32 {
            breakers = thresholds_of(&at, value)?;
        } else {
            at.note("requests have one priority: the default");
        }
    }
    Ok(breakers)
}

fn thresholds_of(at: &At<'_>, value: cluster::circuit_breakers::Thresholds) -> Decoded<CircuitBreakers> {
    unpack!(at, value, cluster::circuit_breakers::Thresholds {
        priority, max_connections, max_pending_requests, max_requests, max_retries, retry_budget, track_remaining
    } else { max_connection_pools });
    debug_assert_eq!(priority, 0, "the caller looked");
    let budget = retry_budget.map(|value| {
        let at = at.field("retry_budget");
        unpack!(at, value, cluster::circuit_breakers::thresholds::RetryBudget {
            budget_percent, min_retry_concurrency
        } else { budget_interval });
        Ok(RetryBudget {
            budget_percent: percent(&at, "budget_percent", budget_percent.map_or(20.0, |value| value.value))?,
            min_retry_concurrency: number(min_retry_concurrency).unwrap_or(3),
        })
    });
    Ok(CircuitBreakers {
        max_connections: number(max_connections),
        max_pending_requests: number(max_pending_requests),
        max_requests: number(max_requests),
        max_retries: number(max_retries),
        retry_budget: budget.transpose()?,
        track_remaining,
    })
}

fn number(value: Option<UInt32Value>) -> Option<u32> {
    value.map(|value| value.value)
}

fn outlier(at: &At<'_>, value: cluster::OutlierDetection) -> Decoded<OutlierDetection> {
    unpack!(at, value, cluster::OutlierDetection {
        consecutive_5xx, interval, base_ejection_time, max_ejection_percent, enforcing_consecutive_5xx,
        enforcing_success_rate, consecutive_gateway_failure, enforcing_consecutive_gateway_failure,
        split_external_local_origin_errors, consecutive_local_origin_failure,
        enforcing_consecutive_local_origin_failure, enforcing_local_origin_success_rate, max_ejection_time,
        successful_active_health_check_uneject_host
    } else { success_rate_minimum_hosts, success_rate_request_volume, success_rate_stdev_factor, failure_percentage_threshold, enforcing_failure_percentage, enforcing_failure_percentage_local_origin, failure_percentage_minimum_hosts, failure_percentage_request_volume, max_ejection_time_jitter, monitors, always_eject_one_host, detect_degraded_hosts });
    let share = |field: &str, value: Option<UInt32Value>| match number(value) {
        Some(value @ 101..) => Err(at.field(field).fault(format!("{value} is no percentage (0 to 100)"))),
        value => Ok(value),
    };
    Ok(OutlierDetection {
        consecutive_5xx: number(consecutive_5xx),
        enforcing_consecutive_5xx: share("enforcing_consecutive_5xx", enforcing_consecutive_5xx)?,
        consecutive_gateway_failure: number(consecutive_gateway_failure),
        enforcing_consecutive_gateway_failure: share(
            "enforcing_consecutive_gateway_failure",
            enforcing_consecutive_gateway_failure,
        )?,
        split_external_local_origin_errors,
        consecutive_local_origin_failure: number(consecutive_local_origin_failure),
        enforcing_consecutive_local_origin_failure: share(
            "enforcing_consecutive_local_origin_failure",
            enforcing_consecutive_local_origin_failure,
        )?,
        interval: duration(at, "interval", interval)?,
        base_ejection_time: duration(at, "base_ejection_time", base_ejection_time)?,
        max_ejection_time: duration(at, "max_ejection_time", max_ejection_time)?,
        max_ejection_percent: share("max_ejection_percent", max_ejection_percent)?,
        enforcing_success_rate: share("enforcing_success_rate", enforcing_success_rate)?,
        enforcing_local_origin_success_rate: share(
            "enforcing_local_origin_success_rate",
            enforcing_local_origin_success_rate,
        )?,
        health_check_readmits: successful_active_health_check_uneject_host.map(|value| value.value),
    })
}

#[allow(deprecated, reason = "the older field of further addresses is noted too")]
fn bind_address(at: &At<'_>, value: Option<core::BindConfig>) -> Decoded<Option<std::net::SocketAddr>> {
    let Some(value) = value else { return Ok(None) };
    unpack!(at, value, core::BindConfig { source_address } else { freebind, socket_options, extra_source_addresses, additional_source_addresses, local_address_selector, validate_network_namespaces });
    source_address.map(|address| socket_address(&at.field("source_address"), address)).transpose()
}

fn keepalive(at: &At<'_>, value: Option<cluster::UpstreamConnectionOptions>) -> Option<TcpKeepalive> {
    unpack!(at, value?, cluster::UpstreamConnectionOptions { tcp_keepalive } else { set_local_interface_name_on_upstream_connections, happy_eyeballs_config });
    let seconds = |value| number(value).map(|seconds| Duration::from_secs(seconds.into()));
    tcp_keepalive.map(|value| TcpKeepalive {
        probes: number(value.keepalive_probes),
        time: seconds(value.keepalive_time),
        interval: seconds(value.keepalive_interval),
    })
}

fn dns_family(at: &At<'_>, value: i32) -> Decoded<DnsFamily> {
    use cluster::cluster::DnsLookupFamily as Family;
    match Family::try_from(value) {
        Ok(Family::Auto) => Ok(DnsFamily::Auto),
        Ok(Family::V4Only) => Ok(DnsFamily::V4Only),
        Ok(Family::V6Only) => Ok(DnsFamily::V6Only),
        Ok(Family::V4Preferred) => Ok(DnsFamily::V4Preferred),
        Ok(Family::All) => Ok(DnsFamily::All),
        Err(_) => Err(at.field("dns_lookup_family").fault(format!("{value} is no family of addresses"))),
    }
}

/// Whether Istio's metadata exchange is among the cluster's network filters, the only one that is honoured.
fn network_filters(at: &At<'_>, filters: Vec<cluster::Filter>) -> Decoded<bool> {
    let canonical = encode::istio::metadata_exchange("istio-peer-exchange");
    let mut exchange = false;
    for (n, filter) in filters.into_iter().enumerate() {
        let at = at.item("filters", n);
        let config = filter.typed_config.unwrap_or_default();
        let is_exchange = matches!(
            packed(&at.field("typed_config"), &config)?.type_name(),
            "envoy.tcp.metadataexchange.config.MetadataExchange"
        );
        exchange |= is_exchange;
        if !is_exchange {
            at.note("this filter has no effect");
        } else if !encode::istio::same_packed(&config, &canonical) {
            at.field("typed_config")
                .note("peers exchange metadata in Istio's usual way, whatever else is said here");
        }
    }
    Ok(exchange)
}

/// The options of other extensions are noted; those of HTTP are found.
pub(super) fn http_options(at: &At<'_>, mut options: HashMap<String, Any>) -> Option<Any> {
    let http = options.remove(HTTP_OPTIONS);
    for name in options.keys() {
        at.key("typed_extension_protocol_options", name).note("it has no effect");
    }
    http
}
