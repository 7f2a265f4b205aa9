//! Frames of HTTP/2 that carry nothing, taken out before h2 sees them.
//!
//! An app may send DATA frames without data and without an end (RFC 9113 6.1); some do so in each call. h2 counts them over the
//! whole life of a connection and ends it after the hundredth, and every call on it. Here they count only in a row: so many
//! without anything else between them are an attack, and are left to h2, which ends it.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::stream::Io;

/// So many in a row are taken for a habit, and no more.
const MOST: u32 = 100;

/// What a client sends before its first frame.
const PREFACE: usize = 24;

/// A frame's length, type, flags and stream.
const HEAD: usize = 9;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const PUSH_PROMISE: u8 = 5;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;
const PADDED: u8 = 8;
const END_HEADERS: u8 = 4;

/// A connection whose frames are looked at as they come in.
#[derive(Debug)]
pub struct WithoutEmptyFrames<S = Io> {
    io: S,
    frames: Frames,
}

impl<S> WithoutEmptyFrames<S> {
    /// A connection to a server, which begins with frames.
    pub fn from_server(io: S) -> Self {
        Self { io, frames: Frames::default() }
    }

    /// A connection from a client, which begins with the preface.
    pub fn from_client(io: S) -> Self {
        Self { io, frames: Frames { payload: PREFACE, ..Frames::default() } }
    }
}

/// Where the stream of bytes stands.
#[derive(Debug, Default)]
struct Frames {
    /// So much of the present frame is still to come.
    payload: usize,
    /// The next frame's head, as far as it has come.
    head: [u8; HEAD],
    come: usize,
    /// So much of it was passed on. It is held back only as long as it may be an empty frame's.
    passed: usize,
    /// Headers are not over: nothing may come between them, not even nothing.
    within_headers: bool,
    /// Empty frames since the last that was not.
    in_a_row: u32,
}

impl Frames {
    /// May this be the head of a frame that is to be taken out? If it is whole, it is.
    fn may_be_empty(&self) -> bool {
        const ANY: [u8; HEAD] = [0, 0, 0, DATA, END_STREAM | PADDED, 0, 0, 0, 0];
        let head = &self.head[..self.come];
        let (length_and_kind, rest) = head.split_at(self.come.min(4));
        length_and_kind == &ANY[..length_and_kind.len()]
            && rest.first().is_none_or(|flags| flags & ANY[4] == 0)
            && (self.come < HEAD || rest[1..] != [0; 4])
            && !self.within_headers
            && self.in_a_row < MOST
    }

    /// The head is whole and was passed on, or is about to be.
    fn begin(&mut self) {
        let [high, middle, low, kind, flags, ..] = self.head;
        self.payload = u32::from_be_bytes([0, high, middle, low]) as usize;
        if matches!(kind, HEADERS | PUSH_PROMISE | CONTINUATION) {
            self.within_headers = flags & END_HEADERS == 0;
        }
        let is_empty = self.payload == 0 && kind == DATA && flags & END_STREAM == 0;
        self.in_a_row = if is_empty { self.in_a_row.saturating_add(1) } else { 0 };
        (self.come, self.passed) = (0, 0);
    }

    /// Takes empty frames out of what has come; says how much is left at its beginning. Nothing is held back before it.
    fn sift(&mut self, data: &mut [u8]) -> usize {
        let (mut read, mut written) = (0, 0);
        while read < data.len() {
            let length = if self.payload > 0 {
                let length = self.payload.min(data.len() - read);
                self.payload -= length;
                length
            } else {
                let length = (HEAD - self.come).min(data.len() - read);
                self.head[self.come..self.come + length].copy_from_slice(&data[read..read + length]);
                self.come += length;
                if self.may_be_empty() {
                    read += length;
                    if self.come == HEAD {
                        self.begin();
                    }
                    continue;
                }
                self.passed = self.come;
                if self.come == HEAD {
                    self.begin();
                }
                length
            };
            if written < read {
                data.copy_within(read..read + length, written);
            }
            read += length;
            written += length;
        }
        written
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for WithoutEmptyFrames<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let Self { io, frames } = &mut *self;
        loop {
            if frames.passed < frames.come {
                if !frames.may_be_empty() {
                    // It was held back for nothing.
                    let length = (frames.come - frames.passed).min(buf.remaining());
                    buf.put_slice(&frames.head[frames.passed..frames.passed + length]);
                    frames.passed += length;
                    if frames.passed == HEAD {
                        frames.begin();
                    }
                    return Poll::Ready(Ok(()));
                }
                // Only the rest of the head, so that what was held back still comes first.
                let mut rest = ReadBuf::new(&mut frames.head[frames.come..]);
                ready!(Pin::new(&mut *io).poll_read(cx, &mut rest))?;
                let come = rest.filled().len();
                if come == 0 {
                    // A connection that ends within a head ends.
                    return Poll::Ready(Ok(()));
                }
                frames.come += come;
                if frames.come == HEAD && frames.may_be_empty() {
                    frames.begin();
                }
                continue;
            }
            let before = buf.filled().len();
            ready!(Pin::new(&mut *io).poll_read(cx, buf))?;
            let come = buf.filled().len() - before;
            let left = frames.sift(&mut buf.filled_mut()[before..]);
            buf.set_filled(before + left);
            // Nothing would be the end.
            if left > 0 || come == 0 {
                return Poll::Ready(Ok(()));
            }
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for WithoutEmptyFrames<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, bufs)
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

#[cfg(test)]
mod tests;
