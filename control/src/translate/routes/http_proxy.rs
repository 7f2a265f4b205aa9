//! The routes of the HTTP proxy: every name that the proxy hears of, with each of its ports.
//!
//! A client names its port, or means 80. So each port of a service is a virtual host of its own; names without a port
//! are those of port 80, else of the only port. CONNECT leads to the same cluster; what comes through it is sniffed.

use std::collections::BTreeSet;

use weft_model::route::{
    Forward, HeaderOperations, PathMatch, Route, RouteAction, RouteConfiguration, RouteMatch, Target,
    Upgrade, VirtualHost, WeightedCluster,
};

use super::{blocked, catch_all, domains, plain, unserved};
use crate::resources::mesh_config::OutboundMode;
use crate::translate::{Proxy, names, virtual_service};
use crate::world::protocol::Protocol;
use crate::world::service::{Port, Service};

pub(super) fn routes(proxy: &Proxy<'_>) -> RouteConfiguration {
    let unserved = unserved::hosts(proxy);
    let services: Vec<&Service> = proxy.scope.services.iter().map(AsRef::as_ref).chain(&unserved).collect();
    // A name belongs to the first that claims it: a proxy refuses two virtual hosts of one domain.
    let mut taken = BTreeSet::new();
    let mut hosts = Vec::new();
    // Full names first: another service's short form must not take one.
    let mut claims: Vec<(usize, &Service, &Port, String)> = Vec::new();
    for service in &services {
        let names = domains::of(service, &proxy.namespace);
        for port in service.ports.iter().filter(|port| port.protocol.is_carried()) {
            let only = service.ports.iter().filter(|port| port.protocol.is_carried()).count() == 1;
            for (rank, name) in names.iter().enumerate() {
                claims.push((rank, service, port, format!("{name}:{}", port.number)));
                if port.number == 80 || (only && !service.ports.iter().any(|other| other.number == 80)) {
                    claims.push((rank, service, port, name.clone()));
                }
            }
        }
    }
    claims.sort_by_key(|(rank, ..)| *rank);
    let mut granted: Vec<(&Service, &Port, String)> = Vec::new();
    for (_, service, port, domain) in claims {
        if taken.insert(domain.clone()) {
            granted.push((service, port, domain));
        }
    }
    for service in services {
        for port in service.ports.iter().filter(|port| port.protocol.is_carried()) {
            let mine = |claim: &&(&Service, &Port, String)| std::ptr::eq(claim.1, port);
            let domains: Vec<String> = granted.iter().filter(mine).map(|claim| claim.2.clone()).collect();
            if !domains.is_empty() {
                hosts.push(of_port(proxy, service, port, domains));
            }
        }
    }
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

fn of_port(proxy: &Proxy<'_>, service: &Service, port: &Port, domains: Vec<String>) -> VirtualHost {
    let mut routes = Vec::new();
    if port.protocol.is_http() || port.protocol == Protocol::Auto {
        routes = virtual_service::routes(proxy, service, port);
    }
    let mut tunnel = connect_to_service(proxy, service, port);
    if proxy.scope.service(&service.host).is_none()
        && let (Some(RouteAction::Forward(last)), RouteAction::Forward(tunnel)) =
            (routes.last().map(|route| &route.action), &mut tunnel.action)
    {
        // Behind a name without a service there is only what its routes lead to.
        tunnel.target = last.target.clone();
    }
    routes.insert(0, tunnel);
    VirtualHost {
        name: service.at(port.number),
        domains,
        routes,
        include_request_attempt_count: true,
        ..VirtualHost::default()
    }
}

/// As VirtualServices route the port's bytes, else to the service.
fn connect_to_service(proxy: &Proxy<'_>, service: &Service, port: &Port) -> Route {
    let own = connect(&names::outbound(port.number, "", &service.host));
    if port.protocol.is_http() {
        return own;
    }
    let routes = virtual_service::connection_routes(proxy, service, port, false);
    let Some(route) = routes.into_iter().find(|route| route.takes_everything()) else { return own };
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
            Route { action, config: route.config, ..own }
        }
        action => Route { action, ..own },
    }
}

/// CONNECT ends here; what it carries goes on as bytes, or as what it turns out to be.
fn connect(cluster: &str) -> Route {
    let mut forward = Forward::to(cluster);
    forward.timeout = Some(std::time::Duration::ZERO);
    forward.upgrades = vec![Upgrade { token: "CONNECT".to_owned(), enabled: true, terminate_connect: true }];
    Route {
        matches: RouteMatch::path(PathMatch::Connect),
        action: RouteAction::Forward(Box::new(forward.clone())),
        ..plain("connect", forward)
    }
}
