//! TCP and TLS routes: where connections go by what is known before their first byte, or by their server name.

use std::collections::BTreeSet;
use std::net::IpAddr;

use ipnet::IpNet;

use super::{Context, action, config, matching};
use crate::resources::Object;
use crate::resources::virtual_service::{RouteDestination, VirtualService};

/// One chain of filters to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectionRoute {
    /// The server names; none: any.
    pub server_names: Vec<String>,
    /// The destination's addresses; none: the service's own.
    pub subnets: Vec<IpNet>,
    /// Clusters by weight; an only one has weight 1.
    pub clusters: Vec<(String, u32)>,
    /// Several destinations were written, even if one is left.
    pub weighted: bool,
    /// The VirtualService that it was made from.
    pub config: String,
}

impl ConnectionRoute {
    /// Whether it takes every connection, so that none is left for the service itself.
    pub fn takes_everything(&self) -> bool {
        self.server_names.is_empty() && self.subnets.is_empty()
    }
}

/// The routes of a TCP port, for the VirtualServices of its host in their order; the last takes everything, or the
/// service itself follows. None is written behind one that takes everything.
pub fn tcp_routes(services: &[&Object<VirtualService>], context: &Context<'_>) -> Vec<ConnectionRoute> {
    let mut routes = Vec::new();
    for service in services {
        for written in &service.spec.tcp {
            let mut subnets = Vec::new();
            let mut takes_everything = written.matches.is_empty();
            for condition in &written.matches {
                let is_here = (condition.gateways.is_empty()
                    || matching::is_gateway(&condition.gateways, &service.meta.namespace, context))
                    && matching::has(context.labels, &condition.source_labels)
                    && matching::is_in(&condition.source_namespace, context)
                    && is_port(condition.port, context);
                if is_here && condition.destination_subnets.is_empty() {
                    takes_everything = true;
                    break;
                }
                if is_here {
                    subnets.extend(networks(&condition.destination_subnets));
                }
            }
            if takes_everything {
                routes.extend(route(service, &written.route, Vec::new(), Vec::new(), context));
                return routes;
            }
            if !subnets.is_empty() {
                routes.extend(route(service, &written.route, Vec::new(), subnets, context));
            }
        }
    }
    routes
}

/// The routes of a TLS port whose connections stay closed: by server name. Of two that ask for the same the first wins.
pub fn tls_routes(services: &[&Object<VirtualService>], context: &Context<'_>) -> Vec<ConnectionRoute> {
    let mut routes = Vec::new();
    let mut asked = BTreeSet::new();
    for service in services {
        for written in &service.spec.tls {
            for condition in &written.matches {
                let is_here = (condition.gateways.is_empty()
                    || matching::is_gateway(&condition.gateways, &service.meta.namespace, context))
                    && matching::has(context.labels, &condition.source_labels)
                    && matching::is_in(&condition.source_namespace, context)
                    && is_port(condition.port, context);
                let names: Vec<String> =
                    condition.sni_hosts.iter().map(|name| name.to_ascii_lowercase()).collect();
                if is_here && asked.insert((names.clone(), condition.destination_subnets.clone())) {
                    let subnets = networks(&condition.destination_subnets).collect();
                    routes.extend(route(service, &written.route, names, subnets, context));
                }
            }
        }
    }
    routes
}

fn is_port(port: u32, context: &Context<'_>) -> bool {
    port == 0 || port == u32::from(context.port)
}

fn networks(written: &[String]) -> impl Iterator<Item = IpNet> + '_ {
    let network = |text: &String| text.parse().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from));
    written.iter().filter_map(network)
}

/// `None` if no destination has a share.
fn route(
    service: &Object<VirtualService>,
    to: &[RouteDestination],
    server_names: Vec<String>,
    subnets: Vec<IpNet>,
    context: &Context<'_>,
) -> Option<ConnectionRoute> {
    let cluster =
        |to: &RouteDestination| action::destination(&to.destination, &service.meta.namespace, context);
    let clusters: Vec<(String, u32)> = match to {
        [only] => vec![(cluster(only), 1)],
        several => {
            let share =
                |to: &RouteDestination| to.weight.and_then(|weight| u32::try_from(weight).ok()).unwrap_or(0);
            several.iter().map(|to| (cluster(to), share(to))).filter(|(_, weight)| *weight > 0).collect()
        }
    };
    let weighted = to.len() > 1;
    let config = config(service);
    (!clusters.is_empty()).then_some(ConnectionRoute { server_names, subnets, clusters, weighted, config })
}
