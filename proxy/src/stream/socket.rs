//! A TCP socket as every request reads and writes it. What tokio and the C library do around a `recv` costs more than one
//! would think: each of their locked instructions waits until all that was written before has reached the cache, and at a
//! connection that was idle much of that has not.
//!
//! - The kernel is called without the C library: there, each such call can be cancelled, and says so before and after it.
//! - Who waits and asks again while nothing has come is still known to the driver, and does not register anew.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};

use rustix::io::{Errno, retry_on_intr};
use rustix::net::{RecvFlags, SendFlags, recv, send};
use tokio::io::{AsyncWrite as _, Interest, ReadBuf};
use tokio::net::TcpStream;
use tokio::task::coop;

/// A socket, and who waits for it to be readable.
#[derive(Debug)]
pub(super) struct Socket {
    tcp: TcpStream,
    /// The task that the driver wakes when there is something to read, by its waker's address; 0 is nobody. That address
    /// cannot become another's meanwhile: the driver holds the waker until it has something to tell.
    waits: usize,
}

impl Socket {
    pub(super) const fn new(tcp: TcpStream) -> Self {
        Self { tcp, waits: 0 }
    }

    pub(super) const fn tcp(&self) -> &TcpStream {
        &self.tcp
    }

    /// The same, for whoever waits for it in another way.
    pub(super) const fn tcp_mut(&mut self) -> &mut TcpStream {
        self.waits = 0;
        &mut self.tcp
    }

    pub(super) fn into_tcp(self) -> TcpStream {
        self.tcp
    }

    /// As [`tokio::io::AsyncRead::poll_read`]. Who asks with a waker that wakes nobody is not woken.
    pub(super) fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let budget = ready!(coop::poll_proceed(cx));
        let room = buf.initialize_unfilled();
        loop {
            if let Some(read) = self.read_now(room) {
                budget.made_progress();
                return Poll::Ready(read.map(|n| buf.advance(n)));
            }
            ready!(self.poll_readable(cx))?;
        }
    }

    /// Reads what is there, unless nothing is.
    fn read_now(&mut self, room: &mut [u8]) -> Option<io::Result<usize>> {
        let Self { tcp, waits } = self;
        let mut read = None;
        // Its answer is `read`; to be given back that it would block says that there is no more for now.
        let _ = tcp.try_io(Interest::READABLE, || {
            *waits = 0;
            let all = room.len();
            let got = retry_on_intr(|| recv(&*tcp, &mut *room, RecvFlags::empty())).map(|(n, _)| n);
            // Less than there was room for is all that there was: the next look would find nothing.
            let no_more = got.map_or_else(|error| error == Errno::AGAIN, |n| n > 0 && n < all);
            read = (got != Err(Errno::AGAIN)).then(|| got.map_err(io::Error::from));
            if no_more { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(()) }
        });
        read
    }

    fn poll_readable(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let who = cx.waker().data().addr();
        if (who != 0 && who == self.waits) || cx.waker().will_wake(Waker::noop()) {
            return Poll::Pending;
        }
        // Whose turn has lasted long enough is only told to come again, and the driver does not hear of it.
        let heard = coop::has_budget_remaining();
        let ready = self.tcp.poll_read_ready(cx);
        self.waits = if ready.is_pending() && heard { who } else { 0 };
        ready
    }

    /// As [`tokio::io::AsyncWrite::poll_write`].
    pub(super) fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let budget = ready!(coop::poll_proceed(cx));
        loop {
            if let Some(written) = self.write_now(bytes) {
                budget.made_progress();
                return Poll::Ready(written);
            }
            ready!(self.tcp.poll_write_ready(cx))?;
        }
    }

    /// As [`tokio::io::AsyncWrite::poll_write_vectored`].
    pub(super) fn poll_write_vectored(
        &mut self,
        cx: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.tcp).poll_write_vectored(cx, pieces)
    }

    /// As [`tokio::io::AsyncWrite::poll_shutdown`].
    pub(super) fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_shutdown(cx)
    }

    /// Writes what there is room for, unless there is none.
    fn write_now(&self, bytes: &[u8]) -> Option<io::Result<usize>> {
        let mut written = None;
        let _ = self.tcp.try_io(Interest::WRITABLE, || {
            let sent = retry_on_intr(|| send(&self.tcp, bytes, SendFlags::NOSIGNAL));
            let no_more = sent.map_or_else(|error| error == Errno::AGAIN, |n| n < bytes.len());
            written = (sent != Err(Errno::AGAIN)).then(|| sent.map_err(io::Error::from));
            if no_more { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(()) }
        });
        written
    }
}

#[cfg(test)]
mod tests;
