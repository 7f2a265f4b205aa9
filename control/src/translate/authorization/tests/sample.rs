//! A request and a connection as tests write them.

use std::net::SocketAddr;

use weft_model::request::{Connection, Peer, RequestView};

/// A request in plain words.
#[derive(Debug, Clone)]
pub(in crate::translate) struct Request {
    method: String,
    scheme: String,
    authority: String,
    path: String,
    headers: Vec<(String, Vec<u8>)>,
}

impl Request {
    pub(in crate::translate) fn get(authority: &str, path: &str) -> Self {
        Self {
            method: "GET".into(),
            scheme: "http".into(),
            authority: authority.into(),
            path: path.into(),
            headers: Vec::new(),
        }
    }

    pub(in crate::translate) fn method(mut self, method: &str) -> Self {
        self.method = method.into();
        self
    }

    pub(in crate::translate) fn host(mut self, authority: &str) -> Self {
        self.authority = authority.into();
        self
    }

    pub(in crate::translate) fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }
}

impl RequestView for Request {
    fn method(&self) -> &str {
        &self.method
    }
    fn scheme(&self) -> &str {
        &self.scheme
    }
    fn authority(&self) -> &str {
        &self.authority
    }
    fn path(&self) -> &str {
        &self.path
    }
    fn header<'a>(&'a self, name: &str, each: &mut dyn FnMut(&'a [u8])) {
        for (own, value) in &self.headers {
            if own.eq_ignore_ascii_case(name) {
                each(value);
            }
        }
    }
}

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
