//! Reading a body out of a connection's bytes, without copying it.

use std::ops::Range;

use crate::trailers::{Collected, Collector, is_forbidden, strip_trailers};
use crate::{Framing, Headers, Limits, Refusal};

/// Chunk extensions may take this much, plus as much as the data that came with them: enough for signed uploads (some
/// 90 bytes a chunk), too little to send a gigabyte of nothing.
const EXTENSION_ALLOWANCE: u64 = 16 << 10;

/// Digits of a chunk's size; 16 are all that 64 bits can hold.
const MOST_SIZE_DIGITS: u8 = 16;

/// A body's state between two reads.
///
/// Chunk sizes, extensions and trailers are consumed as they come, in whatever pieces; only trailers are kept, within
/// [`Limits::max_trailer_bytes`]. So the buffer that is read into never has to grow.
#[derive(Debug, Clone)]
pub struct BodyReader {
    state: State,
    limits: Limits,
    /// Bytes of data so far, and of chunk extensions.
    data: u64,
    extensions: u64,
    /// Few bodies have any, so that they lie elsewhere.
    behind: Option<Box<Behind>>,
}

/// What comes behind a body, on its way and whole.
#[derive(Debug, Clone, Default)]
struct Behind {
    collector: Collector,
    trailers: Headers,
}

/// What the input begins with. `consumed` bytes of it are done with in each case, and must not be given again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BodyEvent {
    /// `input[range]` is the next piece of the body.
    Data {
        /// Where in the input it lies.
        range: Range<usize>,
        /// Bytes done with, the piece included.
        consumed: usize,
    },
    /// Nothing yet: read more.
    NeedMore {
        /// Bytes done with: all there were.
        consumed: usize,
    },
    /// The body is over; bytes behind `consumed` belong to the next message. [`BodyReader::trailers`] is filled.
    End {
        /// Bytes done with.
        consumed: usize,
    },
}

/// Why a body cannot be read on. The connection must be closed: where the body ends is not known any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// Not one to sixteen hexadecimal digits.
    #[error("a chunk's size is not one to sixteen hexadecimal digits")]
    ChunkSize,
    /// Not `;`, CR or what may stand in an extension.
    #[error(
        "a chunk's size line has something other than an extension behind the size, or does not end in CR LF"
    )]
    ChunkLine,
    /// More than their allowance.
    #[error("the chunk extensions of a body outweigh its data by more than 16 KiB")]
    ChunkExtensions,
    /// The chunk is longer or shorter than its size said.
    #[error("a chunk's data is not followed by CR LF: it is longer or shorter than its size says")]
    ChunkEnd,
    /// Malformed or too large.
    #[error("trailers: {0}")]
    Trailers(Refusal),
    /// Content-Length, Transfer-Encoding or Host behind the body.
    #[error("a trailer names Content-Length, Transfer-Encoding or Host, which cannot be told after the body")]
    ForbiddenTrailer,
    /// The connection ended before the body did.
    #[error("the connection closed before the body was complete")]
    Truncated,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Done,
    Failed(BodyError),
    Length(u64),
    UntilClose,
    Size { size: u64, digits: u8 },
    Extension { size: u64 },
    SizeFeed { size: u64 },
    Chunk(u64),
    ChunkReturn,
    ChunkFeed,
    TrailersStart,
    TrailersFeed,
    Trailers,
}

impl BodyReader {
    /// A reader for one body.
    pub fn new(framing: Framing, limits: &Limits) -> Self {
        let mut reader = Self { state: State::Done, limits: *limits, data: 0, extensions: 0, behind: None };
        reader.start(framing);
        reader
    }

    /// Makes it the reader of another body and keeps its memory.
    pub fn start(&mut self, framing: Framing) {
        self.state = match framing {
            Framing::None | Framing::Length(0) => State::Done,
            Framing::Length(length) => State::Length(length),
            Framing::Chunked => State::Size { size: 0, digits: 0 },
            Framing::UntilClose | Framing::Tunnel => State::UntilClose,
        };
        (self.data, self.extensions) = (0, 0);
        if let Some(behind) = &mut self.behind {
            behind.collector.clear();
            behind.trailers.clear();
        }
    }

    /// What `input` begins with. After an error every further call gives the same error.
    pub fn next(&mut self, input: &[u8]) -> Result<BodyEvent, BodyError> {
        self.step(input).inspect_err(|&error| self.state = State::Failed(error))
    }

    /// The connection was closed by its peer. Right for a body that ends so; for any other one, the end was not reached.
    pub fn close(&mut self) -> Result<(), BodyError> {
        match self.state {
            State::Done | State::UntilClose => {
                self.state = State::Done;
                Ok(())
            }
            State::Failed(error) => Err(error),
            _ => {
                self.state = State::Failed(BodyError::Truncated);
                Err(BodyError::Truncated)
            }
        }
    }

    /// Whether the body has been read to its end; then [`BodyReader::next`] says End and consumes nothing.
    pub fn is_done(&self) -> bool {
        self.state == State::Done
    }

    /// The trailers, once the body is done; those that may not be trailers have been dropped.
    pub fn trailers(&self) -> &Headers {
        static NONE: Headers = Headers::new();
        self.behind.as_ref().map_or(&NONE, |behind| &behind.trailers)
    }

    /// The limits that it was made with.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    fn step(&mut self, input: &[u8]) -> Result<BodyEvent, BodyError> {
        let mut at = 0;
        loop {
            let rest = &input[at..];
            match self.state {
                State::Done => return Ok(BodyEvent::End { consumed: at }),
                State::Failed(error) => return Err(error),
                _ if rest.is_empty() => return Ok(BodyEvent::NeedMore { consumed: at }),
                State::UntilClose => return Ok(self.data(at, rest.len())),
                State::Length(left) => {
                    let taken = clamp(left, rest);
                    self.state = match left - taken as u64 {
                        0 => State::Done,
                        left => State::Length(left),
                    };
                    return Ok(self.data(at, taken));
                }
                State::Chunk(left) => {
                    let taken = clamp(left, rest);
                    self.state = match left - taken as u64 {
                        0 => State::ChunkReturn,
                        left => State::Chunk(left),
                    };
                    return Ok(self.data(at, taken));
                }
                State::Trailers => {
                    let behind = self.behind.get_or_insert_default();
                    match behind.collector.take(rest, &self.limits).map_err(BodyError::Trailers)? {
                        Collected::More => return Ok(BodyEvent::NeedMore { consumed: input.len() }),
                        Collected::Whole(taken) => {
                            at += taken;
                            self.finish_trailers()?;
                        }
                    }
                }
                state => {
                    let (state, taken) = self.frame_byte(state, rest[0])?;
                    self.state = state;
                    at += usize::from(taken);
                }
            }
        }
    }

    /// One byte between the data: the next state, and whether the byte was used up.
    fn frame_byte(&mut self, state: State, byte: u8) -> Result<(State, bool), BodyError> {
        let next = match (state, byte) {
            (State::Size { size, digits }, _) if byte.is_ascii_hexdigit() => {
                if digits == MOST_SIZE_DIGITS {
                    return Err(BodyError::ChunkSize);
                }
                State::Size { size: size << 4 | hex(byte), digits: digits + 1 }
            }
            (State::Size { digits: 0, .. }, _) => return Err(BodyError::ChunkSize),
            (State::Size { size, .. }, b'\r') => State::SizeFeed { size },
            (State::Size { size, .. }, b';') => State::Extension { size },
            (State::Extension { size }, b'\r') => State::SizeFeed { size },
            (State::Extension { size }, b'\t' | b' '..=b'~' | 0x80..) => {
                self.extensions += 1;
                if self.extensions > EXTENSION_ALLOWANCE.saturating_add(self.data) {
                    return Err(BodyError::ChunkExtensions);
                }
                State::Extension { size }
            }
            (State::SizeFeed { size: 0 }, b'\n') => State::TrailersStart,
            (State::SizeFeed { size }, b'\n') => State::Chunk(size),
            (State::ChunkReturn, b'\r') => State::ChunkFeed,
            (State::ChunkFeed, b'\n') => State::Size { size: 0, digits: 0 },
            (State::TrailersStart, b'\r') => State::TrailersFeed,
            (State::TrailersFeed, b'\n') => State::Done,
            (State::TrailersStart, _) => return Ok((State::Trailers, false)),
            (State::ChunkReturn | State::ChunkFeed, _) => return Err(BodyError::ChunkEnd),
            (State::TrailersFeed, _) => return Err(BodyError::Trailers(Refusal::InvalidHeaderName)),
            _ => return Err(BodyError::ChunkLine),
        };
        Ok((next, true))
    }

    fn finish_trailers(&mut self) -> Result<(), BodyError> {
        let Behind { collector, trailers } = &mut **self.behind.get_or_insert_default();
        collector.parse(trailers).map_err(BodyError::Trailers)?;
        if trailers.iter().any(|(name, _)| is_forbidden(name)) {
            trailers.clear();
            return Err(BodyError::ForbiddenTrailer);
        }
        strip_trailers(trailers);
        self.state = State::Done;
        Ok(())
    }

    fn data(&mut self, at: usize, len: usize) -> BodyEvent {
        self.data = self.data.saturating_add(len as u64);
        BodyEvent::Data { range: at..at + len, consumed: at + len }
    }
}

/// As much of `left` as is there.
fn clamp(left: u64, input: &[u8]) -> usize {
    usize::try_from(left).map_or(input.len(), |left| left.min(input.len()))
}

fn hex(digit: u8) -> u64 {
    u64::from(match digit {
        b'0'..=b'9' => digit - b'0',
        _ => (digit | 0x20) - b'a' + 10,
    })
}

#[cfg(test)]
mod tests;
