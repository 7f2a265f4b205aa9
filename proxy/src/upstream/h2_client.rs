//! One HTTP/2 connection to an endpoint, shared by the requests of one worker.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use h2::client::SendRequest;

use super::line::Line;
use super::places::{Place, Places};
use super::pool::MadeFor;
use crate::http::empty_frames::WithoutEmptyFrames;
use crate::http::h2::STREAM_WINDOW;
use crate::http::message::Broken;
use crate::stream::Io;
use crate::tls::names::PeerNames;

/// So many streams share one connection at most, so that the windows of all of them fit into the connection's: whoever does
/// not read his answer holds up nobody else's.
pub(super) const MOST_STREAMS: u32 = 64;
const WINDOW: u32 = MOST_STREAMS * STREAM_WINDOW;

/// A preface must be answered by then.
const HANDSHAKE: Duration = Duration::from_secs(5);

/// A connection that takes requests; clones share it.
#[derive(Debug, Clone)]
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
}

impl H2Client {
    /// Speaks the preface; the connection is then polled by a task of its own on this worker.
    ///
    /// # Errors
    /// If the other side does not speak HTTP/2.
    pub async fn start(io: Io, made_for: MadeFor, home: Home) -> Result<Self, Broken> {
        let mut builder = h2::client::Builder::new();
        builder
            .initial_window_size(STREAM_WINDOW)
            .initial_connection_window_size(WINDOW)
            .max_header_list_size(64 * 1024)
            .enable_push(false);
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
        });
        let ends = state.clone();
        tokio::task::spawn_local(async move {
            if let Err(error) = connection.await {
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
            && self.send.current_max_send_streams() > self.state.active.get() as usize
    }

    /// Has it ended, or taken all it may take?
    pub fn is_spent(&self, max_requests: Option<u32>) -> bool {
        self.state.closed.get() || self.state.taken.get() >= max_requests.unwrap_or(u32::MAX)
    }

    /// Is it a connection of this cluster?
    pub fn is_of(&self, places: &Arc<Places>) -> bool {
        self.state.place.borrow().as_ref().is_some_and(|place| place.is_of(places))
    }

    /// Does anybody wait for a connection of the same cluster?
    pub fn is_wanted(&self) -> bool {
        self.state.place.borrow().as_ref().is_some_and(Place::is_wanted)
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
pub struct Streaming(Rc<State>);

impl Streaming {
    fn begin(state: Rc<State>) -> Self {
        state.active.set(state.active.get() + 1);
        state.taken.set(state.taken.get().saturating_add(1));
        Self(state)
    }

    /// The connection has turned out to be over, whether or not its task has noticed.
    pub fn connection_is_over(&self) {
        self.0.closed.set(true);
    }
}

impl Drop for Streaming {
    fn drop(&mut self) {
        self.0.active.set(self.0.active.get().saturating_sub(1));
        self.0.idle_since.set(Instant::now());
        let wanted = self.0.place.borrow().as_ref().is_some_and(Place::is_wanted);
        if wanted {
            self.0.line.came_back();
        }
    }
}
