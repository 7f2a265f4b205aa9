//! Idle connections of one worker, by endpoint. Nothing here is shared, so nothing is locked.

use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Waker};
use std::time::{Duration, Instant};

use foldhash::HashMap;
use tokio::sync::Notify;
use weft_model::cluster::UpstreamHttp;
use weft_policy::keep_alive::{Habit, Unneeded};

use super::h2_client::H2Client;
use super::places::{Place, Places};
use super::spare::Spare;

/// An HTTP/2 connection to an endpoint beside another one is given up when it was idle for so long.
const SECOND: Duration = Duration::from_secs(15);

/// Which connections serve alike: an endpoint under one transport configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PoolKey {
    /// The endpoint, or the cluster that has no endpoints of its own, under one transport configuration.
    pub id: u64,
    /// Tells addresses of such a cluster apart; 0 for endpoints.
    pub address: u64,
}

/// What a connection was made for, beyond its pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MadeFor<Name = Box<str>> {
    /// Where it leads.
    pub address: SocketAddr,
    /// The server name, where that follows the request.
    pub name: Option<Name>,
    /// Whose address it goes out under, if not under ours (TPROXY): nobody else's requests come from there.
    pub source: Option<IpAddr>,
}

/// What a connection is wanted for.
pub type Wanted<'a> = MadeFor<&'a str>;

impl MadeFor {
    /// Is a connection that was made for this of use for that?
    pub(super) fn serves(&self, wanted: &Wanted<'_>) -> bool {
        self.address == wanted.address && self.name.as_deref() == wanted.name && self.source == wanted.source
    }
}

impl From<Wanted<'_>> for MadeFor {
    fn from(wanted: Wanted<'_>) -> Self {
        Self { address: wanted.address, name: wanted.name.map(Into::into), source: wanted.source }
    }
}

/// The pools of one worker.
#[derive(Debug, Default)]
pub struct Pools {
    h1: HashMap<PoolKey, Idle>,
    h2: HashMap<PoolKey, Vec<H2Client>>,
    /// There are connections that nobody watches yet.
    unwatched: bool,
    news: Rc<Notify>,
}

/// The idle HTTP/1.1 connections of one pool.
#[derive(Debug, Default)]
struct Idle {
    #[expect(
        clippy::vec_box,
        reason = "each request takes one out and puts it back: a pointer is moved, not a connection"
    )]
    spares: Vec<Box<Spare>>,
    /// So many of the oldest were here all the time.
    unneeded: Unneeded,
    /// What the server's closings tell of its patience.
    habit: Habit,
}

impl Idle {
    /// The server has closed a connection that was idle.
    fn closed(&mut self, spare: &Spare, now: Instant) {
        self.habit.closed(now.saturating_duration_since(spare.idle_since), now);
    }

    /// Takes one out.
    fn remove(&mut self, place: usize) -> Box<Spare> {
        let spare = self.spares.remove(place);
        self.unneeded.left(self.spares.len());
        spare
    }

    /// Takes out what has been idle for so long, and what a load that is over has left behind.
    fn shed(&mut self, limit: Duration, now: Instant, shed: &mut impl Extend<Box<Spare>>) {
        let is_over = |spare: &mut Box<Spare>| now.saturating_duration_since(spare.idle_since) >= limit;
        shed.extend(self.spares.extract_if(.., is_over));
        let surplus = self.unneeded.look(self.spares.len());
        shed.extend(self.spares.drain(..surplus));
    }

    /// How long a connection may be idle, so that it ends before the server ends it.
    fn patience(&self, spare: &Spare, now: Instant) -> Option<Duration> {
        [spare.limit, spare.stated, self.habit.limit(now)].into_iter().flatten().min()
    }

    fn is_overdue(&self, spare: &Spare, now: Instant) -> bool {
        self.patience(spare, now)
            .is_some_and(|patience| now.saturating_duration_since(spare.idle_since) >= patience)
    }
}

impl Pools {
    /// An idle connection that is still good: the youngest, since the oldest are the likeliest to be closed soon.
    pub fn take_h1(&mut self, key: PoolKey, wanted: &Wanted<'_>, now: Instant) -> Option<Box<Spare>> {
        let idle = self.h1.get_mut(&key)?;
        let mut cx = Context::from_waker(Waker::noop());
        loop {
            let place = idle.spares.iter().rposition(|spare| spare.made_for.serves(wanted))?;
            let mut spare = idle.remove(place);
            if spare.conn.poll_idle(&mut cx).is_ready() {
                idle.closed(&spare, now);
                continue;
            }
            let nobody_knows = spare.limit.is_none() && spare.stated.is_none() && idle.habit.is_blank();
            if nobody_knows || !idle.is_overdue(&spare, now) {
                return Some(spare);
            }
        }
    }

    /// Keeps a connection for later; for so long at most, if the cluster says so. However many there are, so many were busy
    /// at once, and may be again in a moment: a limit here would make of each wave of requests one of handshakes.
    pub fn put_h1(&mut self, key: PoolKey, mut spare: Box<Spare>, limit: Option<Duration>, now: Instant) {
        spare.idle_since = now;
        spare.limit = limit;
        spare.watched = false;
        spare.conn.lend();
        self.h1.entry(key).or_default().spares.push(spare);
        if !std::mem::replace(&mut self.unwatched, true) {
            self.news.notify_one();
        }
    }

    /// Hears of connections that nobody watches yet.
    pub fn news(&self) -> Rc<Notify> {
        self.news.clone()
    }

    /// Watches idle connections: whoever polls is woken when a server closes one. Those that came since the last time are
    /// watched, too, if `all`. Gives up what is overdue. Says when the next will be.
    pub fn watch(&mut self, cx: &mut Context<'_>, all: bool, now: Instant) -> Option<Instant> {
        let mut next: Option<Instant> = None;
        for idle in self.h1.values_mut() {
            let mut place = 0;
            while let Some(spare) = idle.spares.get_mut(place) {
                let watch = all || spare.watched;
                spare.watched = watch;
                if watch && spare.conn.poll_idle(cx).is_ready() {
                    let closed = idle.remove(place);
                    idle.closed(&closed, now);
                    continue;
                }
                let spare = &idle.spares[place];
                let due =
                    idle.patience(spare, now).and_then(|patience| spare.idle_since.checked_add(patience));
                if let Some(due) = due {
                    if due <= now {
                        idle.remove(place);
                        continue;
                    }
                    next = Some(next.map_or(due, |next| next.min(due)));
                }
                place += 1;
            }
        }
        self.unwatched &= !all;
        next
    }

    /// An HTTP/2 connection with room.
    pub fn h2(&mut self, key: PoolKey, wanted: &Wanted<'_>, limits: &UpstreamHttp) -> Option<H2Client> {
        let clients = self.h2.get_mut(&key)?;
        let streams = limits.max_concurrent_streams;
        let requests = limits.max_requests_per_connection.filter(|most| *most > 0);
        clients.retain(|client| {
            !client.is_spent(requests)
                && !client.is_older_than(limits.max_connection_duration)
                // Whoever sweeps may be late; nobody is served by what should be gone.
                && !client.has_idled_beyond(limits.idle_timeout)
        });
        clients.iter().find(|c| c.made_for().serves(wanted) && c.has_room(streams, requests)).cloned()
    }

    /// Is there an HTTP/2 connection to that cluster, whether or not it has room?
    pub fn has_h2(&self, of: &Arc<Places>) -> bool {
        self.h2.values().flatten().any(|client| client.is_of(of))
    }

    /// Keeps a new HTTP/2 connection for all.
    pub fn put_h2(&mut self, key: PoolKey, client: H2Client) {
        self.h2.entry(key).or_default().push(client);
    }

    /// Gives up what has been idle for too long, has died, is more than is needed, or belongs to nobody any more.
    /// `idle_limit` says how long a pool's connections may be idle; `None`: the pool has gone. HTTP/1.1's are handed out: to
    /// close hundreds takes a while, in which others want to be served.
    pub fn sweep(
        &mut self,
        now: Instant,
        mut idle_limit: impl FnMut(PoolKey) -> Option<Duration>,
    ) -> Vec<Box<Spare>> {
        let mut shed = Vec::new();
        self.h1.retain(|key, idle| {
            let Some(limit) = idle_limit(*key) else {
                shed.append(&mut idle.spares);
                return false;
            };
            idle.shed(limit, now, &mut shed);
            idle.spares.iter_mut().for_each(|spare| spare.conn.rest());
            !idle.spares.is_empty() || !idle.habit.is_forgotten(now)
        });
        self.h2.retain(|key, clients| {
            let limit = idle_limit(*key);
            // The first that has room is taken: those behind it are idle when it is enough.
            let first = |at: usize| clients[..at].iter().all(|c| c.made_for() != clients[at].made_for());
            let firsts: Vec<bool> = (0..clients.len()).map(first).collect();
            let mut firsts = firsts.into_iter();
            clients.retain(|client| {
                let patience = if firsts.next() == Some(true) { Duration::MAX } else { SECOND };
                let kept = limit.is_some_and(|limit| !client.has_idled_for(limit.min(patience), now));
                !client.is_spent(None) && (kept || !client.is_idle())
            });
            !clients.is_empty()
        });
        shed
    }

    /// There is no connection in any.
    pub fn is_empty(&self) -> bool {
        self.h1.is_empty() && self.h2.is_empty()
    }

    /// Closes an idle connection of a cluster, to make room for another; says whether there was one.
    pub fn give_up_one(&mut self, of: &Arc<Places>) -> bool {
        for idle in self.h1.values_mut() {
            // The oldest first: it is the likeliest to be closed soon anyway.
            if let Some(place) = idle.spares.iter().position(|spare| spare.place.is_of(of)) {
                idle.remove(place);
                return true;
            }
        }
        for clients in self.h2.values_mut() {
            let given_up = clients.iter().position(|client| client.is_idle() && client.is_of(of));
            if let Some(client) = given_up.map(|place| clients.remove(place)) {
                client.give_up();
                return true;
            }
        }
        false
    }

    /// Closes idle connections for whose clusters somebody waits on any worker.
    pub fn give_up_wanted(&mut self) {
        self.give_up(Place::is_wanted);
    }

    /// Closes idle connections of which there are more than may be, since a limit was lowered.
    pub fn give_up_surplus(&mut self) {
        self.give_up(Place::is_surplus);
    }

    /// Closes idle connections one by one, as long as there is one in such a place.
    fn give_up(&mut self, is_such: fn(&Place) -> bool) {
        for idle in self.h1.values_mut() {
            while let Some(place) = idle.spares.iter().position(|spare| is_such(&spare.place)) {
                idle.remove(place);
            }
        }
        for clients in self.h2.values_mut() {
            while let Some(place) =
                clients.iter().position(|client| client.is_idle() && client.has_place(is_such))
            {
                clients.remove(place).give_up();
            }
        }
    }

    /// Idle HTTP/1.1 connections, and HTTP/2 connections.
    pub fn count(&self) -> (usize, usize) {
        (self.h1.values().map(|idle| idle.spares.len()).sum(), self.h2.values().map(Vec::len).sum())
    }
}

#[cfg(test)]
mod tests;
