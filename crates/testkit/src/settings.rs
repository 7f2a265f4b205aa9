//! Configuration by hand, in the few shapes that traffic tests need.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use weft_model::cluster::{Balancing, Cluster, Discovery, LbPolicy, OutlierDetection};
use weft_model::endpoint::{Address, Endpoint, Health, LoadAssignment, LocalityEndpoints};
use weft_model::http::{
    ClientCertDetails, ForwardClientCert, HttpConnectionManager, HttpFilter, PathNormalization, RouteSource,
};
use weft_model::listener::{Direction, FilterChain, Listener, ListenerFilter, NetworkFilter, TcpProxy};
use weft_model::matcher::{Pattern, StringMatcher};
use weft_model::route::{
    Forward, PathMatch, RouteAction, RouteConfiguration, RouteMatch, Upgrade, VirtualHost,
};
use weft_model::tls::{
    CertificateSource, CommonTls, DownstreamTls, Roots, SanKind, SanMatcher, SecretRef, Transport,
    UpstreamTls, Validation,
};

fn sds(name: &str) -> SecretRef {
    SecretRef { name: name.to_owned(), over_ads: false }
}

/// A cluster of these addresses, without TLS.
pub fn cluster(name: &str, addresses: &[SocketAddr]) -> Cluster {
    let endpoint = |address: &SocketAddr| Endpoint {
        address: Address::Socket(*address),
        weight: 1,
        health: Health::Unknown,
        transport_match: BTreeMap::new(),
        workload: String::new(),
        hostname: String::new(),
    };
    Cluster {
        name: name.to_owned(),
        discovery: Discovery::Static,
        load_assignment: Some(LoadAssignment {
            cluster: name.to_owned(),
            localities: vec![LocalityEndpoints {
                endpoints: addresses.iter().map(endpoint).collect(),
                ..LocalityEndpoints::default()
            }],
            overprovisioning_factor: None,
        }),
        balancing: Balancing { policy: LbPolicy::RoundRobin, ..Balancing::default() },
        connect_timeout: Some(Duration::from_secs(2)),
        ..Cluster::default()
    }
}

/// Ejects an endpoint after so many failures in a row, whoever is left, and for longer than any test lasts.
pub fn ejects_after(failures: u32) -> OutlierDetection {
    OutlierDetection {
        consecutive_5xx: Some(failures),
        max_ejection_percent: Some(100),
        base_ejection_time: Some(Duration::from_secs(600)),
        ..OutlierDetection::default()
    }
}

/// mTLS to a server that must be `server`.
pub fn mtls_to(server: &str) -> Transport<UpstreamTls> {
    Transport::Tls(Box::new(UpstreamTls {
        common: CommonTls {
            certificates: vec![CertificateSource::Sds(sds("default"))],
            validation: Validation {
                roots: Some(Roots::Sds(sds("ROOTCA"))),
                match_sans: vec![SanMatcher { kind: SanKind::Uri, matcher: StringMatcher::exact(server) }],
            },
            alpn: vec!["istio-peer-exchange".into(), "istio".into()],
            ..CommonTls::default()
        },
        sni: "outbound_.80_._.app".into(),
        ..UpstreamTls::default()
    }))
}

/// mTLS from anybody of the mesh.
pub fn mtls_from_mesh(alpn: &[&str]) -> Transport<DownstreamTls> {
    Transport::Tls(Box::new(DownstreamTls {
        common: CommonTls {
            certificates: vec![CertificateSource::Sds(sds("default"))],
            validation: Validation {
                roots: Some(Roots::Sds(sds("ROOTCA"))),
                match_sans: vec![SanMatcher {
                    kind: SanKind::Uri,
                    matcher: Pattern::Prefix("spiffe://cluster.local/".into()).into(),
                }],
            },
            alpn: alpn.iter().map(|p| (*p).to_owned()).collect(),
            ..CommonTls::default()
        },
        require_client_certificate: true,
    }))
}

/// One route to one cluster.
pub fn route(name: &str, prefix: &str, forward: Forward) -> weft_model::route::Route {
    weft_model::route::Route::new(
        name,
        RouteMatch::path(PathMatch::Prefix(prefix.to_owned())),
        RouteAction::Forward(Box::new(forward)),
    )
}

/// Every host, these routes.
pub fn routes(name: &str, routes: Vec<weft_model::route::Route>) -> RouteConfiguration {
    RouteConfiguration {
        name: name.to_owned(),
        virtual_hosts: vec![VirtualHost {
            name: "all".into(),
            domains: vec!["*".into()],
            routes,
            include_request_attempt_count: true,
            ..VirtualHost::default()
        }],
        ..RouteConfiguration::default()
    }
}

/// To one cluster, without a time limit.
pub fn forward(cluster: &str) -> Forward {
    let mut forward = Forward::to(cluster);
    forward.timeout = Some(Duration::ZERO);
    forward
}

/// A connection manager as Istio's are: `inbound` tells the app who calls.
pub fn manager(
    inbound: bool,
    configuration: RouteConfiguration,
    filters: Vec<HttpFilter>,
) -> HttpConnectionManager {
    let mut all = filters;
    all.push(HttpFilter::Router);
    let mut manager = HttpConnectionManager::new("test", RouteSource::Inline(Box::new(configuration)), all);
    manager.path = PathNormalization { normalize: true, ..PathNormalization::default() };
    manager.upgrades = vec![Upgrade { token: "websocket".into(), enabled: true, terminate_connect: false }];
    if inbound {
        manager.client_cert = ForwardClientCert::AppendForward;
        manager.client_cert_details = ClientCertDetails { subject: true, uri: true, dns: true, cert: false };
        manager.server_name = "weft".into();
    }
    manager
}

/// A listener with one HTTP chain.
pub fn http(
    name: &str,
    address: SocketAddr,
    direction: Direction,
    transport: Transport<DownstreamTls>,
    manager: HttpConnectionManager,
) -> Listener {
    let mut listener = Listener::new(name, address, direction);
    if !matches!(transport, Transport::Raw) {
        listener.listener_filters.push(ListenerFilter::TlsInspector { disabled: Vec::new() });
    }
    let mut chain = FilterChain { name: name.to_owned(), transport, ..FilterChain::default() };
    if matches!(chain.transport, Transport::Tls(_)) {
        chain.matches.transport_protocol = "tls".into();
    }
    chain.filters = vec![NetworkFilter::Http(Box::new(manager))];
    listener.filter_chains.push(chain);
    listener
}

/// A listener with one TCP chain, its filters before the proxy.
pub fn tcp(
    name: &str,
    address: SocketAddr,
    direction: Direction,
    transport: Transport<DownstreamTls>,
    before: Vec<NetworkFilter>,
    cluster: &str,
) -> Listener {
    let mut listener = Listener::new(name, address, direction);
    let mut chain = FilterChain { name: name.to_owned(), transport, ..FilterChain::default() };
    chain.filters = before;
    chain.filters.push(NetworkFilter::TcpProxy(TcpProxy {
        clusters: vec![(cluster.to_owned(), 1)],
        ..TcpProxy::default()
    }));
    listener.filter_chains.push(chain);
    listener
}
