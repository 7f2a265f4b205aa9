//! One HTTP/2 connection to an endpoint, shared by the requests of one worker.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use h2::client::SendRequest;
use tokio::sync::Notify;

use super::line::Line;
use super::places::{Place, Places};
use super::pool::MadeFor;
use super::written::{Counted, Written};
use crate::http::empty_frames::WithoutEmptyFrames;
use crate::http::h2::{FRAME, STREAM_WINDOW};
use crate::http::message::Broken;
use crate::stream::Io;
use crate::tls::names::PeerNames;

/// So many streams share one connection at most, so that the windows of all of them fit into the connection's: whoever does
/// not read his answer holds up nobody else's.
pub(super) const MOST_STREAMS: u32 = 64;
const WINDOW: u32 = MOST_STREAMS * STREAM_WINDOW;

/// Before a server has said how many streams it takes at once it is sent so few; h2 holds the others back until it has. More
/// might be refused one after the other, by who takes fewer.
const UNTOLD: usize = 3;

/// A preface must be answered by then.
const HANDSHAKE: Duration = Duration::from_secs(5);

/// A connection that nobody holds any more has so long to say so. A server that reads nothing would keep it for ever.
const LAST: Duration = Duration::from_secs(2);

/// A connection that takes requests; clones share it.
#[derive(Debug)]
pub struct H2Client {
    send: SendRequest<Bytes>,
    state: Rc<State>,
}

/// Where a connection belongs.
#[derive(Debug)]
pub struct Home {
    /// Counted among the cluster's connections.
    pub place: Place,
    /// Those of this worker who wait for one.
    pub line: Rc<Line>,
    /// Who is at the other end.
    pub peer: Option<Arc<PeerNames>>,
}

#[derive(Debug)]
struct State {
    made_for: MadeFor,
    place: RefCell<Option<Place>>,
    line: Rc<Line>,
    peer: Option<Arc<PeerNames>>,
    born: Instant,
    /// It takes no more streams: it has ended, or the server wants it to.
    closed: Cell<bool>,
    active: Cell<u32>,
    taken: Cell<u32>,
    idle_since: Cell<Instant>,
    /// So many requests were answered, be it in part.
    answered: Cell<u64>,
    written: Written,
    /// So many hold it to ask on it.
    holders: Cell<u32>,
    /// Nobody does any more, and nothing is in flight.
    left: Notify,
}

impl State {
    fn look_whether_left(&self) {
        if self.holders.get() == 0 && self.active.get() == 0 {
            self.left.notify_one();
        }
    }
}

impl Clone for H2Client {
    fn clone(&self) -> Self {
        self.state.holders.set(self.state.holders.get() + 1);
        Self { send: self.send.clone(), state: self.state.clone() }
    }
}

impl Drop for H2Client {
    fn drop(&mut self) {
        self.state.holders.set(self.state.holders.get().saturating_sub(1));
        self.state.look_whether_left();
    }
}

impl H2Client {
    /// Speaks the preface; the connection is then polled by a task of its own on this worker.
    ///
    /// # Errors
    /// If the other side does not speak HTTP/2.
    pub async fn start(io: Io, made_for: MadeFor, home: Home) -> Result<Self, Broken> {
        let mut builder = h2::client::Builder::new();
        builder
            .max_frame_size(FRAME)
            .initial_window_size(STREAM_WINDOW)
            .initial_connection_window_size(WINDOW)
            .max_header_list_size(64 * 1024)
            .initial_max_send_streams(UNTOLD)
            .enable_push(false);
        let (io, written) = Counted::new(io);
        let handshake =
            tokio::time::timeout(HANDSHAKE, builder.handshake(WithoutEmptyFrames::from_server(io))).await;
        let (send, connection) = handshake.map_err(|_| Broken::Closed)??;
        let now = Instant::now();
        let state = Rc::new(State {
            made_for,
            place: RefCell::new(Some(home.place)),
            line: home.line,
            peer: home.peer,
            born: now,
            closed: Cell::new(false),
            active: Cell::new(0),
            taken: Cell::new(0),
            idle_since: Cell::new(now),
            answered: Cell::new(0),
            written,
            holders: Cell::new(1),
            left: Notify::new(),
        });
        let ends = state.clone();
        tokio::task::spawn_local(async move {
            let left = async {
                ends.left.notified().await;
                tokio::time::sleep(LAST).await;
                ends.written.cut();
            };
            let ended = tokio::select! {
                ended = connection => ended,
                () = left => Ok(()),
            };
            if let Err(error) = ended {
                tracing::debug!(%error, "an upstream HTTP/2 connection ended");
            }
            ends.closed.set(true);
            drop(ends.place.take());
        });
        Ok(Self { send, state })
    }

    /// What it was made for.
    pub fn made_for(&self) -> &MadeFor {
        &self.state.made_for
    }

    /// Who is at the other end.
    pub fn peer(&self) -> Option<&Arc<PeerNames>> {
        self.state.peer.as_ref()
    }

    /// Has it lived for longer than a connection may?
    pub fn is_older_than(&self, limit: Option<Duration>) -> bool {
        limit.is_some_and(|limit| !limit.is_zero() && self.state.born.elapsed() >= limit)
    }

    /// Was nothing in flight on it for so long?
    pub fn has_idled_for(&self, limit: Duration, now: Instant) -> bool {
        self.is_idle() && now.saturating_duration_since(self.state.idle_since.get()) >= limit
    }

    /// Is nothing in flight on it, and was nothing for longer than may be?
    pub fn has_idled_beyond(&self, limit: Option<Duration>) -> bool {
        let limit = limit.filter(|limit| !limit.is_zero() && self.is_idle());
        limit.is_some_and(|limit| self.state.idle_since.get().elapsed() >= limit)
    }

    /// Can it take another request, given the cluster's limits?
    pub fn has_room(&self, max_streams: Option<u32>, max_requests: Option<u32>) -> bool {
        !self.state.closed.get()
            && self.state.active.get() < max_streams.unwrap_or(u32::MAX).clamp(1, MOST_STREAMS)
            && self.state.taken.get() < max_requests.unwrap_or(u32::MAX)
            && self.takes() > self.state.active.get() as usize
    }

    /// So many streams the server takes at once.
    fn takes(&self) -> usize {
        match self.send.current_max_send_streams() {
            // It answers only after it has told, be it that it takes just as many.
            UNTOLD if self.state.answered.get() == 0 => MOST_STREAMS as usize,
            told => told,
        }
    }

    /// Has it ended, or taken all it may take?
    pub fn is_spent(&self, max_requests: Option<u32>) -> bool {
        self.state.closed.get() || self.state.taken.get() >= max_requests.unwrap_or(u32::MAX)
    }

    /// Is it a connection of this cluster?
    pub fn is_of(&self, places: &Arc<Places>) -> bool {
        self.has_place(|place| place.is_of(places))
    }

    /// Has it such a place among its cluster's connections?
    pub fn has_place(&self, is_such: impl FnOnce(&Place) -> bool) -> bool {
        self.state.place.borrow().as_ref().is_some_and(is_such)
    }

    /// An idle connection makes room for another: it closes as soon as nobody holds it.
    pub fn give_up(self) {
        self.state.closed.set(true);
        drop(self.state.place.take());
    }

    /// It has carried requests already.
    pub fn has_carried(&self) -> bool {
        self.state.taken.get() > 0
    }

    /// Nothing is in flight on it.
    pub fn is_idle(&self) -> bool {
        self.state.active.get() == 0
    }

    /// Sends a head; `end` says that no body follows.
    ///
    /// # Errors
    /// If the connection takes no streams any more.
    pub async fn send(
        &self,
        request: http::Request<()>,
        end: bool,
    ) -> Result<(h2::client::ResponseFuture, h2::SendStream<Bytes>, Streaming), Broken> {
        let guard = Streaming::begin(self.state.clone());
        // A server that has said GOAWAY takes no more streams, however long those last that it has.
        let ready = self.send.clone().ready().await;
        let mut send = ready.inspect_err(|_| self.state.closed.set(true))?;
        let (response, stream) = send.send_request(request, end)?;
        Ok((response, stream, guard))
    }
}

/// One stream in flight.
#[derive(Debug)]
pub struct Streaming {
    state: Rc<State>,
    /// How much had been written, and how many answered, when it began.
    written: u64,
    answered: u64,
}

impl Streaming {
    fn begin(state: Rc<State>) -> Self {
        state.active.set(state.active.get() + 1);
        state.taken.set(state.taken.get().saturating_add(1));
        Self { written: state.written.bytes(), answered: state.answered.get(), state }
    }

    /// The connection has turned out to be over, whether or not its task has noticed.
    pub fn connection_is_over(&self) {
        self.state.closed.set(true);
    }

    /// May anything of it have left? If nothing did since it began, nothing of it did.
    pub fn may_have_left(&self) -> bool {
        self.state.written.bytes() != self.written
    }

    /// It is answered.
    pub fn answered(&self) {
        self.state.answered.set(self.state.answered.get().wrapping_add(1));
    }

    /// It was waited for in vain. If nobody else was answered meanwhile the connection may lead nowhere any more, without
    /// anybody having said so: what runs on it may go on, but nothing new begins there.
    pub fn ran_out(&self) {
        if self.state.answered.get() == self.answered {
            self.state.closed.set(true);
        }
    }
}

impl Drop for Streaming {
    fn drop(&mut self) {
        self.state.active.set(self.state.active.get().saturating_sub(1));
        self.state.idle_since.set(Instant::now());
        let waiting = self.state.place.borrow().as_ref().map_or(0, Place::waiting);
        if waiting > 0 {
            self.state.line.came_back(waiting);
        }
        self.state.look_whether_left();
    }
}

#[cfg(test)]
mod tests;
