//! Bodies on their way, whatever codec they come from or go to: an [`Inlet`] yields pieces, an [`Outlet`] takes them,
//! and [`Pump`] moves them with back pressure. Polled in place: both sides of an exchange live in one task.

use std::io;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use weft_http1::Headers;

/// Why a message broke off.
#[derive(Debug, thiserror::Error)]
pub enum Broken {
    /// The connection ended in the middle.
    #[error("the connection was closed in the middle of a message")]
    Closed,
    /// The connection failed.
    #[error("the connection failed: {0}")]
    Io(#[from] io::Error),
    /// The body's framing is not to be trusted.
    #[error("the body cannot be read: {0}")]
    Body(#[from] weft_http1::BodyError),
    /// The head is not to be trusted.
    #[error("the head is refused: {0}")]
    Head(#[from] weft_http1::Refusal),
    /// More of them than any conversation needs.
    #[error("more than {0} informational answers (1xx) came in the place of the one that was asked for")]
    Informational(u32),
    /// A header that HTTP/1.1 cannot carry.
    #[error("a header cannot be carried: {0}")]
    Header(#[from] weft_http1::InvalidHeader),
    /// The HTTP/2 stream or connection ended.
    #[error("HTTP/2: {0}")]
    H2(#[from] h2::Error),
}

impl Broken {
    /// The connection itself has ended, in order or not.
    pub fn is_end(&self) -> bool {
        match self {
            Self::Closed | Self::Io(_) => true,
            Self::H2(error) => error.is_io(),
            _ => false,
        }
    }

    /// The peer said that it did nothing with the request (REFUSED_STREAM, or GOAWAY below its last stream).
    pub fn is_refused_stream(&self) -> bool {
        match self {
            Self::H2(error) => {
                error.reason() == Some(h2::Reason::REFUSED_STREAM)
                    || (error.is_go_away()
                        && error.is_remote()
                        && error.reason() == Some(h2::Reason::NO_ERROR))
            }
            _ => false,
        }
    }
}

/// What an inlet has next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// [`Inlet::chunk`] is not empty.
    Data,
    /// The body is over; [`Inlet::trailers`] is filled.
    End,
}

/// Where a body comes from.
pub trait Inlet {
    /// Waits for the next piece. Without [`Inlet::consume`] in between, the same piece stands again.
    fn poll_body(&mut self, cx: &mut Context<'_>) -> Poll<Result<Event, Broken>>;
    /// The piece at hand.
    fn chunk(&self) -> &[u8];
    /// `n` bytes of it are done with.
    fn consume(&mut self, n: usize);
    /// The first `n` bytes of it without a copy, if it lies in memory that can be shared; they are done with then.
    fn share(&mut self, _n: usize) -> Option<Bytes> {
        None
    }
    /// Is it known that nothing follows the piece at hand, no trailers either?
    fn is_last(&self) -> bool {
        false
    }
    /// What stood behind the body; empty for most.
    fn trailers(&self) -> &Headers;
}

/// Where a body goes.
pub trait Outlet {
    /// Waits until some of so many bytes that are at hand may be pushed; says how many. Who has nothing to push does not ask:
    /// room is set aside for him, and nobody else has it.
    fn poll_room(&mut self, cx: &mut Context<'_>, wanted: usize) -> Poll<Result<usize, Broken>>;
    /// Takes a piece, no longer than the room.
    fn push(&mut self, data: &[u8]) -> Result<(), Broken>;
    /// The same of a piece that needs no copy. `last`: the body is over with it, and has no trailers.
    fn push_shared(&mut self, data: Bytes, last: bool) -> Result<(), Broken> {
        self.push(&data)?;
        if last { self.finish(&Headers::new()) } else { Ok(()) }
    }
    /// The body is over.
    fn finish(&mut self, trailers: &Headers) -> Result<(), Broken>;
    /// Waits until what was taken has left.
    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Broken>>;
}

/// How long a body is said to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Length {
    /// There is none.
    None,
    /// So many bytes.
    Exact(u64),
    /// It ends when it ends.
    Unknown,
}

impl From<weft_http1::Framing> for Length {
    fn from(framing: weft_http1::Framing) -> Self {
        match framing {
            // An empty body is none: HTTP/2 must end such a message with its head (gRPC's trailers-only answers).
            weft_http1::Framing::None | weft_http1::Framing::Length(0) => Self::None,
            weft_http1::Framing::Length(n) => Self::Exact(n),
            _ => Self::Unknown,
        }
    }
}

/// A piece that is shorter is copied: to share it would hold the whole buffer that it lies in.
const SHARED: usize = 4 * 1024;

/// Moves `n` bytes of the piece at hand; says whether the body is over with them.
///
/// # Errors
/// Those of the outlet.
pub fn pass(from: &mut impl Inlet, to: &mut impl Outlet, n: usize) -> Result<bool, Broken> {
    let last = n == from.chunk().len() && from.is_last();
    if n >= SHARED
        && let Some(piece) = from.share(n)
    {
        to.push_shared(piece, last)?;
        return Ok(last);
    }
    let piece = &from.chunk()[..n];
    if last {
        to.push_shared(Bytes::copy_from_slice(piece), last)?;
    } else {
        to.push(piece)?;
    }
    from.consume(n);
    Ok(last)
}

/// Which side a pump broke on.
#[derive(Debug)]
pub enum PumpError {
    /// Where the body came from.
    From(Broken),
    /// Where it went.
    To(Broken),
}

/// One body on its way from an inlet to an outlet.
#[derive(Debug, Default)]
pub struct Pump {
    ended: bool,
    done: bool,
    /// Bytes of body moved.
    pub bytes: u64,
}

impl Pump {
    /// A pump that has nothing to move, but whose outlet's head must still leave.
    pub fn finished_unflushed() -> Self {
        Self { ended: true, done: false, bytes: 0 }
    }

    /// Has all of it left?
    pub fn is_done(&self) -> bool {
        self.done
    }

    /// Has the inlet ended?
    pub fn has_ended(&self) -> bool {
        self.ended
    }

    /// Moves what can be moved. Ready when all of it has left.
    pub fn poll(
        &mut self,
        cx: &mut Context<'_>,
        from: &mut impl Inlet,
        to: &mut impl Outlet,
    ) -> Poll<Result<(), PumpError>> {
        while !self.ended {
            match from.poll_body(cx) {
                Poll::Ready(Ok(Event::Data)) => {
                    let there = from.chunk().len();
                    let n = ready!(to.poll_room(cx, there)).map_err(PumpError::To)?.min(there);
                    self.ended = pass(from, to, n).map_err(PumpError::To)?;
                    self.bytes += n as u64;
                }
                Poll::Ready(Ok(Event::End)) => {
                    to.finish(from.trailers()).map_err(PumpError::To)?;
                    self.ended = true;
                }
                Poll::Ready(Err(broken)) => return Poll::Ready(Err(PumpError::From(broken))),
                Poll::Pending => {
                    // What is here leaves before more is waited for: a half-sent answer must not stick.
                    let _ = to.poll_flush(cx).map_err(PumpError::To)?;
                    return Poll::Pending;
                }
            }
        }
        if !self.done {
            ready!(to.poll_flush(cx)).map_err(PumpError::To)?;
            self.done = true;
        }
        Poll::Ready(Ok(()))
    }
}
