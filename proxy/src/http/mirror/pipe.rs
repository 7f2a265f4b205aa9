//! The body of an original on its way to its copy: one end takes what streams by and never waits, the other is read by
//! the copy's task on the same thread.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use weft_http1::Headers;

use crate::http::message::{Broken, Event, Inlet};

/// A copy may be behind its original by so many bytes; Envoy's default buffer of a connection.
pub(super) const MOST_HELD: usize = 1024 * 1024;

/// Pieces are put together up to this, so that many small ones do not cost more than their bytes. What was sent is let go
/// of piece by piece.
const PIECE: usize = 16 * 1024;

#[derive(Debug, Default)]
struct Shared {
    waiting: VecDeque<Vec<u8>>,
    /// Bytes that are not sent yet, be they with the reader.
    held: usize,
    trailers: Headers,
    state: State,
    reader: Option<Waker>,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum State {
    #[default]
    Open,
    Ended,
    /// Too much was waiting, or the original ended before its body did.
    Lost,
    /// Nobody reads any more.
    Unread,
}

/// Where the original's body goes as it streams by.
#[derive(Debug)]
pub struct Tap(Rc<RefCell<Shared>>);

/// Where the copy's task reads it.
#[derive(Debug)]
pub(super) struct Pipe {
    shared: Rc<RefCell<Shared>>,
    piece: Vec<u8>,
    at: usize,
    trailers: Headers,
}

/// Both ends.
pub(super) fn pipe() -> (Tap, Pipe) {
    let shared = Rc::new(RefCell::new(Shared::default()));
    (Tap(shared.clone()), Pipe { shared, piece: Vec::new(), at: 0, trailers: Headers::new() })
}

impl Tap {
    /// Takes a piece; a copy that is too far behind is lost.
    pub fn push(&mut self, piece: &[u8]) {
        let mut shared = self.0.borrow_mut();
        if shared.state != State::Open {
            return;
        }
        if shared.held + piece.len() > MOST_HELD {
            shared.lose();
            return;
        }
        shared.held += piece.len();
        match shared.waiting.back_mut() {
            Some(last) if last.len() + piece.len() <= PIECE => {
                let wanted = last.len() + piece.len();
                if wanted > last.capacity() {
                    // By doubling, but to no more than may be put together.
                    let grown = last.capacity().saturating_mul(2).clamp(wanted, PIECE);
                    last.reserve_exact(grown - last.len());
                }
                last.extend_from_slice(piece);
            }
            _ => shared.waiting.push_back(piece.to_vec()),
        }
        shared.wake();
    }

    /// The body is over.
    pub fn finish(&mut self, trailers: &Headers) {
        let mut shared = self.0.borrow_mut();
        if shared.state == State::Open {
            shared.trailers = trailers.clone();
            shared.state = State::Ended;
            shared.wake();
        }
    }
}

impl Drop for Tap {
    fn drop(&mut self) {
        let mut shared = self.0.borrow_mut();
        if shared.state == State::Open {
            shared.lose();
        }
    }
}

impl Shared {
    fn lose(&mut self) {
        self.state = State::Lost;
        self.waiting = VecDeque::new();
        self.wake();
    }

    fn wake(&mut self) {
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
    }
}

impl Pipe {
    /// Waits until its body is lost, for whoever reads nothing of it yet.
    pub(super) fn poll_lost(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut shared = self.shared.borrow_mut();
        if shared.state == State::Lost {
            return Poll::Ready(());
        }
        shared.reader = Some(cx.waker().clone());
        Poll::Pending
    }
}

impl Inlet for Pipe {
    fn poll_body(&mut self, cx: &mut Context<'_>) -> Poll<Result<Event, Broken>> {
        let mut shared = self.shared.borrow_mut();
        if shared.state == State::Lost {
            return Poll::Ready(Err(Broken::Closed));
        }
        if self.at < self.piece.len() {
            return Poll::Ready(Ok(Event::Data));
        }
        (self.piece, self.at) = (shared.waiting.pop_front().unwrap_or_default(), 0);
        if !self.piece.is_empty() {
            return Poll::Ready(Ok(Event::Data));
        }
        if shared.state == State::Ended {
            self.trailers = std::mem::take(&mut shared.trailers);
            return Poll::Ready(Ok(Event::End));
        }
        shared.reader = Some(cx.waker().clone());
        Poll::Pending
    }

    fn chunk(&self) -> &[u8] {
        &self.piece[self.at..]
    }

    fn consume(&mut self, n: usize) {
        self.at += n;
        let mut shared = self.shared.borrow_mut();
        shared.held = shared.held.saturating_sub(n);
    }

    fn trailers(&self) -> &Headers {
        &self.trailers
    }
}

impl Drop for Pipe {
    fn drop(&mut self) {
        let mut shared = self.shared.borrow_mut();
        shared.waiting = VecDeque::new();
        shared.state = State::Unread;
    }
}

#[cfg(test)]
mod tests;
