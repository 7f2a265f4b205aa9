//! Route configurations: the virtual hosts of what a proxy hears of.

mod domains;
mod http_proxy;
mod ports;

use std::time::Duration;

use weft_model::node::Interception;
use weft_model::route::{
    Forward, PathMatch, Route, RouteAction, RouteConfiguration, RouteMatch, VirtualHost,
};

use super::{Proxy, names, virtual_service};
use crate::resources::mesh_config::OutboundMode;
use crate::world::protocol::Protocol;
use crate::world::service::{Port, Service};

/// All route configurations of a proxy.
pub(super) fn all(proxy: &Proxy<'_>) -> Vec<RouteConfiguration> {
    let mut all = Vec::new();
    if proxy.node.metadata.interception == Interception::None {
        all.push(http_proxy::routes(proxy));
    }
    if proxy.node.metadata.interception != Interception::None {
        all.extend(proxy.world.mesh.http_proxy_port.map(|_| http_proxy::routes(proxy)));
        all.extend(ports::all(proxy));
    }
    for service in &proxy.scope.services {
        let sniffed = service.ports.iter().filter(|port| port.protocol == Protocol::Auto);
        all.extend(sniffed.map(|port| of_sniffed(proxy, service, port)));
    }
    all
}

/// The routes of a port that is sniffed at its own address: whatever the host, it is this service.
fn of_sniffed(proxy: &Proxy<'_>, service: &Service, port: &Port) -> RouteConfiguration {
    let host = VirtualHost {
        name: service.at(port.number),
        domains: vec!["*".to_owned()],
        routes: virtual_service::routes(proxy, service, port),
        include_request_attempt_count: true,
        ..VirtualHost::default()
    };
    RouteConfiguration {
        name: service.at(port.number),
        virtual_hosts: vec![host],
        ignore_port_in_host_matching: true,
        ..RouteConfiguration::default()
    }
}

/// What happens to hosts that nothing names.
fn catch_all(proxy: &Proxy<'_>) -> VirtualHost {
    let (name, route) = match proxy.scope.outbound {
        OutboundMode::AllowAny => {
            let mut forward = Forward::to(names::outside(&proxy.scope));
            forward.timeout = Some(Duration::ZERO);
            forward.grpc_timeout_cap = Some(Duration::ZERO);
            ("allow_any", plain("allow_any", forward))
        }
        OutboundMode::RegistryOnly => ("block_all", blocked(PathMatch::Prefix("/".to_owned()))),
    };
    VirtualHost {
        name: name.to_owned(),
        domains: vec!["*".to_owned()],
        routes: vec![route],
        include_request_attempt_count: true,
        ..VirtualHost::default()
    }
}

fn blocked(path: PathMatch) -> Route {
    let action = RouteAction::DirectResponse { status: 502, body: Vec::new() };
    Route { action, matches: RouteMatch::path(path), ..plain("block_all", Forward::to(names::BLACK_HOLE)) }
}

fn plain(name: &str, forward: Forward) -> Route {
    Route::new(
        name,
        RouteMatch::path(PathMatch::Prefix("/".to_owned())),
        RouteAction::Forward(Box::new(forward)),
    )
}
