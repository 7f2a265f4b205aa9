//! An HTTP/1.1 connection between two requests, and what its server has said of how long it keeps it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use weft_http1::Headers;
use weft_model::cluster::UpstreamHttp;
use weft_policy::keep_alive::{self, Stated};

use super::places::Place;
use super::pool::MadeFor;
use crate::http::h1::H1;
use crate::tls::names::PeerNames;

/// An HTTP/1.1 connection between two requests.
#[derive(Debug)]
pub struct Spare {
    /// The connection.
    pub conn: H1,
    /// What it was made for.
    pub made_for: MadeFor,
    /// Who is at the other end.
    pub peer: Option<Arc<PeerNames>>,
    /// How many requests it has carried.
    pub carried: u32,
    /// Since when it exists.
    pub born: Instant,
    /// Counted among the cluster's connections.
    pub place: Place,
    /// The server takes no more than so many requests on it.
    most: u32,
    /// It is given up after so long without a request, by what the server said.
    pub(super) stated: Option<Duration>,
    /// The same, by the cluster's settings.
    pub(super) limit: Option<Duration>,
    pub(super) idle_since: Instant,
    /// Somebody is woken when the server closes it.
    pub(super) watched: bool,
}

impl Spare {
    /// A connection that has just been made.
    pub fn new(
        conn: H1,
        made_for: MadeFor,
        peer: Option<Arc<PeerNames>>,
        place: Place,
        now: Instant,
    ) -> Self {
        Self {
            conn,
            made_for,
            peer,
            carried: 0,
            born: now,
            place,
            most: u32::MAX,
            stated: None,
            limit: None,
            idle_since: now,
            watched: false,
        }
    }

    /// Hears what the server says of the connection in the head of an answer: the first tells it all.
    pub fn hear(&mut self, headers: &Headers) {
        if self.carried > 1 {
            return;
        }
        let Some(value) = headers.text("keep-alive") else { return };
        let stated = Stated::read(value);
        self.stated = stated.timeout.map(keep_alive::give_up_after);
        self.most = stated.more.map_or(u32::MAX, |more| more.saturating_add(1));
    }

    /// How long it may be idle, where the cluster says so: no longer than it may live.
    pub fn may_idle(&self, http: &UpstreamHttp, now: Instant) -> Option<Duration> {
        let some = |limit: Option<Duration>| limit.filter(|limit| !limit.is_zero());
        let age = now.saturating_duration_since(self.born);
        let left = some(http.max_connection_duration).map(|life| life.saturating_sub(age));
        [some(http.idle_timeout), left].into_iter().flatten().min()
    }

    /// May it carry another request, of so many that the cluster allows?
    pub fn is_spent(&self, allowed: Option<u32>) -> bool {
        let allowed = allowed.filter(|most| *most > 0).unwrap_or(u32::MAX);
        self.carried >= allowed.min(self.most)
    }
}
