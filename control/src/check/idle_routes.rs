//! Routes of VirtualServices that take nothing: of a protocol that no port of the host speaks, for a port that it does not
//! have, for a host that is a slip of the pen.

use std::sync::Arc;

use super::{Checked, listed};
use crate::read::nearest;
use crate::resources::Object;
use crate::resources::virtual_service::VirtualService;
use crate::translate::virtual_service;
use crate::world::host;
use crate::world::protocol::Protocol;
use crate::world::service::Service;

const KIND: &str = "VirtualService";

/// One list of routes: its name, what ports it is for, and each match's place, port and gateways.
struct Routes<'v> {
    list: &'static str,
    takes: fn(Protocol) -> bool,
    spoken: &'static str,
    count: usize,
    matches: Vec<(usize, usize, u32, &'v [String])>,
}

impl Checked<'_> {
    pub(super) fn idle_routes(&mut self, object: &Object<VirtualService>) {
        if !virtual_service::is_for_sidecars(object) {
            return;
        }
        let namespace = object.meta.namespace.as_str();
        let mut services: Vec<Arc<Service>> = Vec::new();
        let mut all_are_known = true;
        for (place, written) in object.spec.hosts.iter().enumerate() {
            let named = host::full(written, namespace);
            let known = self.world.services.iter().filter(|service| {
                service.export_to.sees(namespace)
                    && (host::overlap(&named, &service.host) || service.aliases.contains(&named))
            });
            let before = services.len();
            services.extend(known.cloned());
            if services.len() == before {
                all_are_known = false;
                self.unknown_host(object, place, &named);
            }
        }
        // A name that is no service's may be called at any port.
        if !all_are_known || services.iter().all(|service| service.ports.is_empty()) {
            return;
        }
        for routes in lists(&object.spec) {
            self.routes(object, &services, &routes);
        }
    }

    /// A name that no service has may be meant; one that is nearly a service's is not.
    fn unknown_host(&mut self, object: &Object<VirtualService>, place: usize, named: &str) {
        let namespace = object.meta.namespace.as_str();
        let mut labels = named.split('.');
        let (name, of) = (labels.next().unwrap_or_default(), labels.next());
        let rest: Vec<&str> = labels.collect();
        let services = || self.world.services.iter().filter(|service| service.name != service.host);
        let is_full = named.ends_with(&format!(".svc.{}", host::DOMAIN));
        // `web.shop` is no name of a service as `web` is: it stands for itself.
        let short = services().find(|service| {
            !is_full
                && matches!(rest[..], [] | ["svc"])
                && service.name == name
                && of == Some(&service.namespace)
        });
        let elsewhere = || services().find(|service| is_full && service.name == name);
        let here = || {
            let here = services().filter(|service| is_full && of == Some(&service.namespace));
            let near = nearest(name, here.map(|service| service.name.as_str()))?;
            services().find(|service| of == Some(&service.namespace) && service.name == near)
        };
        let Some(meant) = short.or_else(here).or_else(elsewhere) else { return };
        let is_own = meant.namespace == namespace && short.is_none();
        let hint = format!("did you mean {}?", if is_own { &meant.name } else { &meant.host });
        let message = format!(
            "no service that namespace {namespace} sees is {named}: for no service these routes hold"
        );
        self.warn(KIND, object, format!("spec.hosts[{place}]"), message, Some(hint));
    }

    fn routes(&mut self, object: &Object<VirtualService>, services: &[Arc<Service>], routes: &Routes<'_>) {
        let list = routes.list;
        let ports = || services.iter().flat_map(|service| &service.ports);
        let known = listed(ports().map(|port| format!("{} ({})", port.number, port.protocol.word())));
        let hosts = object.spec.hosts.join(", ");
        let of_mesh = |gateways: &[String]| {
            gateways.is_empty() || gateways.iter().any(|gateway| gateway == virtual_service::MESH)
        };
        let matches: Vec<_> = routes.matches.iter().filter(|(.., gateways)| of_mesh(gateways)).collect();
        // Routes without a match are for all ports.
        let is_heard = routes.count > 0 && (routes.matches.is_empty() || !matches.is_empty());
        if is_heard && !ports().any(|port| (routes.takes)(port.protocol)) {
            let message = format!("{hosts} has no port of {}: these routes take nothing", routes.spoken);
            let hint = format!(
                "its ports are {known}; a port's name (http-..., tcp-...) or appProtocol says what it is"
            );
            self.warn(KIND, object, format!("spec.{list}"), message, Some(hint));
            return;
        }
        for (route, place, number, _) in matches.into_iter().filter(|(_, _, number, _)| *number != 0) {
            let mut found = ports().filter(|port| u32::from(port.number) == *number).peekable();
            let message = if found.peek().is_none() {
                format!("{hosts} does not expose port {number}: this match takes nothing")
            } else if !found.any(|port| (routes.takes)(port.protocol)) {
                format!("port {number} of {hosts} is none of {}: this match takes nothing", routes.spoken)
            } else {
                continue;
            };
            let path = format!("spec.{list}[{route}].match[{place}].port");
            self.warn(KIND, object, path, message, Some(format!("its ports are {known}")));
        }
    }
}

fn lists(spec: &VirtualService) -> [Routes<'_>; 3] {
    let http = spec.http.iter().enumerate().flat_map(|(route, of)| {
        of.matches.iter().enumerate().map(move |(at, of)| (route, at, of.port, &of.gateways[..]))
    });
    let tcp = spec.tcp.iter().enumerate().flat_map(|(route, of)| {
        of.matches.iter().enumerate().map(move |(at, of)| (route, at, of.port, &of.gateways[..]))
    });
    let tls = spec.tls.iter().enumerate().flat_map(|(route, of)| {
        of.matches.iter().enumerate().map(move |(at, of)| (route, at, of.port, &of.gateways[..]))
    });
    [
        Routes {
            list: "http",
            takes: |protocol| protocol.is_http() || protocol == Protocol::Auto,
            spoken: "HTTP",
            count: spec.http.len(),
            matches: http.collect(),
        },
        Routes {
            list: "tcp",
            takes: |protocol| matches!(protocol, Protocol::Tcp | Protocol::Auto),
            spoken: "TCP",
            count: spec.tcp.len(),
            matches: tcp.collect(),
        },
        Routes {
            list: "tls",
            takes: Protocol::is_tls,
            spoken: "TLS",
            count: spec.tls.len(),
            matches: tls.collect(),
        },
    ]
}
