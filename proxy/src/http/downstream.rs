//! The client's end of one exchange, HTTP/1.1 or HTTP/2.

use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use h2::server::SendResponse;
use weft_http1::{
    Framing, Headers, RequestHead, ResponseHead, Version, keep_alive, set_framing, write_response,
};
use weft_telemetry::record::Protocol;

use super::h1::H1;
use super::h2::{Incoming, Outgoing, to_response};
use super::message::{Broken, Event, Inlet, Length, Outlet};
use super::stream_io::StreamIo;
use crate::stream::Io;

/// Where a request came from and its answer goes.
pub trait Downstream: Inlet + Outlet {
    /// Begins the answer. `length` is what follows.
    ///
    /// # Errors
    /// If the client is gone.
    fn start_response(&mut self, head: &mut ResponseHead, length: Length) -> Result<(), Broken>;
    /// Passes an informational answer (1xx) on.
    ///
    /// # Errors
    /// If the client is gone.
    fn inform(&mut self, head: &ResponseHead) -> Result<(), Broken>;
    /// Waits for the client to go away.
    fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<()>;
    /// What the client speaks.
    fn protocol(&self) -> Protocol;
    /// The connection is not to carry another request.
    fn leave(&mut self);
    /// The answer broke off: what was begun must not look whole.
    fn abort(&mut self);
    /// Is the request of no use but as a change to another protocol?
    fn needs_upgrade(&self) -> bool {
        false
    }
}

/// A client on HTTP/1.x, for one request.
#[derive(Debug)]
pub struct DownH1<'a> {
    conn: &'a mut H1,
    version: Version,
    /// The connection ends after this exchange.
    pub close: bool,
    /// It ends by failing: what was sent is not whole.
    pub broken: bool,
    is_head: bool,
}

impl<'a> DownH1<'a> {
    /// The client whose request has this head. `draining`: the connection is to end anyway.
    pub fn new(conn: &'a mut H1, head: &RequestHead, draining: bool) -> Self {
        let close = draining || !keep_alive(head.version, &head.headers);
        Self { conn, version: head.version, close, broken: false, is_head: head.method() == "HEAD" }
    }

    /// Was the request read to its end? If not, what still comes would be read as the next one.
    pub fn is_read(&self) -> bool {
        self.conn.body_is_done()
    }
}

impl Downstream for DownH1<'_> {
    fn start_response(&mut self, head: &mut ResponseHead, length: Length) -> Result<(), Broken> {
        // An answer that does not wait for the request's end has no use for the rest: the client is told so. One that
        // streams beside its request may still see the end of it.
        let early = !self.conn.body_is_done() && (head.status >= 400 || length == Length::None);
        self.close |= early && head.status != 101;
        head.version = Version::Http11;
        let mut chunked = false;
        if self.is_head || matches!(head.status, 204 | 304) {
            // A content-length may stand there for information; a transfer-encoding may not.
            let told = if let (true, Length::Exact(n)) = (self.is_head, length) {
                Framing::Length(n)
            } else {
                Framing::None
            };
            set_framing(&mut head.headers, told)?;
        } else if head.status != 101 {
            match length {
                Length::None => set_framing(&mut head.headers, Framing::Length(0))?,
                Length::Exact(n) => set_framing(&mut head.headers, Framing::Length(n))?,
                Length::Unknown if self.version == Version::Http11 => {
                    chunked = true;
                    set_framing(&mut head.headers, Framing::Chunked)?;
                }
                Length::Unknown => {
                    // HTTP/1.0 has no chunks: the end of the connection ends the body.
                    self.close = true;
                    set_framing(&mut head.headers, Framing::UntilClose)?;
                }
            }
        }
        if head.status != 101 {
            if self.close {
                head.headers.set("connection", "close")?;
            } else if self.version == Version::Http10 {
                head.headers.set("connection", "keep-alive")?;
            }
        }
        self.conn.start_output(chunked, |out| write_response(head, out));
        Ok(())
    }

    fn inform(&mut self, head: &ResponseHead) -> Result<(), Broken> {
        // A client that reads nothing is not told more and more.
        if self.version == Version::Http11 && !self.conn.is_clogged() {
            self.conn.start_output(false, |out| write_response(head, out));
        }
        Ok(())
    }

    fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.conn.poll_gone(cx)
    }

    fn protocol(&self) -> Protocol {
        if self.version == Version::Http10 { Protocol::Http10 } else { Protocol::Http11 }
    }

    fn leave(&mut self) {
        self.close = true;
    }

    fn abort(&mut self) {
        self.close = true;
        self.broken = true;
    }
}

impl Inlet for DownH1<'_> {
    fn poll_body(&mut self, cx: &mut Context<'_>) -> Poll<Result<Event, Broken>> {
        self.conn.poll_body(cx)
    }

    fn chunk(&self) -> &[u8] {
        self.conn.chunk()
    }

    fn consume(&mut self, n: usize) {
        self.conn.consume(n);
    }

    fn trailers(&self) -> &Headers {
        self.conn.trailers()
    }
}

impl Outlet for DownH1<'_> {
    fn poll_room(&mut self, cx: &mut Context<'_>, wanted: usize) -> Poll<Result<usize, Broken>> {
        self.conn.poll_room(cx, wanted)
    }

    fn push(&mut self, data: &[u8]) -> Result<(), Broken> {
        self.conn.push(data)
    }

    fn finish(&mut self, trailers: &Headers) -> Result<(), Broken> {
        self.conn.finish(trailers)
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Broken>> {
        self.conn.poll_flush(cx)
    }
}

/// A client on HTTP/2, for one stream.
#[derive(Debug)]
pub struct DownH2 {
    incoming: Incoming,
    respond: SendResponse<Bytes>,
    outgoing: Outgoing,
    is_head: bool,
    /// It was asked for by an extended CONNECT.
    upgrade: bool,
    answered: bool,
    /// The connection is not to carry another request.
    pub leave: bool,
}

impl DownH2 {
    /// The client of a stream.
    pub fn new(incoming: Incoming, respond: SendResponse<Bytes>, is_head: bool) -> Self {
        let outgoing = Outgoing::none();
        Self { incoming, respond, outgoing, is_head, upgrade: false, answered: false, leave: false }
    }

    /// The same for an extended CONNECT: what follows its head belongs to the other protocol, if the answer agrees.
    #[must_use]
    pub fn upgrading(mut self) -> Self {
        self.upgrade = true;
        self
    }

    /// Agrees to make a tunnel of the stream.
    ///
    /// # Errors
    /// If the client is gone.
    pub fn open(&mut self, head: &ResponseHead) -> Result<(), Broken> {
        self.answered = true;
        self.outgoing = Outgoing::new(self.respond.send_response(to_response(head), false)?);
        Ok(())
    }

    /// The stream as one of bytes, once a tunnel was agreed to.
    pub fn into_io(self) -> Io {
        Io::Stream(Box::new((BytesMut::new(), StreamIo::new(self.incoming, self.outgoing))))
    }

    /// Does a body follow the request's head?
    pub fn request_length(&self, head: &RequestHead) -> Length {
        if self.incoming.is_end() {
            return Length::None;
        }
        let declared = head.headers.text("content-length").and_then(|v| v.parse().ok());
        declared.map_or(Length::Unknown, Length::Exact)
    }
}

impl Downstream for DownH2 {
    fn start_response(&mut self, head: &mut ResponseHead, length: Length) -> Result<(), Broken> {
        if self.upgrade && head.status == 101 {
            // RFC 8441 5: what agrees over HTTP/1.1 is 200 here, and its own headers have no place.
            head.set_status(200);
            for name in ["connection", "upgrade", "sec-websocket-accept"] {
                head.headers.remove(name);
            }
            return self.open(head);
        }
        if self.upgrade && (200..300).contains(&head.status) {
            // The client would take it for the other protocol's beginning.
            head.set_status(502);
        }
        let bodiless = self.is_head || matches!(head.status, 204 | 304);
        let end = length == Length::None || bodiless;
        head.headers.remove("transfer-encoding");
        match length {
            Length::Exact(n) if !bodiless || self.is_head => {
                set_framing(&mut head.headers, Framing::Length(n))?
            }
            Length::Unknown => {
                head.headers.remove("content-length");
            }
            _ => {}
        }
        self.answered = true;
        let stream = self.respond.send_response(to_response(head), end)?;
        self.outgoing = if end { Outgoing::none() } else { Outgoing::new(stream) };
        Ok(())
    }

    fn inform(&mut self, head: &ResponseHead) -> Result<(), Broken> {
        if head.status != 101 {
            self.respond.send_informational(to_response(head))?;
        }
        Ok(())
    }

    fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.answered { self.outgoing.poll_reset(cx) } else { self.respond.poll_reset(cx).map(|_| ()) }
    }

    fn protocol(&self) -> Protocol {
        Protocol::Http2
    }

    fn leave(&mut self) {
        self.leave = true;
    }

    fn abort(&mut self) {
        self.outgoing.reset(h2::Reason::INTERNAL_ERROR);
        self.respond.send_reset(h2::Reason::INTERNAL_ERROR);
    }

    fn needs_upgrade(&self) -> bool {
        self.upgrade
    }
}

impl Inlet for DownH2 {
    fn poll_body(&mut self, cx: &mut Context<'_>) -> Poll<Result<Event, Broken>> {
        self.incoming.poll_body(cx)
    }

    fn chunk(&self) -> &[u8] {
        self.incoming.chunk()
    }

    fn consume(&mut self, n: usize) {
        self.incoming.consume(n);
    }

    fn share(&mut self, n: usize) -> Option<Bytes> {
        self.incoming.share(n)
    }

    fn is_last(&self) -> bool {
        self.incoming.is_last()
    }

    fn trailers(&self) -> &Headers {
        self.incoming.trailers()
    }
}

impl Outlet for DownH2 {
    fn poll_room(&mut self, cx: &mut Context<'_>, wanted: usize) -> Poll<Result<usize, Broken>> {
        self.outgoing.poll_room(cx, wanted)
    }

    fn push(&mut self, data: &[u8]) -> Result<(), Broken> {
        self.outgoing.push(data)
    }

    fn push_shared(&mut self, data: Bytes, last: bool) -> Result<(), Broken> {
        self.outgoing.push_shared(data, last)
    }

    fn finish(&mut self, trailers: &Headers) -> Result<(), Broken> {
        self.outgoing.finish(trailers)
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Broken>> {
        self.outgoing.poll_flush(cx)
    }
}
