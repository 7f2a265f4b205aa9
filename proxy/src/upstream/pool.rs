//! Idle connections of one worker, by endpoint. Nothing here is shared, so nothing is locked.

use std::collections::HashMap;
use std::sync::Arc;
use std::task::{Context, Waker};
use std::time::{Duration, Instant};

use super::h2_client::H2Client;
use crate::http::h1::H1;
use crate::tls::names::PeerNames;

/// So many idle HTTP/1.1 connections to one endpoint are kept on one worker.
const MOST_IDLE: usize = 512;

/// Which connections serve alike: an endpoint under one transport configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PoolKey(pub u64);

/// An HTTP/1.1 connection between two requests.
#[derive(Debug)]
pub struct Spare {
    /// The connection.
    pub conn: H1,
    /// Who is at the other end.
    pub peer: Option<Arc<PeerNames>>,
    /// How many requests it has carried.
    pub carried: u32,
    /// Since when it exists.
    pub born: Instant,
    idle_since: Instant,
}

impl Spare {
    /// A connection that has just been made.
    pub fn new(conn: H1, peer: Option<Arc<PeerNames>>, now: Instant) -> Self {
        Self { conn, peer, carried: 0, born: now, idle_since: now }
    }
}

/// The pools of one worker.
#[derive(Debug, Default)]
pub struct Pools {
    h1: HashMap<PoolKey, Vec<Spare>>,
    h2: HashMap<PoolKey, Vec<H2Client>>,
}

impl Pools {
    /// An idle connection that is still good: the youngest, since the oldest are the likeliest to be closed soon.
    pub fn take_h1(&mut self, key: PoolKey) -> Option<Spare> {
        let idle = self.h1.get_mut(&key)?;
        let mut cx = Context::from_waker(Waker::noop());
        loop {
            let mut spare = idle.pop()?;
            if spare.conn.poll_idle(&mut cx).is_pending() {
                return Some(spare);
            }
        }
    }

    /// Keeps a connection for later.
    pub fn put_h1(&mut self, key: PoolKey, mut spare: Spare, now: Instant) {
        let idle = self.h1.entry(key).or_default();
        if idle.len() < MOST_IDLE {
            spare.idle_since = now;
            idle.push(spare);
        }
    }

    /// An HTTP/2 connection with room.
    pub fn h2(
        &mut self,
        key: PoolKey,
        max_streams: Option<u32>,
        max_requests: Option<u32>,
    ) -> Option<H2Client> {
        let clients = self.h2.get_mut(&key)?;
        clients.retain(|client| !client.is_spent(max_requests));
        clients.iter().find(|client| client.has_room(max_streams, max_requests)).cloned()
    }

    /// Keeps a new HTTP/2 connection for all.
    pub fn put_h2(&mut self, key: PoolKey, client: H2Client) {
        self.h2.entry(key).or_default().push(client);
    }

    /// Gives up what has been idle for too long, has died, or belongs to nobody any more. `idle_limit` says how long a
    /// pool's connections may be idle; `None`: the pool has gone.
    pub fn sweep(&mut self, now: Instant, mut idle_limit: impl FnMut(PoolKey) -> Option<Duration>) {
        let mut cx = Context::from_waker(Waker::noop());
        self.h1.retain(|key, idle| {
            let Some(limit) = idle_limit(*key) else { return false };
            idle.retain_mut(|spare| {
                now.saturating_duration_since(spare.idle_since) < limit
                    && spare.conn.poll_idle(&mut cx).is_pending()
            });
            idle.iter_mut().for_each(|spare| spare.conn.rest());
            !idle.is_empty()
        });
        self.h2.retain(|key, clients| {
            let gone = idle_limit(*key).is_none();
            clients.retain(|client| !client.is_spent(None) && !(gone && client.is_idle()));
            !clients.is_empty()
        });
    }

    /// Idle HTTP/1.1 connections, and HTTP/2 connections.
    pub fn count(&self) -> (usize, usize) {
        (self.h1.values().map(Vec::len).sum(), self.h2.values().map(Vec::len).sum())
    }
}
