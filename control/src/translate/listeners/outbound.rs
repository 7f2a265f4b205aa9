//! What the app sends to one address of a service.

use std::net::SocketAddr;
use std::time::Duration;

use weft_model::http::{RouteSource, Stats};
use weft_model::listener::{
    Direction, FilterChain, FilterChainMatch, Listener, ListenerFilter, NetworkFilter, TcpProxy,
};

use super::inbound::PLAIN_HTTP;
use crate::translate::access_log::{self, Side};
use crate::translate::traffic::Traffic;
use crate::translate::{Proxy, http, names};
use crate::world::protocol::Protocol;
use crate::world::service::{Port, Service};

/// A listener for one port at `address`: bytes, or, where nobody says what is spoken, HTTP if it looks like it.
pub(super) fn of_port(proxy: &Proxy<'_>, service: &Service, port: &Port, address: SocketAddr) -> Listener {
    let name = format!("{}_{}", address.ip(), address.port());
    let mut listener = Listener::new(name.clone(), address, Direction::Outbound);
    listener.bind_to_port = false;
    listener.listener_filters_timeout = Some(proxy.world.mesh.detection_timeout);
    listener.continue_on_listener_filters_timeout = true;
    let bytes = tcp(proxy, service, port);
    if port.protocol == Protocol::Auto {
        listener.listener_filters.push(ListenerFilter::HttpInspector { disabled: Vec::new() });
        let routes = RouteSource::Rds(service.at(port.number));
        listener.filter_chains.push(sniffed(proxy, &format!("outbound_{name};"), routes));
        listener.default_filter_chain = Some(Box::new(bytes));
    } else {
        listener.filter_chains.push(bytes);
    }
    listener
}

/// What looks like HTTP in the clear.
pub(super) fn sniffed(proxy: &Proxy<'_>, stat_prefix: &str, routes: RouteSource) -> FilterChain {
    FilterChain {
        matches: FilterChainMatch {
            transport_protocol: "raw_buffer".to_owned(),
            application_protocols: PLAIN_HTTP.iter().map(|name| (*name).to_owned()).collect(),
            ..FilterChainMatch::default()
        },
        filters: vec![NetworkFilter::Http(Box::new(http::outbound(proxy, stat_prefix, routes)))],
        handshake_timeout: Some(Duration::from_secs(15)),
        ..FilterChain::default()
    }
}

/// Bytes to the service.
fn tcp(proxy: &Proxy<'_>, service: &Service, port: &Port) -> FilterChain {
    let cluster = names::outbound(port.number, "", &service.host);
    let traffic = Traffic::of(proxy.rule(service), "", port.number);
    let pool = traffic.pool.and_then(|pool| pool.tcp.as_ref());
    let bytes = TcpProxy {
        idle_timeout: pool.and_then(|pool| pool.idle_timeout).map(|span| span.0),
        hash: traffic
            .hash()
            .into_iter()
            .filter(|hash| hash.key == weft_model::route::HashKey::SourceIp)
            .collect(),
        ..to_cluster(proxy, &cluster)
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
        access_log: access_log::logs(proxy, Side::Client),
        ..TcpProxy::default()
    }
}

/// The filters of a chain of the client's side that ends so.
pub(super) fn with_stats(proxy: &Proxy<'_>, last: NetworkFilter) -> Vec<NetworkFilter> {
    let stats = proxy.istio_filters().then(|| NetworkFilter::Stats(Stats::default()));
    stats.into_iter().chain([last]).collect()
}
