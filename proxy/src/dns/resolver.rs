//! One query's way: the mesh's names, then what is kept, then a server; what is asked for twice at once is asked once.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use hickory_proto::op::ResponseCode;
use tokio::sync::watch;
use tokio::time::timeout;
use weft_policy::names::{Alone, Answer, Names, alone, lookup, within};
use weft_runtime::live::{Live, LiveCache};

use super::answer;
use super::cache::{Age, Cache};
use super::metrics::Counters;
use super::query::{Key, Query, Refusal, Transport};
use super::resolv_conf::ResolvConf;
use super::upstreams::{Outcome, Upstreams};
use super::wire;

/// While the control plane has not said yet which names there are, queries wait so long.
const FIRST_NAMES: Duration = Duration::from_secs(4);

/// Where an old answer is at hand, a server has so long for a new one (RFC 8767).
const STALE_AFTER: Duration = Duration::from_millis(1800);

/// The time to live of an answer whose own is over.
const STALE_TTL: u32 = 30;

/// Queries that wait at a time. Who asks for more than that gets an error rather than our memory.
const WAITING: usize = 8192;

/// What becomes of a query at once.
pub(super) enum Step {
    /// It is answered.
    Done(Vec<u8>),
    /// It gets no answer.
    Nothing,
    /// It has to wait: [`Resolver::later`].
    Later,
}

/// Everything that queries are answered with.
pub(super) struct Resolver {
    live: Live<Option<Names>>,
    names: RefCell<LiveCache<Option<Names>>>,
    cache: RefCell<Cache>,
    upstreams: Upstreams,
    /// The domains whose names are all the mesh's.
    own: Vec<String>,
    /// What servers are being asked.
    fetches: RefCell<HashMap<(Key, Transport), Fetch>>,
    waiting: Cell<usize>,
    turn: Cell<usize>,
    counters: Counters,
}

/// What comes of asking the servers, once it has.
type Fetch = watch::Receiver<Option<Outcome>>;

/// One that waits.
struct Place<'a>(&'a Cell<usize>);

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

impl Resolver {
    /// Where there is no server to ask, the search domains of `resolv` end here, too.
    pub(super) fn new(
        live: Live<Option<Names>>,
        upstreams: Upstreams,
        resolv: &ResolvConf,
        counters: Counters,
    ) -> Self {
        let searched = resolv.search.iter().filter(|_| upstreams.is_empty());
        Self {
            own: resolv.own.iter().chain(searched).cloned().collect(),
            names: RefCell::new(live.cached()),
            live,
            cache: RefCell::default(),
            upstreams,
            fetches: RefCell::default(),
            waiting: Cell::new(0),
            turn: Cell::new(0),
            counters,
        }
    }

    /// Takes a message of `peer`: answers it if that needs nobody else.
    pub(super) fn at_once(&self, bytes: &[u8], transport: Transport, peer: SocketAddr) -> Step {
        self.counters.requests.increment(1);
        let query = match Query::read(bytes, transport) {
            Ok(query) => query,
            Err(Refusal::NoQuery) => return Step::Nothing,
            Err(Refusal::Code(code)) => return self.refuse(answer::refusal(bytes, code)),
        };
        if self.upstreams.is_own(peer.port(), bytes) {
            tracing::warn!(%peer, "a DNS query of our own came back to us: the redirect must leave the proxy's user out");
            return self.refuse(answer::error(&query, ResponseCode::ServFail));
        }
        if let Some(answer) = self.known(&query) {
            return Step::Done(answer);
        }
        if self.waiting.get() >= WAITING {
            return self.refuse(answer::error(&query, ResponseCode::ServFail));
        }
        Step::Later
    }

    fn refuse(&self, answer: Option<Vec<u8>>) -> Step {
        self.counters.refused.increment(1);
        answer.map_or(Step::Nothing, Step::Done)
    }

    /// An answer that is here already.
    fn known(&self, query: &Query<'_>) -> Option<Vec<u8>> {
        let mut cached = self.names.borrow_mut();
        let names = cached.load().as_ref().as_ref()?;
        let mut exists = false;
        if let Some(question) = query.question() {
            match lookup(names, &question, self.turn.get()) {
                Answer::Mesh(found) => {
                    self.turn.set(self.turn.get().wrapping_add(1));
                    self.counters.mesh.increment(1);
                    if query.message.edns.as_ref().is_some_and(|edns| edns.version() > 0) {
                        return answer::error(query, ResponseCode::BADVERS);
                    }
                    return answer::found(query, &found);
                }
                Answer::Forward { exists: there } => exists = there,
            }
            let decided = match self.upstreams.is_empty() {
                true => alone(names, question.name, exists, &self.own),
                false => within(names, question.name, exists, &self.own),
            };
            let code = match decided {
                Alone::Nothing => Some(ResponseCode::NoError),
                Alone::NoSuchName => Some(ResponseCode::NXDomain),
                Alone::Unknown => None,
            };
            if let Some(code) = code {
                self.counters.mesh.increment(1);
                return answer::nothing(query, code);
            }
        }
        let mut cache = self.cache.borrow_mut();
        let kept = cache.find(&query.key()?)?;
        match kept.age(Instant::now()) {
            Age::Fresh(age) => {
                self.counters.cache.increment(1);
                Some(answer::adapted(&kept.bytes, &kept.ttls, query, exists, |ttl| ttl.saturating_sub(age)))
            }
            Age::Stale { ask: false } => {
                self.counters.stale.increment(1);
                Some(answer::adapted(&kept.bytes, &kept.ttls, query, exists, |_| STALE_TTL))
            }
            _ => None,
        }
    }

    /// The answer to a query that had to wait; `None` if it gets none.
    pub(super) async fn later(self: Rc<Self>, bytes: Vec<u8>, transport: Transport) -> Option<Vec<u8>> {
        self.waiting.set(self.waiting.get() + 1);
        let _place = Place(&self.waiting);
        let query = Query::read(&bytes, transport).ok()?;
        let mut changes = self.live.changes();
        let named = async { while self.live.peek().is_none() && changes.changed().await {} };
        if timeout(FIRST_NAMES, named).await.is_err() {
            self.counters.refused.increment(1);
            return answer::error(&query, ResponseCode::ServFail);
        }
        if let Some(answer) = self.known(&query) {
            return Some(answer);
        }
        let key = query.key();
        let stale = key.as_ref().and_then(|key| {
            let mut cache = self.cache.borrow_mut();
            let kept = cache.find(key)?;
            matches!(kept.age(Instant::now()), Age::Stale { .. })
                .then(|| (Rc::clone(&kept.bytes), Rc::clone(&kept.ttls)))
        });
        let mut fetch = self.fetch(&query, key, transport);
        // The servers' own time is bounded; a fetch that is gone without a word has failed.
        let heard = async { fetch.wait_for(Option::is_some).await.ok().and_then(|heard| heard.clone()) };
        let outcome = match &stale {
            Some(_) => timeout(STALE_AFTER, heard).await.ok().flatten(),
            None => heard.await,
        };
        let exists = self.exists(&query);
        match (outcome, stale) {
            (Some(Outcome::Answer(bytes)), _) => {
                self.counters.upstream.increment(1);
                Some(answer::adapted(&bytes, &[], &query, exists, |ttl| ttl))
            }
            (_, Some((bytes, ttls))) => {
                self.counters.stale.increment(1);
                Some(answer::adapted(&bytes, &ttls, &query, exists, |_| STALE_TTL))
            }
            (Some(Outcome::Unable(bytes)), None) => {
                self.counters.upstream.increment(1);
                Some(answer::adapted(&bytes, &[], &query, exists, |ttl| ttl))
            }
            _ => {
                self.counters.refused.increment(1);
                answer::error(&query, ResponseCode::ServFail)
            }
        }
    }

    /// Whether the mesh has the name, though not what is asked of it.
    fn exists(&self, query: &Query<'_>) -> bool {
        let mut cached = self.names.borrow_mut();
        let Some(names) = cached.load().as_ref() else { return false };
        query
            .question()
            .is_some_and(|question| lookup(names, &question, 0) == Answer::Forward { exists: true })
    }

    /// What comes of asking the servers. It goes on even if nobody waits for it any more: the next one will ask again.
    fn fetch(self: &Rc<Self>, query: &Query<'_>, key: Option<Key>, transport: Transport) -> Fetch {
        let shared = key.map(|key| (key, transport));
        if let Some(running) = shared.as_ref().and_then(|shared| self.fetches.borrow().get(shared).cloned())
            && running.has_changed().is_ok()
        {
            return running;
        }
        let (tell, hear) = watch::channel(None);
        if let Some(shared) = &shared {
            self.fetches.borrow_mut().insert(shared.clone(), hear.clone());
        }
        let (this, bytes) = (Rc::clone(self), query.bytes.to_vec());
        tokio::task::spawn_local(async move {
            let outcome = this.upstreams.ask(&bytes, transport).await;
            if let Some(shared) = &shared {
                this.keep(&shared.0, &outcome);
                this.fetches.borrow_mut().remove(shared);
            }
            tell.send_replace(Some(outcome));
        });
        hear
    }

    fn keep(&self, key: &Key, outcome: &Outcome) {
        let mut cache = self.cache.borrow_mut();
        match outcome {
            Outcome::Answer(bytes) => {
                if let Some(shape) = wire::shape(bytes) {
                    cache.keep(key.clone(), Rc::clone(bytes), &shape, Instant::now());
                }
            }
            Outcome::Unable(_) | Outcome::Silence => cache.failed(key, Instant::now()),
        }
    }
}
