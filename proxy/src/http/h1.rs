//! One HTTP/1.1 connection, either side: `weft-http1`'s codec between two buffers and a stream.

mod input;
mod spare;

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead as _, AsyncWrite as _, ReadBuf};
use weft_http1::{
    BodyEvent, BodyReader, Framing, Headers, Limits, Parsed, RequestHead, ResponseHead, chunk_head,
    last_chunk, parse_request, parse_response,
};

use self::input::{Input, READ};
use super::message::{Broken, Event, Inlet, Outlet};
use crate::stream::Io;

/// What may wait to be written.
const WRITE_HIGH: usize = 64 * 1024;

/// A connection and its buffers, which are used again for every message.
#[derive(Debug)]
pub struct H1 {
    /// The stream; taken over as a whole by upgrades and tunnels.
    pub io: Io,
    input: Input,
    eof: bool,
    output: Vec<u8>,
    written: usize,
    body: BodyReader,
    /// The piece of body at hand, at the start of the input: so much to be skipped, so much of body, so much behind it.
    piece: Piece,
    until_close: bool,
    chunked_out: bool,
    /// Something of the message that goes out has left.
    left: bool,
}

/// A piece of body at the start of the input.
#[derive(Debug, Default, Clone, Copy)]
struct Piece {
    /// Framing before it; what is read at once is far less than this can hold.
    skip: u32,
    /// Framing behind it.
    behind: u32,
    /// Body.
    len: usize,
}

impl H1 {
    /// Takes a stream over.
    pub fn new(io: Io, limits: Limits) -> Self {
        Self {
            io,
            input: Input::default(),
            eof: false,
            output: Vec::new(),
            written: 0,
            body: BodyReader::new(Framing::None, &limits),
            piece: Piece::default(),
            until_close: false,
            chunked_out: false,
            left: false,
        }
    }

    /// Reads more; `Ok(false)` at the end of the stream.
    pub fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<Result<bool, Broken>> {
        if self.eof {
            return Poll::Ready(Ok(false));
        }
        let n = ready!(self.input.poll_fill(&mut self.io, cx))?;
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
            if !self.input.is_empty()
                && let Parsed::Complete { consumed } =
                    parse_request(self.input.unread(), self.body.limits(), head)?
            {
                self.input.consume(consumed);
                return Poll::Ready(Ok(Some(())));
            }
            if !ready!(self.poll_fill(cx))? {
                return Poll::Ready(if self.input.is_empty() { Ok(None) } else { Err(Broken::Closed) });
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
            if !self.input.is_empty()
                && let Parsed::Complete { consumed } =
                    parse_response(self.input.unread(), self.body.limits(), head)?
            {
                self.input.consume(consumed);
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
        self.until_close = framing == Framing::UntilClose;
        self.piece = Piece::default();
    }

    /// Has the incoming body been read to its end?
    pub fn body_is_done(&self) -> bool {
        self.body.is_done() && self.piece.len == 0
    }

    /// Appends a head, written by `write`; the body that follows it goes out in chunks or not.
    pub fn start_output(&mut self, chunked: bool, write: impl FnOnce(&mut Vec<u8>)) {
        write(self.output());
        self.chunked_out = chunked;
        self.left = false;
    }

    /// Has a byte of the message that was started last left?
    pub fn has_left(&self) -> bool {
        self.left
    }

    /// How much waits to be written.
    pub fn unsent(&self) -> usize {
        self.output.len() - self.written
    }

    /// Does more wait to be written than should?
    pub fn is_clogged(&self) -> bool {
        self.output.len() >= WRITE_HIGH
    }

    /// Has any byte come that nobody asked for, or has the peer closed? Such a connection cannot be used again.
    pub fn poll_idle(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if !self.input.is_empty() || self.eof {
            return Poll::Ready(());
        }
        let mut one = [0_u8; 1];
        let mut buf = ReadBuf::new(&mut one);
        // A byte taken here is lost, but then the connection is given up anyway.
        ready!(Pin::new(&mut self.io).poll_read(cx, &mut buf)).ok();
        self.eof = true;
        Poll::Ready(())
    }

    /// Waits for the client to go away while its answer is still to come. Of a next request only some bytes are kept; while
    /// a body is still to be read, whoever reads it will see the end.
    pub fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            if !self.body_is_done() || (!self.eof && self.input.len() >= READ) {
                return Poll::Pending;
            }
            match ready!(self.poll_fill(cx)) {
                Ok(true) => {}
                _ => return Poll::Ready(()),
            }
        }
    }

    /// Lends the buffer that it reads into to others until it reads again: between two messages it is the pool's, not the
    /// connection's.
    pub fn lend(&mut self) {
        self.input.lend();
    }

    /// Gives back memory before a long wait.
    pub fn rest(&mut self) {
        self.input.rest();
        if self.written == self.output.len() {
            self.output = Vec::new();
            self.written = 0;
        }
    }

    /// Takes the connection apart: the stream, and what was read and not consumed.
    pub fn into_parts(self) -> (Io, Vec<u8>) {
        let rest = self.input.unread().to_vec();
        (self.io, rest)
    }

    /// What was read and not consumed.
    pub fn unread(&self) -> &[u8] {
        self.input.unread()
    }

    /// Drops what was read and not consumed.
    pub fn forget_input(&mut self) {
        self.piece = Piece::default();
        self.input.consume(self.input.len());
    }

    /// Is there input that was not consumed?
    pub fn has_input(&self) -> bool {
        !self.input.is_empty()
    }

    fn output(&mut self) -> &mut Vec<u8> {
        if self.output.capacity() == 0 {
            self.output = spare::output();
        }
        &mut self.output
    }

    fn poll_write_out(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Broken>> {
        while self.written < self.output.len() {
            let n = ready!(Pin::new(&mut self.io).poll_write(cx, &self.output[self.written..]))?;
            if n == 0 {
                return Poll::Ready(Err(Broken::Closed));
            }
            self.left = true;
            self.written += n;
        }
        self.output.clear();
        self.written = 0;
        if (1..=READ).contains(&self.output.capacity()) {
            spare::give_output(std::mem::take(&mut self.output));
        }
        Poll::Ready(Ok(()))
    }
}

impl Inlet for H1 {
    fn poll_body(&mut self, cx: &mut Context<'_>) -> Poll<Result<Event, Broken>> {
        loop {
            if self.piece.len > 0 {
                return Poll::Ready(Ok(Event::Data));
            }
            match self.body.next(self.input.unread())? {
                BodyEvent::Data { range, consumed } => {
                    let framing = |len| u32::try_from(len).map_err(|_| Broken::Closed);
                    let (skip, behind) = (framing(range.start)?, framing(consumed - range.end)?);
                    self.piece = Piece { skip, behind, len: range.len() };
                }
                BodyEvent::End { consumed } => {
                    self.input.consume(consumed);
                    return Poll::Ready(Ok(Event::End));
                }
                BodyEvent::NeedMore { consumed } => {
                    self.input.consume(consumed);
                    if !ready!(self.poll_fill(cx))? {
                        // Without an end of its own in TLS, a body that ends with the connection may have been cut.
                        if self.until_close && self.io.was_cut() {
                            return Poll::Ready(Err(Broken::Closed));
                        }
                        self.body.close()?;
                    }
                }
            }
        }
    }

    fn chunk(&self) -> &[u8] {
        self.input.piece(self.piece.skip as usize, self.piece.len)
    }

    fn consume(&mut self, n: usize) {
        let n = n.min(self.piece.len);
        self.input.consume(self.piece.skip as usize + n);
        self.piece.skip = 0;
        self.piece.len -= n;
        if self.piece.len == 0 {
            self.input.consume(self.piece.behind as usize);
            self.piece = Piece::default();
        }
    }

    fn trailers(&self) -> &Headers {
        self.body.trailers()
    }
}

impl Outlet for H1 {
    fn poll_room(&mut self, cx: &mut Context<'_>, _wanted: usize) -> Poll<Result<usize, Broken>> {
        if self.output.len() >= WRITE_HIGH {
            ready!(self.poll_write_out(cx))?;
        }
        Poll::Ready(Ok(WRITE_HIGH - self.output.len()))
    }

    fn push(&mut self, data: &[u8]) -> Result<(), Broken> {
        let chunked = self.chunked_out;
        let output = self.output();
        if chunked {
            chunk_head(data.len(), output);
        }
        output.extend_from_slice(data);
        if chunked {
            output.extend_from_slice(weft_http1::CHUNK_END);
        }
        Ok(())
    }

    fn finish(&mut self, trailers: &Headers) -> Result<(), Broken> {
        if self.chunked_out {
            last_chunk(trailers, self.output());
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
