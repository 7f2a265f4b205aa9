//! A request and a connection as tests write them.

use std::net::SocketAddr;

use weft_model::request::{Connection, Peer, RequestView};

/// A request in plain words.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) scheme: String,
    pub(crate) authority: String,
    pub(crate) path: String,
    pub(crate) headers: Vec<(String, Vec<u8>)>,
}

impl Request {
    pub(crate) fn get(authority: &str, path: &str) -> Self {
        Self {
            method: "GET".into(),
            scheme: "http".into(),
            authority: authority.into(),
            path: path.into(),
            headers: Vec::new(),
        }
    }

    pub(crate) fn method(mut self, method: &str) -> Self {
        self.method = method.into();
        self
    }

    pub(crate) fn https(mut self) -> Self {
        self.scheme = "https".into();
        self
    }

    pub(crate) fn with(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.headers.push((name.into(), value.as_ref().to_vec()));
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
