//! Hosts that no service is called by, reached because outboundTrafficPolicy is ALLOW_ANY.

use std::net::{IpAddr, SocketAddr};

use weft_model::cluster::IstioService;

use super::outbound::Outbound;
use crate::connection::Conn;
use crate::snapshot::{ClusterView, Snapshot};

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
    let snapshot = conn.worker.snapshot();
    let lacks =
        || without_port(&snapshot, &name, &conn.worker.shared.bootstrap.node.metadata.namespace, port);
    let ip = found.map_err(|why| format!("{}: {why}", unresolved(&name, named, lacks())))?;
    let address = SocketAddr::new(ip.to_canonical(), port);
    // A ServiceEntry without resolution names its hosts itself; what nobody named must not lead inside.
    if named.is_empty() && is_local(address.ip()) {
        return Err(format!(
            "{authority:?} is {}, an address of this machine: only a service or a ServiceEntry leads there",
            address.ip()
        ));
    }
    let mut bound = snapshot.listeners().map(|view| view.listener.settings.address);
    let here = conn.destination.ip();
    if bound.any(|own| {
        own == address || (own.port() == address.port() && own.ip().is_unspecified() && address.ip() == here)
    }) {
        return Err(format!("{authority} is this proxy itself: the request would go in a circle"));
    }
    Ok(address)
}

/// What of the mesh `name` is, where that has other ports than `port`; `namespace`: where it is written.
pub fn without_port(snapshot: &Snapshot, name: &str, namespace: &str, port: u16) -> Option<String> {
    let clusters = snapshot.clusters().filter_map(|view| Outbound::of(&view.cluster.settings.name));
    let whole = clusters.filter(|of| of.subset.is_empty() && is_called(of.host, name, namespace));
    lacks(&whole.map(|of| (of.host, of.port)).collect::<Vec<_>>(), port)
}

fn lacks(known: &[(&str, &str)], port: u16) -> Option<String> {
    let (host, _) = known.first()?;
    let ports: Vec<&str> = known.iter().filter(|(of, _)| of == host).map(|(_, port)| *port).collect();
    let has_it = ports.iter().any(|of| of.parse() == Ok(port));
    (!has_it).then(|| format!("{host} has no port {port} here; it has {}", ports.join(", ")))
}

/// Whether `host` is called `name` in `namespace`: in full, or without what the client's DNS search would add.
fn is_called(host: &str, name: &str, namespace: &str) -> bool {
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    let Some(rest) = host.strip_prefix(&name) else { return false };
    let own = rest.strip_prefix('.').and_then(|rest| rest.strip_prefix(namespace));
    rest.is_empty()
        || rest.starts_with(".svc.")
        || own.is_some_and(|rest| rest.starts_with(".svc."))
        || (name.ends_with(".svc") && rest.starts_with('.'))
}

/// Whose name does not resolve: a ServiceEntry's (with a wildcard, mostly), one that the mesh has by other ports (`lacks`), or
/// nobody's.
fn unresolved(name: &str, named: &[IstioService], lacks: Option<String>) -> String {
    match (named.first(), lacks) {
        (None, Some(lacks)) => format!("{lacks}; and {name:?} does not resolve outside"),
        (Some(entry), _) => format!(
            "{name:?} is of the ServiceEntry for {:?}, which has no addresses of its own (resolution NONE), and it does \
             not resolve",
            entry.host
        ),
        (None, None) => format!("no service of the mesh is called {name:?}, and it does not resolve outside"),
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
