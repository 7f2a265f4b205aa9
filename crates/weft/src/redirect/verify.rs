//! Connections made through the rules: that they arrive at the proxy's ports, and still know where they were going.

use super::programs::ask as ask_program;
use super::rules::Family;
use super::settings::{Dns, Groups, Settings, Which};
use anyhow::{Context, bail};
use nix::errno::Errno;
use socket2::{Domain, SockRef, Socket, Type};
use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, UdpSocket};
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::time::Duration;

/// Addresses that nobody has (RFC 5737, RFC 3849).
const NOWHERE: [IpAddr; 2] =
    [IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1))];
/// Own addresses that are not the loopback's first.
const OWN: [IpAddr; 2] =
    [IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2)), IpAddr::V6(Ipv6Addr::new(0, 0, 0, 0, 0, 0, 0, 6))];

/// Makes connections through the rules of `settings`, by the families that have rules.
///
/// What the kernel does with packets from outside cannot be tried from inside: whose rules see them first is told elsewhere.
pub(crate) fn verify(
    settings: &Settings,
    families: &[Family],
    probe: u16,
    limit: Duration,
) -> anyhow::Result<()> {
    let mut may_not = None;
    for family in families {
        outbound(settings, *family, probe, limit)?;
        may_not = inbound(settings, *family, probe, limit)?.or(may_not);
    }
    if let Some(MayNotBe(user)) = may_not {
        crate::say::say!(
            "weft redirect: inbound was not tried: without the capabilities SETUID and SETGID nothing can run as the proxy's user {user} here"
        );
    }
    Ok(())
}

/// The proxy's user, as whom this process may not run anything.
struct MayNotBe(u32);

/// Connects once: the other half of a probe, as another user.
pub(crate) fn ask(address: SocketAddr, limit: Duration) -> anyhow::Result<()> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    if address.ip() == OWN[1] {
        // To ::6 the kernel would go from ::6, which nobody intercepts.
        socket.bind(&SocketAddr::from((Ipv6Addr::LOCALHOST, 0)).into())?;
    }
    socket.connect_timeout(&address.into(), limit).with_context(|| format!("no connection to {address}"))
}

/// As the app, to somewhere outside.
fn outbound(settings: &Settings, family: Family, probe: u16, limit: Duration) -> anyhow::Result<()> {
    let Some(address) = turned(settings, family).map(|ip| SocketAddr::new(ip, probe)) else { return Ok(()) };
    let own = |id: u32, names: &[String]| names.iter().any(|name| *name == id.to_string());
    let (user, group) = (nix::unistd::geteuid().as_raw(), nix::unistd::getegid().as_raw());
    let counts = match &settings.app_groups {
        Groups::All => true,
        Groups::Only(groups) => own(group, groups),
        Groups::AllBut(groups) => !own(group, groups),
    };
    // Nobody who could be told apart from the proxy, nothing that is turned, or no way to go: nothing to see.
    if settings.outbound_ports_excluded.contains(&probe)
        || !counts
        || own(user, &settings.users)
        || own(group, &settings.groups)
        || !has_route(address)
    {
        return Ok(());
    }
    if leaves_by_excluded(settings, address) {
        return Ok(());
    }
    let server = Server::at(family, settings.outbound_port)?;
    let connected = TcpStream::connect_timeout(&address, limit);
    if let Err(error) = connected {
        bail!(
            "a connection to {address} was not turned to port {} ({error}): a rule before ours may have let it go, or this kernel has no REDIRECT (xt_REDIRECT, nf_nat)",
            settings.outbound_port
        );
    }
    server.heard(family, address, limit).context("outbound")
}

/// An address to which connections are turned: one that nobody has, or one of the networks that are asked for.
fn turned(settings: &Settings, family: Family) -> Option<IpAddr> {
    /// So many of a network are looked at.
    const FEW: usize = 256;
    let excluded = &settings.outbound_networks_excluded;
    let is_turned = |ip: &IpAddr| {
        let is_somewhere = !ip.is_loopback() && !ip.is_unspecified() && !ip.is_multicast();
        is_somewhere && excluded.iter().all(|network| !network.contains(ip))
    };
    let nowhere = of(family, NOWHERE);
    match &settings.outbound_networks {
        Which::All => Some(nowhere).filter(is_turned),
        Which::Only(networks) => networks
            .iter()
            .filter(|network| family.has(network))
            .flat_map(|network| {
                let nobodys = Some(nowhere).filter(|nowhere| network.contains(nowhere));
                nobodys.into_iter().chain(network.hosts().take(FEW))
            })
            // What the pod sends to itself stays there.
            .find(|ip| is_turned(ip) && leaves_as(SocketAddr::new(*ip, 9)).is_some_and(|own| own != *ip)),
    }
}

/// As the proxy, to an address of its own pod.
fn inbound(
    settings: &Settings,
    family: Family,
    probe: u16,
    limit: Duration,
) -> anyhow::Result<Option<MayNotBe>> {
    let Some(address) = own(settings, family).map(|ip| SocketAddr::new(ip, probe)) else { return Ok(None) };
    let number = |names: &[String]| names.first().and_then(|name| name.parse::<u32>().ok());
    let (Some(user), Some(group)) = (number(&settings.users), number(&settings.groups)) else {
        return Ok(None);
    };
    let query = settings.dns != Dns::None && probe == 53;
    let own = nix::unistd::geteuid();
    let is_proxy = own.as_raw() == user;
    if probe == settings.tunnel_port || query || !(is_proxy || own.is_root()) {
        return Ok(None);
    }
    let server = Server::at(family, settings.inbound_port)?;
    let connected = if is_proxy {
        // Whoever is the proxy's user already, as Istio's validation beside its CNI plugin is, needs no other process.
        ask(address, limit).is_ok()
    } else {
        let client = Command::new("/proc/self/exe")
            .args([
                "redirect",
                &format!("--probe={address}"),
                &format!("--probe-timeout={}ms", limit.as_millis()),
            ])
            .uid(user)
            .gid(group)
            .output();
        match client {
            // Istio's init container has NET_ADMIN and NET_RAW alone.
            Err(error) if error.raw_os_error() == Some(Errno::EPERM as i32) => {
                return Ok(Some(MayNotBe(user)));
            }
            client => {
                let client = client
                    .with_context(|| format!("cannot run as the proxy's user {user} to try the rules"))?;
                client.status.success()
            }
        }
    };
    if !connected {
        bail!(
            "a connection of the proxy's user {user} to {address} was not turned to port {}: a rule before ours may have let it go, or this kernel cannot tell owners (xt_owner)",
            settings.inbound_port
        );
    }
    server.heard(family, address, limit).context("inbound")?;
    Ok(None)
}

/// An address of the pod itself that is not the app's own loopback: where all of that is, the one that it leaves as.
fn own(settings: &Settings, family: Family) -> Option<IpAddr> {
    let is_apps = |ip: IpAddr| matches!(ip, IpAddr::V4(ip) if settings.loopback.contains(&ip));
    let first = of(family, OWN);
    if is_apps(first) {
        return leaves_as(SocketAddr::new(of(family, NOWHERE), 9)).filter(|ip| !is_apps(*ip));
    }
    Some(first)
}

const fn of(family: Family, addresses: [IpAddr; 2]) -> IpAddr {
    match family {
        Family::V4 => addresses[0],
        Family::V6 => addresses[1],
    }
}

/// Whether `address` is reached by an interface that is left alone, as far as can be told.
fn leaves_by_excluded(settings: &Settings, address: SocketAddr) -> bool {
    if settings.interfaces_excluded.is_empty() {
        return false;
    }
    let Ok(told) = ask_program("ip", &["route", "get", &address.ip().to_string()], "") else { return true };
    let mut words = told.split_ascii_whitespace();
    let by = words.by_ref().find(|word| *word == "dev").and_then(|_| words.next()).unwrap_or_default();
    settings.interfaces_excluded.iter().any(|name| match name.strip_suffix('+') {
        Some(start) => by.starts_with(start),
        None => by == name,
    })
}

fn has_route(address: SocketAddr) -> bool {
    leaves_as(address).is_some()
}

/// The address that a connection to `address` would leave from, if there is a way to go. Nothing is sent.
fn leaves_as(address: SocketAddr) -> Option<IpAddr> {
    let any: IpAddr =
        if address.is_ipv6() { Ipv6Addr::UNSPECIFIED.into() } else { Ipv4Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind((any, 0)).ok()?;
    socket.connect(address).ok()?;
    socket.local_addr().ok().map(|own| own.ip())
}

/// Stands where the proxy will; or knows that somebody stands there already.
enum Server {
    Ours(Socket),
    Taken,
}

impl Server {
    fn at(family: Family, port: u16) -> anyhow::Result<Self> {
        let (domain, any): (_, IpAddr) = match family {
            Family::V4 => (Domain::IPV4, Ipv4Addr::UNSPECIFIED.into()),
            Family::V6 => (Domain::IPV6, Ipv6Addr::UNSPECIFIED.into()),
        };
        let socket = Socket::new(domain, Type::STREAM, None)?;
        socket.set_reuse_address(true)?;
        if family == Family::V6 {
            socket.set_only_v6(true)?;
        }
        match socket.bind(&SocketAddr::new(any, port).into()).and_then(|()| socket.listen(8)) {
            Ok(()) => Ok(Self::Ours(socket)),
            Err(error) if error.kind() == ErrorKind::AddrInUse => Ok(Self::Taken),
            Err(error) => {
                Err(error).with_context(|| format!("cannot listen on port {port} to try the rules"))
            }
        }
    }

    /// Whether the connection came here, and knows that it was going to `address`. Of one that somebody else took, it is
    /// known that it stands, though nobody has that address.
    fn heard(&self, family: Family, address: SocketAddr, limit: Duration) -> anyhow::Result<()> {
        let Self::Ours(server) = self else { return Ok(()) };
        server.set_read_timeout(Some(limit))?;
        let Ok((taken, _)) = server.accept() else {
            bail!(
                "a connection to {address} stands, but did not come to the proxy's port: somebody else turned it"
            )
        };
        let socket = SockRef::from(&taken);
        let original = match family {
            Family::V4 => socket.original_dst_v4(),
            Family::V6 => socket.original_dst_v6(),
        };
        let original =
            original.context("the kernel does not tell where a connection was going (nf_conntrack)")?;
        if original.as_socket().map(|at| (at.ip(), at.port())) != Some((address.ip(), address.port())) {
            bail!("a connection to {address} is told to have been going to {:?}", original.as_socket());
        }
        Ok(())
    }
}
