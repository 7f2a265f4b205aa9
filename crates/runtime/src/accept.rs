//! Accepting connections without binding them to this runtime, so that a worker can take them over as they
//! are.

use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use nix::errno::Errno;
use rustix::net::{SocketFlags, acceptfrom_with};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::time::Instant;

/// How long to leave the queue alone when the process has no file or memory left for another connection.
const PAUSE: Duration = Duration::from_millis(50);
/// At most one warning of that in this time.
const WARNING_INTERVAL: Duration = Duration::from_secs(10);

/// A listening socket on a runtime. What it accepts is a plain non-blocking socket that no runtime knows yet:
/// accepting through tokio's own listener would register it here, only to take it out again for the worker.
#[derive(Debug)]
pub struct Acceptor {
    listener: AsyncFd<TcpListener>,
    warned: Option<Instant>,
}

impl Acceptor {
    /// Takes a non-blocking listener; must be called on a runtime with I/O and time enabled. Accepted sockets have its
    /// `TCP_NODELAY`, which is set here.
    #[expect(
        deprecated,
        reason = "its successor is `unsafe` for types that may change their descriptor; std's listener cannot"
    )]
    pub fn new(listener: TcpListener) -> io::Result<Self> {
        socket2::SockRef::from(&listener).set_tcp_nodelay(true)?;
        let listener = AsyncFd::with_interest(listener, Interest::READABLE)?;
        Ok(Self { listener, warned: None })
    }

    /// The address it listens on.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.get_ref().local_addr()
    }

    /// The next connection; safe to drop half-way. Connections that broke in the queue are passed over; when files or memory
    /// run out it waits and tries again. An error means that the listener itself is broken.
    pub async fn accept(&mut self) -> io::Result<(TcpStream, SocketAddr)> {
        loop {
            match self.listener.async_io(Interest::READABLE, take).await {
                Ok(connection) => return Ok(connection),
                Err(error) => match Verdict::of(&error) {
                    Verdict::PassOver => {}
                    Verdict::Pause => self.pause(&error).await,
                    Verdict::Broken => return Err(error),
                },
            }
        }
    }

    async fn pause(&mut self, error: &io::Error) {
        let now = Instant::now();
        if self.warned.is_none_or(|warned| now.duration_since(warned) >= WARNING_INTERVAL) {
            self.warned = Some(now);
            tracing::warn!(
                %error,
                address = ?self.local_addr().ok(),
                "connections wait: no room to accept more; look at the limit on open files (`ulimit -n`)"
            );
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// One connection of the queue, non-blocking from its first moment: a call less than to make it so.
fn take(listener: &TcpListener) -> io::Result<(TcpStream, SocketAddr)> {
    let (socket, peer) = acceptfrom_with(listener, SocketFlags::NONBLOCK | SocketFlags::CLOEXEC)?;
    // A queue of TCP tells of no other kind of peer.
    let peer = peer.and_then(|peer| peer.try_into().ok()).ok_or(Errno::ECONNABORTED)?;
    Ok((socket.into(), peer))
}

/// What an error of accept(2) means for the next try.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    PassOver,
    Pause,
    Broken,
}

impl Verdict {
    // Linux hands pending network errors of the new connection to accept(2); its manual page says to treat
    // them like EAGAIN.
    fn of(error: &io::Error) -> Self {
        use Errno::{
            EAGAIN, ECONNABORTED, ECONNRESET, EHOSTUNREACH, EINTR, EMFILE, ENETDOWN, ENETUNREACH, ENFILE,
            ENOBUFS, ENOMEM, ENOPROTOOPT, EPERM, EPROTO, ETIMEDOUT,
        };
        match error.raw_os_error().map(Errno::from_raw) {
            Some(EMFILE | ENFILE | ENOBUFS | ENOMEM) => Self::Pause,
            Some(
                EAGAIN | ECONNABORTED | ECONNRESET | EHOSTUNREACH | EINTR | ENETDOWN | ENETUNREACH
                | ENOPROTOOPT | EPERM | EPROTO | ETIMEDOUT,
            ) => Self::PassOver,
            _ => Self::Broken,
        }
    }
}

#[cfg(test)]
mod tests;
