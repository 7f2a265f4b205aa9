//! Header names as they were typed and as they came: hyper knows them in lower case alone, and curl's users look at
//! them on the wire.
//!
//! A stream that writes the request's names the user's way, and keeps the response's head as it arrived.

use parking_lot::Mutex;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A head longer than this is shown in hyper's spelling.
const MAX_HEAD: usize = 256 * 1024;
const END: &[u8] = b"\r\n\r\n";

/// What was read so far, up to the bound.
#[derive(Debug, Clone, Default)]
pub(super) struct Received(Arc<Mutex<Vec<u8>>>);

impl Received {
    /// The lines of the final response's headers, as they came.
    pub(super) fn headers(&self) -> Option<Vec<(String, Vec<u8>)>> {
        let bytes = self.0.lock();
        let mut rest = bytes.as_slice();
        loop {
            let mut headers = [httparse::EMPTY_HEADER; 256];
            let mut response = httparse::Response::new(&mut headers);
            let httparse::Status::Complete(length) = response.parse(rest).ok()? else { return None };
            // 100 and 103 announce the response; 101 is one.
            if !matches!(response.code, Some(100 | 102..200)) {
                return Some(
                    response.headers.iter().map(|h| (h.name.to_owned(), h.value.to_vec())).collect(),
                );
            }
            rest = rest.get(length..)?;
        }
    }
}

/// A stream between hyper and the sidecar.
pub(super) struct Spelled<S> {
    stream: S,
    names: Vec<String>,
    /// Bytes of the request that have not gone out; while the head is incomplete all of them.
    waiting: Vec<u8>,
    in_head: bool,
    received: Received,
}

impl<S> Spelled<S> {
    /// `names` are the headers as the user typed them.
    pub(super) fn new(stream: S, names: Vec<String>) -> (Self, Received) {
        let received = Received::default();
        let spelled = Self { stream, names, waiting: Vec::new(), in_head: true, received: received.clone() };
        (spelled, received)
    }
}

/// Gives the names in `head` the spelling of `names`, where they are the same but for case; in their order, so
/// that two lines of one name may be typed in two ways.
fn respell(head: &mut [u8], names: &[String]) {
    let mut unused: Vec<&String> = names.iter().collect();
    let mut at = 0;
    while let Some(end) = head[at..].windows(2).position(|pair| pair == b"\r\n").map(|length| at + length) {
        let line = &mut head[at..end];
        if let Some(colon) = line.iter().position(|byte| *byte == b':') {
            let name = &mut line[..colon];
            if let Some(nth) = unused.iter().position(|typed| typed.as_bytes().eq_ignore_ascii_case(name)) {
                name.copy_from_slice(unused.remove(nth).as_bytes());
            }
        }
        at = end + 2;
    }
}

impl<S: AsyncWrite + Unpin> Spelled<S> {
    fn poll_drain(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.in_head && !self.waiting.is_empty() {
            let written = ready!(Pin::new(&mut self.stream).poll_write(cx, &self.waiting))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.waiting.drain(..written);
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Spelled<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if this.in_head {
            this.waiting.extend_from_slice(buf);
            let head = this.waiting.windows(END.len()).position(|bytes| bytes == END).map(|at| at + 2);
            if let Some(head) = head {
                respell(&mut this.waiting[..head], &this.names);
                this.in_head = false;
            }
            return Poll::Ready(Ok(buf.len()));
        }
        ready!(this.poll_drain(cx))?;
        Pin::new(&mut this.stream).poll_write(cx, buf)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.poll_drain(cx))?;
        Pin::new(&mut this.stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.poll_drain(cx))?;
        Pin::new(&mut this.stream).poll_shutdown(cx)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Spelled<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        ready!(Pin::new(&mut this.stream).poll_read(cx, buf))?;
        let mut received = this.received.0.lock();
        let room = MAX_HEAD.saturating_sub(received.len());
        let read = &buf.filled()[before..];
        received.extend_from_slice(&read[..read.len().min(room)]);
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests;
