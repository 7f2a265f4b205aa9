//! Which VirtualServices speak of a host, and of which hosts they speak.

use super::matching;
use super::{Context, MESH};
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
