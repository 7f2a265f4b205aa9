//! Ports that a Service does not have. In a cluster nobody takes connections to them; here they are refused in words, and
//! the name does not lead to whoever has it outside.

use std::collections::HashSet;
use std::sync::Arc;

use weft_model::route::{Forward, NO_PORT, PathMatch, Route, RouteAction, RouteMatch, VirtualHost};

use super::super::plain;
use super::HTTP;
use crate::translate::{Proxy, names};
use crate::world::service::{Registry, Service};

/// What asks for such a port of `service` by `name`. Of hosts outside nobody here knows all ports, be they a Service's
/// (ExternalName).
pub(super) fn domains(service: &Service, name: &str) -> impl Iterator<Item = String> + use<> {
    let is_ours = service.registry == Registry::Kubernetes && !service.external;
    let bare = (is_ours && service.port(HTTP).is_none()).then(|| name.to_owned());
    bare.into_iter().chain(is_ours.then(|| format!("{name}:*")))
}

/// The services that a proxy hears of with all their ports, by their place in memory.
pub(super) struct Whole(HashSet<usize>);

impl Whole {
    pub(super) fn of(proxy: &Proxy<'_>) -> Self {
        Self(proxy.world.services.iter().map(|service| Arc::as_ptr(service).addr()).collect())
    }

    /// Says so of `service`, and which ports it has.
    pub(super) fn host(&self, service: &Arc<Service>, domains: Vec<String>) -> VirtualHost {
        let name = match service.registry {
            Registry::Kubernetes => format!("{}.{}", service.name, service.namespace),
            Registry::External => service.host.clone(),
        };
        let known: Vec<String> =
            service.ports.iter().map(|port| format!("{} ({})", port.number, port.protocol.word())).collect();
        let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
        let why = if self.0.contains(&Arc::as_ptr(service).addr()) {
            format!("service {name} has no such port; it has {known}")
        } else {
            format!("a Sidecar leaves this workload no such port of service {name}; it leaves it {known}")
        };
        let route = |path: PathMatch| Route {
            action: RouteAction::DirectResponse { status: 503, body: why.clone().into_bytes() },
            matches: RouteMatch::path(path),
            ..plain(NO_PORT, Forward::to(names::BLACK_HOLE))
        };
        let routes = [PathMatch::Connect, PathMatch::Prefix("/".to_owned())].map(route).to_vec();
        VirtualHost { name: service.host.clone(), domains, routes, ..VirtualHost::default() }
    }
}
