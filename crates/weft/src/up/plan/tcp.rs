//! The addresses of a pod at which its sidecar takes what is meant for TCP services, one for each host.

use super::super::addresses::Block;
use super::super::services::Service;
use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

/// An address for each host with a TCP port, the own namespace's first. Hosts that `held` has keep theirs, which the app
/// was told at its start; what a host had that is no more is given to another when nothing else is left.
pub(super) fn addresses(
    services: &[Service],
    namespace: &str,
    block: Block,
    held: Option<&BTreeMap<String, Ipv4Addr>>,
) -> BTreeMap<String, Ipv4Addr> {
    let with_ports = || services.iter().filter(|of| of.needs_address() && !of.name.contains('*'));
    let held_by = |service: &Service| {
        let mut keys = service.ports.iter().map(|port| service.key(port.number));
        keys.find_map(|key| held?.get(&key).copied())
    };
    let mut addresses: BTreeMap<String, Ipv4Addr> =
        with_ports().filter_map(|service| Some((service.host(), held_by(service)?))).collect();
    let kept: BTreeSet<Ipv4Addr> = addresses.values().copied().collect();
    let before: BTreeSet<Ipv4Addr> = held.into_iter().flat_map(BTreeMap::values).copied().collect();
    let (used, fresh): (Vec<_>, Vec<_>) =
        (0..).map_while(|nth| block.tcp(nth)).partition(|address| before.contains(address));
    let mut free = fresh.into_iter().chain(used.into_iter().filter(|address| !kept.contains(address)));
    let mut hosts: Vec<(bool, String)> =
        with_ports().map(|service| (service.namespace != namespace, service.host())).collect();
    hosts.sort();
    hosts.dedup();
    hosts.retain(|(_, host)| !addresses.contains_key(host));
    addresses.extend(hosts.into_iter().map_while(|(_, host)| Some((host, free.next()?))));
    addresses
}

/// The same by each of a host's ports.
pub(super) fn keys(
    services: &[Service],
    addresses: &BTreeMap<String, Ipv4Addr>,
) -> BTreeMap<String, Ipv4Addr> {
    let mut keys = BTreeMap::new();
    for service in services {
        let Some(address) = addresses.get(&service.host()) else { continue };
        for port in service.ports.iter().filter(|port| service.has_address(port)) {
            keys.insert(service.key(port.number), *address);
        }
    }
    keys
}
