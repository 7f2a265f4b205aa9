//! Under which names a service is called from a namespace.

use ipnet::IpNet;

use crate::world::host::DOMAIN;
use crate::world::service::{Registry, Service};

/// All of them, the full one first: with a trailing dot, the short forms that the client's DNS search would complete,
/// its own addresses.
pub(super) fn of(service: &Service, client_namespace: &str) -> Vec<String> {
    let mut names = in_cluster(&service.host, client_namespace);
    for alias in &service.aliases {
        names.extend(in_cluster(alias, client_namespace));
    }
    names.extend(service.addresses.iter().filter_map(address));
    names
}

/// A name, and the shorter forms of one of the cluster's.
fn in_cluster(host: &str, client_namespace: &str) -> Vec<String> {
    let mut names = written(host);
    if !host.starts_with('*')
        && let Some(short) = host.strip_suffix(&format!(".svc.{DOMAIN}"))
        && let Some((name, namespace)) = short.rsplit_once('.')
    {
        if namespace == client_namespace {
            names.push(name.to_owned());
        }
        names.push(format!("{short}.svc"));
        names.push(short.to_owned());
    }
    names
}

/// Those of its pods: whoever resolved one is going there already, and the routes need only know whose it is.
pub(super) fn of_pods(service: &Service, names: &[String]) -> Vec<String> {
    let is_headless = service.headless && service.registry == Registry::Kubernetes;
    let names = names.iter().filter(|name| is_headless && !name.starts_with('*'));
    names.map(|name| format!("*.{name}")).collect()
}

/// A name as it is, and with the dot at its end that says that it is a full one.
pub(super) fn written(host: &str) -> Vec<String> {
    if host.starts_with('*') { vec![host.to_owned()] } else { vec![host.to_owned(), format!("{host}.")] }
}

/// An address as it stands in a Host header; ranges have none.
fn address(network: &IpNet) -> Option<String> {
    let single = network.prefix_len() == network.max_prefix_len();
    single.then(|| match network {
        IpNet::V4(network) => network.addr().to_string(),
        IpNet::V6(network) => format!("[{}]", network.addr()),
    })
}
