//! Names and addresses of a mesh in network namespaces: what its DNS would say. Pure.

use super::addresses::{OUTSIDE, SERVICES, SERVICES_SIX};
use super::plan::Pod;
use super::pods::Kind;
use super::services::Service;
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use weft_control::world::family::Family;

/// A name, and what it resolves to.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Named {
    /// In full.
    pub(crate) host: String,
    /// Within its namespace; empty for a host outside.
    pub(crate) name: String,
    pub(crate) namespace: String,
    /// One of each family where they are the service's own.
    pub(crate) addresses: Vec<IpAddr>,
    /// They are the service's own.
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
        let addresses: Vec<IpAddr> = match virtual_addresses.get(&host) {
            Some(addresses) => addresses.clone(),
            None => behind().flat_map(|pod| pod.addresses(&service.families)).collect(),
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
            addresses: pod.addresses(&service.families),
            own: false,
        });
        named.extend(single.collect::<Vec<_>>());
        named.push(Named { host, name, namespace, addresses, own });
    }
    named
}

/// The services' own addresses, of each family that they have: those that their manifests give, for others one of
/// [`SERVICES`] or [`SERVICES_SIX`]; for hosts outside, which nobody here could reach by one of theirs, one of [`OUTSIDE`].
fn addresses(services: &[Service]) -> BTreeMap<String, Vec<IpAddr>> {
    let own: Vec<&Service> =
        services.iter().filter(|s| !s.headless && !s.name.contains('*') && !s.is_pod()).collect();
    let mut taken: BTreeSet<IpAddr> =
        own.iter().flat_map(|service| service.addresses.iter().copied()).collect();
    let mut addresses = BTreeMap::new();
    let mut hosts: Vec<(String, &Service)> = own.iter().map(|service| (service.host(), *service)).collect();
    hosts.sort_by(|a, b| a.0.cmp(&b.0));
    for (host, service) in hosts {
        let of = |family: &Family| {
            let given = service.addresses.iter().find(|address| Family::of(**address) == *family);
            given.copied().or_else(|| free(service, &host, *family, &mut taken))
        };
        let all: Vec<IpAddr> = service.families.iter().filter_map(of).collect();
        addresses.insert(host, all);
    }
    addresses
}

/// An address that follows from the name, so that an edit elsewhere moves nobody.
fn free(service: &Service, host: &str, family: Family, taken: &mut BTreeSet<IpAddr>) -> Option<IpAddr> {
    (0..=u16::MAX).map(|more| hash(host).wrapping_add(more)).find_map(|number| {
        let [_, fourth] = number.to_be_bytes();
        let range = if service.outside { OUTSIDE } else { SERVICES };
        let address: IpAddr = match family {
            Family::V4 => Ipv4Addr::from_bits(range.addr().to_bits() | u32::from(number)).into(),
            Family::V6 => Ipv6Addr::from_bits(SERVICES_SIX.addr().to_bits() | u128::from(number)).into(),
        };
        (fourth != 0 && fourth != 255 && taken.insert(address)).then_some(address)
    })
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
pub(crate) fn resolve(named: &[Named], name: &str, namespace: &str) -> Option<IpAddr> {
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    let found = named.iter().find(|named| named.spellings(namespace).contains(&name))?;
    found.addresses.first().copied()
}

/// The `/etc/hosts` of `pod`. Where nobody turns its connections, a service's own address leads nowhere: those of TCP have
/// one of the pod's instead, and whoever speaks HTTP asks its proxy.
pub(crate) fn hosts(named: &[Named], pod: &Pod) -> String {
    let mut text = format!("127.0.0.1 localhost\n::1 localhost\n{} {}\n", pod.address, pod.hostname());
    if let Some(six) = pod.six {
        text.push_str(&format!("{six} {}\n", pod.hostname()));
    }
    // What its template says goes before what the mesh does.
    for (address, names) in &pod.aliases {
        text.push_str(&format!("{address} {}\n", names.join(" ")));
    }
    let is_taken = |name: &String| pod.aliases.iter().any(|(_, names)| names.contains(name));
    for named in named {
        let spellings: Vec<String> =
            named.spellings(&pod.namespace).into_iter().filter(|name| !is_taken(name)).collect();
        if spellings.is_empty() {
            continue;
        }
        let spellings = spellings.join(" ");
        let addresses = match named.within(pod) {
            _ if !pod.is_bound() => named.addresses.clone(),
            Some(address) => vec![address.into()],
            None if named.own => Vec::new(),
            // It has no address of IPv6 from where it could go to one.
            None => named.addresses.iter().copied().filter(IpAddr::is_ipv4).collect(),
        };
        for address in addresses {
            text.push_str(&format!("{address} {spellings}\n"));
        }
    }
    text
}

/// The `/etc/resolv.conf` of `pod`. Where queries are turned, whatever server is named is the sidecar; elsewhere its hosts
/// file knows the mesh, and there is a `server` for the rest, or nobody.
pub(crate) fn resolv_conf(pod: &Pod, server: Option<Ipv4Addr>) -> String {
    let asks_sidecar = pod.is_turned() && pod.proxy.answers_dns();
    let server = server.filter(|_| !asks_sidecar).unwrap_or(Ipv4Addr::LOCALHOST);
    format!("{}nameserver {server}\noptions ndots:5\n", search(&pod.namespace))
}

/// The same as its sidecar is told it: there is a `server` for what it does not know, or nobody besides itself.
pub(crate) fn sidecar_resolv_conf(namespace: &str, server: Option<Ipv4Addr>) -> String {
    let server = server.map_or_else(|| "[127.0.0.1]:15053".to_owned(), |server| server.to_string());
    format!("{}nameserver {server}\n", search(namespace))
}

/// The machine's `/etc/nsswitch.conf` as a pod has it: names are in its own files and its own DNS, as in a container, and no
/// service of the machine (systemd-resolved, mDNS) is asked, which knows nothing of the mesh.
pub(crate) fn nsswitch(machines: &str) -> String {
    let others = machines.lines().filter(|line| !line.trim_start().starts_with("hosts:"));
    others.chain(["hosts: files dns"]).map(|line| format!("{line}\n")).collect()
}

fn search(namespace: &str) -> String {
    format!("search {namespace}.svc.cluster.local svc.cluster.local cluster.local\n")
}

#[cfg(test)]
mod tests;
