//! The routes of a service's port as one proxy of the world sees it.

use weft_model::route::{HashPolicy, Route};

use super::{ConnectionRoute, Context, MESH, default_route, http_routes, of_host, without_service};
use crate::resources::Object;
use crate::resources::virtual_service::VirtualService;
use crate::translate::Proxy;
use crate::translate::traffic::Traffic;
use crate::world::service::{Port, Service};

/// The routes of `port` as `proxy` sees it: those of the first VirtualService that has some, else the service's own.
pub(crate) fn routes(proxy: &Proxy<'_>, service: &Service, port: &Port) -> Vec<Route> {
    within(proxy, port.number, |context| {
        let routes = speaking(proxy, &service.host, context).into_iter();
        let routes = routes.map(|speaker| http_routes(speaker, context)).find(|routes| !routes.is_empty());
        routes.unwrap_or_else(|| {
            let hash = Traffic::of(proxy.rule(service), "", port.number).hash();
            vec![default_route(&service.host, port.number, hash, &proxy.world.mesh.config)]
        })
    })
}

/// The routes of a TCP or TLS port, for its filter chains; where none takes everything, the service itself follows.
pub(crate) fn connection_routes(
    proxy: &Proxy<'_>,
    service: &Service,
    port: &Port,
    tls: bool,
) -> Vec<ConnectionRoute> {
    within(proxy, port.number, |context| {
        let speaking = speaking(proxy, &service.host, context);
        if tls { super::tls_routes(&speaking, context) } else { super::tcp_routes(&speaking, context) }
    })
}

/// The hosts that no service has and VirtualServices speak of, at one port, with their routes.
pub fn routes_without_service(proxy: &Proxy<'_>, port: u16) -> Vec<(String, Vec<Route>)> {
    let known: Vec<&str> = proxy.scope.services.iter().map(|service| service.host.as_str()).collect();
    let services = proxy.scope.virtual_services.iter().map(AsRef::as_ref);
    within(proxy, port, |context| without_service(services, &known, context))
}

fn speaking<'a>(proxy: &'a Proxy<'_>, host: &str, context: &Context<'_>) -> Vec<&'a Object<VirtualService>> {
    of_host(proxy.scope.virtual_services.iter().map(AsRef::as_ref), host, context)
}

fn within<T>(proxy: &Proxy<'_>, port: u16, make: impl FnOnce(&Context<'_>) -> T) -> T {
    let ports_of = |host: &str| {
        let service = proxy.scope.service(host)?;
        Some(service.ports.iter().map(|port| port.number).collect())
    };
    // A port's own settings count for a destination that names the port, as in Istio: no service has port 0.
    let hash = |host: &str, subset: &str, port: Option<u16>| -> Vec<HashPolicy> {
        let rule = proxy.scope.service(host).and_then(|service| proxy.rule(service));
        Traffic::of(rule, subset, port.unwrap_or(0)).hash()
    };
    make(&Context {
        namespace: &proxy.namespace,
        labels: &proxy.labels,
        gateways: &[MESH],
        port,
        tls: false,
        ports_of: &ports_of,
        hash: &hash,
        mesh: &proxy.world.mesh.config,
    })
}
