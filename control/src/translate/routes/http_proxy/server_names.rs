//! TLS routes of VirtualServices (`tls`, by `sniHosts`) in terms of CONNECT. A port's filter chains become virtual hosts,
//! whose domains are the server names with the port's own virtual host behind them ([`SERVER_NAMES`]): by these weft's proxy
//! routes what the ClientHello in a tunnel asks for. A tunnel without one goes by the name that the CONNECT is for: so each
//! of a port's names is routed by what matches it as a server name, and names that a wildcard service covers become
//! domains where a route speaks of them.

use std::collections::BTreeSet;

use weft_model::route::{SERVER_NAMES, VirtualHost};
use weft_model::table::route::without_port;

use super::led_by;
use crate::translate::Proxy;
use crate::translate::virtual_service::{ConnectionRoute, connection_routes};
use crate::world::host;
use crate::world::service::{Port, Service};

/// The virtual host of a TLS port, and beside it those of the names that a TLS route takes elsewhere.
pub(super) fn split(
    proxy: &Proxy<'_>,
    service: &Service,
    port: &Port,
    mut own: VirtualHost,
    taken: &mut BTreeSet<String>,
) -> Vec<VirtualHost> {
    let routes = connection_routes(proxy, service, port, true);
    // An address within the service's own is where the connection goes; CONNECT by name does not tell it.
    let routes: Vec<&ConnectionRoute> = routes.iter().filter(|route| route.subnets.is_empty()).collect();
    let mut beside: Vec<Vec<String>> = vec![Vec::new(); routes.len()];
    own.domains.retain(|domain| {
        let best = best(&routes, without_port(domain).trim_end_matches('.'));
        if let Some(place) = best {
            beside[place].push(domain.clone());
        }
        best.is_none()
    });
    for (place, route) in routes.iter().enumerate() {
        let covered = |name: &&String| **name != service.host && host::covers(&service.host, name);
        for name in route.server_names.iter().filter(covered) {
            let domain = format!("{name}:{}", port.number);
            if taken.insert(domain.clone()) {
                beside[place].push(domain);
            }
        }
    }
    let mut within = |name: &str| {
        let domain = format!("{name}{SERVER_NAMES}{}", own.name);
        taken.insert(domain.clone()).then_some(domain)
    };
    for (domains, route) in beside.iter_mut().zip(&routes) {
        domains.extend(route.server_names.iter().filter_map(|name| within(name)));
    }
    // The names of none of them.
    let rest = if routes.is_empty() { None } else { within("*") };
    own.domains.extend(rest);
    let mut hosts = Vec::new();
    for (route, domains) in routes.iter().zip(beside) {
        let (Some(first), false) = (route.server_names.first(), domains.is_empty()) else { continue };
        let mut routes = own.routes.clone();
        routes[0] = led_by(route, routes[0].clone());
        hosts.push(VirtualHost {
            name: format!("{first}{SERVER_NAMES}{}", own.name),
            domains,
            routes,
            ..own.clone()
        });
    }
    hosts.insert(0, own);
    hosts
}

/// As filter chains are chosen: the most specific name counts, of two the first.
fn best(routes: &[&ConnectionRoute], name: &str) -> Option<usize> {
    let of = |route: &ConnectionRoute| {
        let names = route.server_names.iter().filter(|pattern| host::covers(pattern, name));
        names.map(|pattern| host::specificity(pattern)).max()
    };
    let ranked = routes.iter().enumerate().filter_map(|(place, route)| Some((of(route)?, place)));
    ranked.max_by_key(|(rank, place)| (*rank, std::cmp::Reverse(*place))).map(|(_, place)| place)
}
