//! The one small view through which routing and policy see a request and the connection that brought it.
//!
//! No codec's types stand here, so that HTTP/1.1, HTTP/2 and a test's literal are judged by the same code.

mod written;

use std::net::{IpAddr, SocketAddr};

pub use written::Written;

use crate::identity::SpiffeId;

/// A request's head, as it will be forwarded: paths are normalized before anybody looks through this.
pub trait RequestView {
    /// The method, as received.
    fn method(&self) -> &str;
    /// `http` or `https`, in lower case: what the client speaks, by x-forwarded-proto where that is trusted.
    fn scheme(&self) -> &str;
    /// Host, with its port if the client named one; empty if there is none.
    fn authority(&self) -> &str;
    /// The path with its query. CONNECT: may be empty.
    fn path(&self) -> &str;
    /// Calls `each` with every value of the header, in the order received. `name` is in lower case and is compared without case.
    fn header<'a>(&'a self, name: &str, each: &mut dyn FnMut(&'a [u8]));

    /// A header's first value.
    fn first_header<'a>(&'a self, name: &str) -> Option<&'a [u8]> {
        let mut first = None;
        self.header(name, &mut |value| {
            first.get_or_insert(value);
        });
        first
    }
}

/// Who is at the other end of a connection, proven by its certificate.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Peer {
    /// Its identity, where its only URI SAN is one of this mesh's shape.
    pub identity: Option<SpiffeId>,
    /// All its URI SANs, as they stand in the certificate.
    pub uri_sans: Vec<String>,
    /// All its DNS SANs.
    pub dns_sans: Vec<String>,
}

impl Peer {
    /// The peer that these URI SANs name.
    pub fn from_uri_sans(uri_sans: Vec<String>) -> Self {
        let identity = match &uri_sans[..] {
            [only] => only.parse().ok(),
            _ => None,
        };
        Self { identity, uri_sans, dns_sans: Vec::new() }
    }
}

/// What authorization may know of a connection.
#[derive(Debug, Clone, Copy)]
pub struct Connection<'a> {
    /// The verified peer; `None` without mTLS.
    pub peer: Option<&'a Peer>,
    /// The other end's address.
    pub source: SocketAddr,
    /// The client's address: by x-forwarded-for where that is trusted, else the source's.
    pub remote: IpAddr,
    /// Where it was going.
    pub destination: SocketAddr,
    /// The TLS server name that was asked for.
    pub sni: Option<&'a str>,
}

/// The address without the disguise of `::ffff:a.b.c.d`, in which a v4 address arrives at a v6 socket.
pub fn unmapped(ip: IpAddr) -> IpAddr {
    ip.to_canonical()
}
