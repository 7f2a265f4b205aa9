//! Who listens where, as the kernel knows it: tells when an app is ready without knocking at its door, and finds
//! the app that listens on all addresses, which others can reach around its sidecar.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;

/// The sockets that listened at one moment.
#[derive(Debug, Default)]
pub(crate) struct Listening(Vec<(SocketAddr, u64)>);

const LISTEN: &str = "0A";

impl Listening {
    /// Reads `/proc/net/tcp` and `tcp6`.
    pub(crate) fn now() -> std::io::Result<Self> {
        let mut sockets = parse(&std::fs::read_to_string("/proc/net/tcp")?);
        // A kernel without IPv6 has no such file.
        sockets.extend(parse(&std::fs::read_to_string("/proc/net/tcp6").unwrap_or_default()));
        Ok(Self(sockets))
    }

    /// Those of the network namespace that this thread is in.
    fn of_thread() -> std::io::Result<Self> {
        let mut sockets = parse(&std::fs::read_to_string("/proc/thread-self/net/tcp")?);
        sockets.extend(parse(&std::fs::read_to_string("/proc/thread-self/net/tcp6").unwrap_or_default()));
        Ok(Self(sockets))
    }

    /// Those of the network namespace `netns`, or of this process's own.
    pub(crate) fn within(netns: Option<&str>) -> std::io::Result<Self> {
        netns.map_or_else(Self::now, |netns| crate::netns::inside(netns, Self::of_thread)?)
    }

    /// Whether somebody listens at this address, or at all addresses.
    pub(crate) fn answers(&self, address: Ipv4Addr, port: u16) -> bool {
        let any = |(socket, _): &(SocketAddr, u64)| socket.ip().is_unspecified() && socket.port() == port;
        self.at(address, port) || self.0.iter().any(any)
    }

    /// Whether somebody listens on this port, at whatever address.
    pub(crate) fn anywhere(&self, port: u16) -> bool {
        self.0.iter().any(|(socket, _)| socket.port() == port)
    }

    /// Whether somebody listens at exactly this address.
    pub(crate) fn at(&self, address: Ipv4Addr, port: u16) -> bool {
        let wanted = SocketAddr::from((address, port));
        let mapped = SocketAddr::from((address.to_ipv6_mapped(), port));
        self.0.iter().any(|(socket, _)| *socket == wanted || *socket == mapped)
    }

    /// The ports at which a process of one of `groups` listens on all addresses.
    pub(crate) fn everywhere(&self, group: u32) -> BTreeSet<u16> {
        let wildcards: Vec<_> = self.0.iter().filter(|(socket, _)| socket.ip().is_unspecified()).collect();
        if wildcards.is_empty() {
            return BTreeSet::new();
        }
        let owned = sockets_of_group(group);
        wildcards.iter().filter(|(_, inode)| owned.contains(inode)).map(|(socket, _)| socket.port()).collect()
    }
}

/// Addresses and inodes of the listening sockets of one table.
fn parse(table: &str) -> Vec<(SocketAddr, u64)> {
    table.lines().skip(1).filter_map(parse_line).collect()
}

fn parse_line(line: &str) -> Option<(SocketAddr, u64)> {
    let fields: Vec<&str> = line.split_ascii_whitespace().collect();
    let (local, state, inode) = (fields.get(1)?, fields.get(3)?, fields.get(9)?);
    if *state != LISTEN {
        return None;
    }
    let (address, port) = local.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    // Words of 32 bits in the machine's own order.
    let word = |at: usize| Some(u32::from_str_radix(address.get(at..at + 8)?, 16).ok()?.to_ne_bytes());
    let ip: IpAddr = match address.len() {
        8 => Ipv4Addr::from(word(0)?).into(),
        32 => {
            let words = [word(0)?, word(8)?, word(16)?, word(24)?];
            let mut bytes = [0; 16];
            bytes.iter_mut().zip(words.as_flattened()).for_each(|(byte, read)| *byte = *read);
            Ipv6Addr::from(bytes).into()
        }
        _ => return None,
    };
    Some((SocketAddr::new(ip, port), inode.parse().ok()?))
}

/// The inodes of all sockets that processes of a group have open.
fn sockets_of_group(group: u32) -> BTreeSet<u64> {
    let mut sockets = BTreeSet::new();
    for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
        let process = entry.path();
        if group_of(&process) != Some(group) {
            continue;
        }
        for descriptor in std::fs::read_dir(process.join("fd")).into_iter().flatten().flatten() {
            let Ok(target) = std::fs::read_link(descriptor.path()) else { continue };
            let number = target.to_str().and_then(|text| text.strip_prefix("socket:[")?.strip_suffix(']'));
            sockets.extend(number.and_then(|number| number.parse::<u64>().ok()));
        }
    }
    sockets
}

fn group_of(process: &Path) -> Option<u32> {
    let stat = std::fs::read_to_string(process.join("stat")).ok()?;
    // The program's name may hold anything, a closing bracket included: the fields come after the last one.
    let (_, fields) = stat.rsplit_once(')')?;
    fields.split_ascii_whitespace().nth(2)?.parse().ok()
}

#[cfg(test)]
mod tests;
