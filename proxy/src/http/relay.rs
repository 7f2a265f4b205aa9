//! A request's body on its way up, kept for a second try as long as it is small, and the answer's on its way down.

use std::task::{Context, Poll, ready};

use super::downstream::Downstream;
use super::message::{Broken, Event, Outlet as _, PumpError, pass};
use super::mirror::Tap;
use crate::upstream::stream::Upstream;

/// A body is kept for another try as long as it fits. Envoy's default is the same order (a 1 MiB connection buffer).
pub const REPLAY: usize = 64 * 1024;

/// How far an upload has come that its upstream takes no more of for now. Another, once that has taken something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Held {
    taken: u64,
    unsent: usize,
}

impl Held {
    /// So many bytes were taken, and so many of these have not left yet.
    pub const fn at(taken: u64, unsent: usize) -> Self {
        Self { taken, unsent }
    }
}

/// The upload of one request, over all its tries.
#[derive(Debug)]
pub struct Upload {
    kept: Vec<u8>,
    /// Of what is kept, so much has gone to the present upstream.
    at: usize,
    keeping: bool,
    overflown: bool,
    /// The client's body is over.
    ended: bool,
    finished: bool,
    flushed: bool,
    held: Option<Held>,
    /// Copies take what comes from the client, once, however often it is sent on.
    copies: Vec<Tap>,
    /// Bytes of body from the client.
    pub bytes: u64,
}

impl Upload {
    /// `has_body`: one follows the head. `keep`: a second try may need it. `copies` get it, too.
    pub fn new(has_body: bool, keep: bool, copies: Vec<Tap>) -> Self {
        Self {
            kept: Vec::new(),
            at: 0,
            keeping: keep && has_body,
            overflown: false,
            ended: !has_body,
            finished: !has_body,
            flushed: false,
            held: None,
            copies,
            bytes: 0,
        }
    }

    /// Can the body be sent once more?
    pub fn can_replay(&self) -> bool {
        !self.overflown && (self.keeping || self.bytes == 0)
    }

    /// Everything again, to another upstream.
    pub fn restart(&mut self, has_body: bool) {
        self.at = 0;
        self.finished = !has_body;
        self.flushed = false;
        self.held = None;
    }

    /// Has all of it left?
    pub fn is_done(&self) -> bool {
        self.flushed
    }

    /// Has the client sent all of it?
    pub fn has_ended(&self) -> bool {
        self.ended
    }

    /// Does the upstream take no more for now, of what the client may not even have sent to its end?
    pub fn held(&self) -> Option<Held> {
        self.held
    }

    /// Takes what the client sends while there is no connection to send it on, as much as is kept for another try: else nobody
    /// would know that the request has ended, from where the limits of its answer count.
    ///
    /// # Errors
    /// Those of the client.
    pub fn gather(&mut self, cx: &mut Context<'_>, down: &mut impl Downstream) -> Result<(), Broken> {
        while !self.ended && !self.overflown {
            // All of it is here, so that it can be sent once more.
            self.keeping = true;
            let room = REPLAY - self.kept.len();
            if room == 0 {
                break;
            }
            let Poll::Ready(event) = down.poll_body(cx) else { break };
            match event? {
                Event::Data => {
                    let n = down.chunk().len().min(room);
                    self.kept.extend_from_slice(&down.chunk()[..n]);
                    self.taken(&down.chunk()[..n]);
                    down.consume(n);
                }
                Event::End => self.end(down),
            }
        }
        Ok(())
    }

    /// Moves what can be moved.
    pub fn poll(
        &mut self,
        cx: &mut Context<'_>,
        down: &mut impl Downstream,
        up: &mut Upstream,
    ) -> Poll<Result<(), PumpError>> {
        self.held = None;
        while self.at < self.kept.len() {
            let left = self.kept.len() - self.at;
            let n = ready!(self.room(cx, up, left)).map_err(PumpError::To)?.min(left);
            up.push(&self.kept[self.at..self.at + n]).map_err(PumpError::To)?;
            self.at += n;
        }
        while !self.ended {
            match down.poll_body(cx) {
                Poll::Ready(Ok(Event::Data)) => {
                    let there = down.chunk().len();
                    let n = ready!(self.room(cx, up, there)).map_err(PumpError::To)?.min(there);
                    if self.keeping {
                        self.keep(&down.chunk()[..n]);
                    }
                    self.taken(&down.chunk()[..n]);
                    if pass(down, up, n).map_err(PumpError::To)? {
                        self.finished = true;
                        self.end(down);
                    }
                }
                Poll::Ready(Ok(Event::End)) => self.end(down),
                Poll::Ready(Err(broken)) => return Poll::Ready(Err(PumpError::From(broken))),
                Poll::Pending => {
                    let _ = up.poll_flush(cx).map_err(PumpError::To)?;
                    return Poll::Pending;
                }
            }
        }
        if !self.finished {
            up.finish(down.trailers()).map_err(PumpError::To)?;
            self.finished = true;
        }
        if !self.flushed {
            ready!(up.poll_flush(cx)).map_err(PumpError::To)?;
            self.flushed = true;
        }
        Poll::Ready(Ok(()))
    }

    /// How much of it the upstream takes. That it takes nothing is noted, as long as it is not known that the request has ended.
    fn room(
        &mut self,
        cx: &mut Context<'_>,
        up: &mut Upstream,
        wanted: usize,
    ) -> Poll<Result<usize, Broken>> {
        let room = up.poll_room(cx, wanted);
        if room.is_pending() && !self.ended {
            self.held = Some(Held::at(self.bytes + self.at as u64, up.unsent()));
        }
        room
    }

    /// A piece has come from the client.
    fn taken(&mut self, piece: &[u8]) {
        self.copies.iter_mut().for_each(|copy| copy.push(piece));
        self.bytes += piece.len() as u64;
    }

    /// The client's body is over.
    fn end(&mut self, down: &impl Downstream) {
        self.ended = true;
        self.copies.drain(..).for_each(|mut copy| copy.finish(down.trailers()));
    }

    fn keep(&mut self, piece: &[u8]) {
        if self.kept.len() + piece.len() > REPLAY {
            self.keeping = false;
            self.overflown = true;
            self.kept = Vec::new();
            self.at = 0;
        } else {
            self.kept.extend_from_slice(piece);
            self.at = self.kept.len();
        }
    }
}
