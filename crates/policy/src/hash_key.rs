//! The key of consistent hashing: what of a request decides its endpoint.

use std::net::IpAddr;
use std::time::Duration;

use rand::{Rng, RngExt};
use weft_model::request::RequestView;
use weft_model::route::{HashKey, HashPolicy};
use weft_model::table::header::values;
use xxhash_rust::xxh64::xxh64;

use crate::route::parameter;

/// A cookie to be set on the response, so that the client comes back to the same endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetCookie<'a> {
    /// Name.
    pub name: &'a str,
    /// Path; empty: none is said.
    pub path: &'a str,
    /// `Max-Age`; `None`: for the session.
    pub max_age: Option<Duration>,
    /// Value: 16 hex digits.
    pub value: String,
    /// What else is said of it.
    pub attributes: &'a [(String, String)],
}

impl SetCookie<'_> {
    /// The value of a `set-cookie` header.
    pub fn header(&self) -> String {
        let mut text = format!("{}=\"{}\"", self.name, self.value);
        if let Some(age) = self.max_age {
            text.push_str(&format!("; Max-Age={}", age.as_secs()));
        }
        if !self.path.is_empty() {
            text.push_str(&format!("; Path={}", self.path));
        }
        for (name, value) in self.attributes {
            text.push_str("; ");
            text.push_str(name);
            if !value.is_empty() {
                text.push('=');
                text.push_str(value);
            }
        }
        text.push_str("; HttpOnly");
        text
    }
}

/// The key of a request, and the cookie that must be set for it to last. Policies are asked in order; each that yields
/// something adds to the key, and a terminal one that does ends it. Names of headers are in lower case, as compiled ones are.
pub fn of_request<'a>(
    policies: &'a [HashPolicy],
    request: &impl RequestView,
    source: IpAddr,
    rng: &mut impl Rng,
) -> (Option<u64>, Option<SetCookie<'a>>) {
    let mut key: Option<u64> = None;
    let mut set = None;
    for policy in policies {
        let more = match &policy.key {
            HashKey::Header(name) => header(request, name),
            HashKey::SourceIp => Some(of_ip(source)),
            HashKey::Query(name) => parameter(request.path(), name).map(|value| xxh64(value.as_bytes(), 0)),
            HashKey::Cookie { name, ttl, path, attributes } => match (cookie(request, name), ttl) {
                (Some(key), _) => Some(key),
                (None, None) => None,
                (None, Some(ttl)) => {
                    let value = format!("{:016x}", rng.random::<u64>());
                    let key = xxh64(value.as_bytes(), 0);
                    let max_age = (!ttl.is_zero()).then_some(*ttl);
                    set.get_or_insert(SetCookie { name, path, max_age, value, attributes });
                    Some(key)
                }
            },
        };
        let Some(more) = more else { continue };
        // Envoy's way to combine: what came before is rotated, so that order counts.
        key = Some(key.map_or(more, |before| before.rotate_left(1) ^ more));
        if policy.terminal {
            break;
        }
    }
    (key, set)
}

/// The key of a connection: its source address, if a policy asks for it.
pub fn of_connection(policies: &[HashPolicy], source: IpAddr) -> Option<u64> {
    policies.iter().any(|policy| policy.key == HashKey::SourceIp).then(|| of_ip(source))
}

fn of_ip(ip: IpAddr) -> u64 {
    match ip.to_canonical() {
        IpAddr::V4(ip) => xxh64(&ip.octets(), 0),
        IpAddr::V6(ip) => xxh64(&ip.octets(), 0),
    }
}

/// Several values count in any order: a proxy on the way may have shuffled them.
fn header(request: &impl RequestView, name: &str) -> Option<u64> {
    let mut values = values(request, name);
    values.sort_unstable();
    let hashes = values.iter().map(|value| xxh64(value, 0));
    hashes.reduce(|before, more| before.rotate_left(1) ^ more)
}

/// The value of a cookie, quotes left out; an empty one is none.
fn cookie(request: &impl RequestView, name: &str) -> Option<u64> {
    let mut key = None;
    request.header("cookie", &mut |cookies| {
        for pair in cookies.split(|byte| *byte == b';').map(<[u8]>::trim_ascii) {
            let Some(value) = pair.strip_prefix(name.as_bytes()).and_then(|rest| rest.strip_prefix(b"="))
            else {
                continue;
            };
            let value =
                value.strip_prefix(b"\"").and_then(|value| value.strip_suffix(b"\"")).unwrap_or(value);
            if key.is_none() && !value.is_empty() {
                key = Some(xxh64(value, 0));
            }
        }
    });
    key
}

#[cfg(test)]
mod tests;
