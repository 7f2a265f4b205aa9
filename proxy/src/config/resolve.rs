//! Clusters that are known by name (STRICT_DNS, LOGICAL_DNS): resolved again and again, the last answer kept.
//!
//! No name holds anything up: a cluster without an answer yet has no endpoints, and that is what its requests are told.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::sync::mpsc;
use weft_model::cluster::{Cluster, Discovery, DnsFamily};
use weft_model::endpoint::{Address, Endpoint, LoadAssignment};

/// An answer, or the lack of one.
#[derive(Debug)]
pub struct Answer {
    /// Which cluster.
    pub cluster: String,
    /// Its endpoints, all with addresses.
    pub assignment: LoadAssignment,
}

/// Time between two looks where the configuration says nothing; failures are looked at again sooner.
const REFRESH: Duration = Duration::from_secs(5);

/// Resolves one cluster for as long as somebody listens.
pub async fn keep_resolved(cluster: std::sync::Arc<Cluster>, answers: mpsc::Sender<Answer>) {
    let Some(wanted) = cluster.load_assignment.clone() else { return };
    let refresh = cluster.dns.refresh_rate.filter(|r| !r.is_zero()).unwrap_or(REFRESH);
    let mut last = None;
    loop {
        let found = resolve(&wanted, cluster.dns.family, cluster.discovery == Discovery::LogicalDns).await;
        match found {
            Ok(assignment) if last.as_ref() != Some(&assignment) => {
                last = Some(assignment.clone());
                let answer = Answer { cluster: cluster.name.clone(), assignment };
                if answers.send(answer).await.is_err() {
                    return;
                }
            }
            Ok(_) => {}
            Err(why) => {
                tracing::info!(cluster = %cluster.name, %why, "a name does not resolve; the last answer stays")
            }
        }
        tokio::select! {
            () = tokio::time::sleep(refresh) => {}
            () = answers.closed() => return,
        }
    }
}

async fn resolve(
    wanted: &LoadAssignment,
    family: DnsFamily,
    only_one: bool,
) -> Result<LoadAssignment, String> {
    let mut found = wanted.clone();
    for locality in &mut found.localities {
        let mut endpoints = Vec::new();
        for endpoint in std::mem::take(&mut locality.endpoints) {
            match endpoint.address.clone() {
                Address::Name(name, port) => {
                    let looked = tokio::net::lookup_host((name.as_str(), port)).await;
                    let addresses = choose(looked.map_err(|e| format!("{name}: {e}"))?.collect(), family);
                    let take = if only_one { 1 } else { addresses.len() };
                    endpoints.extend(addresses.into_iter().take(take).map(|address| Endpoint {
                        address: Address::Socket(address),
                        hostname: if endpoint.hostname.is_empty() {
                            name.clone()
                        } else {
                            endpoint.hostname.clone()
                        },
                        ..endpoint.clone()
                    }));
                }
                _ => endpoints.push(endpoint),
            }
        }
        locality.endpoints = endpoints;
    }
    Ok(found)
}

/// Which of a name's addresses count, in a stable order.
fn choose(mut addresses: Vec<SocketAddr>, family: DnsFamily) -> Vec<SocketAddr> {
    addresses.sort();
    addresses.dedup();
    let (v4, v6): (Vec<_>, Vec<_>) = addresses.into_iter().partition(SocketAddr::is_ipv4);
    match family {
        DnsFamily::V4Only => v4,
        DnsFamily::V6Only => v6,
        DnsFamily::V4Preferred => {
            if v4.is_empty() {
                v6
            } else {
                v4
            }
        }
        DnsFamily::Auto => {
            if v6.is_empty() {
                v4
            } else {
                v6
            }
        }
        DnsFamily::All => v4.into_iter().chain(v6).collect(),
    }
}

#[cfg(test)]
mod tests;
