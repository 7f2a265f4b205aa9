//! Names and addresses of a mesh in network namespaces: what its DNS would say. Pure.

use super::plan::Pod;
use super::pods::Kind;
use super::services::Service;
use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

/// A name, and what it resolves to.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Named {
    /// In full.
    pub(crate) host: String,
    /// Within its namespace; empty for a host outside.
    pub(crate) name: String,
    pub(crate) namespace: String,
    pub(crate) addresses: Vec<Ipv4Addr>,
    /// The one address is the service's own.
    pub(crate) own: bool,
}

/// The names of `services`, each at its own address, or at its pods'.
pub(crate) fn all(services: &[Service], pods: &[Pod]) -> Vec<Named> {
    let mut named = Vec::new();
    let virtual_addresses = addresses(services);
    for service in services.iter().filter(|service| !service.name.contains('*') && !service.is_pod()) {
        let host = service.host();
        let behind = || {
            pods.iter().filter(|pod| {
                pod.namespace == service.namespace && !service.outside && pod.services.contains(&service.name)
            })
        };
        let addresses: Vec<Ipv4Addr> = match virtual_addresses.get(&host) {
            Some(address) => vec![*address],
            None => behind().map(|pod| pod.address).collect(),
        };
        let name = if service.outside { String::new() } else { service.name.clone() };
        let own = virtual_addresses.contains_key(&host);
        let namespace = service.namespace.clone();
        // The pods of a StatefulSet have names of their own below their headless service's.
        let single = behind().filter(|pod| service.headless && pod.kind == Kind::StatefulSet);
        let single = single.map(|pod| Named {
            host: format!("{}.{host}", pod.name),
            name: format!("{}.{}", pod.name, service.name),
            namespace: namespace.clone(),
            addresses: vec![pod.address],
            own: false,
        });
        named.extend(single.collect::<Vec<_>>());
        named.push(Named { host, name, namespace, addresses, own });
    }
    named
}

/// The services' own addresses: those that their manifests give, for others one of 10.96/16; for hosts outside, which
/// nobody here could reach by one of theirs, one of 240.240/16.
fn addresses(services: &[Service]) -> BTreeMap<String, Ipv4Addr> {
    let own: Vec<&Service> =
        services.iter().filter(|s| !s.headless && !s.name.contains('*') && !s.is_pod()).collect();
    let mut taken: BTreeSet<Ipv4Addr> = own.iter().filter_map(|service| service.address).collect();
    let mut addresses = BTreeMap::new();
    let mut hosts: Vec<(String, &Service)> = own.iter().map(|service| (service.host(), *service)).collect();
    hosts.sort_by(|a, b| a.0.cmp(&b.0));
    for (host, service) in hosts {
        let given = service.address.or_else(|| {
            let (high, low) = if service.outside { (240, 240) } else { (10, 96) };
            // From the name, so that an edit elsewhere moves nobody.
            (0..=u16::MAX).map(|more| hash(&host).wrapping_add(more)).find_map(|number| {
                let [third, fourth] = number.to_be_bytes();
                let address = Ipv4Addr::new(high, low, third, fourth);
                (fourth != 0 && fourth != 255 && taken.insert(address)).then_some(address)
            })
        });
        addresses.extend(given.map(|address| (host, address)));
    }
    addresses
}

/// FNV-1a, folded.
fn hash(text: &str) -> u16 {
    let whole =
        text.bytes().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    let [a, b, c, d] = whole.to_be_bytes();
    u16::from_be_bytes([a ^ c, b ^ d])
}

impl Named {
    /// The address of `pod` at which its sidecar takes what is meant for it.
    fn within(&self, pod: &Pod) -> Option<Ipv4Addr> {
        let name =
            if self.name.is_empty() { &self.host } else { &format!("{}.{}", self.name, self.namespace) };
        let of = |key: &str| key.strip_prefix(name.as_str()).is_some_and(|port| port.starts_with(':'));
        pod.tcp.iter().find(|(key, _)| of(key)).map(|(_, address)| *address)
    }

    /// How it may be written in `namespace`.
    fn spellings(&self, namespace: &str) -> Vec<String> {
        if self.name.is_empty() {
            return vec![self.host.clone()];
        }
        let short = format!("{}.{}", self.name, self.namespace);
        let own = (self.namespace == namespace).then(|| self.name.clone());
        own.into_iter().chain([short.clone(), format!("{short}.svc"), self.host.clone()]).collect()
    }
}

/// What `name` resolves to in `namespace`.
pub(crate) fn resolve(named: &[Named], name: &str, namespace: &str) -> Option<Ipv4Addr> {
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    let found = named.iter().find(|named| named.spellings(namespace).contains(&name))?;
    found.addresses.first().copied()
}

/// The `/etc/hosts` of `pod`. Where nobody turns its connections, a service's own address leads nowhere: those of TCP have
/// one of the pod's instead, and whoever speaks HTTP asks its proxy.
pub(crate) fn hosts(named: &[Named], pod: &Pod) -> String {
    let mut text = format!("127.0.0.1 localhost\n::1 localhost\n{} {}\n", pod.address, pod.name);
    for named in named {
        let spellings = named.spellings(&pod.namespace).join(" ");
        let addresses = match named.within(pod) {
            _ if !pod.is_bound() => named.addresses.clone(),
            Some(address) => vec![address],
            None if named.own => Vec::new(),
            None => named.addresses.clone(),
        };
        for address in addresses {
            text.push_str(&format!("{address} {spellings}\n"));
        }
    }
    text
}

/// The `/etc/resolv.conf` of a pod of `namespace`. At that address answers whom the kernel hands queries to: the sidecar.
pub(crate) fn resolv_conf(namespace: &str) -> String {
    format!(
        "search {namespace}.svc.cluster.local svc.cluster.local cluster.local\nnameserver 127.0.0.1\noptions ndots:5\n"
    )
}

#[cfg(test)]
mod tests;
