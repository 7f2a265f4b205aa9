//! Under which names a service is called from a namespace.

use ipnet::IpNet;

use crate::world::host::DOMAIN;
use crate::world::service::Service;

/// All of them, the full one first: with a trailing dot, the short forms that the client's DNS search would complete,
/// its own addresses.
pub(super) fn of(service: &Service, client_namespace: &str) -> Vec<String> {
    let host = &service.host;
    let mut names = written(host);
    if !host.starts_with('*')
        && let Some(short) = host.strip_suffix(&format!(".svc.{DOMAIN}"))
        && let Some((name, namespace)) = short.split_once('.')
    {
        if namespace == client_namespace {
            names.push(name.to_owned());
        }
        names.push(format!("{short}.svc"));
        names.push(short.to_owned());
    }
    names.extend(service.addresses.iter().filter_map(address));
    names
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
