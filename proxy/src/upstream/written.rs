//! A stream that tells how much was written to it: whoever wrote nothing since a request came has sent nothing of it.

use std::cell::Cell;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::stream::Io;

/// What is known of it outside; clones share it.
#[derive(Debug, Clone, Default)]
pub struct Written(Rc<Known>);

#[derive(Debug, Default)]
struct Known {
    bytes: Cell<u64>,
    cut: Cell<bool>,
}

impl Written {
    /// So many bytes were written, up to now.
    pub fn bytes(&self) -> u64 {
        self.0.bytes.get()
    }

    /// When it is dropped it is broken off: what waits to be read by nobody is not kept for it by the kernel.
    pub fn cut(&self) {
        self.0.cut.set(true);
    }

    fn note(&self, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if let Poll::Ready(Ok(n)) = &written {
            self.0.bytes.set(self.bytes().wrapping_add(*n as u64));
        }
        written
    }
}

/// A stream whose bytes are counted as they go out.
#[derive(Debug)]
pub struct Counted {
    io: Io,
    written: Written,
}

impl Counted {
    /// A stream, and how much is written to it from now on.
    pub fn new(io: Io) -> (Self, Written) {
        let written = Written::default();
        (Self { io, written: written.clone() }, written)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        if self.written.0.cut.get() {
            self.io.break_off();
        }
    }
}

impl AsyncRead for Counted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buf)
    }
}

impl AsyncWrite for Counted {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.io).poll_write(cx, buf);
        self.written.note(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.io).poll_write_vectored(cx, bufs);
        self.written.note(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}
