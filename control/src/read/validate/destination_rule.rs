//! DestinationRule.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use crate::read::finding::Findings;
use crate::read::path::Path;
use crate::resources::destination_rule::{
    ConnectionPool, ConsistentHash, DestinationRule, LoadBalancer, LocalityBalancing, OutlierDetection,
    TcpKeepalive, TrafficPolicy,
};
use crate::resources::duration::Span;

/// Checks a DestinationRule.
pub(in crate::read) fn check(rule: &DestinationRule, into: &mut Findings) {
    let root = Path::ROOT;
    let spec = root.key("spec");
    if rule.host.is_empty() {
        into.error(&spec, "`host` is missing");
    } else if let Err(why) = super::host::wildcard(&rule.host) {
        into.error(&spec.key("host"), why);
    }
    super::host::export_to(&rule.export_to, &spec.key("exportTo"), into);
    if let Some(selector) = &rule.workload_selector {
        super::names::selector(
            &selector.match_labels,
            &spec.key("workloadSelector").key("matchLabels"),
            into,
        );
    }
    if let Some(policy) = &rule.traffic_policy {
        traffic_policy(policy, &spec.key("trafficPolicy"), into);
    }
    let mut seen = HashSet::new();
    for (index, subset) in rule.subsets.iter().enumerate() {
        let list = spec.key("subsets");
        let at = list.index(index);
        if subset.name.is_empty() {
            into.error(&at, "`name` is missing");
        } else if let Err(why) = super::names::label(&subset.name.to_ascii_lowercase()) {
            into.error(&at.key("name"), why);
        }
        if !seen.insert(&subset.name) {
            into.error(&at.key("name"), format!("the subset {:?} stands here a second time", subset.name));
        }
        if subset.labels.is_empty() {
            into.warning(&at, format!("the subset {:?} has no labels: it is the whole host", subset.name));
        }
        super::names::selector(&subset.labels, &at.key("labels"), into);
        if let Some(policy) = &subset.traffic_policy {
            traffic_policy(policy, &at.key("trafficPolicy"), into);
        }
    }
}

fn traffic_policy(policy: &TrafficPolicy, at: &Path<'_>, into: &mut Findings) {
    settings(
        policy.load_balancer.as_ref(),
        policy.connection_pool.as_ref(),
        policy.outlier_detection.as_ref(),
        at,
        into,
    );
    if let Some(tls) = &policy.tls {
        super::tls_files::client(tls, &at.key("tls"), into);
    }
    if let Some(tunnel) = &policy.tunnel {
        let at = at.key("tunnel");
        if !matches!(tunnel.protocol.as_str(), "" | "CONNECT" | "POST") {
            into.error(&at.key("protocol"), format!("{:?} is neither CONNECT nor POST", tunnel.protocol));
        }
        if tunnel.target_host.is_empty() {
            into.error(&at, "`targetHost` is missing");
        }
        super::port::number(tunnel.target_port, &at.key("targetPort"), into);
    }
    if let Some(percent) = policy.retry_budget.as_ref().and_then(|budget| budget.percent) {
        super::share::percent(percent, &at.key("retryBudget").key("percent"), into);
    }
    let mut seen = HashSet::new();
    for (index, port) in policy.port_level_settings.iter().enumerate() {
        let list = at.key("portLevelSettings");
        let at = list.index(index);
        let Some(number) = &port.port else {
            into.error(&at, "`port` is missing");
            continue;
        };
        super::port::number(number.number, &at.key("port").key("number"), into);
        if !seen.insert(number.number) {
            into.error(&at.key("port"), format!("port {} has settings already", number.number));
        }
        settings(
            port.load_balancer.as_ref(),
            port.connection_pool.as_ref(),
            port.outlier_detection.as_ref(),
            &at,
            into,
        );
        if let Some(tls) = &port.tls {
            super::tls_files::client(tls, &at.key("tls"), into);
        }
    }
}

fn settings(
    balancer: Option<&LoadBalancer>,
    pool: Option<&ConnectionPool>,
    outlier: Option<&OutlierDetection>,
    at: &Path<'_>,
    into: &mut Findings,
) {
    if let Some(balancer) = balancer {
        load_balancer(balancer, &at.key("loadBalancer"), into);
    }
    if let Some(pool) = pool {
        connection_pool(pool, &at.key("connectionPool"), into);
    }
    if let Some(outlier) = outlier {
        outlier_detection(outlier, &at.key("outlierDetection"), into);
    }
}

fn load_balancer(balancer: &LoadBalancer, at: &Path<'_>, into: &mut Findings) {
    if let Some(hash) = &balancer.consistent_hash {
        if balancer.simple.is_some() {
            into.error(at, "only one of simple and consistentHash can be set");
        }
        consistent_hash(hash, &at.key("consistentHash"), into);
    }
    if let Some(locality) = &balancer.locality_lb_setting {
        locality_balancing(locality, &at.key("localityLbSetting"), into);
    }
    if let Some(warmup) = &balancer.warmup {
        let at = at.key("warmup");
        if warmup.duration.is_none() {
            into.error(&at, "`duration` is missing");
        }
        if let Some(percent) = warmup.minimum_percent {
            super::share::percent(percent, &at.key("minimumPercent"), into);
        }
        if warmup.aggression.is_some_and(|aggression| !(aggression >= 1.0 && aggression.is_finite())) {
            into.error(&at.key("aggression"), "less than 1");
        }
    }
}

fn consistent_hash(hash: &ConsistentHash, at: &Path<'_>, into: &mut Findings) {
    let keys = [
        hash.http_header_name.is_some(),
        hash.http_cookie.is_some(),
        hash.use_source_ip.is_some(),
        hash.http_query_parameter_name.is_some(),
    ];
    match keys.iter().filter(|key| **key).count() {
        0 => into
            .error(at, "one of httpHeaderName, httpCookie, useSourceIp and httpQueryParameterName is needed"),
        1 => {}
        _ => into.error(
            at,
            "only one of httpHeaderName, httpCookie, useSourceIp and httpQueryParameterName can be set",
        ),
    }
    for (name, value) in [
        ("httpHeaderName", &hash.http_header_name),
        ("httpQueryParameterName", &hash.http_query_parameter_name),
    ] {
        if value.as_ref().is_some_and(String::is_empty) {
            into.error(&at.key(name), "an empty name");
        }
    }
    if hash.http_cookie.as_ref().is_some_and(|cookie| cookie.name.is_empty()) {
        into.error(&at.key("httpCookie"), "`name` is missing");
    }
    let said = hash.http_cookie.iter().flat_map(|cookie| &cookie.attributes);
    let whole = |text: &str| !text.contains(|c: char| c == ';' || c.is_control());
    if said.into_iter().any(|of| of.name.is_empty() || !whole(&of.name) || !whole(&of.value)) {
        into.error(&at.key("httpCookie").key("attributes"), "one of them is no attribute of a cookie");
    }
    if hash.ring_hash.is_some() && hash.maglev.is_some() {
        into.error(at, "only one of ringHash and maglev can be set");
    }
    let ring =
        hash.ring_hash.as_ref().and_then(|ring| ring.minimum_ring_size).unwrap_or(hash.minimum_ring_size);
    if ring > 8 * 1024 * 1024 {
        into.error(at, format!("a ring of {ring}: the largest is 8388608"));
    }
    if let Some(size) = hash.maglev.as_ref().and_then(|maglev| maglev.table_size) {
        let at = at.key("maglev");
        if size > 5_000_011 || !is_prime(size) {
            into.error(&at.key("tableSize"), format!("{size} is not a prime up to 5000011"));
        }
    }
}

fn is_prime(number: u64) -> bool {
    number >= 2
        && (2..).take_while(|factor| factor * factor <= number).all(|factor| !number.is_multiple_of(factor))
}

fn locality_balancing(locality: &LocalityBalancing, at: &Path<'_>, into: &mut Findings) {
    let ways = [!locality.distribute.is_empty(), !locality.failover.is_empty()];
    if ways == [true, true] {
        into.error(at, "only one of distribute and failover can be set");
    }
    for (index, share) in locality.distribute.iter().enumerate() {
        let list = at.key("distribute");
        let at = list.index(index);
        let total = share.to.values().fold(0u64, |total, weight| total + u64::from(*weight));
        if total != 100 {
            into.error(&at.key("to"), format!("the shares add up to {total}, not to 100"));
        }
    }
    for (index, failover) in locality.failover.iter().enumerate() {
        let list = at.key("failover");
        if failover.from == failover.to {
            into.error(&list.index(index), "a region cannot fail over to itself");
        }
    }
}

/// Checks a connection pool.
pub(super) fn connection_pool(pool: &ConnectionPool, at: &Path<'_>, into: &mut Findings) {
    if let Some(tcp) = &pool.tcp {
        let at = at.key("tcp");
        super::share::not_negative(tcp.max_connections, &at.key("maxConnections"), into);
        super::time::at_least_a_millisecond(tcp.connect_timeout, &at.key("connectTimeout"), into);
        super::time::at_least_a_millisecond(
            tcp.max_connection_duration,
            &at.key("maxConnectionDuration"),
            into,
        );
        super::time::millisecond_or_off(tcp.idle_timeout, &at.key("idleTimeout"), into);
        if let Some(keepalive) = &tcp.tcp_keepalive {
            tcp_keepalive(keepalive, &at.key("tcpKeepalive"), into);
        }
    }
    if let Some(http) = &pool.http {
        let at = at.key("http");
        for (name, value) in BTreeMap::from([
            ("http1MaxPendingRequests", http.http1_max_pending_requests),
            ("http2MaxRequests", http.http2_max_requests),
            ("maxRequestsPerConnection", http.max_requests_per_connection),
            ("maxRetries", http.max_retries),
            ("maxConcurrentStreams", http.max_concurrent_streams),
        ]) {
            super::share::not_negative(value, &at.key(name), into);
        }
        super::time::millisecond_or_off(http.idle_timeout, &at.key("idleTimeout"), into);
    }
}

/// Warns of what Linux does not take: whole seconds from 1 to 32767, and at most 127 probes.
pub(super) fn tcp_keepalive(keepalive: &TcpKeepalive, at: &Path<'_>, into: &mut Findings) {
    const MOST_SECONDS: u64 = 32_767;
    const MOST_PROBES: u32 = 127;
    for (name, time) in [("time", keepalive.time), ("interval", keepalive.interval)] {
        let Some(Span(time)) = time else { continue };
        if time.is_zero() {
            into.warning(&at.key(name), "0s is no time: the kernel's own holds");
        } else if time < Duration::from_secs(1) {
            into.warning(&at.key(name), format!("{time:?} is less than the kernel can do: 1s is taken"));
        } else if time.as_secs() > MOST_SECONDS {
            into.warning(
                &at.key(name),
                format!("{}s is more than the kernel can do: {MOST_SECONDS}s is taken", time.as_secs()),
            );
        }
    }
    if keepalive.probes > MOST_PROBES {
        into.warning(
            &at.key("probes"),
            format!("{} is more than the kernel can do: {MOST_PROBES} is taken", keepalive.probes),
        );
    }
}

fn outlier_detection(outlier: &OutlierDetection, at: &Path<'_>, into: &mut Findings) {
    super::time::at_least_a_millisecond(outlier.interval, &at.key("interval"), into);
    super::time::at_least_a_millisecond(outlier.base_ejection_time, &at.key("baseEjectionTime"), into);
    super::share::percent(f64::from(outlier.max_ejection_percent), &at.key("maxEjectionPercent"), into);
    super::share::percent(f64::from(outlier.min_health_percent), &at.key("minHealthPercent"), into);
    if outlier.consecutive_errors != 0 {
        into.warning(&at.key("consecutiveErrors"), "Istio no longer looks at this");
        into.hint("use consecutive5xxErrors or consecutiveGatewayErrors");
    }
    if outlier.consecutive_local_origin_failures == Some(0) && outlier.split_external_local_origin_errors {
        into.warning(
            &at.key("consecutiveLocalOriginFailures"),
            "0 says nothing here: Envoy's default of 5 holds",
        );
        into.hint("a number too large to be reached keeps these failures from ejecting anybody");
    }
    if outlier.consecutive_local_origin_failures.is_some_and(|failures| failures > 0)
        && !outlier.split_external_local_origin_errors
    {
        into.error(
            &at.key("consecutiveLocalOriginFailures"),
            "this needs splitExternalLocalOriginErrors: true",
        );
    }
}
