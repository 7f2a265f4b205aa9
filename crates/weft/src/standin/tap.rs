//! A tap on an HTTP/1.1 connection: the request's head as its bytes came.
//!
//! hyper lowers header names and groups them; the stand-in shows what a caller's sidecar really sent. The tap
//! keeps a copy of the bytes read until a head has been taken from it, and is cleared when the body is over.

use parking_lot::Mutex;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A head longer than this is not shown as received (hyper's own limit is higher).
const MAX_HEAD: usize = 64 * 1024;
const MAX_HEADERS: usize = 256;

/// The bytes read since the last request, shared by the connection and its requests.
#[derive(Debug, Clone, Default)]
pub(super) struct Heads(Arc<Mutex<Vec<u8>>>);

/// A request's head in the sender's own spelling.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct RawHead {
    pub(super) target: String,
    pub(super) headers: Vec<(String, String)>,
}

impl Heads {
    /// The head of the request that hyper has just handed over; none if the bytes at hand are not its head
    /// (a pipelined request, HTTP/2, a head beyond the bound).
    pub(super) fn take(&self, method: &str) -> Option<RawHead> {
        let mut bytes = self.0.lock();
        let head = parse(&bytes, method);
        bytes.clear();
        head
    }

    /// Forgets what was read: the next bytes are the next request's.
    pub(super) fn clear(&self) {
        self.0.lock().clear();
    }
}

fn parse(bytes: &[u8], method: &str) -> Option<RawHead> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut request = httparse::Request::new(&mut headers);
    if !request.parse(bytes).ok()?.is_complete() || request.method != Some(method) {
        return None;
    }
    let lossy = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
    let headers =
        request.headers.iter().map(|header| (header.name.to_owned(), lossy(header.value))).collect();
    Some(RawHead { target: request.path?.to_owned(), headers })
}

/// A stream whose reads are copied into [`Heads`].
#[derive(Debug)]
pub(super) struct Tapped<S> {
    stream: S,
    heads: Heads,
}

impl<S> Tapped<S> {
    pub(super) fn new(stream: S) -> (Self, Heads) {
        let heads = Heads::default();
        (Self { stream, heads: heads.clone() }, heads)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Tapped<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        ready!(Pin::new(&mut this.stream).poll_read(cx, buf))?;
        let mut heads = this.heads.0.lock();
        let room = MAX_HEAD.saturating_sub(heads.len());
        let read = &buf.filled()[before..];
        heads.extend_from_slice(&read[..read.len().min(room)]);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Tapped<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}
