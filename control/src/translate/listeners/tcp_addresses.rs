//! Without interception: for each service that is no HTTP an address of the pod's own, at which its proxy takes what is
//! meant for it. Whoever starts the pod chooses the addresses, and says so in an annotation.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use weft_model::listener::Listener;

use super::outbound;
use crate::translate::Proxy;
use crate::world::host;

/// A JSON object from `service.namespace:port` (a host outside: `host:port`) to an address.
const ANNOTATION: &str = crate::annotations::TCP_ADDRESSES;

pub(super) fn all(proxy: &Proxy<'_>) -> Vec<Listener> {
    let Some(said) = proxy.annotation(ANNOTATION) else { return Vec::new() };
    let addresses: BTreeMap<String, IpAddr> = match serde_json::from_str(said) {
        Ok(addresses) => addresses,
        Err(error) => {
            tracing::warn!(node = proxy.node.id(), %error, "the annotation {ANNOTATION} is not a JSON object of addresses");
            return Vec::new();
        }
    };
    let mut listeners: BTreeMap<SocketAddr, Listener> = BTreeMap::new();
    for (key, ip) in &addresses {
        let Some((name, number)) = key.rsplit_once(':') else { continue };
        let Ok(number) = number.parse::<u16>() else { continue };
        let outside = proxy.scope.service(name);
        let inside = || {
            let (name, namespace) = name.split_once('.')?;
            proxy.scope.service(&host::kubernetes(name, namespace))
        };
        let Some(service) = outside.or_else(inside) else { continue };
        let Some(port) = service.port(number) else { continue };
        let address = SocketAddr::new(*ip, number);
        let mut listener = outbound::of_port(proxy, service, port, address);
        listener.bind_to_port = true;
        listeners.entry(address).or_insert(listener);
    }
    listeners.into_values().collect()
}
