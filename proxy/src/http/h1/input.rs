//! What was read from a connection and is not consumed yet. The buffer is zeroed once, when it grows, and used again for every
//! read; a connection that waits with nothing to consume has lent it to the others ([`spare`]).

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, ReadBuf};

use super::spare;

/// What is read at once, and at once from a connection that fills it.
pub(super) const READ: usize = 16 * 1024;
const BUSY: usize = 64 * 1024;

/// Bytes between a stream and whoever parses them.
#[derive(Debug, Default)]
pub(super) struct Input {
    bytes: Vec<u8>,
    at: usize,
    end: usize,
    /// The last read filled all the room that it was given.
    busy: bool,
}

impl Input {
    /// What stands there to be consumed.
    pub(super) fn unread(&self) -> &[u8] {
        &self.bytes[self.at..self.end]
    }

    /// A piece of it, by its place behind the first unread byte.
    pub(super) fn piece(&self, start: usize, len: usize) -> &[u8] {
        &self.bytes[self.at + start..self.at + start + len]
    }

    /// How much there is.
    pub(super) fn len(&self) -> usize {
        self.end - self.at
    }

    /// Is there nothing?
    pub(super) fn is_empty(&self) -> bool {
        self.at == self.end
    }

    /// The first `n` bytes are done with.
    pub(super) fn consume(&mut self, n: usize) {
        self.at = (self.at + n).min(self.end);
    }

    /// Lends the buffer to other connections, if nothing is in it. One that grew is kept for what is to come, until the
    /// connection rests.
    pub(super) fn lend(&mut self) {
        if self.is_empty() && self.bytes.len() == READ {
            (self.at, self.end) = (0, 0);
            spare::give_input(std::mem::take(&mut self.bytes));
        }
    }

    /// Gives the buffer back, if nothing is in it.
    pub(super) fn rest(&mut self) {
        if self.is_empty() {
            *self = Self::default();
        }
    }

    /// Reads more; 0 at the end of the stream.
    pub(super) fn poll_fill(
        &mut self,
        io: &mut (impl AsyncRead + Unpin),
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        if self.bytes.is_empty() {
            self.bytes = spare::input();
        }
        self.make_room();
        let mut buf = ReadBuf::new(&mut self.bytes[self.end..]);
        let room = buf.remaining();
        match Pin::new(io).poll_read(cx, &mut buf) {
            Poll::Ready(read) => read?,
            Poll::Pending => {
                self.lend();
                return Poll::Pending;
            }
        }
        let n = buf.filled().len();
        self.busy = n == room;
        self.end += n;
        Poll::Ready(Ok(n))
    }

    fn make_room(&mut self) {
        if self.is_empty() {
            (self.at, self.end) = (0, 0);
            if self.busy && self.bytes.len() < BUSY {
                self.bytes.resize(BUSY, 0);
            } else if !self.busy && self.bytes.len() > BUSY {
                // A large head came and went.
                self.bytes.truncate(READ);
                self.bytes.shrink_to_fit();
            }
        }
        if self.bytes.len() - self.end < READ / 4 {
            self.bytes.copy_within(self.at..self.end, 0);
            self.end -= self.at;
            self.at = 0;
            if self.bytes.len() - self.end < READ / 4 {
                self.bytes.resize(self.end + READ, 0);
            }
        }
    }
}

/// A connection that ends lends its buffer to the others, too.
impl Drop for Input {
    fn drop(&mut self) {
        if self.bytes.len() == READ {
            spare::give_input(std::mem::take(&mut self.bytes));
        }
    }
}

#[cfg(test)]
mod tests;
