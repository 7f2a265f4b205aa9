//! `host` and `host:port`, and how many of them a request may bring.

use std::net::Ipv6Addr;

use crate::{Headers, Refusal, Version};

/// A host and perhaps a port, as a `Host` header, an absolute target or CONNECT names them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Authority<'a> {
    /// A name or IPv4 address as it came (case and a trailing dot included), or an IPv6 address in its brackets.
    pub host: &'a str,
    /// The port, if one was named.
    pub port: Option<u16>,
}

impl<'a> Authority<'a> {
    /// Reads `host` or `host:port`.
    ///
    /// Narrower than RFC 3986: no percent-encoding and none of `!$&'()*+,;=` in a name, no IPv6 zone, no colon without a
    /// port. No client sends these, and each has been one hop's way of seeing another host than the next.
    pub fn parse(text: &'a str) -> Result<Self, Refusal> {
        let host_len = match text.strip_prefix('[') {
            Some(inner) => {
                let inner = &inner[..inner.find(']').ok_or(Refusal::HostInvalid)?];
                inner.parse::<Ipv6Addr>().map_err(|_| Refusal::HostInvalid)?;
                inner.len() + 2
            }
            None => text.bytes().take_while(|&byte| is_name_byte(byte)).count(),
        };
        let (host, rest) = text.split_at_checked(host_len).ok_or(Refusal::HostInvalid)?;
        if host.is_empty() {
            return Err(Refusal::HostInvalid);
        }
        let port = match rest.strip_prefix(':') {
            Some(digits) => Some(port(digits).ok_or(Refusal::HostInvalid)?),
            None if rest.is_empty() => None,
            None => return Err(Refusal::HostInvalid),
        };
        Ok(Self { host, port })
    }
}

fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

/// One to five digits; `parse` alone would take a `+`.
fn port(digits: &str) -> Option<u16> {
    let all_digits = digits.len() <= 5 && digits.bytes().all(|byte| byte.is_ascii_digit());
    if all_digits { digits.parse().ok() } else { None }
}

/// Exactly one valid `Host` in HTTP/1.1, at most one in HTTP/1.0. An empty one is allowed by RFC 9112 and sent by health
/// checkers; it says no more than that the request is for no host in particular.
pub(crate) fn check_host(version: Version, headers: &Headers) -> Result<(), Refusal> {
    let mut hosts = headers.get_all("host");
    match (hosts.next(), hosts.next()) {
        (_, Some(_)) => Err(Refusal::HostRepeated),
        (None, None) if version == Version::Http11 => Err(Refusal::HostMissing),
        (None, None) => Ok(()),
        (Some(b""), None) => Ok(()),
        (Some(host), None) => {
            let host = std::str::from_utf8(host).map_err(|_| Refusal::HostInvalid)?;
            Authority::parse(host).map(drop)
        }
    }
}

#[cfg(test)]
mod tests;
