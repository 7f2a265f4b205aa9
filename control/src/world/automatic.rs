//! Addresses for services that have none of their own and are not Kubernetes': two ServiceEntries on one TCP port can
//! then be told apart by where the client was going. Only proxies that answer their app's DNS hear of them.
//!
//! An address follows from namespace and host alone, so an edit elsewhere does not move it. Where two hosts fall on one
//! address (one pair among a hundred hosts in 13 meshes), the later one takes the next that is free.

use std::collections::HashSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::service::{Registry, Resolution, Service};

/// 240.240.0.0/16 without the first and last address of each 256.
const ADDRESSES: u32 = 256 * 254;

/// Whether a service gets an address. Bytes to a service that leads wherever the client was going would lead nowhere,
/// and a wildcard is no name that could be resolved.
fn wants(service: &Service) -> bool {
    service.registry == Registry::External
        && service.resolution != Resolution::Passthrough
        && service.addresses.is_empty()
        && !service.host.contains('*')
        && !service.opts_out_of_addresses
}

/// Gives each service that wants one an address of each family.
pub(super) fn assign(services: &mut [Service]) {
    let written = services.iter().flat_map(|service| &service.addresses);
    let mut taken: HashSet<IpAddr> = written.map(ipnet::IpNet::addr).collect();
    let mut order: Vec<usize> = (0..services.len()).filter(|place| wants(&services[*place])).collect();
    // Not in the order of reading: a document that moves moves no address.
    order.sort_by_key(|place| {
        let service = &services[*place];
        (service.age.created, service.namespace.clone(), service.host.clone())
    });
    for place in order {
        let service = &mut services[place];
        let first = hash(&format!("{}/{}", service.namespace, service.host)) % ADDRESSES;
        let free = (0..ADDRESSES).map(|step| both((first + step) % ADDRESSES));
        let found = free.into_iter().find(|[v4, v6]| !taken.contains(v4) && !taken.contains(v6));
        service.automatic = found.into_iter().flatten().collect();
        taken.extend(&service.automatic);
    }
}

/// The addresses of a number below [`ADDRESSES`].
fn both(number: u32) -> [IpAddr; 2] {
    let (high, low) = (number / 254, number % 254 + 1);
    let [.., high, low] = (high << 8 | low).to_be_bytes();
    let v6 = Ipv6Addr::new(0x2001, 2, 0, 0, 0, 0, 0xf0f0, u16::from_be_bytes([high, low]));
    [Ipv4Addr::new(240, 240, high, low).into(), v6.into()]
}

/// FNV-1a: the same on every machine and in every version.
fn hash(text: &str) -> u32 {
    text.bytes().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

#[cfg(test)]
mod tests;
