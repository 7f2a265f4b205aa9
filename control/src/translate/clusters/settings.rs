//! A traffic policy's numbers as a cluster's: balancing, pools, breakers.

use std::time::Duration;

use weft_model::cluster::{
    Balancing, CircuitBreakers, Cluster, LbPolicy, OutlierDetection, RetryBudget, SlowStart, TcpKeepalive,
    UpstreamProtocol,
};
use weft_model::health::{HealthCheck, Probe};

use crate::resources::destination_rule::{
    H2UpgradePolicy, LoadBalancer, OutlierDetection as Outlier, SimpleBalancer, TcpKeepalive as Keepalive,
};
use crate::translate::traffic::Traffic;
use crate::world::mesh::Mesh;
use crate::world::protocol::Protocol;

/// No limit but the machine's.
pub(super) const UNLIMITED: CircuitBreakers = CircuitBreakers {
    max_connections: Some(u32::MAX),
    max_pending_requests: Some(u32::MAX),
    max_requests: Some(u32::MAX),
    max_retries: Some(u32::MAX),
    retry_budget: None,
    track_remaining: false,
};

const RING: u64 = 1024;
const MAGLEV: u64 = 65_537;

/// Whether requests go wherever the client was going.
pub(super) fn is_passthrough(traffic: &Traffic<'_>) -> bool {
    traffic.load_balancer.and_then(|balancer| balancer.simple) == Some(SimpleBalancer::Passthrough)
}

/// A check asks under the service's own name, unless it is told another: the cluster's, which Envoy takes by itself, is no host
/// that a server has to accept (`outbound|80||web`), and weft's does not.
pub(super) fn named(mut check: HealthCheck, name: &str) -> HealthCheck {
    if let Probe::Http { host, .. } | Probe::Grpc { authority: host, .. } = &mut check.probe
        && host.is_empty()
    {
        name.clone_into(host);
    }
    check
}

/// Active health checks, which Istio has no field for. Who failed requests is out for its time though it passes them: by Envoy's
/// default it would be in again with the next check, and an endpoint whose health page is well could never be left alone.
pub(super) fn checks(cluster: &mut Cluster, check: Option<HealthCheck>) {
    // Under `useClientProtocol`, too, a port of gRPC may be called in HTTP/1.1.
    let unlike = |check: &HealthCheck| {
        matches!(check.probe, Probe::Grpc { .. }) && cluster.http.protocol != UpstreamProtocol::Http2
    };
    let check = check.filter(|check| !unlike(check));
    if check.is_some() {
        if let Some(outlier) = &mut cluster.outlier_detection {
            outlier.health_check_readmits = Some(false);
        }
        // As with outlier detection: few that are well are better than all, unless somebody says from when on not.
        cluster.balancing.panic_threshold.get_or_insert(0.0);
    }
    cluster.health_check = check;
}

/// Balancing and outlier detection, which only outbound clusters have.
pub(super) fn balance(cluster: &mut Cluster, traffic: &Traffic<'_>) {
    cluster.outlier_detection = traffic.outlier.map(outlier);
    cluster.balancing = Balancing {
        policy: traffic.load_balancer.map_or(LbPolicy::LeastRequest { choices: 2 }, policy),
        // Too few healthy endpoints are still better than the ejected ones, unless somebody says from when on not.
        panic_threshold: traffic.outlier.map(|outlier| f64::from(outlier.min_health_percent.max(0))),
        locality_weighted: false,
        slow_start: traffic.load_balancer.and_then(slow_start),
    };
}

fn policy(balancer: &LoadBalancer) -> LbPolicy {
    if let Some(hash) = &balancer.consistent_hash {
        if let Some(maglev) = &hash.maglev {
            return LbPolicy::Maglev { table_size: maglev.table_size.unwrap_or(MAGLEV) };
        }
        let asked = hash.ring_hash.as_ref().map(|ring| ring.minimum_ring_size.unwrap_or(RING));
        let minimum_ring_size = asked.unwrap_or_else(|| hash.minimum_ring_size.max(RING));
        return LbPolicy::RingHash { minimum_ring_size };
    }
    match balancer.simple.unwrap_or_default() {
        SimpleBalancer::RoundRobin => LbPolicy::RoundRobin,
        SimpleBalancer::Random => LbPolicy::Random,
        SimpleBalancer::Passthrough => LbPolicy::ClusterProvided,
        SimpleBalancer::Unspecified | SimpleBalancer::LeastConn | SimpleBalancer::LeastRequest => {
            LbPolicy::LeastRequest { choices: 2 }
        }
    }
}

fn slow_start(balancer: &LoadBalancer) -> Option<SlowStart> {
    let warmup = balancer.warmup.as_ref();
    let window = warmup.and_then(|warmup| warmup.duration).or(balancer.warmup_duration_secs)?;
    Some(SlowStart {
        window: window.0,
        aggression: warmup.and_then(|warmup| warmup.aggression).unwrap_or(1.0),
        min_weight_percent: warmup.and_then(|warmup| warmup.minimum_percent).unwrap_or(10.0),
    })
}

fn outlier(settings: &Outlier) -> OutlierDetection {
    let enforced = |count: Option<u32>| count.map(|count| if count > 0 { 100 } else { 0 });
    let apart = settings.split_external_local_origin_errors;
    // As Istio has it: 0 is not said, so that Envoy's default of 5 holds.
    let local = settings.consecutive_local_origin_failures.filter(|failures| apart && *failures > 0);
    OutlierDetection {
        consecutive_5xx: settings.consecutive_5xx_errors,
        enforcing_consecutive_5xx: enforced(settings.consecutive_5xx_errors),
        consecutive_gateway_failure: settings.consecutive_gateway_errors,
        enforcing_consecutive_gateway_failure: enforced(settings.consecutive_gateway_errors),
        split_external_local_origin_errors: apart,
        consecutive_local_origin_failure: local,
        enforcing_consecutive_local_origin_failure: enforced(local),
        interval: settings.interval.map(|span| span.0),
        base_ejection_time: settings.base_ejection_time.map(|span| span.0),
        max_ejection_time: None,
        max_ejection_percent: positive(settings.max_ejection_percent),
        enforcing_success_rate: Some(0),
        enforcing_local_origin_success_rate: apart.then_some(0),
        health_check_readmits: None,
    }
}

/// Pools and timeouts, which the way to the app has as well.
pub(super) fn pool(cluster: &mut Cluster, traffic: &Traffic<'_>, mesh: &Mesh) {
    let tcp = traffic.pool.and_then(|pool| pool.tcp.as_ref());
    let http = traffic.pool.and_then(|pool| pool.http.as_ref());
    cluster.connect_timeout =
        Some(tcp.and_then(|tcp| tcp.connect_timeout).map_or(mesh.connect_timeout, |span| span.0));
    let keepalive_settings =
        tcp.and_then(|tcp| tcp.tcp_keepalive.as_ref()).or(mesh.config.tcp_keepalive.as_ref());
    cluster.tcp_keepalive = keepalive_settings.map(keepalive);
    let limit = |said: Option<i32>| said.and_then(positive).or(Some(u32::MAX));
    cluster.circuit_breakers = CircuitBreakers {
        max_connections: limit(tcp.map(|tcp| tcp.max_connections)),
        max_pending_requests: limit(http.map(|http| http.http1_max_pending_requests)),
        max_requests: limit(http.map(|http| http.http2_max_requests)),
        max_retries: limit(http.map(|http| http.max_retries)),
        retry_budget: traffic.retry_budget.map(|budget| RetryBudget {
            budget_percent: budget.percent.unwrap_or(20.0),
            // As Istio has it: 0 is not said. Without a floor a quiet service would never try again.
            min_retry_concurrency: if budget.min_retry_concurrency == 0 {
                3
            } else {
                budget.min_retry_concurrency
            },
        }),
        track_remaining: false,
    };
    cluster.http.max_connection_duration = tcp.and_then(|tcp| tcp.max_connection_duration).map(|span| span.0);
    let Some(http) = http else { return };
    cluster.http.idle_timeout = http.idle_timeout.map(|span| span.0);
    cluster.http.max_requests_per_connection = positive(http.max_requests_per_connection);
    if cluster.http.protocol == UpstreamProtocol::Http2 {
        cluster.http.max_concurrent_streams = positive(http.max_concurrent_streams);
    }
}

/// Which HTTP a service's port is spoken to with.
pub(super) fn protocol(port: Protocol, traffic: &Traffic<'_>, mesh: &Mesh) -> UpstreamProtocol {
    let http = traffic.pool.and_then(|pool| pool.http.as_ref());
    if http.is_some_and(|http| http.use_client_protocol) || port == Protocol::Auto {
        return UpstreamProtocol::Downstream;
    }
    let said = http.map(|http| http.h2_upgrade_policy).filter(|policy| *policy != H2UpgradePolicy::Default);
    let upgrades = said.unwrap_or(mesh.config.h2_upgrade_policy) == H2UpgradePolicy::Upgrade;
    if port.is_http2() || (upgrades && port == Protocol::Http) {
        UpstreamProtocol::Http2
    } else {
        UpstreamProtocol::Http1
    }
}

fn keepalive(settings: &Keepalive) -> TcpKeepalive {
    TcpKeepalive {
        probes: Some(settings.probes).filter(|probes| *probes > 0),
        time: settings.time.map(|span| span.0).filter(|time| *time > Duration::ZERO),
        interval: settings.interval.map(|span| span.0).filter(|time| *time > Duration::ZERO),
    }
}

fn positive(number: i32) -> Option<u32> {
    u32::try_from(number).ok().filter(|number| *number > 0)
}
