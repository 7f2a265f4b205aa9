//! The routes of the HTTP proxy: every name that the proxy hears of, with each of its ports.
//!
//! A client names its port, or means 80. So each port of a service is a virtual host of its own; names without a port
//! are those of port 80. A port that a Service does not have is refused, as its address would in a cluster. CONNECT leads
//! to the same cluster; what comes through it is sniffed, but on ports of bytes. There TLS goes by the server name that is
//! asked for in it.

mod absent;
mod server_names;

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use weft_model::route::{
    CONNECT_BYTES, CONNECT_SNIFFED, Forward, HeaderOperations, PathMatch, Route, RouteAction,
    RouteConfiguration, RouteMatch, Target, Upgrade, VirtualHost, WeightedCluster,
};

use super::{blocked, catch_all, domains, plain};
use crate::resources::mesh_config::OutboundMode;
use crate::translate::traffic::Traffic;
use crate::translate::virtual_service::ConnectionRoute;
use crate::translate::{Proxy, names, virtual_service};
use crate::world::protocol::Protocol;
use crate::world::service::{Port, Service};

/// What a client means that names no port.
const HTTP: u16 = 80;

/// A route of CONNECT to what may be HTTP.
const CONNECT: &str = "connect";

/// A service by its place among those of the scope, and one of its ports; without one: any that it does not have.
type Of = (usize, Option<u16>);

pub(super) fn routes(proxy: &Proxy<'_>) -> RouteConfiguration {
    // A name belongs to the first that claims it: a proxy refuses two virtual hosts of one domain.
    let mut taken = BTreeSet::new();
    let mut hosts = Vec::new();
    // Full names first: another service's short form must not take one.
    let mut claims: Vec<(usize, Of, String)> = Vec::new();
    for (place, service) in proxy.scope.services.iter().enumerate() {
        for (rank, name) in domains::of(service, &proxy.namespace).iter().enumerate() {
            for number in service.ports.iter().map(|port| port.number) {
                claims.push((rank, (place, Some(number)), format!("{name}:{number}")));
                if number == HTTP {
                    claims.push((rank, (place, Some(number)), name.clone()));
                }
            }
            claims.extend(absent::domains(service, name).map(|domain| (rank, (place, None), domain)));
        }
    }
    claims.sort_by_key(|(rank, ..)| *rank);
    let mut granted: HashMap<Of, Vec<String>> = HashMap::new();
    for (_, of, domain) in claims {
        if taken.insert(domain.clone()) {
            granted.entry(of).or_default().push(domain);
        }
    }
    let whole = absent::Whole::of(proxy);
    for (place, service) in proxy.scope.services.iter().enumerate() {
        let mut of = |port: Option<u16>| granted.remove(&(place, port)).unwrap_or_default();
        hosts.push(whole.host(service, of(None)));
        for port in &service.ports {
            let host = of_port(proxy, service, port, of(Some(port.number)));
            if port.protocol.is_tls() {
                hosts.extend(server_names::split(proxy, service, port, host, &mut taken));
            } else {
                hosts.push(host);
            }
        }
    }
    for number in http_ports(proxy) {
        for (name, mut routes) in virtual_service::routes_without_service(proxy, number) {
            let bare = |form: &String| (number == HTTP).then(|| form.clone());
            let forms = domains::written(&name).into_iter();
            let domains = forms.flat_map(|form| [Some(format!("{form}:{number}")), bare(&form)]).flatten();
            let domains: Vec<String> = domains.filter(|domain| taken.insert(domain.clone())).collect();
            // Behind a name without a service there is only what its routes lead to.
            if let Some(RouteAction::Forward(last)) = routes.last().map(|route| &route.action) {
                routes.insert(0, connect_as(Forward::clone(last)));
            }
            hosts.push(named(format!("{name}:{number}"), domains, routes));
        }
    }
    hosts.retain(|host| !host.domains.is_empty());
    if taken.insert("*".to_owned()) {
        let mut host = catch_all(proxy);
        let route = match proxy.scope.outbound {
            OutboundMode::AllowAny => {
                Route { name: "allow_any".to_owned(), ..connect(&names::outside(&proxy.scope)) }
            }
            OutboundMode::RegistryOnly => blocked(PathMatch::Connect),
        };
        host.routes.insert(0, route);
        hosts.push(host);
    }
    RouteConfiguration {
        name: names::HTTP_PROXY.to_owned(),
        virtual_hosts: hosts,
        ignore_port_in_host_matching: false,
        ..RouteConfiguration::default()
    }
}

/// The ports on which requests are routed.
fn http_ports(proxy: &Proxy<'_>) -> BTreeSet<u16> {
    let ports = proxy.scope.services.iter().flat_map(|service| &service.ports);
    let http = ports.filter(|port| port.protocol.is_http() || port.protocol == Protocol::Auto);
    http.map(|port| port.number).chain([HTTP]).collect()
}

fn of_port(proxy: &Proxy<'_>, service: &Service, port: &Port, domains: Vec<String>) -> VirtualHost {
    let connect = connect_to_service(proxy, service, port);
    let mut routes = Vec::new();
    if port.protocol.is_http() || port.protocol == Protocol::Auto {
        routes = virtual_service::routes(proxy, service, port);
    } else if let (Protocol::Tcp, RouteAction::Forward(to)) = (port.protocol, &connect.action) {
        // A client that takes it for HTTP sends bytes like any other: they go where the port's bytes do.
        let bytes = Forward { timeout: Some(Duration::ZERO), target: to.target.clone(), ..Forward::to("") };
        routes.push(Route { config: connect.config.clone(), ..plain("bytes", bytes) });
    }
    routes.insert(0, connect);
    named(service.at(port.number), domains, routes)
}

fn named(name: String, domains: Vec<String>, routes: Vec<Route>) -> VirtualHost {
    VirtualHost { name, domains, routes, include_request_attempt_count: true, ..VirtualHost::default() }
}

/// As VirtualServices route the port's bytes, else to the service.
fn connect_to_service(proxy: &Proxy<'_>, service: &Service, port: &Port) -> Route {
    let name = match port.protocol {
        Protocol::Auto => CONNECT_SNIFFED,
        protocol if protocol.is_http() => CONNECT,
        _ => CONNECT_BYTES,
    };
    let mut own =
        Route { name: name.to_owned(), ..connect(&names::outbound(port.number, "", &service.host)) };
    if !port.protocol.is_http() {
        last(proxy, service, port, &mut own);
    }
    if port.protocol.is_http() || port.protocol.is_tls() {
        return own;
    }
    let routes = virtual_service::connection_routes(proxy, service, port, false);
    match routes.iter().find(|route| route.takes_everything()) {
        Some(route) => led_by(route, own),
        None => own,
    }
}

/// A tunnel of bytes lasts as a connection to the service's own address would.
fn last(proxy: &Proxy<'_>, service: &Service, port: &Port, own: &mut Route) {
    let traffic = Traffic::of(proxy.rule(service), "", port.number);
    let tcp = traffic.pool.and_then(|pool| pool.tcp.as_ref());
    let RouteAction::Forward(forward) = &mut own.action else { return };
    let idle = tcp.and_then(|tcp| tcp.idle_timeout).map(|span| span.0);
    forward.idle_timeout = idle.or_else(|| proxy.idle_timeout()).or(forward.idle_timeout);
    forward.max_stream_duration = tcp.and_then(|tcp| tcp.max_connection_duration).map(|span| span.0);
}

/// `own`, but to where the VirtualService's route leads.
fn led_by(route: &ConnectionRoute, own: Route) -> Route {
    let target = match &route.clusters[..] {
        [(only, _)] => Target::Cluster(only.clone()),
        several => Target::Weighted(
            several
                .iter()
                .map(|(name, weight)| WeightedCluster {
                    name: name.clone(),
                    weight: *weight,
                    headers: HeaderOperations::default(),
                    host_rewrite: None,
                })
                .collect(),
        ),
    };
    match own.action {
        RouteAction::Forward(forward) => {
            let action = RouteAction::Forward(Box::new(Forward { target, ..*forward }));
            Route { action, config: route.config.clone(), ..own }
        }
        action => Route { action, ..own },
    }
}

/// How long nothing may move in a tunnel of bytes where nobody says it: what Envoy has for TCP, and not for CONNECT.
const IDLE: Duration = Duration::from_secs(3600);

/// CONNECT ends here; what it carries goes on as bytes, or as what it turns out to be.
fn connect(cluster: &str) -> Route {
    connect_as(Forward::to(cluster))
}

fn connect_as(to: Forward) -> Route {
    let upgrade = Upgrade { token: "CONNECT".to_owned(), enabled: true, terminate_connect: true };
    let forward = Forward {
        timeout: Some(Duration::ZERO),
        idle_timeout: Some(IDLE),
        upgrades: vec![upgrade],
        target: to.target,
        ..Forward::to("")
    };
    Route { matches: RouteMatch::path(PathMatch::Connect), ..plain(CONNECT, forward) }
}
