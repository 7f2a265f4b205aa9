//! A request and a connection as tests write them.

use std::net::SocketAddr;

pub(in crate::translate) use weft_model::request::Written as Request;
use weft_model::request::{Connection, Peer};

/// The peer `NAMESPACE/ACCOUNT` of the mesh's own trust domain.
pub(in crate::translate) fn peer(account: &str) -> Peer {
    let (namespace, account) = account.split_once('/').expect("NAMESPACE/ACCOUNT");
    uri(&format!("cluster.local/ns/{namespace}/sa/{account}"))
}

/// The peer of an identity without its scheme.
pub(in crate::translate) fn uri(identity: &str) -> Peer {
    Peer::from_uri_sans(vec![format!("spiffe://{identity}")])
}

/// A connection from 10.244.0.10, for the client 203.0.113.9, to 10.0.0.1:8000.
pub(in crate::translate) fn connection(peer: Option<&Peer>) -> Connection<'_> {
    let source: SocketAddr = "10.244.0.10:4711".parse().expect("an address");
    let remote = "203.0.113.9".parse().expect("an address");
    let destination = "10.0.0.1:8000".parse().expect("an address");
    Connection { peer, source, remote, destination, sni: Some("svc.foo.example") }
}
