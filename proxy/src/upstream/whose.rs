//! Whose an address is that could not be reached, by what the configuration names: an app may have called a service by a
//! port that it does not have, or in TLS where the port speaks none.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};

use weft_model::cluster::Discovery;
use weft_model::listener::Direction;
use weft_model::table::chain::Terminal;

use super::connect::ConnectError;
use super::outbound::Outbound;
use crate::connection::Conn;
use crate::snapshot::{ClusterView, Snapshot};

/// What to say of a connection that was passed on to wherever it was going, and failed. `bytes`: it was no HTTP.
pub fn of(conn: &Conn, cluster: &ClusterView, error: &ConnectError, bytes: bool) -> Option<String> {
    let (ConnectError::Tcp { address, .. } | ConnectError::Timeout { address, .. }) = error else {
        return None;
    };
    let passed_on = cluster.cluster.settings.discovery == Discovery::OriginalDst;
    if !passed_on || conn.direction != Direction::Outbound {
        return None;
    }
    words(&known(&conn.worker.snapshot(), address.ip()), *address, bytes)
}

/// A service's host, and one of its ports.
type Known = BTreeSet<(String, u16)>;

/// The services of that address. It is a route's domain, as a Host header has it, or a listener's own.
fn known(snapshot: &Snapshot, ip: IpAddr) -> Known {
    let domain = if ip.is_ipv6() { format!("[{ip}]") } else { ip.to_string() };
    // One for a single service takes any host.
    let routed = snapshot.table.all_routes().filter_map(|table| {
        let host = table.host(&domain).filter(|host| *host.name != *table.name)?;
        let (host, port) = host.name.rsplit_once(':')?;
        Some((host.to_owned(), port.parse().ok()?))
    });
    let listeners = snapshot.listeners().filter(|view| {
        let settings = &view.listener.settings;
        let mut all = std::iter::once(&settings.address).chain(&settings.additional_addresses);
        all.any(|address| address.ip() == ip)
    });
    let chains = listeners.flat_map(|view| view.listener.chains.iter().chain(&view.listener.default));
    let bound = chains.filter_map(|chain| {
        let Terminal::Tcp(proxy) = &chain.terminal else { return None };
        let of = Outbound::of(&proxy.targets.first()?.0.name)?;
        Some((of.host.to_owned(), of.port.parse().ok()?))
    });
    routed.chain(bound).collect()
}

fn words(known: &Known, address: SocketAddr, bytes: bool) -> Option<String> {
    let (host, _) = known.first()?;
    let port = address.port();
    let ports: Vec<String> =
        known.iter().filter(|(of, _)| of == host).map(|(_, port)| port.to_string()).collect();
    let has_it = known.contains(&(host.clone(), port));
    match (has_it, bytes) {
        (false, _) => {
            Some(format!("{address} is {host}, which has no port {port} here; it has {}", ports.join(", ")))
        }
        (true, true) => Some(format!(
            "{address} is {host}, whose port {port} speaks HTTP, and this is none; if it is TLS: write http://, and \
             sidecars encrypt what is between them"
        )),
        (true, false) => None,
    }
}

#[cfg(test)]
mod tests;
