//! Clusters that are known by name (STRICT_DNS, LOGICAL_DNS): resolved again when the answer's time is over. A name that
//! vanishes keeps its last addresses for as long as there are no better ones, unlike in Envoy.
//!
//! No name holds anything up, not even another of its cluster: a cluster without an answer yet has no endpoints, and that is
//! what its requests are told.

mod known;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use hickory_resolver::TokioResolver;
use hickory_resolver::config::LookupIpStrategy;
use hickory_resolver::net::NetError;
use tokio::sync::mpsc;
use weft_model::cluster::{Cluster, Discovery, DnsFamily};
use weft_model::endpoint::{Address, Endpoint, LoadAssignment};

use self::known::Known;

/// An answer with new addresses.
#[derive(Debug)]
pub struct Answer {
    /// Which cluster.
    pub cluster: String,
    /// Its endpoints, all with addresses.
    pub assignment: LoadAssignment,
}

/// A name is asked for again no sooner and no later than this, whatever its TTL says.
const SOONEST: Duration = Duration::from_secs(1);
const LATEST: Duration = Duration::from_secs(300);

/// After a failure: soon, and each time after twice as long.
const AGAIN: Duration = Duration::from_secs(1);
const AGAIN_AT_MOST: Duration = Duration::from_secs(60);

/// A resolver by the system's configuration, `/etc/hosts` included.
///
/// # Errors
/// If the system has none that can be read.
pub fn resolver() -> Result<TokioResolver, String> {
    let mut builder = TokioResolver::builder_tokio().map_err(|e| e.to_string())?;
    builder.options_mut().ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
    builder.build().map_err(|e| e.to_string())
}

/// Why a name has no address, in words.
pub fn why(error: &NetError) -> String {
    match error {
        error if error.is_nx_domain() => "the DNS server knows no such name".to_owned(),
        error if error.is_no_records_found() => "the DNS server knows no address of that name".to_owned(),
        NetError::Timeout => "the DNS server does not answer in time".to_owned(),
        NetError::NoConnections => "no DNS server can be reached".to_owned(),
        NetError::Io(error) => format!("no DNS server can be reached: {error}"),
        other => other.to_string(),
    }
}

/// Resolves one cluster for as long as somebody listens.
pub async fn keep_resolved(resolver: TokioResolver, cluster: Arc<Cluster>, answers: mpsc::Sender<Answer>) {
    let Some(wanted) = cluster.load_assignment.clone() else { return };
    let mut known = Known::default();
    let mut last = None;
    let mut failures = 0;
    loop {
        let good_for = known.ask(&resolver, &cluster.name, names(&wanted)).await;
        let assignment = assign(&known, &wanted, &cluster);
        let somebody = assignment.localities.iter().any(|of| !of.endpoints.is_empty());
        if (somebody || last.is_some()) && last.as_ref() != Some(&assignment) {
            last = Some(assignment.clone());
            if answers.send(Answer { cluster: cluster.name.clone(), assignment }).await.is_err() {
                return;
            }
        }
        let mut wait = pause(&cluster, good_for);
        if known.fails() {
            failures += 1;
            wait = wait.min(after(failures));
        } else {
            failures = 0;
        }
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = answers.closed() => return,
        }
    }
}

/// How long to wait after so many failures in a row.
fn after(failures: u32) -> Duration {
    AGAIN.saturating_mul(1 << (failures.saturating_sub(1)).min(16)).min(AGAIN_AT_MOST)
}

/// The answer's own time, unless the configuration sets another.
fn pause(cluster: &Cluster, good_for: Duration) -> Duration {
    let configured = cluster.dns.refresh_rate.filter(|rate| !rate.is_zero() && !cluster.dns.respect_ttl);
    configured.unwrap_or(good_for).clamp(SOONEST, LATEST)
}

/// The names among the endpoints, each once.
fn names(wanted: &LoadAssignment) -> Vec<&str> {
    let endpoints = wanted.localities.iter().flat_map(|of| &of.endpoints);
    let mut names: Vec<&str> = endpoints
        .filter_map(|endpoint| match &endpoint.address {
            Address::Name(name, _) => Some(name.as_str()),
            _ => None,
        })
        .collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// The endpoints with the addresses that are known of them; a name without any has none.
fn assign(known: &Known, wanted: &LoadAssignment, cluster: &Cluster) -> LoadAssignment {
    let only_one = cluster.discovery == Discovery::LogicalDns;
    let mut found = wanted.clone();
    for locality in &mut found.localities {
        let mut endpoints = Vec::new();
        for endpoint in std::mem::take(&mut locality.endpoints) {
            let Address::Name(name, port) = endpoint.address.clone() else {
                endpoints.push(endpoint);
                continue;
            };
            let mut addresses: Vec<_> = known.of(&name).iter().map(|ip| SocketAddr::new(*ip, port)).collect();
            if !only_one {
                // In a stable order: the same addresses in another order are no news.
                addresses.sort();
                addresses.dedup();
            }
            let addresses = choose(addresses, cluster.dns.family);
            // The first of the answer: servers that turn its order spread their clients by that.
            let take = if only_one { 1 } else { addresses.len() };
            let hostname = if endpoint.hostname.is_empty() { name } else { endpoint.hostname.clone() };
            endpoints.extend(addresses.into_iter().take(take).map(|address| Endpoint {
                address: Address::Socket(address),
                hostname: hostname.clone(),
                ..endpoint.clone()
            }));
        }
        locality.endpoints = endpoints;
    }
    found
}

/// Which of a name's addresses count, in the order that they have.
fn choose(addresses: Vec<SocketAddr>, family: DnsFamily) -> Vec<SocketAddr> {
    let is_v4 = |a: &SocketAddr| matches!(a.ip(), IpAddr::V4(_));
    let (v4, v6): (Vec<_>, Vec<_>) = addresses.into_iter().partition(is_v4);
    let first = |a: Vec<SocketAddr>, b| if a.is_empty() { b } else { a };
    match family {
        DnsFamily::V4Only => v4,
        DnsFamily::V6Only => v6,
        DnsFamily::V4Preferred => first(v4, v6),
        DnsFamily::Auto => first(v6, v4),
        DnsFamily::All => v4.into_iter().chain(v6).collect(),
    }
}

#[cfg(test)]
mod tests;
