//! Hosts that VirtualServices speak of and no service is: names that exist in routes alone. Clients call them on port 80.

use std::collections::BTreeSet;

use crate::translate::{Proxy, virtual_service};
use crate::world::host;
use crate::world::protocol::Protocol;
use crate::world::service::{Port, Registry, Resolution, Service, Target, Visibility};

/// The port on which they are called, as in Istio.
pub(super) const PORT: u16 = 80;

/// Each such host as a service without endpoints.
pub(super) fn hosts(proxy: &Proxy<'_>) -> Vec<Service> {
    let mut seen = BTreeSet::new();
    let mut hosts = Vec::new();
    for object in proxy.scope.virtual_services.iter().filter(|object| !object.spec.http.is_empty()) {
        for written in &object.spec.hosts {
            let name = host::full(written, &object.meta.namespace);
            let is_served = proxy.scope.services.iter().any(|service| host::covers(&name, &service.host));
            if name == "*" || is_served || !seen.insert(name.clone()) {
                continue;
            }
            let port = Port {
                number: PORT,
                name: "http".to_owned(),
                protocol: Protocol::Http,
                target: Target::Number(PORT),
            };
            let service = Service {
                name: name.clone(),
                host: name,
                namespace: object.meta.namespace.clone(),
                registry: Registry::External,
                external: true,
                resolution: Resolution::Static,
                addresses: Vec::new(),
                headless: false,
                ports: vec![port.clone()],
                export_to: Visibility::All,
                subject_alt_names: Vec::new(),
                endpoints: Vec::new(),
                age: object.meta.age,
                source: object.source.clone(),
            };
            // Without a route of this port nothing stands behind the name.
            let routes = virtual_service::routes(proxy, &service, &port);
            if routes.iter().any(|route| !route.config.is_empty()) {
                hosts.push(service);
            }
        }
    }
    hosts
}
