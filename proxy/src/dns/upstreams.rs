//! The servers that queries are forwarded to, and which of them has its turn.

mod exchange;

use std::cell::{Cell, RefCell};
use std::collections::HashSet;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;

use super::metrics::Counters;
use super::query::Transport;
use super::resolv_conf::ResolvConf;
use super::wire;

/// A server that did not answer is asked after the others for so long.
const AVOIDED: Duration = Duration::from_secs(30);

/// No query is tried for longer than this: its asker is gone by then.
const PATIENCE: Duration = Duration::from_secs(10);

/// Sockets that wait for servers' answers at a time; more queries wait for one of those.
const SOCKETS: usize = 512;

/// What came of asking.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Outcome {
    /// An answer.
    Answer(Rc<[u8]>),
    /// All that any server says is that it has none (SERVFAIL, REFUSED).
    Unable(Rc<[u8]>),
    /// No server said anything.
    Silence,
}

/// The servers.
pub(super) struct Upstreams {
    servers: Vec<SocketAddr>,
    /// Until when each is asked last.
    avoided: RefCell<Vec<Option<Instant>>>,
    timeout: Duration,
    attempts: u32,
    rotate: bool,
    turn: Cell<usize>,
    sockets: Semaphore,
    /// Our own questions that wait for an answer, by local port and number.
    asked: RefCell<HashSet<(u16, u16)>>,
    counters: Counters,
}

impl Upstreams {
    /// The servers of `resolv`, without `ours`: asking ourselves would never end.
    pub(super) fn new(resolv: &ResolvConf, ours: &[SocketAddr], counters: Counters) -> Self {
        let is_ours = |server: &&SocketAddr| {
            let own = ours.contains(server);
            if own {
                tracing::info!(%server, "resolv.conf names the DNS proxy itself: it is not asked");
            }
            !own
        };
        let servers: Vec<SocketAddr> = resolv.servers.iter().filter(is_ours).copied().collect();
        Self {
            avoided: RefCell::new(vec![None; servers.len()]),
            servers,
            timeout: resolv.timeout,
            attempts: resolv.attempts,
            rotate: resolv.rotate,
            turn: Cell::new(0),
            sockets: Semaphore::new(SOCKETS),
            asked: RefCell::default(),
            counters,
        }
    }

    /// Whether there is nobody to ask: all that `resolv.conf` names is the room itself.
    pub(super) fn is_empty(&self) -> bool {
        self.servers.is_empty()
    }

    /// Whether a query that came from `port` is one that we ourselves have put to a server: whoever redirects DNS to us
    /// redirects ours, too.
    pub(super) fn is_own(&self, port: u16, query: &[u8]) -> bool {
        let asked = self.asked.borrow();
        !asked.is_empty() && wire::number(query, 0).is_some_and(|id| asked.contains(&(port, id)))
    }

    /// Asks one server after the other until one answers.
    pub(super) async fn ask(&self, query: &[u8], transport: Transport) -> Outcome {
        let deadline = Instant::now() + PATIENCE;
        let Ok(_socket) = self.sockets.acquire().await else { return Outcome::Silence };
        let turn = if self.rotate { self.turn.replace(self.turn.get().wrapping_add(1)) } else { 0 };
        let mut unable = Outcome::Silence;
        for _ in 0..self.attempts {
            let round = order(&self.avoided.borrow(), turn, Instant::now());
            for place in round {
                let now = Instant::now();
                let patience = self.timeout.min(deadline.saturating_duration_since(now));
                if patience.is_zero() {
                    return unable;
                }
                match self.ask_one(self.servers[place], query, transport, patience).await {
                    Some(answer) if matches!(wire::code(&answer), 2 | 5) => {
                        unable = Outcome::Unable(answer.into());
                    }
                    Some(answer) => {
                        self.avoided.borrow_mut()[place] = None;
                        return Outcome::Answer(answer.into());
                    }
                    None => self.avoided.borrow_mut()[place] = Some(now + AVOIDED),
                }
            }
            // Whoever says that it has no answer says the same when asked again.
            if matches!(unable, Outcome::Unable(_)) {
                break;
            }
        }
        unable
    }

    async fn ask_one(
        &self,
        server: SocketAddr,
        query: &[u8],
        transport: Transport,
        patience: Duration,
    ) -> Option<Vec<u8>> {
        let began = Instant::now();
        self.counters.upstream_requests.increment(1);
        let asking = async {
            match transport {
                Transport::Udp => exchange::datagram(server, query, &self.asked).await,
                Transport::Tcp => exchange::connection(server, query, &self.asked).await,
            }
        };
        let why = match tokio::time::timeout(patience, asking).await {
            Ok(Ok(answer)) => {
                self.counters.upstream_duration.record(began.elapsed());
                return Some(answer);
            }
            Ok(Err(why)) => why.to_string(),
            Err(_) => format!("no answer within {patience:?}"),
        };
        self.counters.upstream_failures.increment(1);
        tracing::debug!(%server, %why, "a DNS query brought no answer");
        None
    }
}

/// In which order servers are asked: beginning with the one whose turn it is, those that did not answer lately last.
fn order(avoided: &[Option<Instant>], turn: usize, now: Instant) -> Vec<usize> {
    let mut places: Vec<usize> = (0..avoided.len()).collect();
    if !places.is_empty() {
        places.rotate_left(turn % avoided.len());
    }
    places.sort_by_key(|place| avoided[*place].is_some_and(|until| now < until));
    places
}

#[cfg(test)]
mod tests;
