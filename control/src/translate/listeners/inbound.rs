//! What comes to the app: the chains of each of its ports, by what PeerAuthentication asks there.
//!
//! A chain is chosen by what a client's TLS OFFERS, so that mTLS of the mesh, an app's own TLS and plaintext can
//! share a port.

use std::net::SocketAddr;
use std::time::Duration;

use weft_model::http::{RouteSource, Stats};
use weft_model::limit::LocalRateLimit;
use weft_model::listener::{
    Direction, FilterChain, FilterChainMatch, Listener, ListenerFilter, NetworkFilter, TcpProxy,
};
use weft_model::matcher::{Pattern, StringMatcher};
use weft_model::route::{
    Forward, PathMatch, RetryPolicy, Route, RouteAction, RouteConfiguration, RouteMatch, VirtualHost,
};
use weft_model::tls::{DownstreamTls, SanKind, SanMatcher, Transport};

use crate::annotations;
use crate::translate::access_log::{self, Side};
use crate::translate::inbound_port::InboundPort;
use crate::translate::traffic::Traffic;
use crate::translate::{Proxy, clusters, gates, http, names, upstream_tls};
use crate::world::peer_authentication::MutualTls;
use crate::world::protocol::Protocol;
use crate::world::service::Service;

/// What clients of the mesh offer for HTTP.
pub(super) const ISTIO_HTTP: [&str; 3] = ["istio-http/1.0", "istio-http/1.1", "istio-h2"];
/// What clients of the mesh offer for bytes.
pub(super) const ISTIO_TCP: [&str; 2] = ["istio-peer-exchange", "istio"];
/// What clients of the mesh offer for anything.
const ISTIO_ANY: [&str; 5] = ["istio", "istio-peer-exchange", "istio-http/1.0", "istio-http/1.1", "istio-h2"];
/// HTTP in the clear, as an inspector calls it; that of version 1.0 is bytes to whom does not serve it.
pub(super) fn plain_http(proxy: &Proxy<'_>) -> &'static [&'static str] {
    let all = &["http/1.0", "http/1.1", "h2c"];
    if proxy.takes_http_10() { all } else { &all[1..] }
}

const SUITES: [&str; 6] = [
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-RSA-AES256-GCM-SHA384",
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-RSA-AES128-GCM-SHA256",
    "AES256-GCM-SHA384",
    "AES128-GCM-SHA256",
];

/// Without interception: one listener for each port, at the pod's own address.
pub(super) fn bound(proxy: &Proxy<'_>) -> Vec<Listener> {
    let Some(ip) = proxy.address else { return Vec::new() };
    proxy.inbound.iter().map(|port| bound_port(proxy, SocketAddr::new(ip, port.number), port)).collect()
}

fn bound_port(proxy: &Proxy<'_>, address: SocketAddr, port: &InboundPort) -> Listener {
    let name = format!("{}_{}", address.ip(), address.port());
    let mode = proxy.modes.of(port.number);
    let mut listener = Listener::new(name.clone(), address, Direction::Inbound);
    if mode != MutualTls::Disable {
        listener.listener_filters.push(ListenerFilter::TlsInspector { disabled: Vec::new() });
    }
    if port.protocol == Protocol::Auto && mode != MutualTls::Strict {
        listener.listener_filters.push(ListenerFilter::HttpInspector { disabled: Vec::new() });
    }
    listener.listener_filters_timeout = Some(detection(proxy));
    listener.continue_on_listener_filters_timeout = true;
    listener.filter_chains = Chains::of_port(proxy, port, &name).by_mode(port.protocol, mode);
    listener.access_log = access_log::no_route(proxy, Side::Server);
    listener
}

fn detection(proxy: &Proxy<'_>) -> Duration {
    proxy.world.mesh.detection_timeout
}

/// How the chains of one destination are made.
pub(super) struct Chains<'a> {
    proxy: &'a Proxy<'a>,
    name: String,
    destination_port: Option<u16>,
    cluster: String,
    stat_prefix: String,
    /// How long a connection may last that is only passed on.
    life: Option<Duration>,
    routes: RouteConfiguration,
    limit: Option<LocalRateLimit>,
}

impl<'a> Chains<'a> {
    /// The chains of one port of the app.
    pub(super) fn of_port(proxy: &'a Proxy<'a>, port: &InboundPort, name: &str) -> Self {
        let cluster = names::inbound(port.number);
        let (number, operation) = match &port.service {
            Some((service, number)) => (*number, service.at(*number)),
            None => (port.number, format!(":{}", port.number)),
        };
        let of_service =
            port.service.as_ref().map(|(service, number)| Traffic::of(proxy.rule(service), "", *number));
        let pool = clusters::inbound_pool(proxy, &of_service.unwrap_or_default());
        let retries = !matches!(port.protocol, Protocol::Grpc | Protocol::GrpcWeb);
        Self {
            proxy,
            name: name.to_owned(),
            destination_port: None,
            stat_prefix: format!("inbound_0.0.0.0_{};", port.number),
            life: pool.and_then(|pool| pool.tcp.as_ref()?.max_connection_duration).map(|span| span.0),
            routes: routes(&cluster, &cluster, number, &operation, retries),
            limit: limit(proxy, port.service.as_ref().map(|(service, _)| &**service)),
            cluster,
        }
    }

    /// The chains of whatever no service names.
    pub(super) fn passthrough(proxy: &'a Proxy<'a>) -> Self {
        let cluster = names::INBOUND_PASSTHROUGH.to_owned();
        Self {
            proxy,
            name: String::new(),
            destination_port: None,
            stat_prefix: format!("{cluster};"),
            life: None,
            routes: routes(&cluster, &cluster, 0, ":0", true),
            limit: limit(proxy, None),
            cluster,
        }
    }

    /// The same chains under another name.
    pub(super) fn named(mut self, name: String) -> Self {
        self.name = name;
        self
    }

    /// The same chains for one original destination.
    pub(super) fn at(mut self, port: u16) -> Self {
        self.destination_port = Some(port);
        self
    }

    /// By ISTIO's table of modes and protocols.
    pub(super) fn by_mode(&self, protocol: Protocol, mode: MutualTls) -> Vec<FilterChain> {
        let tcp = !protocol.is_http() && protocol != Protocol::Auto;
        match mode {
            MutualTls::Disable if tcp => vec![self.tcp("", &[], false)],
            MutualTls::Disable if protocol == Protocol::Auto => {
                vec![self.http("", plain_http(self.proxy), false), self.tcp("", &[], false)]
            }
            MutualTls::Disable => vec![self.http("", &[], false)],
            MutualTls::Strict if tcp => vec![self.tcp("tls", &[], true)],
            MutualTls::Strict if protocol == Protocol::Auto => {
                vec![self.http("tls", &ISTIO_HTTP, true), self.tcp("tls", &[], true)]
            }
            MutualTls::Strict => vec![self.http("tls", &[], true)],
            MutualTls::Permissive if tcp => vec![
                self.tcp("tls", &ISTIO_ANY, true),
                self.tcp("raw_buffer", &[], false),
                self.tcp("tls", &[], false),
            ],
            MutualTls::Permissive if protocol == Protocol::Auto => vec![
                self.http("tls", &ISTIO_HTTP, true),
                self.http("raw_buffer", plain_http(self.proxy), false),
                self.tcp("tls", &ISTIO_TCP, true),
                self.tcp("raw_buffer", &[], false),
                self.tcp("tls", &[], false),
            ],
            MutualTls::Permissive => {
                vec![self.http("tls", &ISTIO_ANY, true), self.http("raw_buffer", &[], false)]
            }
        }
    }

    fn http(&self, transport: &str, alpn: &[&str], terminates: bool) -> FilterChain {
        let routes = RouteSource::Inline(Box::new(self.routes.clone()));
        let manager = http::inbound(self.proxy, &self.stat_prefix, routes, self.limit.clone());
        let mut filters = Vec::new();
        filters.extend(metadata_exchange(self.proxy));
        filters.push(NetworkFilter::Http(Box::new(manager)));
        let name = if self.name.is_empty() { "virtualInbound-catchall-http" } else { &self.name };
        self.chain(name, transport, alpn, filters, terminates.then_some(&["h2", "http/1.1"][..]))
    }

    fn tcp(&self, transport: &str, alpn: &[&str], terminates: bool) -> FilterChain {
        let mut filters = Vec::new();
        filters.extend(metadata_exchange(self.proxy));
        filters.extend(gates::tcp(self.proxy));
        filters.extend(stats(self.proxy));
        filters.push(NetworkFilter::TcpProxy(TcpProxy {
            stat_prefix: self.cluster.clone(),
            clusters: vec![(self.cluster.clone(), 1)],
            idle_timeout: self.proxy.idle_timeout(),
            max_connection_duration: self.life,
            access_log: access_log::logs(self.proxy, Side::Server),
            ..TcpProxy::default()
        }));
        let name = if self.name.is_empty() { "virtualInbound" } else { &self.name };
        let offers: &[&str] = if self.proxy.istio_filters() {
            &["istio-peer-exchange", "h2", "http/1.1"]
        } else {
            &["h2", "http/1.1"]
        };
        self.chain(name, transport, alpn, filters, terminates.then_some(offers))
    }

    fn chain(
        &self,
        name: &str,
        transport: &str,
        alpn: &[&str],
        filters: Vec<NetworkFilter>,
        terminates: Option<&[&str]>,
    ) -> FilterChain {
        FilterChain {
            name: name.to_owned(),
            matches: FilterChainMatch {
                destination_port: self.destination_port,
                transport_protocol: transport.to_owned(),
                application_protocols: alpn.iter().map(|name| (*name).to_owned()).collect(),
                ..FilterChainMatch::default()
            },
            transport: terminates
                .map_or(Transport::Raw, |alpn| Transport::Tls(Box::new(tls(self.proxy, alpn)))),
            filters,
            ..FilterChain::default()
        }
    }
}

/// How many requests pass: what the workload says of itself, else what its service says.
fn limit(proxy: &Proxy<'_>, service: Option<&Service>) -> Option<LocalRateLimit> {
    let own = proxy.workload.as_ref().and_then(|own| annotations::limit(&own.annotations, &own.name));
    own.or_else(|| service.and_then(|service| annotations::limit(&service.annotations, &service.name)))
}

/// mTLS as the server: whoever is of this trust domain; who may do what is authorization's.
fn tls(proxy: &Proxy<'_>, alpn: &[&str]) -> DownstreamTls {
    let of_domain = |domain: &str| SanMatcher {
        kind: SanKind::Any,
        matcher: StringMatcher::from(Pattern::Prefix(format!("spiffe://{domain}/"))),
    };
    let mut common = upstream_tls::mutual(proxy.world.mesh.trust_domains().map(of_domain).collect(), alpn);
    common.cipher_suites = SUITES.iter().map(|name| (*name).to_owned()).collect();
    DownstreamTls { common, require_client_certificate: true }
}

pub(super) fn metadata_exchange(proxy: &Proxy<'_>) -> Option<NetworkFilter> {
    let protocol = || "istio-peer-exchange".to_owned();
    proxy.istio_filters().then(|| NetworkFilter::MetadataExchange { protocol: protocol() })
}

pub(super) fn stats(proxy: &Proxy<'_>) -> Option<NetworkFilter> {
    let stats = Stats { disable_host_header_fallback: true, ..Stats::default() };
    proxy.istio_filters().then_some(NetworkFilter::Stats(stats))
}

/// One route to one cluster, which tries again where nothing can have reached the app.
fn routes(name: &str, cluster: &str, port: u16, operation: &str, retries: bool) -> RouteConfiguration {
    let mut forward = Forward::to(cluster);
    forward.timeout = Some(Duration::ZERO);
    forward.grpc_timeout_cap = Some(Duration::ZERO);
    forward.grpc_timeout_in_max_stream = true;
    forward.max_stream_duration = Some(Duration::ZERO);
    forward.retry = retries.then(|| RetryPolicy {
        retry_on: "reset-before-request".to_owned(),
        num_retries: Some(2),
        ..RetryPolicy::default()
    });
    let route = Route {
        name: "default".to_owned(),
        matches: RouteMatch::path(PathMatch::Prefix("/".to_owned())),
        action: RouteAction::Forward(Box::new(forward)),
        headers: weft_model::route::HeaderOperations::default(),
        config: String::new(),
        operation: format!("{operation}/*"),
        fault: None,
        cors: None,
        limit: None,
    };
    let host = VirtualHost {
        name: format!("inbound|http|{port}"),
        domains: vec!["*".to_owned()],
        routes: vec![route],
        ..VirtualHost::default()
    };
    RouteConfiguration { name: name.to_owned(), virtual_hosts: vec![host], ..RouteConfiguration::default() }
}
