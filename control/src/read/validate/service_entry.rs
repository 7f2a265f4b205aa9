//! ServiceEntry.

use std::collections::HashSet;

use crate::read::finding::Findings;
use crate::read::path::Path;
use crate::resources::service_entry::{Resolution, ServiceEntry};

/// Checks a ServiceEntry.
pub(in crate::read) fn check(entry: &ServiceEntry, into: &mut Findings) {
    let root = Path::ROOT;
    let spec = root.key("spec");
    hosts(entry, &spec, into);
    ports(entry, &spec, into);
    super::host::export_to(&entry.export_to, &spec.key("exportTo"), into);
    super::network::networks(&entry.addresses, &spec.key("addresses"), into);
    if let Some(selector) = &entry.workload_selector {
        let at = spec.key("workloadSelector");
        if !entry.endpoints.is_empty() {
            into.error(&at, "only one of workloadSelector and endpoints can be set");
        }
        if selector.labels.is_empty() {
            into.error(&at, "`labels` is missing: it would select nothing");
        }
        super::names::selector(&selector.labels, &at.key("labels"), into);
    }
    resolution(entry, &spec, into);
    endpoints(entry, &spec, into);
}

fn hosts(entry: &ServiceEntry, spec: &Path<'_>, into: &mut Findings) {
    if entry.hosts.is_empty() {
        into.error(spec, "`hosts` is missing");
    }
    for (index, host) in entry.hosts.iter().enumerate() {
        let at = spec.key("hosts");
        if host == "*" {
            into.error(
                &at.index(index),
                "a ServiceEntry is not for every host: name a domain (*.example.com)",
            );
        } else if let Err(why) = super::host::wildcard(host) {
            into.error(&at.index(index), why);
        }
    }
}

fn ports(entry: &ServiceEntry, spec: &Path<'_>, into: &mut Findings) {
    if entry.ports.is_empty() {
        into.error(spec, "`ports` is missing");
    }
    let (mut numbers, mut names) = (HashSet::new(), HashSet::new());
    for (index, port) in entry.ports.iter().enumerate() {
        let list = spec.key("ports");
        let at = list.index(index);
        super::port::number(port.number, &at.key("number"), into);
        super::port::protocol(&port.protocol, &at.key("protocol"), into);
        if port.target_port != 0 {
            super::port::number(port.target_port, &at.key("targetPort"), into);
        }
        if port.name.is_empty() {
            into.error(&at, "`name` is missing");
        } else if let Err(why) = super::names::label(&port.name) {
            into.error(&at.key("name"), why);
        }
        if !numbers.insert(port.number) {
            into.error(&at.key("number"), format!("port {} stands here a second time", port.number));
        }
        if !port.name.is_empty() && !names.insert(&port.name) {
            into.error(&at.key("name"), format!("a port {:?} stands here a second time", port.name));
        }
    }
}

fn resolution(entry: &ServiceEntry, spec: &Path<'_>, into: &mut Findings) {
    let at = spec.key("resolution");
    let has_network = entry.addresses.iter().any(|address| !super::network::is_address(address));
    match entry.resolution {
        Resolution::None if !entry.endpoints.is_empty() => {
            into.error(&at, "with resolution NONE callers choose the address: endpoints cannot be set");
        }
        Resolution::Static if entry.endpoints.is_empty() && entry.workload_selector.is_none() => {
            into.warning(
                &at,
                "resolution STATIC without endpoints or a workloadSelector: nothing answers for it",
            );
        }
        Resolution::Dns | Resolution::DnsRoundRobin => {
            if entry.endpoints.is_empty() && entry.workload_selector.is_none() {
                for (index, host) in entry.hosts.iter().enumerate() {
                    if host.starts_with('*') {
                        let list = spec.key("hosts");
                        into.error(&list.index(index), format!("{host:?} cannot be looked up"));
                        into.hint("give endpoints, or use resolution NONE");
                    }
                }
            }
            if entry.resolution == Resolution::DnsRoundRobin && entry.endpoints.len() > 1 {
                into.error(&spec.key("endpoints"), "resolution DNS_ROUND_ROBIN takes one endpoint at most");
            }
            if has_network {
                into.error(&spec.key("addresses"), "networks go with resolution NONE or STATIC");
            }
        }
        Resolution::None | Resolution::Static | Resolution::DynamicDns => {}
    }
}

fn endpoints(entry: &ServiceEntry, spec: &Path<'_>, into: &mut Findings) {
    // Of a port without its name that is said, and of which endpoint it is the port nothing is known.
    let all_are_named = !entry.ports.is_empty() && entry.ports.iter().all(|port| !port.name.is_empty());
    for (index, endpoint) in entry.endpoints.iter().enumerate() {
        let list = spec.key("endpoints");
        let at = list.index(index);
        super::workload_entry::entry(endpoint, &at, into);
        if entry.resolution == Resolution::Static
            && !endpoint.address.is_empty()
            && !endpoint.address.starts_with("unix://")
            && !super::network::is_address(&endpoint.address)
        {
            into.error(
                &at.key("address"),
                format!("{:?} is not an IP address, as resolution STATIC needs", endpoint.address),
            );
        }
        for name in endpoint.ports.keys().filter(|_| all_are_named) {
            if !entry.ports.iter().any(|port| port.name == *name) {
                into.error(&at.key("ports").key(name), format!("the service has no port {name:?}"));
                let names: Vec<&str> = entry.ports.iter().map(|port| port.name.as_str()).collect();
                into.hint(format!("it has {}", names.join(", ")));
            }
        }
    }
}
