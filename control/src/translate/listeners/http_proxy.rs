//! Without interception: the HTTP proxy through which an app calls whatever it has a name for, in absolute form or
//! through CONNECT.

use std::net::SocketAddr;

use weft_model::http::RouteSource;
use weft_model::listener::{Direction, FilterChain, Listener, NetworkFilter};

use crate::translate::access_log::{self, Side};
use crate::translate::{Proxy, http, names};

/// Istio's `proxyHttpPort`, where the mesh names none.
const PORT: u16 = 15007;

pub(super) fn listener(proxy: &Proxy<'_>) -> Listener {
    let port = proxy.world.mesh.http_proxy_port.unwrap_or(PORT);
    let address = SocketAddr::new(proxy.localhost, port);
    let name = format!("{}_{port}", address.ip());
    let routes = RouteSource::Rds(names::HTTP_PROXY.to_owned());
    let mut manager = http::outbound(proxy, &format!("outbound_{name};"), routes);
    manager.upgrades.push(http::upgrade("CONNECT"));
    let mut listener = Listener::new(name, address, Direction::Outbound);
    listener.filter_chains =
        vec![FilterChain { filters: vec![NetworkFilter::Http(Box::new(manager))], ..FilterChain::default() }];
    listener.access_log = access_log::no_route(proxy, Side::Client);
    listener
}
