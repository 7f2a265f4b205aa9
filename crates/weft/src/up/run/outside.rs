//! Names of the world outside, for a mesh in network namespaces: at the hub's address stands what a cluster's DNS server is to
//! its pods. Whatever sidecars do not know in the cluster's domain it says is missing; for the rest it asks whom this machine
//! itself asks. What leaves for those servers leaves the machine as its own: nothing else leads out of the pods' network.

use crate::netns;
use crate::up::addresses::ranges;
use anyhow::Context;
use ipnet::IpNet;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Instant;
use weft_proxy::dns::resolv_conf::ResolvConf;
use weft_proxy::dns::{Dns, Sockets, forward};
use weft_telemetry::{Metrics, MetricsSettings};

const PORT: u16 = 53;

/// Whom `file` says to ask, if anybody; says so if not.
pub(super) fn servers(file: &Path) -> Option<ResolvConf> {
    let read = std::fs::read_to_string(file);
    let servers = read.as_deref().ok().and_then(ResolvConf::with_servers);
    if servers.is_none() {
        let why = read.err().map_or_else(|| "it names no server".to_owned(), |error| error.to_string());
        crate::say::say!(
            "weft: nobody can be asked for names of the world outside ({}: {why}): they are not resolved",
            file.display()
        );
    }
    servers.map(|servers| ResolvConf { own: own(), ..servers })
}

/// The cluster's domain, and those of its addresses, about which servers like MariaDB's ask before they answer anybody.
fn own() -> Vec<String> {
    ["cluster.local".to_owned()].into_iter().chain(ranges().into_iter().map(reverse)).collect()
}

/// The domain that tells who is at the addresses of `network`, which ends where a label of theirs does.
fn reverse(network: IpNet) -> String {
    let (digits, bits, domain) = match network.addr() {
        IpAddr::V4(address) => (address.octets().map(|octet| octet.to_string()).to_vec(), 8, "in-addr.arpa"),
        IpAddr::V6(address) => {
            let halves = address.octets().into_iter().flat_map(|octet| [octet >> 4, octet & 0xf]);
            (halves.map(|half| format!("{half:x}")).collect(), 4, "ip6.arpa")
        }
    };
    let labels = digits.into_iter().take(usize::from(network.prefix_len()) / bits);
    let labels: Vec<String> = labels.collect();
    labels.into_iter().rev().chain([domain.to_owned()]).collect::<Vec<_>>().join(".")
}

/// Begins to answer the pods at the hub's `address`, until it is dropped.
pub(super) fn start(hub: &str, address: Ipv4Addr, servers: ResolvConf) -> anyhow::Result<Dns> {
    let metrics = Metrics::new(MetricsSettings::default(), "up", env!("CARGO_PKG_VERSION"), Instant::now());
    let at = SocketAddr::from((address, PORT));
    // The sockets are the hub's, those of the questions are not.
    let sockets = netns::inside(hub, || Sockets::bind(&[at]))
        .map_err(anyhow::Error::from)
        .and_then(|bound| Ok(bound?))
        .with_context(|| format!("cannot answer the pods' DNS at {at}"))?;
    Ok(forward(sockets, servers, &metrics)?)
}

#[cfg(test)]
mod tests;
