//! What the app sends, by where it was going: to an address of a service, to a port that services share, to what nothing
//! names. The listeners of services have no socket: `virtualOutbound` hands connections over to them.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use weft_model::http::{RouteSource, Stats};
use weft_model::listener::{
    Direction, FilterChain, FilterChainMatch, Listener, ListenerFilter, NetworkFilter, TcpProxy,
};

use super::inbound::plain_http;
use super::wildcard::Wildcard;
use crate::resources::mesh_config::OutboundMode;
use crate::translate::access_log::{self, Side};
use crate::translate::traffic::Traffic;
use crate::translate::{Proxy, http, names, virtual_service};
use crate::world::protocol::Protocol;
use crate::world::service::{Port, Service};

/// The listeners of all that the proxy hears of.
pub(super) fn at_services(proxy: &Proxy<'_>) -> Vec<Listener> {
    let mut own: BTreeMap<SocketAddr, Listener> = BTreeMap::new();
    let mut shared: BTreeMap<u16, Wildcard> = BTreeMap::new();
    for service in &proxy.scope.services {
        for port in &service.ports {
            let addresses = addresses(proxy, service, port);
            if port.protocol.is_http() || addresses.is_empty() {
                shared.entry(port.number).or_default().add(proxy, service, port);
                continue;
            }
            for ip in addresses {
                let address = SocketAddr::new(ip, port.number);
                own.entry(address).or_insert_with(|| of_port(proxy, service, port, address));
            }
        }
    }
    let any = any(proxy);
    let shared = shared.into_iter().filter(|(_, of)| of.takes_anything());
    let shared = shared.map(|(port, of)| of.listener(proxy, SocketAddr::new(any, port)));
    let shared = shared.map(|listener| in_each_family(proxy, listener));
    own.into_values().chain(shared).collect()
}

/// The addresses at which a port is known: the service's own, or, where it has none to stand before them, its
/// endpoints'.
fn addresses(proxy: &Proxy<'_>, service: &Service, port: &Port) -> Vec<IpAddr> {
    let single = service.addresses.iter().filter(|network| network.prefix_len() == network.max_prefix_len());
    if !service.headless {
        return single.map(ipnet::IpNet::addr).collect();
    }
    let Some(place) = service.place(port.number) else { return Vec::new() };
    // Whoever resolved a headless name connects to the endpoint's own port.
    let at_port = |endpoint: &&crate::world::service::ServiceEndpoint| {
        endpoint.ports.get(place).copied().flatten() == Some(port.number)
    };
    let families = proxy.families(service);
    let of_families = |endpoint: &crate::world::service::ServiceEndpoint| endpoint.workload.ips_of(&families);
    service.endpoints.iter().filter(at_port).flat_map(of_families).collect()
}

/// Every address of the family that the proxy has.
pub(super) fn any(proxy: &Proxy<'_>) -> IpAddr {
    match proxy.address {
        Some(IpAddr::V6(_)) => Ipv6Addr::UNSPECIFIED.into(),
        _ => Ipv4Addr::UNSPECIFIED.into(),
    }
}

/// The same of the other family, for a proxy that has an address of that, too.
fn any_other(proxy: &Proxy<'_>) -> Option<IpAddr> {
    let any = any(proxy);
    let other = proxy.node.addresses().find(|ip| ip.is_ipv4() != any.is_ipv4())?;
    Some(if other.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() })
}

/// `listener`, which takes connections to a port of any address, in both families where its proxy has both.
pub(super) fn in_each_family(proxy: &Proxy<'_>, mut listener: Listener) -> Listener {
    let port = listener.address.port();
    listener.additional_addresses =
        any_other(proxy).map(|any| SocketAddr::new(any, port)).into_iter().collect();
    listener
}

/// Where whatever is redirected arrives; what no other listener is for goes on as bytes, or ends.
pub(super) fn catch_all(proxy: &Proxy<'_>) -> Listener {
    let port = proxy.world.mesh.outbound_port;
    let address = SocketAddr::new(any(proxy), port);
    let mut listener = Listener::new("virtualOutbound", address, Direction::Outbound);
    listener.use_original_dst = true;
    listener.transparent = proxy.node.metadata.interception == weft_model::node::Interception::Tproxy;
    let black_hole = TcpProxy { access_log: Vec::new(), ..to_cluster(proxy, names::BLACK_HOLE) };
    let blocked = FilterChain {
        name: "virtualOutbound-blackhole".to_owned(),
        matches: FilterChainMatch { destination_port: Some(port), ..FilterChainMatch::default() },
        filters: with_stats(proxy, NetworkFilter::TcpProxy(black_hole)),
        ..FilterChain::default()
    };
    let rest = FilterChain { name: "virtualOutbound-catchall-tcp".to_owned(), ..to_unnamed(proxy) };
    listener.filter_chains = vec![blocked, rest];
    listener.access_log = access_log::no_route(proxy, Side::Client);
    listener
}

/// Bytes to wherever they were going, or nowhere.
pub(super) fn to_unnamed(proxy: &Proxy<'_>) -> FilterChain {
    let cluster = match proxy.scope.outbound {
        OutboundMode::AllowAny => names::outside(&proxy.scope),
        OutboundMode::RegistryOnly => names::BLACK_HOLE.to_owned(),
    };
    let bytes = NetworkFilter::TcpProxy(to_cluster(proxy, &cluster));
    FilterChain { filters: with_stats(proxy, bytes), ..FilterChain::default() }
}

/// A listener for one port at `address`: bytes, or, where nobody says what is spoken, HTTP if it looks like it.
pub(super) fn of_port(proxy: &Proxy<'_>, service: &Service, port: &Port, address: SocketAddr) -> Listener {
    let name = format!("{}_{}", address.ip(), address.port());
    let mut listener = Listener::new(name.clone(), address, Direction::Outbound);
    listener.bind_to_port = false;
    listener.listener_filters_timeout = Some(proxy.world.mesh.detection_timeout);
    listener.continue_on_listener_filters_timeout = true;
    let Bytes { specific, rest } = Bytes::of(proxy, service, port);
    if specific.iter().any(|chain| !chain.matches.server_names.is_empty()) {
        listener.listener_filters.push(ListenerFilter::TlsInspector { disabled: Vec::new() });
    }
    if port.protocol == Protocol::Auto {
        listener.listener_filters.push(ListenerFilter::HttpInspector { disabled: Vec::new() });
        let routes = RouteSource::Rds(service.at(port.number));
        listener.filter_chains.push(sniffed(proxy, &format!("outbound_{name};"), routes));
        listener.filter_chains.extend(specific);
        listener.default_filter_chain = Some(Box::new(rest));
    } else {
        listener.filter_chains = specific;
        listener.filter_chains.push(rest);
    }
    listener
}

/// What looks like HTTP in the clear.
pub(super) fn sniffed(proxy: &Proxy<'_>, stat_prefix: &str, routes: RouteSource) -> FilterChain {
    FilterChain {
        matches: FilterChainMatch {
            transport_protocol: "raw_buffer".to_owned(),
            application_protocols: plain_http(proxy).iter().map(|name| (*name).to_owned()).collect(),
            ..FilterChainMatch::default()
        },
        filters: vec![NetworkFilter::Http(Box::new(http::outbound(proxy, stat_prefix, routes)))],
        handshake_timeout: Some(Duration::from_secs(15)),
        ..FilterChain::default()
    }
}

/// The chains of a port whose content is not looked into.
pub(super) struct Bytes {
    /// Of some server names or addresses.
    pub(super) specific: Vec<FilterChain>,
    /// Of all else.
    pub(super) rest: FilterChain,
}

impl Bytes {
    /// As VirtualServices route them, else to the service.
    pub(super) fn of(proxy: &Proxy<'_>, service: &Service, port: &Port) -> Self {
        let routes = virtual_service::connection_routes(proxy, service, port, port.protocol.is_tls());
        let traffic = Traffic::of(proxy.rule(service), "", port.number);
        let own = names::outbound(port.number, "", &service.host);
        let mut specific = Vec::new();
        for route in routes {
            let everything = route.takes_everything();
            let stat_prefix = if route.weighted { service.at(port.number) } else { own.clone() };
            let mut chain = bytes(proxy, stat_prefix, route.clusters, route.weighted, &traffic);
            chain.matches.server_names = route.server_names;
            chain.matches.prefix_ranges = route.subnets;
            chain.config = route.config;
            if everything {
                return Self { specific, rest: chain };
            }
            specific.push(chain);
        }
        Self { specific, rest: bytes(proxy, own.clone(), vec![(own, 1)], false, &traffic) }
    }
}

fn bytes(
    proxy: &Proxy<'_>,
    stat_prefix: String,
    clusters: Vec<(String, u32)>,
    weighted: bool,
    traffic: &Traffic<'_>,
) -> FilterChain {
    use weft_model::route::HashKey;
    let pool = traffic.pool.and_then(|pool| pool.tcp.as_ref());
    let bytes = TcpProxy {
        stat_prefix,
        clusters,
        weighted,
        idle_timeout: pool
            .and_then(|pool| pool.idle_timeout)
            .map(|span| span.0)
            .or_else(|| proxy.idle_timeout()),
        // Istio says it of the cluster alone, where Envoy heeds it for HTTP.
        max_connection_duration: pool.and_then(|pool| pool.max_connection_duration).map(|span| span.0),
        // A connection has no header to go by.
        hash: traffic.hash().into_iter().filter(|hash| hash.key == HashKey::SourceIp).collect(),
        access_log: access_log::logs(proxy, Side::Client),
        ..TcpProxy::default()
    };
    FilterChain {
        filters: with_stats(proxy, NetworkFilter::TcpProxy(bytes)),
        handshake_timeout: Some(Duration::from_secs(15)),
        ..FilterChain::default()
    }
}

/// Bytes to one cluster.
pub(super) fn to_cluster(proxy: &Proxy<'_>, cluster: &str) -> TcpProxy {
    TcpProxy {
        stat_prefix: cluster.to_owned(),
        clusters: vec![(cluster.to_owned(), 1)],
        idle_timeout: proxy.idle_timeout(),
        access_log: access_log::logs(proxy, Side::Client),
        ..TcpProxy::default()
    }
}

/// The filters of a chain of the client's side that ends so.
pub(super) fn with_stats(proxy: &Proxy<'_>, last: NetworkFilter) -> Vec<NetworkFilter> {
    let stats = proxy.istio_filters().then(|| NetworkFilter::Stats(Stats::default()));
    stats.into_iter().chain([last]).collect()
}
