//! Clusters: one for each port and subset of what the proxy hears of, one for each port of its app, and those for what
//! nothing names.

mod settings;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use weft_model::cluster::{
    Balancing, CircuitBreakers, Cluster, Discovery, Dns, DnsFamily, IstioMetadata, IstioService, LbPolicy,
    UpstreamHttp, UpstreamProtocol,
};
use weft_model::endpoint::{Address, Endpoint, Health, LoadAssignment, LocalityEndpoints};
use weft_model::node::{Interception, Node};
use weft_model::tls::Transport;

use super::inbound_port::InboundPort;
use super::locality::Preference;
use super::names::{self, BLACK_HOLE, INBOUND_PASSTHROUGH, PASSTHROUGH};
use super::traffic::Traffic;
use super::{Proxy, endpoints, upstream_tls};
use crate::annotations;
use crate::resources::destination_rule::ConnectionPool;
use crate::resources::mesh_config::InboundMode;
use crate::world::destination_rules::MergedRule;
use crate::world::service::{Port, Resolution, Service};

/// All clusters of a proxy.
pub(super) fn all(proxy: &Proxy<'_>) -> Vec<Cluster> {
    let mut clusters = Vec::new();
    for service in &proxy.scope.services {
        let rule = proxy.rule(service);
        for port in &service.ports {
            clusters.push(outbound(proxy, service, port, "", rule));
            for subset in rule.iter().flat_map(|rule| &rule.subsets) {
                clusters.push(outbound(proxy, service, port, &subset.name, rule));
            }
        }
    }
    let timeout = proxy.world.mesh.connect_timeout;
    clusters.push(Cluster { connect_timeout: Some(timeout), ..empty(BLACK_HOLE, Discovery::Static) });
    let metadata_exchange = proxy.istio_filters();
    clusters.push(Cluster { metadata_exchange, ..passthrough(PASSTHROUGH, timeout) });
    clusters.extend(proxy.inbound.iter().map(|port| inbound(proxy, port)));
    if proxy.node.metadata.interception != Interception::None {
        let bind_address = Some(loopback_six(proxy.node));
        clusters.push(Cluster { bind_address, ..passthrough(INBOUND_PASSTHROUGH, timeout) });
    }
    clusters
}

fn outbound(
    proxy: &Proxy<'_>,
    service: &Service,
    port: &Port,
    subset: &str,
    rule: Option<&MergedRule>,
) -> Cluster {
    let world = proxy.world;
    let traffic = Traffic::of(rule, subset, port.number);
    let name = names::outbound(port.number, subset, &service.host);
    let discovery = match service.resolution {
        _ if settings::is_passthrough(&traffic) => Discovery::OriginalDst,
        Resolution::Passthrough => Discovery::OriginalDst,
        // The client of a headless service has resolved it, and so says which endpoint it wants; it can do so only
        // where its own DNS knows the name.
        Resolution::Static if service.headless && proxy.node.metadata.interception != Interception::None => {
            Discovery::OriginalDst
        }
        // Under its own name.
        Resolution::Static => Discovery::Eds(String::new()),
        Resolution::Dns => Discovery::StrictDns,
        Resolution::DnsRoundRobin => Discovery::LogicalDns,
    };
    let by_name = matches!(discovery, Discovery::StrictDns | Discovery::LogicalDns);
    let mut cluster = empty(&name, discovery);
    cluster.http.protocol = settings::protocol(port.protocol, &traffic, &world.mesh);
    settings::pool(&mut cluster, &traffic, &world.mesh);
    settings::balance(&mut cluster, &traffic);
    let preference = Preference::of(proxy, service, &traffic);
    cluster.balancing.locality_weighted = preference.is_some_and(|preference| preference.is_weighted());
    if cluster.discovery == Discovery::OriginalDst {
        cluster.balancing.locality_weighted = false;
        cluster.balancing.policy = LbPolicy::ClusterProvided;
        cluster.balancing.slow_start = None;
    } else {
        let check = annotations::health_check(&service.annotations);
        let check = check.filter(|check| annotations::asks(&check.probe, port.protocol));
        settings::checks(&mut cluster, check.map(|check| settings::named(check, &service.host)));
    }
    if by_name {
        cluster.load_assignment = Some(endpoints::assignment(proxy, service, port.number, subset, rule));
        cluster.dns = Dns {
            family: family(proxy.node),
            refresh_rate: Some(world.mesh.dns_refresh_rate),
            respect_ttl: true,
        };
    }
    cluster.metadata_exchange = proxy.istio_filters();
    cluster.istio = IstioMetadata {
        services: vec![noted(service)],
        config: rule.map(MergedRule::config).unwrap_or_default(),
        subset: subset.to_owned(),
        external: service.external,
        default_original_port: None,
        keep_alpn: false,
    };
    upstream_tls::apply(&mut cluster, proxy, service, port.number, subset, traffic.tls);
    cluster
}

fn noted(service: &Service) -> IstioService {
    IstioService {
        host: service.host.clone(),
        name: service.name.clone(),
        namespace: service.namespace.clone(),
    }
}

fn inbound(proxy: &Proxy<'_>, port: &InboundPort) -> Cluster {
    let mut cluster = empty(&names::inbound(port.number), Discovery::OriginalDst);
    cluster.balancing.policy = LbPolicy::ClusterProvided;
    cluster.http.protocol = match port.protocol {
        protocol if protocol.is_http2() => UpstreamProtocol::Http2,
        crate::world::protocol::Protocol::Auto => UpstreamProtocol::Downstream,
        _ => UpstreamProtocol::Http1,
    };
    let rule = port.service.as_ref().and_then(|(service, _)| proxy.rule(service));
    let of_service = port.service.as_ref().map(|(_, number)| Traffic::of(rule, "", *number));
    let traffic = of_service.unwrap_or_default();
    let pool = inbound_pool(proxy, &traffic);
    settings::pool(&mut cluster, &Traffic { pool, ..traffic }, &proxy.world.mesh);
    let said = proxy.world.mesh.config.inbound_traffic_policy.as_ref();
    let by_localhost = said.is_some_and(|policy| policy.mode == InboundMode::Localhost);
    if by_localhost || proxy.node.metadata.interception == Interception::None {
        let address = SocketAddr::new(proxy.localhost, port.number);
        cluster.discovery = Discovery::Static;
        cluster.balancing = Balancing::default();
        cluster.load_assignment = Some(single(&cluster.name, address));
    } else {
        cluster.bind_address = Some(loopback_six(proxy.node));
    }
    cluster.istio.services = port.service.iter().map(|(service, _)| noted(service)).collect();
    cluster.istio.config = rule.map(MergedRule::config).unwrap_or_default();
    cluster
}

/// A Sidecar speaks of what its own app can take, a DestinationRule of what each caller may ask for.
pub(super) fn inbound_pool<'a>(proxy: &'a Proxy<'a>, of_service: &Traffic<'a>) -> Option<&'a ConnectionPool> {
    proxy.scope.inbound_pool.as_ref().or(of_service.pool)
}

fn single(cluster: &str, address: SocketAddr) -> LoadAssignment {
    let endpoint = Endpoint {
        address: Address::Socket(address),
        weight: 1,
        health: Health::Unknown,
        transport_match: std::collections::BTreeMap::new(),
        workload: String::new(),
        hostname: String::new(),
    };
    let locality = LocalityEndpoints { endpoints: vec![endpoint], ..LocalityEndpoints::default() };
    LoadAssignment { cluster: cluster.to_owned(), localities: vec![locality], overprovisioning_factor: None }
}

/// To wherever the connection was going, in the protocol that came.
fn passthrough(name: &str, timeout: Duration) -> Cluster {
    let mut cluster = empty(name, Discovery::OriginalDst);
    cluster.connect_timeout = Some(timeout);
    cluster.circuit_breakers = settings::UNLIMITED;
    cluster.balancing.policy = LbPolicy::ClusterProvided;
    cluster.http.protocol = UpstreamProtocol::Downstream;
    cluster.http.idle_timeout = Some(Duration::from_secs(300));
    cluster
}

fn empty(name: &str, discovery: Discovery) -> Cluster {
    Cluster {
        name: name.to_owned(),
        discovery,
        load_assignment: None,
        balancing: Balancing::default(),
        connect_timeout: None,
        circuit_breakers: CircuitBreakers::default(),
        outlier_detection: None,
        http: UpstreamHttp::default(),
        transport: Transport::Raw,
        transport_matches: Vec::new(),
        bind_address: None,
        tcp_keepalive: None,
        dns: Dns::default(),
        istio: IstioMetadata::default(),
        metadata_exchange: false,
        health_check: None,
        ignore_health_on_host_removal: false,
    }
}

/// From here the proxy calls its own app, so that it is never captured again.
fn loopback_six(node: &Node) -> SocketAddr {
    match node.addresses().next() {
        Some(IpAddr::V6(_)) => SocketAddr::new(Ipv6Addr::new(0, 0, 0, 0, 0, 0, 0, 6).into(), 0),
        _ => SocketAddr::new(Ipv4Addr::new(127, 0, 0, 6).into(), 0),
    }
}

/// Which addresses of a name such a proxy can reach.
fn family(node: &Node) -> DnsFamily {
    let (mut v4, mut v6) = (false, false);
    for address in node.addresses() {
        match address {
            IpAddr::V4(_) => v4 = true,
            IpAddr::V6(_) => v6 = true,
        }
    }
    match (v4, v6) {
        (true, true) => DnsFamily::All,
        (false, true) => DnsFamily::V6Only,
        _ => DnsFamily::V4Only,
    }
}
