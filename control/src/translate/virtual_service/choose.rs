//! Which VirtualServices speak of a host, and of which hosts they speak.

use weft_model::route::Route;

use super::{Context, MESH, http_routes, matching};
use crate::resources::Object;
use crate::resources::virtual_service::{Destination, VirtualService};
use crate::world::host;

/// The VirtualServices that speak of `host` to this proxy, in the order in which they are to be tried: the first that
/// has a route for the proxy's port has the host, and the others have no say. An exact name comes before a wildcard, a
/// longer wildcard before a shorter one, and the older before the younger.
pub fn of_host<'a>(
    services: impl IntoIterator<Item = &'a Object<VirtualService>>,
    host: &str,
    context: &Context<'_>,
) -> Vec<&'a Object<VirtualService>> {
    let mut found: Vec<((bool, usize), &Object<VirtualService>)> = Vec::new();
    for service in services {
        let namespace = &service.meta.namespace;
        if !is_for(service, context) {
            continue;
        }
        let patterns = service.spec.hosts.iter().map(|written| host::full(written, namespace));
        let best =
            patterns.filter(|pattern| host::covers(pattern, host)).map(|of| host::specificity(&of)).max();
        found.extend(best.map(|best| (best, service)));
    }
    found.sort_by(|(a, of_a), (b, of_b)| b.cmp(a).then_with(|| age(of_a).cmp(&age(of_b))));
    found.into_iter().map(|(_, service)| service).collect()
}

/// Older is less; of the same age, by name.
pub(super) fn age(service: &Object<VirtualService>) -> (crate::resources::Age, &str, &str) {
    (service.meta.age, &service.meta.name, &service.meta.namespace)
}

fn is_for(service: &Object<VirtualService>, context: &Context<'_>) -> bool {
    if service.spec.gateways.is_empty() {
        return context.gateways.contains(&MESH);
    }
    matching::is_gateway(&service.spec.gateways, &service.meta.namespace, context)
}

/// The hosts that no service has, with what VirtualServices say of them to this proxy at its port: the first that names
/// a host has it. Where a VirtualService names services too, such a host is called at their ports, else at port 80.
/// `known` are the hosts of all services that the proxy hears of.
pub fn without_service<'a>(
    services: impl IntoIterator<Item = &'a Object<VirtualService>>,
    known: &[&str],
    context: &Context<'_>,
) -> Vec<(String, Vec<Route>)> {
    let mut found: Vec<(String, Vec<Route>)> = Vec::new();
    let mut services: Vec<_> = services.into_iter().filter(|service| is_for(service, context)).collect();
    services.sort_by(|a, b| age(a).cmp(&age(b)));
    for service in services {
        let hosts = service.spec.hosts.iter().map(|written| host::full(written, &service.meta.namespace));
        let of_services = |pattern: &str| -> Vec<&str> {
            known.iter().copied().filter(|known| host::covers(pattern, known)).collect()
        };
        let (named, alone): (Vec<String>, Vec<String>) =
            hosts.partition(|host| !of_services(host).is_empty());
        let mut ports =
            named.iter().flat_map(|pattern| of_services(pattern)).filter_map(context.ports_of).flatten();
        let is_here =
            if named.is_empty() { context.port == 80 } else { ports.any(|port| port == context.port) };
        let routes = if is_here && !alone.is_empty() { http_routes(service, context) } else { Vec::new() };
        if routes.is_empty() {
            continue;
        }
        for host in alone {
            if !found.iter().any(|(other, _)| *other == host) {
                found.push((host, routes.clone()));
            }
        }
    }
    found
}

/// Every destination of a VirtualService, with its place and its host's full name: for whoever knows which exist.
pub fn destinations(service: &Object<VirtualService>) -> Vec<(String, String, &Destination)> {
    let spec = &service.spec;
    let mut all: Vec<(String, &Destination)> = Vec::new();
    for (at, route) in spec.http.iter().enumerate() {
        let at = format!("spec.http[{at}]");
        let to = route.route.iter().map(|to| &to.destination).enumerate();
        all.extend(to.map(|(to, destination)| (format!("{at}.route[{to}].destination"), destination)));
        all.extend(route.mirror.iter().map(|mirror| (format!("{at}.mirror"), mirror)));
        let mirrors = route.mirrors.iter().map(|mirror| &mirror.destination).enumerate();
        all.extend(mirrors.map(|(to, destination)| (format!("{at}.mirrors[{to}].destination"), destination)));
    }
    let tcp = spec.tcp.iter().map(|route| &route.route).enumerate().map(|(at, to)| ("tcp", at, to));
    let tls = spec.tls.iter().map(|route| &route.route).enumerate().map(|(at, to)| ("tls", at, to));
    for (kind, at, routes) in tcp.chain(tls) {
        let each = routes.iter().enumerate();
        all.extend(
            each.map(|(to, of)| (format!("spec.{kind}[{at}].route[{to}].destination"), &of.destination)),
        );
    }
    let named = all.into_iter();
    named.map(|(at, to)| (at, host::full(&to.host, &service.meta.namespace), to)).collect()
}
