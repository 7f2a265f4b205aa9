//! One HTTP/1.1 connection, either side: `weft-http1`'s codec between two buffers and a stream.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead as _, AsyncWrite as _, ReadBuf};
use weft_http1::{
    BodyEvent, BodyReader, Framing, Headers, Limits, Parsed, RequestHead, ResponseHead, chunk_head,
    last_chunk, parse_request, parse_response,
};

use super::message::{Broken, Event, Inlet, Outlet};
use crate::stream::Io;

/// What is read at once, and what may wait to be written.
const READ: usize = 16 * 1024;
const WRITE_HIGH: usize = 64 * 1024;

/// A connection and its buffers, which are used again for every message.
#[derive(Debug)]
pub struct H1 {
    /// The stream; taken over as a whole by upgrades and tunnels.
    pub io: Io,
    input: Vec<u8>,
    /// Everything before it is done with.
    at: usize,
    eof: bool,
    output: Vec<u8>,
    written: usize,
    body: BodyReader,
    /// The piece of body at hand, within `input`.
    piece: (usize, usize),
    chunked_out: bool,
    limits: Limits,
}

impl H1 {
    /// Takes a stream over.
    pub fn new(io: Io, limits: Limits) -> Self {
        Self {
            io,
            input: Vec::new(),
            at: 0,
            eof: false,
            output: Vec::new(),
            written: 0,
            body: BodyReader::new(Framing::None, &limits),
            piece: (0, 0),
            chunked_out: false,
            limits,
        }
    }

    /// Reads more; `Ok(false)` at the end of the stream.
    pub fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<Result<bool, Broken>> {
        if self.eof {
            return Poll::Ready(Ok(false));
        }
        if self.at == self.input.len() {
            self.input.clear();
            self.at = 0;
        } else if self.at > READ {
            self.input.drain(..self.at);
            self.at = 0;
        }
        let have = self.input.len();
        // Zeroing 16 KiB costs less than a second copy; the length is cut back to what came.
        self.input.resize(have + READ, 0);
        let mut buf = ReadBuf::new(&mut self.input[have..]);
        let poll = Pin::new(&mut self.io).poll_read(cx, &mut buf);
        let n = buf.filled().len();
        self.input.truncate(have + n);
        ready!(poll)?;
        self.eof = n == 0;
        Poll::Ready(Ok(n > 0))
    }

    /// Waits for a request's head. `Ok(None)`: the client has closed between two requests.
    ///
    /// # Errors
    /// A refusal must be answered and the connection closed.
    pub fn poll_request(
        &mut self,
        cx: &mut Context<'_>,
        head: &mut RequestHead,
    ) -> Poll<Result<Option<()>, Broken>> {
        loop {
            if self.at < self.input.len() {
                // An empty line before a request is tolerated (RFC 9112 2.2), once per read.
                if let Parsed::Complete { consumed } =
                    parse_request(&self.input[self.at..], &self.limits, head)?
                {
                    self.at += consumed;
                    return Poll::Ready(Ok(Some(())));
                }
            }
            if !ready!(self.poll_fill(cx))? {
                return Poll::Ready(if self.at == self.input.len() { Ok(None) } else { Err(Broken::Closed) });
            }
        }
    }

    /// Waits for a response's head.
    ///
    /// # Errors
    /// A refusal or a close means that the connection is of no more use.
    pub fn poll_response(
        &mut self,
        cx: &mut Context<'_>,
        head: &mut ResponseHead,
    ) -> Poll<Result<(), Broken>> {
        loop {
            if self.at < self.input.len()
                && let Parsed::Complete { consumed } =
                    parse_response(&self.input[self.at..], &self.limits, head)?
            {
                self.at += consumed;
                return Poll::Ready(Ok(()));
            }
            if !ready!(self.poll_fill(cx))? {
                return Poll::Ready(Err(Broken::Closed));
            }
        }
    }

    /// The body that follows the head just read is framed so.
    pub fn start_body(&mut self, framing: Framing) {
        self.body.start(framing);
        self.piece = (0, 0);
    }

    /// Has the incoming body been read to its end?
    pub fn body_is_done(&self) -> bool {
        self.body.is_done()
    }

    /// Appends a head, written by `write`; the body that follows it goes out in chunks or not.
    pub fn start_output(&mut self, chunked: bool, write: impl FnOnce(&mut Vec<u8>)) {
        write(&mut self.output);
        self.chunked_out = chunked;
    }

    /// Has any byte come that nobody asked for, or has the peer closed? Such a connection cannot be used again.
    pub fn poll_idle(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.at < self.input.len() || self.eof {
            return Poll::Ready(());
        }
        let mut one = [0_u8; 1];
        let mut buf = ReadBuf::new(&mut one);
        // A byte taken here is lost, but then the connection is given up anyway.
        ready!(Pin::new(&mut self.io).poll_read(cx, &mut buf)).ok();
        self.eof = true;
        Poll::Ready(())
    }

    /// Waits for the client to go away while its answer is still to come. Bytes of a next request only are kept.
    pub fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if !self.eof && self.input.len() - self.at >= READ {
            return Poll::Pending;
        }
        match self.poll_fill(cx) {
            Poll::Ready(Ok(true)) => {
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            Poll::Ready(_) => Poll::Ready(()),
            Poll::Pending => Poll::Pending,
        }
    }

    /// Gives back memory before a long wait.
    pub fn rest(&mut self) {
        if self.at == self.input.len() {
            self.at = 0;
            self.input = Vec::new();
        }
        if self.written == self.output.len() && self.output.capacity() > READ {
            self.output = Vec::new();
            self.written = 0;
        }
    }

    /// Takes the connection apart: the stream, and what was read and not consumed.
    pub fn into_parts(self) -> (Io, Vec<u8>) {
        let rest = self.input[self.at..].to_vec();
        (self.io, rest)
    }

    /// What was read and not consumed.
    pub fn unread(&self) -> &[u8] {
        &self.input[self.at..]
    }

    /// Drops what was read and not consumed.
    pub fn forget_input(&mut self) {
        self.at = self.input.len();
    }

    /// Is there input that was not consumed?
    pub fn has_input(&self) -> bool {
        self.at < self.input.len()
    }

    fn poll_write_out(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Broken>> {
        while self.written < self.output.len() {
            let n = ready!(Pin::new(&mut self.io).poll_write(cx, &self.output[self.written..]))?;
            if n == 0 {
                return Poll::Ready(Err(Broken::Closed));
            }
            self.written += n;
        }
        self.output.clear();
        self.written = 0;
        Poll::Ready(Ok(()))
    }
}

impl Inlet for H1 {
    fn poll_body(&mut self, cx: &mut Context<'_>) -> Poll<Result<Event, Broken>> {
        loop {
            if self.piece.0 < self.piece.1 {
                return Poll::Ready(Ok(Event::Data));
            }
            match self.body.next(&self.input[self.at..])? {
                BodyEvent::Data { range, consumed } => {
                    self.piece = (self.at + range.start, self.at + range.end);
                    self.at += consumed;
                }
                BodyEvent::End { consumed } => {
                    self.at += consumed;
                    return Poll::Ready(Ok(Event::End));
                }
                BodyEvent::NeedMore { consumed } => {
                    self.at += consumed;
                    if !ready!(self.poll_fill(cx))? {
                        self.body.close()?;
                    }
                }
            }
        }
    }

    fn chunk(&self) -> &[u8] {
        &self.input[self.piece.0..self.piece.1]
    }

    fn consume(&mut self, n: usize) {
        self.piece.0 += n;
    }

    fn trailers(&self) -> &Headers {
        self.body.trailers()
    }
}

impl Outlet for H1 {
    fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<Result<usize, Broken>> {
        if self.output.len() >= WRITE_HIGH {
            ready!(self.poll_write_out(cx))?;
        }
        Poll::Ready(Ok(WRITE_HIGH - self.output.len()))
    }

    fn push(&mut self, data: &[u8]) -> Result<(), Broken> {
        if self.chunked_out {
            chunk_head(data.len(), &mut self.output);
            self.output.extend_from_slice(data);
            self.output.extend_from_slice(weft_http1::CHUNK_END);
        } else {
            self.output.extend_from_slice(data);
        }
        Ok(())
    }

    fn finish(&mut self, trailers: &Headers) -> Result<(), Broken> {
        if self.chunked_out {
            last_chunk(trailers, &mut self.output);
        }
        Ok(())
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Broken>> {
        ready!(self.poll_write_out(cx))?;
        if self.io.is_tls() {
            ready!(Pin::new(&mut self.io).poll_flush(cx))?;
        }
        Poll::Ready(Ok(()))
    }
}
