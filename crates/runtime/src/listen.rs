//! Listening sockets, and errors that say who is in the way and what to do.

use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpListener};

use socket2::{Domain, Protocol, Socket, Type};

use crate::holder::{Holder, holder_of};

/// How a socket listens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListenSettings {
    /// Connections the kernel holds until they are accepted; `net.core.somaxconn` caps it.
    pub backlog: i32,
    /// Whether an IPv6 socket leaves IPv4 alone; `None` leaves it to the system (`net.ipv6.bindv6only`).
    pub only_v6: Option<bool>,
    /// Whether several sockets may share the address, the kernel spreading connections over them.
    pub reuse_port: bool,
    /// Whether connections to addresses that are not ours are taken (IP_TRANSPARENT, for TPROXY).
    pub transparent: bool,
}

impl Default for ListenSettings {
    fn default() -> Self {
        Self { backlog: 4096, only_v6: None, reuse_port: false, transparent: false }
    }
}

/// Why an address cannot be listened on.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// The port is taken.
    #[error("cannot listen on {address}: {}", InTheWay { port: address.port(), holder: holder.as_ref() })]
    InUse {
        /// The address asked for.
        address: SocketAddr,
        /// Who has it, if that can be seen.
        holder: Option<Holder>,
    },
    /// A right is missing.
    #[error(
        "cannot listen on {address}: not permitted ({what}); run with that capability, or choose a port that needs none"
    )]
    Forbidden {
        /// The address asked for.
        address: SocketAddr,
        /// Which right.
        what: &'static str,
    },
    /// Foreign addresses cannot be listened on.
    #[error(
        "cannot listen on {0} for connections to all addresses (IP_TRANSPARENT): not permitted without CAP_NET_ADMIN; \
         under interceptionMode TPROXY a sidecar runs as user 0 and group 1337 with NET_ADMIN, under REDIRECT it needs no \
         capability"
    )]
    NotTransparent(SocketAddr),
    /// No interface has the address.
    #[error(
        "cannot listen on {0}: no network interface here has this address; `ip addr` shows those that exist, \
         0.0.0.0 or [::] means all of them"
    )]
    NotOurs(SocketAddr),
    /// The address's family is switched off.
    #[error("cannot listen on {0}: this system has no {family}; give an address of the other family", family = family_of(*.0))]
    NoFamily(SocketAddr),
    /// Anything else.
    #[error("cannot listen on {address}: {source}")]
    Other {
        /// The address asked for.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
}

/// Binds and listens, not blocking. SO_REUSEADDR is set, so that a restart need not wait for old connections
/// to time out.
pub fn listen(address: SocketAddr, settings: ListenSettings) -> Result<TcpListener, ListenError> {
    try_listen(address, settings).map_err(|error| explain(address, settings, error))
}

fn try_listen(address: SocketAddr, settings: ListenSettings) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    if let (Some(only_v6), true) = (settings.only_v6, address.is_ipv6()) {
        socket.set_only_v6(only_v6)?;
    }
    if settings.reuse_port {
        socket.set_reuse_port(true)?;
    }
    if settings.transparent {
        set_transparent(&socket, address)?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(settings.backlog)?;
    Ok(socket.into())
}

#[cfg(target_os = "linux")]
fn set_transparent(socket: &Socket, address: SocketAddr) -> io::Result<()> {
    if address.is_ipv6() { socket.set_ip_transparent_v6(true) } else { socket.set_ip_transparent_v4(true) }
}

#[cfg(not(target_os = "linux"))]
fn set_transparent(_: &Socket, _: SocketAddr) -> io::Result<()> {
    Err(io::Error::new(io::ErrorKind::Unsupported, "IP_TRANSPARENT exists on Linux only"))
}

fn explain(address: SocketAddr, settings: ListenSettings, error: io::Error) -> ListenError {
    match error.raw_os_error().map(nix::errno::Errno::from_raw) {
        Some(nix::errno::Errno::EAFNOSUPPORT) => return ListenError::NoFamily(address),
        Some(nix::errno::Errno::EPERM) if settings.transparent => {
            return ListenError::NotTransparent(address);
        }
        _ => {}
    }
    match error.kind() {
        io::ErrorKind::AddrInUse => ListenError::InUse { address, holder: holder_of(address) },
        io::ErrorKind::AddrNotAvailable => ListenError::NotOurs(address),
        io::ErrorKind::PermissionDenied => ListenError::Forbidden {
            address,
            what: "a port below net.ipv4.ip_unprivileged_port_start needs CAP_NET_BIND_SERVICE",
        },
        _ => ListenError::Other { address, source: error },
    }
}

fn family_of(address: SocketAddr) -> &'static str {
    if address.is_ipv6() { "IPv6" } else { "IPv4" }
}

struct InTheWay<'a> {
    port: u16,
    holder: Option<&'a Holder>,
}

impl fmt::Display for InTheWay<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.holder {
            Some(holder) if holder.pid == std::process::id() => {
                f.write_str("this process listens there already: two listeners of the configuration claim the same address")
            }
            Some(holder) => write!(f, "{holder} listens there already; stop it or choose another port"),
            None => write!(
                f,
                "another process listens there already (of another user, or in a container); \
                 `sudo ss -ltnp 'sport = :{}'` names it; stop it or choose another port",
                self.port
            ),
        }
    }
}

#[cfg(test)]
mod tests;
