//! The name table: what a proxy that captures its app's DNS answers by itself.

use std::net::IpAddr;

use weft_model::names::{NameTable, NamedHost};

use super::Proxy;
use crate::world::named_pods;
use crate::world::service::{Registry, Service, ServiceEndpoint};

/// The names of all that the proxy hears of; none if it answers no DNS.
pub(super) fn of(proxy: &Proxy<'_>) -> Option<NameTable> {
    if !proxy.node.metadata.dns_capture {
        return None;
    }
    let named = proxy.scope.services.iter().flat_map(|service| {
        let ips = addresses(proxy, service);
        let kubernetes = service.registry == Registry::Kubernetes;
        let host = NamedHost {
            ips,
            registry: if kubernetes { "Kubernetes" } else { "External" }.to_owned(),
            short_name: if kubernetes { service.name.clone() } else { String::new() },
            namespace: if kubernetes { service.namespace.clone() } else { String::new() },
        };
        let others: Vec<_> =
            service.aliases.iter().map(|alias| (alias.clone(), alias_of(alias, &host))).collect();
        let own = (service.host.clone(), host);
        std::iter::once(own).chain(others).filter(|(_, host)| !host.ips.is_empty())
    });
    let pods = proxy.scope.services.iter().flat_map(|service| {
        let ready = |endpoint: &ServiceEndpoint| service.endpoints.contains(endpoint);
        named_pods::of(service).filter(move |(_, endpoint)| ready(endpoint)).map(|(name, endpoint)| {
            let host = NamedHost {
                ips: endpoint.workload.ips_of(&proxy.families(service)),
                registry: "Kubernetes".to_owned(),
                short_name: format!("{name}.{}", service.name),
                namespace: service.namespace.clone(),
            };
            (format!("{name}.{}", service.host), host)
        })
    });
    Some(NameTable { hosts: named.chain(pods).collect() })
}

/// What is called `alias` beside its own name: a Service of type ExternalName, with the name and namespace that it has.
fn alias_of(alias: &str, target: &NamedHost) -> NamedHost {
    let mut labels = alias.split('.');
    let mut label = || labels.next().unwrap_or_default().to_owned();
    NamedHost { short_name: label(), namespace: label(), registry: "Kubernetes".to_owned(), ..target.clone() }
}

/// A service's own addresses; a headless one's are its endpoints'.
fn addresses(proxy: &Proxy<'_>, service: &Service) -> Vec<IpAddr> {
    if service.headless {
        let families = proxy.families(service);
        let ips = |endpoint: &ServiceEndpoint| endpoint.workload.ips_of(&families);
        return service.endpoints.iter().flat_map(ips).collect();
    }
    let single = service.addresses.iter().filter(|network| network.prefix_len() == network.max_prefix_len());
    single.map(ipnet::IpNet::addr).collect()
}
