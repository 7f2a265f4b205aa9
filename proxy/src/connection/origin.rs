//! Where a connection was going before the kernel handed it over, and which listener stands for that place.

use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;

use socket2::SockRef;
use weft_model::listener::{Listener, ListenerFilter};

use crate::snapshot::{ListenerView, Snapshot};
use crate::upstream::connect::OriginalSource;

/// Where a connection was going.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Origin {
    /// The address that its client called.
    pub destination: SocketAddr,
    /// The client called another address than ours: the kernel turned it.
    pub intercepted: bool,
}

impl Origin {
    /// What the kernel tells of `socket`, if `listener` asks for it.
    ///
    /// # Errors
    /// If the socket has no address any more.
    pub fn of(socket: &TcpStream, listener: &Listener) -> std::io::Result<Self> {
        let own = canonical(socket.local_addr()?);
        if !asks(listener) {
            return Ok(Self { destination: own, intercepted: false });
        }
        // Under TPROXY nothing is rewritten: the socket's own address is the one that was called.
        if listener.transparent && own.port() != listener.address.port() {
            return Ok(Self { destination: own, intercepted: true });
        }
        let socket = SockRef::from(socket);
        let told = if own.is_ipv4() { socket.original_dst_v4() } else { socket.original_dst_v6() };
        // Without connection tracking nothing can have been turned.
        let called = told.ok().and_then(|address| address.as_socket()).map_or(own, canonical);
        Ok(Self { destination: called, intercepted: called != own })
    }
}

fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

fn asks(listener: &Listener) -> bool {
    listener.use_original_dst
        || listener.listener_filters.iter().any(|filter| matches!(filter, ListenerFilter::OriginalDst))
}

/// The client's address, if `listener` has its connections go on under that.
pub fn kept_source(source: SocketAddr, listener: &Listener) -> Option<OriginalSource> {
    let mark = listener.listener_filters.iter().find_map(|filter| match filter {
        ListenerFilter::OriginalSrc { mark } => Some(*mark),
        _ => None,
    })?;
    Some(OriginalSource { address: source.ip().to_canonical(), mark })
}

/// The listener that stands for where the connection was going: the one of exactly that address, else that of its port,
/// else the one that took it.
pub fn hand_over(
    taken_by: (Arc<str>, Arc<ListenerView>),
    origin: Origin,
    snapshot: &Snapshot,
) -> (Arc<str>, Arc<ListenerView>) {
    if !taken_by.1.listener.settings.use_original_dst || !origin.intercepted {
        return taken_by;
    }
    let stands = snapshot.standing_for(origin.destination);
    stands.and_then(|name| Some((name.clone(), snapshot.listener(name)?.clone()))).unwrap_or(taken_by)
}
