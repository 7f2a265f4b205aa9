//! One HTTP/2 stream as a stream of bytes: what CONNECT and upgrades make of it.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use weft_http1::Headers;

use super::h2::{Incoming, Outgoing};
use super::message::{Broken, Event, Inlet as _, Outlet as _};

/// Both halves of a stream whose heads are exchanged. Its end is END_STREAM; trailers mean nothing here.
#[derive(Debug)]
pub struct StreamIo {
    incoming: Incoming,
    outgoing: Outgoing,
}

impl StreamIo {
    /// What comes and goes on one stream.
    pub fn new(incoming: Incoming, outgoing: Outgoing) -> Self {
        Self { incoming, outgoing }
    }

    /// Ends it so that the other end sees it fail.
    pub fn break_off(&mut self) {
        self.outgoing.reset(h2::Reason::CANCEL);
    }
}

impl Drop for StreamIo {
    /// As a socket that is closed: what was written still leaves, and then the end.
    fn drop(&mut self) {
        // A stream that is gone already needs no end.
        let _ = self.outgoing.finish(&Headers::new());
    }
}

fn failed(broken: Broken) -> io::Error {
    match broken {
        Broken::Io(error) => error,
        other => io::Error::new(io::ErrorKind::ConnectionReset, other),
    }
}

impl AsyncRead for StreamIo {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if ready!(self.incoming.poll_body(cx)).map_err(failed)? == Event::Data {
            let n = self.incoming.chunk().len().min(buf.remaining());
            buf.put_slice(&self.incoming.chunk()[..n]);
            self.incoming.consume(n);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for StreamIo {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        if buf.is_empty() {
            return Poll::Ready(Ok(0));
        }
        let room = ready!(self.outgoing.poll_room(cx, buf.len())).map_err(failed)?;
        let n = buf.len().min(room);
        self.outgoing.push(&buf[..n]).map_err(failed)?;
        Poll::Ready(Ok(n))
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // The connection's own task writes.
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.outgoing.finish(&Headers::new()).map_err(failed))
    }
}
