//! The attributes that a condition (`when`) can ask for.

use super::value::{self, Check};
use crate::read::finding::Findings;
use crate::read::nearest::nearest;
use crate::read::path::Path;
use crate::read::validate::network;

const KEYS: &[&str] = &[
    "request.headers",
    "source.ip",
    "remote.ip",
    "source.namespace",
    "source.principal",
    "source.serviceAccount",
    "source.trustDomain",
    "request.auth.principal",
    "request.auth.audiences",
    "request.auth.presenter",
    "request.auth.claims",
    "destination.ip",
    "destination.port",
    "connection.sni",
    "experimental.envoy.filters.",
];

/// Checks that an attribute exists, with its part in brackets where it has one.
pub(super) fn key(key: &str, at: &Path<'_>, into: &mut Findings) {
    if key.starts_with("experimental.envoy.filters.") {
        return;
    }
    let (name, part) = key.split_once('[').map_or((key, None), |(name, part)| (name, Some(part)));
    let wants_part = matches!(name, "request.headers" | "request.auth.claims");
    if !KEYS.contains(&name) {
        into.error(at, format!("{key:?} is no attribute"));
        into.hint(match nearest(name, KEYS.iter().copied()) {
            Some(near) => format!("did you mean {near}?"),
            None => format!("known are {}", KEYS.join(", ")),
        });
    } else if wants_part && !part.is_some_and(|part| part.len() > 1 && part.ends_with(']')) {
        into.error(at, format!("{name} needs a name in brackets: {name}[x-tenant]"));
    } else if !wants_part && part.is_some() {
        into.error(at, format!("{name} has nothing in brackets"));
    }
}

/// What an attribute's values can be.
pub(super) fn values_of(key: &str) -> Check {
    match key {
        "source.ip" | "remote.ip" | "destination.ip" => |text, at, into| {
            if let Err(why) = network::network(text) {
                into.error(at, why);
            }
        },
        "destination.port" => value::port,
        "source.principal" => value::principal,
        "source.serviceAccount" => value::service_account,
        "request.auth.principal" => value::request_principal,
        _ => value::wildcard,
    }
}
