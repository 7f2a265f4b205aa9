//! With interception: the routes of each port that HTTP services share. The port is where the client was going, so the
//! one that it names does not count.

use std::collections::{BTreeMap, BTreeSet};

use weft_model::route::{RouteConfiguration, VirtualHost};

use super::{catch_all, domains};
use crate::translate::{Proxy, virtual_service};
use crate::world::protocol::Protocol;
use crate::world::service::{Port, Service};

/// The port on which hosts that no service is are called, as in Istio.
const HTTP: u16 = 80;

pub(super) fn all(proxy: &Proxy<'_>) -> Vec<RouteConfiguration> {
    let mut by_port: BTreeMap<u16, Vec<(&Service, &Port)>> = BTreeMap::new();
    for service in &proxy.scope.services {
        for port in service.ports.iter().filter(|port| is_shared(service, port)) {
            by_port.entry(port.number).or_default().push((service, port));
        }
    }
    if !virtual_service::routes_without_service(proxy, HTTP).is_empty() {
        by_port.entry(HTTP).or_default();
    }
    by_port.into_iter().map(|(number, services)| of_port(proxy, number, &services)).collect()
}

/// HTTP, and what is sniffed without an address of its own.
fn is_shared(service: &Service, port: &Port) -> bool {
    port.protocol.is_http()
        || (port.protocol == Protocol::Auto && service.addresses.is_empty() && !service.headless)
}

fn of_port(proxy: &Proxy<'_>, number: u16, services: &[(&Service, &Port)]) -> RouteConfiguration {
    // A full name is nobody else's short form.
    let mut taken: BTreeSet<String> = services.iter().map(|(service, _)| service.host.clone()).collect();
    let mut hosts: Vec<VirtualHost> = Vec::new();
    for (service, port) in services {
        let mut names = domains::of(service, &proxy.namespace);
        names.extend(domains::of_pods(service, &names));
        let domains: Vec<String> =
            names.into_iter().filter(|name| *name == service.host || taken.insert(name.clone())).collect();
        hosts.push(VirtualHost {
            name: service.at(number),
            domains,
            routes: virtual_service::routes(proxy, service, port),
            include_request_attempt_count: true,
            ..VirtualHost::default()
        });
    }
    for (name, routes) in virtual_service::routes_without_service(proxy, number) {
        let domains: Vec<String> =
            domains::written(&name).into_iter().filter(|domain| taken.insert(domain.clone())).collect();
        if !domains.is_empty() {
            hosts.push(VirtualHost {
                name: format!("{name}:{number}"),
                domains,
                routes,
                include_request_attempt_count: true,
                ..VirtualHost::default()
            });
        }
    }
    if taken.insert("*".to_owned()) {
        hosts.push(catch_all(proxy));
    }
    RouteConfiguration {
        name: number.to_string(),
        virtual_hosts: hosts,
        ignore_port_in_host_matching: true,
        ..RouteConfiguration::default()
    }
}
