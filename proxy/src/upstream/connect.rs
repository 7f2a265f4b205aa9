//! One connection to an endpoint: TCP, then TLS where the cluster asks for it.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use socket2::{Domain, Socket, TcpKeepalive, Type};
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::TlsConnector;
use weft_model::cluster;

use crate::stream::{Io, Tcp};
use crate::tls::client::Connector;
use crate::tls::names::PeerNames;

/// Envoy's default.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// How an endpoint is reached, compiled once per configuration.
#[derive(Debug, Clone)]
pub enum Carrier {
    /// As it is.
    Raw,
    /// In TLS; what is offered depends on what will be spoken.
    Tls(Box<TlsCarrier>),
    /// It cannot be reached as configured, and is not reached otherwise.
    Broken(Arc<str>),
}

/// The offers of one TLS transport.
#[derive(Debug, Clone)]
pub struct TlsCarrier {
    /// For TCP, and for HTTP where Istio's ALPN filter does not act.
    pub plain: Connector,
    /// For HTTP/1.1 under Istio's ALPN filter.
    pub http1: Connector,
    /// For HTTP/2 under Istio's ALPN filter.
    pub http2: Connector,
    /// Istio's mTLS rather than TLS to the outside.
    pub istio: bool,
}

/// What will be spoken on a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Speaks {
    /// Bytes.
    Tcp,
    /// HTTP/1.1.
    Http1,
    /// HTTP/2.
    Http2,
}

/// The client's own address, under which a connection goes on to the app (TPROXY).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OriginalSource {
    /// The address.
    pub address: IpAddr,
    /// By this mark the kernel's rules know the connection, and bring what answers it back to us.
    pub mark: u32,
}

/// Settings of the socket.
#[derive(Debug, Clone, Copy, Default)]
pub struct SocketSettings {
    /// Goes before every other address of our own.
    pub original_source: Option<OriginalSource>,
    /// The cluster's own local address: the app is called from it and from no other, for from others the kernel would
    /// hand the connection back to this proxy.
    pub bind: Option<SocketAddr>,
    /// Where connections of all other clusters leave from, if they can.
    pub leave_from: Option<SocketAddr>,
    /// Keep-alive probes.
    pub keepalive: Option<cluster::TcpKeepalive>,
}

/// A connection that stands.
#[derive(Debug)]
pub struct Connected {
    /// The stream.
    pub io: Io,
    /// What ALPN yielded.
    pub alpn: Option<Vec<u8>>,
    /// Who the server is, under TLS.
    pub peer: Option<Arc<PeerNames>>,
}

/// Why there is no connection. A request that met this was not sent: it may be tried elsewhere.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ConnectError {
    /// TCP failed.
    #[error("{address} cannot be reached: {error}")]
    Tcp {
        /// Where.
        address: SocketAddr,
        /// What the system said.
        error: Arc<io::Error>,
    },
    /// TLS failed.
    #[error("TLS with {address} failed: {}", crate::tls::foreign::words(error))]
    Tls {
        /// Where.
        address: SocketAddr,
        /// What rustls said.
        error: Arc<io::Error>,
    },
    /// It took too long.
    #[error("{address} did not answer within {limit:?} (connectTimeout)")]
    Timeout {
        /// Where.
        address: SocketAddr,
        /// The limit.
        limit: Duration,
    },
    /// The transport cannot be had as configured.
    #[error("the connection cannot be secured as configured: {0}")]
    Transport(Arc<str>),
    /// Our own certificate is missing.
    #[error("this workload has no certificate yet, so mTLS is impossible; see /ready for why")]
    NoIdentity,
}

impl ConnectError {
    /// Envoy's `UPSTREAM_TRANSPORT_FAILURE_REASON`, for TLS.
    pub fn is_tls(&self) -> bool {
        matches!(self, Self::Tls { .. } | Self::Transport(_) | Self::NoIdentity)
    }

    /// Did time run out?
    pub fn is_timeout(&self) -> bool {
        matches!(self, Self::Timeout { .. })
    }
}

/// Connects to `address`; `host` is the request's, for clusters whose SNI follows it.
///
/// # Errors
/// Says which step failed.
pub async fn connect(
    address: SocketAddr,
    carrier: &Carrier,
    speaks: Speaks,
    socket: SocketSettings,
    limit: Duration,
    host: Option<&str>,
) -> Result<Connected, ConnectError> {
    let connector = match carrier {
        Carrier::Raw => None,
        Carrier::Broken(why) => return Err(ConnectError::Transport(why.clone())),
        Carrier::Tls(tls) => Some(match speaks {
            Speaks::Tcp => &tls.plain,
            Speaks::Http1 => &tls.http1,
            Speaks::Http2 => &tls.http2,
        }),
    };
    if connector.is_some_and(Connector::lacks_identity) {
        return Err(ConnectError::NoIdentity);
    }
    if let Some(why) = connector.and_then(Connector::lacks_file) {
        return Err(ConnectError::Transport(why.into()));
    }
    let work = async {
        let tcp =
            tcp(address, socket).await.map_err(|e| ConnectError::Tcp { address, error: Arc::new(e) })?;
        let Some(connector) = connector else {
            return Ok(Connected { io: Io::Plain(Tcp::new(tcp)), alpn: None, peer: None });
        };
        let name = connector.server_name(host, address.ip());
        let tls = TlsConnector::from(connector.config());
        let failed = |error| ConnectError::Tls { address, error: Arc::new(error) };
        let stream = tls.connect(name, Tcp::new(tcp)).await.map_err(failed)?;
        let (_, session) = stream.get_ref();
        let alpn = session.alpn_protocol().map(<[u8]>::to_vec);
        let leaf = session.peer_certificates().and_then(<[_]>::first);
        let peer = leaf.and_then(|leaf| PeerNames::of(leaf).ok()).map(Arc::new);
        Ok(Connected { io: tokio_rustls::TlsStream::from(stream).into(), alpn, peer })
    };
    tokio::time::timeout(limit, work).await.unwrap_or(Err(ConnectError::Timeout { address, limit }))
}

/// `bind` in the family of `address`: 127.0.0.6 has its twin, others have none and stay.
fn of_family(bind: SocketAddr, address: SocketAddr) -> SocketAddr {
    let inside: [IpAddr; 2] =
        [Ipv4Addr::new(127, 0, 0, 6).into(), Ipv6Addr::new(0, 0, 0, 0, 0, 0, 0, 6).into()];
    if bind.is_ipv4() == address.is_ipv4() || !inside.contains(&bind.ip()) {
        return bind;
    }
    SocketAddr::new(inside[usize::from(address.is_ipv6())], bind.port())
}

/// Binds `socket` to the client's address; the port is the kernel's choice.
#[cfg(target_os = "linux")]
fn leave_as(socket: &Socket, client: OriginalSource) -> io::Result<()> {
    match client.address {
        IpAddr::V4(_) => socket.set_ip_transparent_v4(true)?,
        IpAddr::V6(_) => socket.set_ip_transparent_v6(true)?,
    }
    socket.set_mark(client.mark)?;
    bind(socket, SocketAddr::new(client.address, 0))
}

#[cfg(not(target_os = "linux"))]
fn leave_as(_: &Socket, _: OriginalSource) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Binds `socket` to an address of ours. Without a port of its own it gets one when it connects: the kernel then looks for one
/// that is free towards that destination. At the bind it would have to be free towards all of them, and connections that are
/// over hold theirs for a minute: some 28,000 a minute would be all there are, and each of the last ones a long search.
fn bind(socket: &Socket, address: SocketAddr) -> io::Result<()> {
    #[cfg(target_os = "linux")]
    if address.port() == 0 {
        use nix::sys::socket::{setsockopt, sockopt::IpBindAddressNoPort};
        // A kernel that does not know it (before 4.2) gives the port now.
        let _ = setsockopt(socket, IpBindAddressNoPort, &true);
    }
    socket.bind(&address.into())
}

/// What the system's "not permitted" means here.
fn explain(error: io::Error) -> io::Error {
    if error.kind() != io::ErrorKind::PermissionDenied {
        return error;
    }
    let why = "the client's address cannot be kept (IP_TRANSPARENT, SO_MARK) without CAP_NET_ADMIN; under \
               interceptionMode TPROXY a sidecar runs as user 0 and group 1337 with NET_ADMIN, under REDIRECT it needs \
               no capability";
    io::Error::new(io::ErrorKind::PermissionDenied, why)
}

/// As near to what is asked for as the kernel takes it (`tcp(7)`: 1 to 32767 s, 1 to 127 probes): beyond that it refuses the
/// socket, and an endpoint would be called dead for a setting.
fn params(asked: cluster::TcpKeepalive) -> TcpKeepalive {
    let fit = |time: Duration| time.clamp(Duration::from_secs(1), Duration::from_secs(32767));
    let mut params = TcpKeepalive::new();
    if let Some(time) = asked.time {
        params = params.with_time(fit(time));
    }
    if let Some(interval) = asked.interval {
        params = params.with_interval(fit(interval));
    }
    if let Some(probes) = asked.probes {
        params = params.with_retries(probes.clamp(1, 127));
    }
    params
}

async fn tcp(address: SocketAddr, settings: SocketSettings) -> io::Result<TcpStream> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM.nonblocking().cloexec(), None)?;
    socket.set_tcp_nodelay(true)?;
    if let Some(keepalive) = settings.keepalive {
        socket.set_tcp_keepalive(&params(keepalive))?;
    }
    // On its loopback a pod is alone: nobody else's address can be seen there, and no answer would come back.
    let of_client = settings
        .original_source
        .filter(|client| client.address.is_ipv4() == address.is_ipv4() && !address.ip().is_loopback());
    if let Some(client) = of_client {
        leave_as(&socket, client).map_err(explain)?;
        return TcpSocket::from_std_stream(socket.into()).connect(address).await;
    }
    // From a loopback address only loopback can be reached.
    let fits = |bind: &SocketAddr| {
        bind.is_ipv4() == address.is_ipv4() && (!bind.ip().is_loopback() || address.ip().is_loopback())
    };
    let own = settings.bind.map(|bind| of_family(bind, address));
    if let Some(own) = own.or_else(|| settings.leave_from.filter(fits)) {
        bind(&socket, own)?;
    }
    TcpSocket::from_std_stream(socket.into()).connect(address).await
}

#[cfg(test)]
mod tests;
