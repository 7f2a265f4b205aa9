//! The server's end of one exchange, HTTP/1.1 or HTTP/2: a head goes out, a body in both directions, a head comes back.

use std::future::Future as _;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};

use bytes::Bytes;
use h2::client::ResponseFuture;
use weft_http1::{
    Framing, Headers, Refusal, RequestHead, ResponseHead, keep_alive, response_framing, set_framing,
    write_request,
};

use super::h2_client::{H2Client, Streaming};
use super::places::Place;
use super::spare::Spare;
use crate::http::h2::{Incoming, Outgoing, response_head, to_request};
use crate::http::message::{Broken, Event, Inlet, Length, Outlet};
use crate::tls::names::PeerNames;

/// Of an answer that nobody wants no more is read for its connection's sake.
const UNWANTED: usize = 16 * 1024;

/// A stream to an endpoint.
#[derive(Debug)]
pub enum Upstream {
    /// A connection of our own.
    H1(UpH1),
    /// A stream of a shared one.
    H2(Box<UpH2>),
}

/// HTTP/1.1.
#[derive(Debug)]
pub struct UpH1 {
    spare: Box<Spare>,
    /// A byte of an answer has come: the request was seen.
    answered: bool,
    reusable: bool,
    tunnel: bool,
}

/// HTTP/2.
#[derive(Debug)]
pub struct UpH2 {
    response: Option<ResponseFuture>,
    incoming: Incoming,
    outgoing: Outgoing,
    peer: Option<Arc<PeerNames>>,
    /// The connection had carried others before, and was idle.
    reused: bool,
    /// Something of an answer has come, be it informational.
    answered: bool,
    guard: Streaming,
}

impl UpH2 {
    fn answered(&mut self) {
        self.answered = true;
        self.guard.answered();
    }
}

/// What a head that came back says of what follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// An informational one; the real one is still to come.
    Informational,
    /// The real one.
    Final(Length),
    /// The connection now belongs to another protocol.
    Tunnel,
}

impl Upstream {
    /// Sends a head on a connection of our own. Writes no byte to the socket yet: that is [`Outlet::poll_flush`]'s.
    ///
    /// # Errors
    /// If the head has no HTTP/1.1 form.
    pub fn start_h1(mut spare: Box<Spare>, head: &mut RequestHead, length: Length) -> Result<Self, Broken> {
        match length {
            Length::None => {
                // What bodies mean for these, an explicit zero says; the others need none.
                if matches!(head.method(), "POST" | "PUT" | "PATCH") {
                    set_framing(&mut head.headers, Framing::Length(0))?;
                } else {
                    set_framing(&mut head.headers, Framing::None)?;
                }
            }
            Length::Exact(n) => set_framing(&mut head.headers, Framing::Length(n))?,
            Length::Unknown => set_framing(&mut head.headers, Framing::Chunked)?,
        }
        spare.conn.start_output(length == Length::Unknown, |out| write_request(head, out));
        spare.carried += 1;
        Ok(Self::H1(UpH1 { spare, answered: false, reusable: true, tunnel: false }))
    }

    /// Sends a head as a stream of a shared connection.
    ///
    /// # Errors
    /// If the connection takes no more streams, or the head has no HTTP/2 form.
    pub async fn start_h2(
        client: &H2Client,
        head: &RequestHead,
        length: Length,
        scheme: &str,
    ) -> Result<Self, Broken> {
        let end = length == Length::None;
        let reused = client.has_carried() && client.is_idle();
        let (response, stream, guard) = client.send(to_request(head, scheme)?, end).await?;
        let outgoing = if end { Outgoing::none() } else { Outgoing::new(stream) };
        Ok(Self::H2(Box::new(UpH2 {
            response: Some(response),
            incoming: Incoming::none(),
            outgoing,
            peer: client.peer().cloned(),
            reused,
            answered: false,
            guard,
        })))
    }

    /// Waits for a head.
    ///
    /// # Errors
    /// If the answer never comes or is not to be trusted.
    pub fn poll_head(
        &mut self,
        cx: &mut Context<'_>,
        method: &str,
        head: &mut ResponseHead,
    ) -> Poll<Result<Answer, Broken>> {
        match self {
            Self::H1(up) => {
                let poll = up.spare.conn.poll_response(cx, head);
                up.answered |= up.spare.conn.has_input() || matches!(poll, Poll::Ready(Ok(())));
                ready!(poll)?;
                let framing = response_framing(method, head)?;
                if (100..200).contains(&head.status) && head.status != 101 {
                    return Poll::Ready(Ok(Answer::Informational));
                }
                up.spare.hear(&head.headers);
                up.reusable = keep_alive(head.version, &head.headers) && framing != Framing::UntilClose;
                up.spare.conn.start_body(framing);
                if framing == Framing::Tunnel {
                    up.tunnel = true;
                    up.reusable = false;
                    return Poll::Ready(Ok(Answer::Tunnel));
                }
                Poll::Ready(Ok(Answer::Final(framing.into())))
            }
            Self::H2(up) => {
                let Some(response) = up.response.as_mut() else { return Poll::Ready(Err(Broken::Closed)) };
                if let Poll::Ready(Some(informational)) = response.poll_informational(cx) {
                    let informational = informational?;
                    up.answered();
                    head.clear();
                    response_head(&informational.into_parts().0, head)?;
                    // There is no such thing in HTTP/2 (RFC 9113 8.6), and a client of HTTP/1.1 would take it at its word.
                    let changes = head.status == 101;
                    return Poll::Ready(Ok(if changes { Answer::Tunnel } else { Answer::Informational }));
                }
                let answer = ready!(Pin::new(response).poll(cx)).inspect_err(|error| {
                    if error.is_io() || error.is_go_away() {
                        up.guard.connection_is_over();
                    }
                })?;
                up.response = None;
                up.answered();
                let (parts, body) = answer.into_parts();
                response_head(&parts, head)?;
                match head.status {
                    101 => return Poll::Ready(Ok(Answer::Tunnel)),
                    // What only informs ends nothing.
                    0..200 => return Poll::Ready(Err(Refusal::InvalidStatusLine.into())),
                    _ => {}
                }
                up.incoming = Incoming::new(body);
                let bodiless = method == "HEAD" || matches!(head.status, 204 | 304);
                let length = if up.incoming.is_end() || bodiless {
                    Length::None
                } else {
                    let declared = head.headers.text("content-length").and_then(|v| v.parse().ok());
                    declared.map_or(Length::Unknown, Length::Exact)
                };
                Poll::Ready(Ok(Answer::Final(length)))
            }
        }
    }

    /// Has no byte of an answer come, be it informational?
    pub fn is_unanswered(&self) -> bool {
        let answered = match self {
            Self::H1(up) => up.answered,
            Self::H2(up) => up.answered,
        };
        !answered
    }

    /// Had the connection carried requests before this one? Then its end may be the keep-alive race.
    pub fn is_reused(&self) -> bool {
        match self {
            Self::H1(up) => up.spare.carried > 1,
            Self::H2(up) => up.reused,
        }
    }

    /// May the server have got anything of the request?
    pub fn may_have_left(&self) -> bool {
        match self {
            Self::H1(up) => up.spare.conn.has_left(),
            Self::H2(up) => up.guard.may_have_left(),
        }
    }

    /// Its answer was waited for in vain.
    pub fn ran_out(&self) {
        if let Self::H2(up) = self
            && !up.answered
        {
            up.guard.ran_out();
        }
    }

    /// What was taken of the request and has not left for the server. HTTP/2 takes no more than may leave.
    pub fn unsent(&self) -> usize {
        match self {
            Self::H1(up) => up.spare.conn.unsent(),
            Self::H2(_) => 0,
        }
    }

    /// Gives the connection back for another request, if it can carry one.
    pub fn into_spare(self) -> Option<Box<Spare>> {
        match self {
            Self::H1(up) if up.reusable && up.spare.conn.body_is_done() && !up.spare.conn.has_input() => {
                Some(up.spare)
            }
            _ => None,
        }
    }

    /// Reads what is here of an answer that nobody wants; says whether that was all of it, and no more than a little.
    pub fn is_read(&mut self) -> bool {
        let mut cx = Context::from_waker(Waker::noop());
        let mut read = 0;
        while read < UNWANTED {
            match self.poll_body(&mut cx) {
                Poll::Ready(Ok(Event::Data)) => {
                    let n = self.chunk().len();
                    self.consume(n);
                    read += n;
                }
                Poll::Ready(Ok(Event::End)) => return true,
                _ => return false,
            }
        }
        false
    }

    /// The connection as a tunnel's end.
    pub fn into_tunnel(self) -> Option<(crate::http::h1::H1, Place)> {
        match self {
            Self::H1(up) if up.tunnel => {
                let Spare { conn, place, .. } = *up.spare;
                Some((conn, place))
            }
            _ => None,
        }
    }

    /// The answer is not wanted any more: the server should stop.
    pub fn cancel(&mut self) {
        match self {
            Self::H1(up) => up.reusable = false,
            // Dropping what is left of a stream resets it; a body half sent needs it said.
            Self::H2(up) => {
                up.outgoing.reset(h2::Reason::CANCEL);
                up.response = None;
                up.incoming = Incoming::none();
            }
        }
    }

    /// The identity that the server's certificate proves: its first URI.
    pub fn principal(&self) -> Option<&str> {
        let peer = match self {
            Self::H1(up) => &up.spare.peer,
            Self::H2(up) => &up.peer,
        };
        peer.as_ref()?.uris.first().map(String::as_str)
    }

    /// Is it HTTP/2?
    pub fn is_h2(&self) -> bool {
        matches!(self, Self::H2(_))
    }
}

impl Inlet for Upstream {
    fn poll_body(&mut self, cx: &mut Context<'_>) -> Poll<Result<Event, Broken>> {
        match self {
            Self::H1(up) => up.spare.conn.poll_body(cx),
            Self::H2(up) => up.incoming.poll_body(cx),
        }
    }

    fn chunk(&self) -> &[u8] {
        match self {
            Self::H1(up) => up.spare.conn.chunk(),
            Self::H2(up) => up.incoming.chunk(),
        }
    }

    fn consume(&mut self, n: usize) {
        match self {
            Self::H1(up) => up.spare.conn.consume(n),
            Self::H2(up) => up.incoming.consume(n),
        }
    }

    fn share(&mut self, n: usize) -> Option<Bytes> {
        match self {
            Self::H1(up) => up.spare.conn.share(n),
            Self::H2(up) => up.incoming.share(n),
        }
    }

    fn is_last(&self) -> bool {
        match self {
            Self::H1(up) => up.spare.conn.is_last(),
            Self::H2(up) => up.incoming.is_last(),
        }
    }

    fn trailers(&self) -> &Headers {
        match self {
            Self::H1(up) => up.spare.conn.trailers(),
            Self::H2(up) => up.incoming.trailers(),
        }
    }
}

impl Outlet for Upstream {
    fn poll_room(&mut self, cx: &mut Context<'_>, wanted: usize) -> Poll<Result<usize, Broken>> {
        match self {
            Self::H1(up) => up.spare.conn.poll_room(cx, wanted),
            Self::H2(up) => up.outgoing.poll_room(cx, wanted),
        }
    }

    fn push(&mut self, data: &[u8]) -> Result<(), Broken> {
        match self {
            Self::H1(up) => up.spare.conn.push(data),
            Self::H2(up) => up.outgoing.push(data),
        }
    }

    fn push_shared(&mut self, data: Bytes, last: bool) -> Result<(), Broken> {
        match self {
            Self::H1(up) => up.spare.conn.push_shared(data, last),
            Self::H2(up) => up.outgoing.push_shared(data, last),
        }
    }

    fn finish(&mut self, trailers: &Headers) -> Result<(), Broken> {
        match self {
            Self::H1(up) => up.spare.conn.finish(trailers),
            Self::H2(up) => up.outgoing.finish(trailers),
        }
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Broken>> {
        match self {
            Self::H1(up) => up.spare.conn.poll_flush(cx),
            Self::H2(up) => up.outgoing.poll_flush(cx),
        }
    }
}
