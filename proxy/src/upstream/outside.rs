//! Hosts that no service is called by, reached because outboundTrafficPolicy is ALLOW_ANY.

use std::net::{IpAddr, SocketAddr};

use weft_model::cluster::IstioService;

use crate::connection::Conn;
use crate::snapshot::ClusterView;

/// The address of `authority`.
///
/// # Errors
/// In words: no such host, or one that would lead back to this proxy.
pub async fn resolve(
    authority: &str,
    default_port: u16,
    conn: &Conn,
    cluster: &ClusterView,
) -> Result<SocketAddr, String> {
    let host = weft_model::table::route::without_port(authority);
    let port = authority[host.len()..].strip_prefix(':').map_or(Some(default_port), |p| p.parse().ok());
    let port = port.ok_or_else(|| format!("{authority:?} names no valid port"))?;
    let name = host.trim_matches(['[', ']']).trim_end_matches('.').to_owned();
    let found = conn.worker.names.address(&name).await;
    let named = &cluster.cluster.settings.istio.services;
    let ip = found.map_err(|why| format!("{}: {why}", unresolved(&name, named)))?;
    let address = SocketAddr::new(ip.to_canonical(), port);
    // A ServiceEntry without resolution names its hosts itself; what nobody named must not lead inside.
    if named.is_empty() && is_local(address.ip()) {
        return Err(format!(
            "{authority:?} is {}, an address of this machine: only a service or a ServiceEntry leads there",
            address.ip()
        ));
    }
    let snapshot = conn.worker.snapshot();
    let mut bound = snapshot.listeners().map(|view| view.listener.settings.address);
    let here = conn.destination.ip();
    if bound.any(|own| {
        own == address || (own.port() == address.port() && own.ip().is_unspecified() && address.ip() == here)
    }) {
        return Err(format!("{authority} is this proxy itself: the request would go in a circle"));
    }
    Ok(address)
}

/// Whose name does not resolve: a ServiceEntry's (with a wildcard, mostly), or nobody's.
fn unresolved(name: &str, named: &[IstioService]) -> String {
    match named.first() {
        Some(entry) => format!(
            "{name:?} is of the ServiceEntry for {:?}, which has no addresses of its own (resolution NONE), and it does \
             not resolve",
            entry.host
        ),
        None => format!("no service of the mesh is called {name:?}, and it does not resolve outside"),
    }
}

/// Addresses that name a machine to itself or its own link: nobody outside, but this proxy, other pods' admin pages, a
/// cloud's metadata.
fn is_local(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.is_loopback() || ip.is_unspecified() || ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_loopback() || ip.is_unspecified() || ip.is_unicast_link_local(),
    }
}

#[cfg(test)]
mod tests;
