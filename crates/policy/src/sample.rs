//! A request and a connection as tests write them.

use std::net::SocketAddr;

pub(crate) use weft_model::request::Written as Request;
use weft_model::request::{Connection, Peer};

/// The peer of a service account.
pub(crate) fn peer(service_account: &str) -> Peer {
    Peer::from_uri_sans(vec![format!("spiffe://cluster.local/ns/selfmonitor/sa/{service_account}")])
}

/// A connection to 10.0.0.1:8000.
pub(crate) fn from(peer: Option<&Peer>) -> Connection<'_> {
    let source: SocketAddr = "10.244.0.10:4711".parse().expect("an address");
    let destination = "10.0.0.1:8000".parse().expect("an address");
    Connection { peer, source, remote: source.ip(), destination, sni: None }
}
