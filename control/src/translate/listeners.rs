//! Listeners: what a proxy takes connections on, and what it does with them.

mod http_proxy;
mod inbound;
mod outbound;
mod tcp_addresses;
mod virtual_inbound;
mod wildcard;

use weft_model::listener::Listener;
use weft_model::node::Interception;

use super::Proxy;

/// All listeners of a proxy.
pub(super) fn all(proxy: &Proxy<'_>) -> Vec<Listener> {
    match proxy.node.metadata.interception {
        Interception::None => {
            let mut listeners = inbound::bound(proxy);
            listeners.push(http_proxy::listener(proxy));
            listeners.extend(tcp_addresses::all(proxy));
            listeners
        }
        Interception::Redirect | Interception::Tproxy => {
            let mut listeners = outbound::at_services(proxy);
            let handed_over = [outbound::catch_all(proxy), virtual_inbound::listener(proxy)];
            listeners.extend(handed_over.map(|listener| outbound::in_each_family(proxy, listener)));
            listeners.extend(proxy.world.mesh.http_proxy_port.map(|_| http_proxy::listener(proxy)));
            listeners
        }
    }
}
