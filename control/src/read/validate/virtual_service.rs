//! VirtualService, as a whole and by its routes' lists.

use std::collections::HashSet;

use crate::read::finding::Findings;
use crate::read::path::Path;
use crate::resources::virtual_service::{
    Destination, L4Match, RouteDestination, TcpRoute, TlsRoute, VirtualService,
};

mod http;

pub(super) use http::retries;

/// Checks a VirtualService.
pub(in crate::read) fn check(service: &VirtualService, into: &mut Findings) {
    let root = Path::ROOT;
    let spec = root.key("spec");
    hosts(service, &spec, into);
    super::host::export_to(&service.export_to, &spec.key("exportTo"), into);
    gateways(&service.gateways, &spec.key("gateways"), into);
    if service.http.is_empty() && service.tls.is_empty() && service.tcp.is_empty() {
        into.error(&spec, "no route: one of http, tls and tcp is needed");
    }
    let at = spec.key("http");
    for (index, route) in service.http.iter().enumerate() {
        http::route(route, &at.index(index), into);
    }
    unreachable(service.http.iter().map(|route| route.matches.is_empty()), &at, into);
    let at = spec.key("tls");
    for (index, route) in service.tls.iter().enumerate() {
        tls(route, &at.index(index), into);
    }
    let at = spec.key("tcp");
    for (index, route) in service.tcp.iter().enumerate() {
        tcp(route, &at.index(index), into);
    }
    unreachable(service.tcp.iter().map(|route| route.matches.is_empty()), &at, into);
}

fn hosts(service: &VirtualService, spec: &Path<'_>, into: &mut Findings) {
    let at = spec.key("hosts");
    if service.hosts.is_empty() {
        into.error(spec, "`hosts` is missing");
        into.hint("without hosts it could only be delegated to, and weft refuses delegation");
    }
    let mut seen = HashSet::new();
    for (index, host) in service.hosts.iter().enumerate() {
        if !super::network::is_address(host)
            && let Err(why) = super::host::wildcard(host)
        {
            into.error(&at.index(index), why);
        }
        if !seen.insert(host.to_ascii_lowercase()) {
            into.error(&at.index(index), format!("{host:?} stands here a second time"));
        }
        if host == "*" && is_of_mesh(service) {
            into.error(
                &at.index(index),
                "* is every service of the mesh, which Istio allows for gateways alone: all calls would take these routes",
            );
            into.hint(
                "name the hosts; *.shop.svc.cluster.local is every service of namespace shop; or name a Gateway in `gateways`, and not mesh",
            );
        }
    }
}

/// Sidecars go by it: without `gateways` it is for them alone.
fn is_of_mesh(service: &VirtualService) -> bool {
    service.gateways.is_empty() || service.gateways.iter().any(|gateway| gateway == "mesh")
}

/// The first match wins, so nothing comes after a route that matches everything.
fn unreachable(matches_all: impl Iterator<Item = bool>, at: &Path<'_>, into: &mut Findings) {
    let all: Vec<bool> = matches_all.collect();
    if let Some(catch_all) = all.iter().position(|all| *all)
        && catch_all + 1 < all.len()
    {
        into.warning(
            &at.index(catch_all),
            "it has no match and takes everything: the routes after it are never reached",
        );
    }
}

fn gateways(gateways: &[String], at: &Path<'_>, into: &mut Findings) {
    for (index, gateway) in gateways.iter().enumerate() {
        let (namespace, name) = gateway.split_once('/').unwrap_or(("default", gateway));
        if super::names::label(namespace).is_err() || super::names::subdomain(name).is_err() {
            into.error(
                &at.index(index),
                format!("{gateway:?} is not `mesh`, a Gateway's name, or namespace/name"),
            );
        }
    }
}

fn destination(destination: &Destination, at: &Path<'_>, into: &mut Findings) {
    if destination.host == "*" {
        into.error(&at.key("host"), "a destination is one host, not all");
    } else if let Err(why) = super::host::wildcard(&destination.host) {
        let host = at.key("host");
        into.error(if destination.host.is_empty() { at } else { &host }, why);
    }
    if let Some(port) = &destination.port {
        super::port::number(port.number, &at.key("port").key("number"), into);
    }
    if !destination.subset.is_empty()
        && let Err(why) = super::names::label(&destination.subset.to_ascii_lowercase())
    {
        into.error(&at.key("subset"), why);
    }
}

/// Shares of several destinations: none negative, not all zero.
fn weights(weights: &[Option<i32>], at: &Path<'_>, into: &mut Findings) {
    for (index, weight) in weights.iter().enumerate() {
        let at = at.index(index);
        match weight {
            Some(weight) => super::share::not_negative(*weight, &at.key("weight"), into),
            None if weights.len() > 1 => {
                into.warning(&at, "without a weight this destination gets nothing");
            }
            None => {}
        }
    }
    let total: i64 = weights.iter().map(|weight| i64::from(weight.unwrap_or(0).max(0))).sum();
    if weights.len() > 1 && total == 0 {
        into.error(at, "the weights add up to nothing");
    } else if total > i64::from(u32::MAX) {
        into.error(at, "the weights add up to more than 2^32");
    }
}

fn tls(route: &TlsRoute, at: &Path<'_>, into: &mut Findings) {
    if route.matches.is_empty() {
        into.error(at, "`match` is missing: a TLS route is chosen by its sniHosts");
    }
    for (index, condition) in route.matches.iter().enumerate() {
        let list = at.key("match");
        let at = list.index(index);
        if condition.sni_hosts.is_empty() {
            into.error(&at, "`sniHosts` is missing");
        }
        for (index, host) in condition.sni_hosts.iter().enumerate() {
            if let Err(why) = super::host::wildcard(host) {
                into.error(&at.key("sniHosts").index(index), why);
            }
        }
        let rest = L4Match {
            destination_subnets: condition.destination_subnets.clone(),
            port: condition.port,
            source_labels: condition.source_labels.clone(),
            gateways: condition.gateways.clone(),
            source_namespace: condition.source_namespace.clone(),
            source_subnet: String::new(),
        };
        l4(&rest, &at, into);
    }
    destinations(&route.route, at, into);
}

fn tcp(route: &TcpRoute, at: &Path<'_>, into: &mut Findings) {
    for (index, condition) in route.matches.iter().enumerate() {
        l4(condition, &at.key("match").index(index), into);
    }
    destinations(&route.route, at, into);
}

fn l4(condition: &L4Match, at: &Path<'_>, into: &mut Findings) {
    if condition.port != 0 {
        super::port::number(condition.port, &at.key("port"), into);
    }
    super::network::networks(&condition.destination_subnets, &at.key("destinationSubnets"), into);
    if !condition.source_subnet.is_empty()
        && let Err(why) = super::network::network(&condition.source_subnet)
    {
        into.error(&at.key("sourceSubnet"), why);
    }
    source(&condition.source_labels, &condition.source_namespace, &condition.gateways, at, into);
}

/// What every kind of match can ask of the caller.
fn source(
    labels: &std::collections::BTreeMap<String, String>,
    namespace: &str,
    names: &[String],
    at: &Path<'_>,
    into: &mut Findings,
) {
    super::names::label_map(labels, &at.key("sourceLabels"), into);
    gateways(names, &at.key("gateways"), into);
    if !namespace.is_empty()
        && let Err(why) = super::names::label(namespace)
    {
        into.error(&at.key("sourceNamespace"), why);
    }
}

fn destinations(routes: &[RouteDestination], at: &Path<'_>, into: &mut Findings) {
    if routes.is_empty() {
        into.error(at, "`route` is missing");
    }
    let list = at.key("route");
    for (index, route) in routes.iter().enumerate() {
        destination(&route.destination, &list.index(index).key("destination"), into);
    }
    weights(&routes.iter().map(|route| route.weight).collect::<Vec<_>>(), &list, into);
}
