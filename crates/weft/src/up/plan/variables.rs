//! Variables of an app's environment that the mesh sets, or changes.

use super::super::addresses::Block;
use super::super::environment::Environment;
use super::super::mention;
use super::super::protocol::Protocol;
use super::super::services::Service;
use super::{HTTP_PROXY_PORT, Port, Rewritten};
use std::collections::BTreeMap;
use std::net::Ipv4Addr;

/// Puts addresses in place of the services that variables name, where TCP has to go by address.
pub(super) fn rewrite(
    environment: &mut Environment,
    namespace: &str,
    services: &[Service],
    address: impl Fn(&Service) -> Option<Ipv4Addr>,
) -> Vec<Rewritten> {
    let mut rewritten = Vec::new();
    for (variable, value) in &mut environment.variables {
        let mentions = mention::mentions(variable, value, namespace, services);
        let Some(to) = mention::rewrite(value, &mentions, &address) else { continue };
        let from = std::mem::replace(value, to.clone());
        rewritten.push(Rewritten { variable: variable.clone(), from, to });
    }
    rewritten
}

/// The variables that lead an app's HTTP through its sidecar, and its TCP not.
pub(super) fn proxied(environment: &mut Environment, block: Block, addresses: &BTreeMap<String, Ipv4Addr>) {
    let proxy = format!("http://{}:{HTTP_PROXY_PORT}", block.localhost());
    let mut around = vec!["localhost".to_owned(), "127.0.0.1".to_owned(), block.localhost().to_string()];
    // Some programs understand a range, others only addresses.
    around.push(block.cidr());
    around.extend(addresses.values().map(Ipv4Addr::to_string));
    let around = around.join(",");
    for name in ["http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY"] {
        environment.set(name, proxy.clone());
    }
    for name in ["no_proxy", "NO_PROXY"] {
        environment.set(name, around.clone());
    }
}

/// `HOST` and `PORT`: where this app is to listen, whatever the manifest said.
pub(super) fn own_address(environment: &mut Environment, address: Ipv4Addr, ports: &[Port]) {
    environment.set("HOST", address.to_string());
    let carried = || ports.iter().filter(|port| port.protocol != Protocol::Udp);
    let main = carried().find(|port| port.protocol == Protocol::Http).or_else(|| carried().next());
    if let Some(port) = main {
        environment.set("PORT", port.number.to_string());
    }
}
