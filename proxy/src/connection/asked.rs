//! Where a CONNECT tunnel was asked for: what stands in it is routed by that port, as it would be by the port that a
//! connection without a tunnel goes to. A port in a Host header does not count.

use std::borrow::Cow;

use weft_model::route::{CONNECT_BYTES, CONNECT_SNIFFED};
use weft_model::table::route::without_port;

/// The target of a CONNECT, and how its port was declared.
#[derive(Debug)]
pub struct Asked {
    authority: Box<str>,
    carries: Carries,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Carries {
    /// HTTP, for whatever host it names.
    Http,
    /// Nobody said: what looks like HTTP is for the service that was asked for, under whatever name.
    Sniffed,
    Bytes,
}

impl Asked {
    /// A CONNECT for `authority`, which the route of that name took.
    pub fn new(authority: &str, route: Option<&str>) -> Self {
        let carries = match route {
            Some(CONNECT_BYTES) => Carries::Bytes,
            Some(CONNECT_SNIFFED) => Carries::Sniffed,
            _ => Carries::Http,
        };
        Self { authority: authority.into(), carries }
    }

    /// Is its port one of bytes, so that nobody looks into them?
    pub fn is_bytes(&self) -> bool {
        self.carries == Carries::Bytes
    }

    /// The port.
    pub fn port(&self) -> Option<u16> {
        self.authority[without_port(&self.authority).len()..].strip_prefix(':')?.parse().ok()
    }

    /// By which authority a request in it is routed that says it is for `host`.
    pub fn routed<'a>(&'a self, host: &'a str) -> Cow<'a, str> {
        match (self.carries, self.port()) {
            (Carries::Sniffed, _) => Cow::Borrowed(&self.authority),
            (_, Some(port)) => Cow::Owned(format!("{}:{port}", without_port(host))),
            (_, None) => Cow::Borrowed(host),
        }
    }
}

#[cfg(test)]
mod tests;
