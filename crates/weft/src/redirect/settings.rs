//! What is to be intercepted: the values of `istio-iptables`' flags, read and checked. Pure.

use ipnet::{IpNet, Ipv4Net};
use std::net::IpAddr;

/// How inbound connections are turned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Mode {
    /// By nat: the proxy needs no privilege, and the app sees 127.0.0.6.
    #[default]
    Redirect,
    /// By a transparent socket: the app sees its client's own address.
    Tproxy,
}

/// Ports or networks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Which<T> {
    /// `*`.
    All,
    /// These; none disables.
    Only(Vec<T>),
}

/// Everything that decides about the rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Settings {
    pub(crate) outbound_port: u16,
    pub(crate) inbound_port: u16,
    pub(crate) tunnel_port: u16,
    /// The proxy's users: what they send is left alone.
    pub(crate) users: Vec<String>,
    /// The proxy's groups.
    pub(crate) groups: Vec<String>,
    pub(crate) mode: Mode,
    pub(crate) mark: u32,
    pub(crate) route_table: u32,
    pub(crate) inbound_ports: Which<u16>,
    pub(crate) inbound_ports_excluded: Vec<u16>,
    pub(crate) outbound_networks: Which<IpNet>,
    pub(crate) outbound_networks_excluded: Vec<IpNet>,
    /// Of IPv4's loopback, what is the app's own: a call to it is no call of the pod to itself.
    pub(crate) loopback: Ipv4Net,
    pub(crate) outbound_ports: Vec<u16>,
    pub(crate) outbound_ports_excluded: Vec<u16>,
    /// Only these groups' processes are intercepted, or all but these.
    pub(crate) app_groups: Groups,
    /// Neither direction of these interfaces is intercepted.
    pub(crate) interfaces_excluded: Vec<String>,
    /// What comes in by these (from virtual machines) counts as outbound.
    pub(crate) virtual_interfaces: Vec<String>,
    pub(crate) dns: Dns,
    /// Packets that belong to no connection are dropped rather than answered with a reset.
    pub(crate) drop_invalid: bool,
}

/// Whose outbound connections are intercepted, by group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Groups {
    All,
    Only(Vec<String>),
    AllBut(Vec<String>),
}

/// Which DNS queries are turned to the proxy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Dns {
    None,
    /// Those to the resolvers of /etc/resolv.conf: a resolver of the machine's own that asks others is no client.
    To(Vec<IpAddr>),
    /// All to port 53.
    All,
}

/// Why a flag's value does not do.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{flag} {value:?}: {why}")]
pub(crate) struct Wrong {
    flag: &'static str,
    value: String,
    why: String,
}

impl Wrong {
    /// `flag` cannot be `value`.
    pub(crate) fn new(flag: &'static str, value: &str, why: impl Into<String>) -> Self {
        Self { flag, value: value.to_owned(), why: why.into() }
    }
}

/// The items of a list with commas; spaces and empty items do not count.
fn items(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|item| !item.is_empty())
}

/// A list of ports.
pub(crate) fn ports(flag: &'static str, text: &str) -> Result<Vec<u16>, Wrong> {
    let port = |item: &str| {
        let port = item.parse().ok().filter(|port| *port != 0_u16);
        port.ok_or_else(|| Wrong::new(flag, text, format!("{item:?} is no port")))
    };
    items(text).map(port).collect()
}

/// `*`, or a list of ports.
pub(crate) fn all_or_ports(flag: &'static str, text: &str) -> Result<Which<u16>, Wrong> {
    if text.trim() == "*" { Ok(Which::All) } else { ports(flag, text).map(Which::Only) }
}

/// A list of networks; an address alone is the network of that one.
pub(crate) fn networks(flag: &'static str, text: &str) -> Result<Vec<IpNet>, Wrong> {
    let network = |item: &str| {
        let single = || item.parse::<IpAddr>().map(IpNet::from);
        let network = item.parse::<IpNet>().or_else(|_| single()).map(|network| network.trunc());
        network.map_err(|_| Wrong::new(flag, text, format!("{item:?} is no network such as 10.0.0.0/8")))
    };
    items(text).map(network).collect()
}

/// `*`, or a list of networks.
pub(crate) fn all_or_networks(flag: &'static str, text: &str) -> Result<Which<IpNet>, Wrong> {
    if text.trim() == "*" { Ok(Which::All) } else { networks(flag, text).map(Which::Only) }
}

/// A part of IPv4's loopback.
pub(crate) fn loopback(flag: &'static str, text: &str) -> Result<Ipv4Net, Wrong> {
    match networks(flag, text)?.as_slice() {
        [IpNet::V4(network)] if network.addr().is_loopback() && network.prefix_len() >= 8 => Ok(*network),
        _ => Err(Wrong::new(flag, text, "it must be one network within 127.0.0.0/8")),
    }
}

/// A list of names of users, groups or interfaces. They become words of another program's script, so they may hold
/// nothing that has a meaning there.
pub(crate) fn names(flag: &'static str, text: &str) -> Result<Vec<String>, Wrong> {
    let name = |item: &str| {
        let plain = |c: char| c.is_ascii_alphanumeric() || "_.-+@:".contains(c);
        if item.len() <= 32 && !item.starts_with('-') && item.chars().all(plain) {
            Ok(item.to_owned())
        } else {
            Err(Wrong::new(flag, text, format!("{item:?} is no name")))
        }
    };
    items(text).map(name).collect()
}

/// A mark or the number of a routing table: never 0, which means none.
pub(crate) fn number(flag: &'static str, text: &str) -> Result<u32, Wrong> {
    let number = text.trim().parse().ok().filter(|number| *number != 0 && *number != u32::MAX);
    number.ok_or_else(|| Wrong::new(flag, text, "it must be a number above 0"))
}

/// The resolvers that a resolv.conf names.
pub(crate) fn resolvers(resolv_conf: &str) -> Vec<IpAddr> {
    let resolver = |line: &str| {
        let mut words = line.split_ascii_whitespace();
        (words.next() == Some("nameserver")).then_some(())?;
        // An address of the own link comes with its interface.
        words.next()?.split('%').next()?.parse().ok()
    };
    resolv_conf.lines().filter_map(resolver).collect()
}

impl<T> Which<T> {
    /// Whether there is anything.
    pub(crate) fn is_nothing(&self) -> bool {
        matches!(self, Self::Only(these) if these.is_empty())
    }
}
