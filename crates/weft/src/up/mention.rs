//! Services that a variable's value mentions: `postgres:5432`, `redis://u@redis/0`, `host=db.data port=5432`.
//!
//! Pure. A name counts only where an address can stand: a service called `production` must not turn
//! `ENVIRONMENT=production` into an address.

use super::services::{self, Service};
use std::net::Ipv4Addr;
use std::ops::Range;

/// One place of a value where a service's name stands.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Mention<'a> {
    pub(crate) service: &'a Service,
    /// The bytes of the host.
    pub(crate) host: Range<usize>,
    /// The port that follows it.
    pub(crate) port: Option<u16>,
    /// What stands before `://`, in lower case.
    pub(crate) scheme: Option<String>,
}

/// The mentions in `value`, in their order.
pub(crate) fn mentions<'a>(
    variable: &str,
    value: &str,
    namespace: &str,
    services: &'a [Service],
) -> Vec<Mention<'a>> {
    let mut found = Vec::new();
    for host in host_tokens(value) {
        let name = &value[host.clone()];
        let Some(service) = services::find(services, name, namespace) else { continue };
        let (before, after) = (&value[..host.start], &value[host.end..]);
        let Some(port) = port_after(after) else { continue };
        let scheme = scheme_before(before);
        let is_whole = before.is_empty() && after.is_empty();
        let is_address = scheme.is_some()
            || (port.is_some() && ends_at_boundary(before))
            || before.to_ascii_lowercase().ends_with("host=")
            || name.contains(".svc")
            || (is_whole && names_a_host(variable));
        if is_address {
            found.push(Mention { service, host, port, scheme });
        }
    }
    found
}

/// `value` with the services that have an address of their own replaced by it; `None` if there are none.
pub(crate) fn rewrite(
    value: &str,
    mentions: &[Mention<'_>],
    address: impl Fn(&Service) -> Option<Ipv4Addr>,
) -> Option<String> {
    let mut rewritten = value.to_owned();
    let mut changed = false;
    for mention in mentions.iter().rev().filter(|mention| is_for_an_address(mention)) {
        let Some(address) = address(mention.service) else { continue };
        rewritten.replace_range(mention.host.clone(), &address.to_string());
        changed = true;
    }
    changed.then_some(rewritten)
}

/// HTTP stays a name: the HTTP proxy takes it. What is not HTTP, or cannot know a proxy, gets the address.
fn is_for_an_address(mention: &Mention<'_>) -> bool {
    use super::protocol::Protocol;
    let is_web = matches!(mention.scheme.as_deref(), Some("http" | "https" | "ws" | "wss" | "grpc"));
    match mention.port {
        Some(port) => mention.service.port(port).is_some_and(|port| match port.protocol {
            Protocol::Tcp => true,
            Protocol::Tls | Protocol::Auto => !is_web,
            Protocol::Http | Protocol::Grpc | Protocol::Udp => false,
        }),
        None => mention.service.is_all_tcp() && !is_web,
    }
}

/// Runs of characters that a host name can have.
fn host_tokens(value: &str) -> impl Iterator<Item = Range<usize>> + '_ {
    let is_host = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.';
    let bytes = value.as_bytes();
    let mut at = 0;
    std::iter::from_fn(move || {
        while at < bytes.len() && !is_host(bytes[at]) {
            at += 1;
        }
        let start = at;
        while at < bytes.len() && is_host(bytes[at]) {
            at += 1;
        }
        (start < at).then_some(start..at)
    })
}

/// The port after a host: `None` if what follows shows that it was no host at all, as in `user:5432@db`.
fn port_after(after: &str) -> Option<Option<u16>> {
    let Some(rest) = after.strip_prefix(':') else {
        let goes_on = after.starts_with(['@', '_']);
        return (!goes_on).then_some(None);
    };
    let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    let (digits, rest) = rest.split_at(digits);
    if digits.is_empty()
        || rest.starts_with(|c: char| c.is_alphanumeric() || c == '@' || c == '_' || c == '.')
    {
        return None;
    }
    digits.parse().ok().map(Some)
}

/// The scheme of the URL whose host begins here.
fn scheme_before(before: &str) -> Option<String> {
    let (front, between) = before.rsplit_once("://")?;
    // Between the scheme and a host there is nothing, user@, or other hosts of a list.
    let is_host = between.is_empty() || between.ends_with('@') || between.ends_with(',');
    let in_path = between.contains(['/', '?', '#']);
    if !is_host || in_path {
        return None;
    }
    let start = front.rfind(|c: char| !(c.is_ascii_alphanumeric() || c == '+' || c == '-' || c == '.'));
    let scheme = &front[start.map_or(0, |at| at + 1)..];
    (!scheme.is_empty()).then(|| scheme.to_ascii_lowercase())
}

fn ends_at_boundary(before: &str) -> bool {
    before.is_empty() || before.ends_with(|c: char| !c.is_alphanumeric() && !matches!(c, ':' | '_' | '/'))
}

fn names_a_host(variable: &str) -> bool {
    let upper = variable.to_ascii_uppercase();
    ["HOST", "HOSTNAME", "ADDR", "ADDRESS", "SERVER", "ENDPOINT"].iter().any(|end| upper.ends_with(end))
}

#[cfg(test)]
mod tests;
