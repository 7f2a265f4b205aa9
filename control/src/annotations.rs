//! weft's own annotations: what Istio has no field for, and Envoy a setting. Each travels as that setting, so that a stock
//! Envoy does the same.
//! The table of them, with their values, stands in the [README](../README.md).
//!
//! Health checks ask the ports that speak what they ask in: `http` those of HTTP and those whose protocol nobody declared,
//! `grpc` those of gRPC and HTTP/2, `tcp` all.
//!
//! A value is a list of `key=value`, with commas between. What cannot be read makes its resource unusable, like any field.

mod health_check;
mod pairs;
pub(crate) mod rate_limit;
mod sticky;

use std::collections::BTreeMap;

use weft_model::health::{HealthCheck, Probe};
use weft_model::limit::LocalRateLimit;
use weft_model::route::HashPolicy;

use crate::read::nearest::nearest;
use crate::world::protocol::Protocol;

/// A session stays on one version.
pub const STICKY: &str = "weft.dev/sticky";

/// How many requests pass.
pub const LOCAL_RATE_LIMIT: &str = "weft.dev/local-rate-limit";

/// How callers ask the endpoints whether they are well.
pub const HEALTH_CHECK: &str = "weft.dev/health-check";

/// Where a pod's app listens on loopback: `weft up` says it, and nobody writes it.
pub(crate) const LOCALHOST: &str = "weft.dev/localhost";

/// Which addresses of a pod lead to which services, as `weft up` says alone.
pub(crate) const TCP_ADDRESSES: &str = "weft.dev/tcp-addresses";

type Annotations = BTreeMap<String, String>;

/// What a VirtualService's sessions are known by.
pub fn sticky(of: &Annotations) -> Option<HashPolicy> {
    sticky::parse(of.get(STICKY)?).ok()
}

/// The limit of whatever is called `name`.
pub fn limit(of: &Annotations, name: &str) -> Option<LocalRateLimit> {
    rate_limit::parse(of.get(LOCAL_RATE_LIMIT)?, name).ok()
}

/// How the endpoints of a service are asked whether they are well.
pub fn health_check(of: &Annotations) -> Option<HealthCheck> {
    health_check::parse(of.get(HEALTH_CHECK)?).ok()
}

/// Whether a port that speaks this is asked so.
pub fn asks(probe: &Probe, port: Protocol) -> bool {
    match probe {
        Probe::Http { .. } => port == Protocol::Auto || (port.is_http() && port != Protocol::Grpc),
        // Envoy refuses a cluster that is asked so and is not spoken to in HTTP/2.
        Probe::Grpc { .. } => port.is_http2(),
        Probe::Tcp => true,
    }
}

/// What is wrong with the annotations of a resource of that kind: which, and why.
pub fn check<'a>(kind: &str, of: &'a Annotations) -> Vec<(&'a str, String)> {
    let mut wrong = Vec::new();
    for (name, value) in of.iter().filter(|(name, _)| name.starts_with("weft.dev/")) {
        let (on, read): (&[&str], _) = match name.as_str() {
            STICKY => (&["VirtualService"], sticky::parse(value).map(|_| ())),
            LOCAL_RATE_LIMIT => {
                (&["VirtualService", "Service", "Pod"], rate_limit::parse(value, "a").map(|_| ()))
            }
            HEALTH_CHECK => (&["Service", "ServiceEntry"], health_check::parse(value).map(|_| ())),
            _ => continue,
        };
        if !on.contains(&kind) {
            wrong
                .push((name.as_str(), format!("a {kind} does not heed it; it is for a {}", on.join(", a "))));
        } else if let Err(why) = read {
            wrong.push((name.as_str(), why));
        }
    }
    wrong
}

/// Which annotations are none of weft's though they are called so, each with the one that was probably meant.
pub fn unknown(of: &Annotations) -> impl Iterator<Item = (&str, Option<&'static str>)> {
    let known = [STICKY, LOCAL_RATE_LIMIT, HEALTH_CHECK];
    let names = of.keys().map(String::as_str).filter(|name| name.starts_with("weft.dev/"));
    names
        .filter(move |name| !known.contains(name) && ![LOCALHOST, TCP_ADDRESSES].contains(name))
        .map(move |name| (name, nearest(name, known)))
}

#[cfg(test)]
mod tests;
