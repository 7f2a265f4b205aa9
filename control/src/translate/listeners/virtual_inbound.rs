//! Where whatever is redirected to the app arrives: the chains of each of its ports, then those of all others.

use std::net::SocketAddr;
use std::ops::RangeInclusive;

use weft_model::listener::{
    Direction, FilterChain, FilterChainMatch, Listener, ListenerFilter, NetworkFilter, TcpProxy,
};
use weft_model::node::Interception;

use super::inbound::{self, Chains};
use super::outbound;
use crate::translate::access_log::{self, Side};
use crate::translate::{Proxy, names};
use crate::world::peer_authentication::MutualTls;
use crate::world::protocol::Protocol;

/// The mark of the proxy's own connections under TPROXY.
const MARK: u32 = 1337;

pub(super) fn listener(proxy: &Proxy<'_>) -> Listener {
    let own = proxy.world.mesh.inbound_port;
    let any = outbound::any(proxy);
    let mut listener = Listener::new("virtualInbound", SocketAddr::new(any, own), Direction::Inbound);
    let tproxy = proxy.node.metadata.interception == Interception::Tproxy;
    listener.transparent = tproxy;
    listener.listener_filters_timeout = Some(proxy.world.mesh.detection_timeout);
    listener.continue_on_listener_filters_timeout = true;
    listener.access_log = access_log::no_route(proxy, Side::Server);
    let ports = ports(proxy);
    let mut chains = vec![black_hole(proxy, own)];
    chains.extend(Chains::passthrough(proxy).by_mode(Protocol::Auto, proxy.modes.default));
    for (number, protocol, mode) in &ports {
        let name = format!("{any}_{number}");
        let of_port = match proxy.inbound.iter().find(|port| port.number == *number) {
            Some(port) => Chains::of_port(proxy, port, &name),
            None => Chains::passthrough(proxy).named(name),
        };
        chains.extend(of_port.at(*number).by_mode(*protocol, *mode));
    }
    listener.filter_chains = chains;
    listener.listener_filters.push(ListenerFilter::OriginalDst);
    if tproxy {
        listener.listener_filters.push(ListenerFilter::OriginalSrc { mark: MARK });
    }
    inspectors(proxy, own, &ports, &mut listener);
    listener
}

/// A port, what is spoken on it, and what it asks of clients.
type Port = (u16, Protocol, MutualTls);

/// The ports with chains of their own: those of services, and those that a policy names.
fn ports(proxy: &Proxy<'_>) -> Vec<Port> {
    let of_services =
        proxy.inbound.iter().map(|port| (port.number, port.protocol, proxy.modes.of(port.number)));
    let known = |number: &u16| proxy.inbound.iter().any(|port| port.number == *number);
    let named = proxy.modes.ports.iter().filter(|(number, _)| !known(number));
    of_services.chain(named.map(|(number, mode)| (*number, Protocol::Auto, *mode))).collect()
}

/// An inspector waits for the client's first bytes, so it looks only where somebody needs to know.
fn inspectors(proxy: &Proxy<'_>, own: u16, ports: &[Port], listener: &mut Listener) {
    let without = |needs: &dyn Fn(Protocol, MutualTls) -> bool| -> Option<Vec<RangeInclusive<u16>>> {
        let others = needs(Protocol::Auto, proxy.modes.default);
        let (with, without): (Vec<Port>, Vec<Port>) =
            ports.iter().copied().partition(|(_, protocol, mode)| needs(*protocol, *mode));
        if !others && with.is_empty() {
            return None;
        }
        let disabled = std::iter::once(own).chain(without.iter().map(|(number, ..)| *number));
        Some(disabled.map(|number| number..=number).collect())
    };
    if let Some(disabled) = without(&|_, mode| mode != MutualTls::Disable) {
        listener.listener_filters.push(ListenerFilter::TlsInspector { disabled });
    }
    if let Some(disabled) = without(&|protocol, mode| protocol == Protocol::Auto && mode != MutualTls::Strict)
    {
        listener.listener_filters.push(ListenerFilter::HttpInspector { disabled });
    }
}

/// What was sent to the proxy's own port would come back to it for ever.
fn black_hole(proxy: &Proxy<'_>, own: u16) -> FilterChain {
    let bytes = TcpProxy { access_log: Vec::new(), ..outbound::to_cluster(proxy, names::BLACK_HOLE) };
    let mut filters = Vec::new();
    filters.extend(inbound::metadata_exchange(proxy));
    filters.extend(inbound::stats(proxy));
    filters.push(NetworkFilter::TcpProxy(bytes));
    FilterChain {
        name: "virtualInbound-blackhole".to_owned(),
        matches: FilterChainMatch { destination_port: Some(own), ..FilterChainMatch::default() },
        filters,
        ..FilterChain::default()
    }
}
