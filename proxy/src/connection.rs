//! A connection: what it is, which chain takes it, and whether that is still so after the configuration changed.

pub mod arrivals;
pub mod arrive;
pub mod asked;
pub mod habit;
pub mod origin;
mod secure;
pub mod silence;
pub mod stage;

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::ops::Deref;
use std::rc::Rc;
use std::sync::{Arc, Weak};
use std::time::Instant;

use weft_model::listener::Direction;
use weft_model::request::{Connection as PolicyConnection, Peer};
use weft_model::table::chain::{Arrival, Chain, Listener, Terminal};
use weft_runtime::drain::DrainWatch;

use self::asked::Asked;
use self::habit::Habit;
use crate::http::hop::Element;
use crate::snapshot::{Current, Local, Snapshot};
use crate::tls::names::PeerNames;
use crate::upstream::connect::OriginalSource;
use crate::worker::Worker;

/// What is still open so long after its listener began to drain is cut; Istio's default for proxies that end.
pub const DRAIN: std::time::Duration = std::time::Duration::from_secs(45);

/// A connection as it arrived: where it lives, and what its chain is chosen by.
#[derive(Clone)]
pub struct Arrived {
    /// Where it lives.
    pub worker: Rc<Worker>,
    /// The listener that took it.
    pub listener: Arc<str>,
    /// Toward the app or from it.
    pub direction: Direction,
    /// The other end.
    pub source: SocketAddr,
    /// Where it was going.
    pub destination: SocketAddr,
    /// Nobody declared what is spoken there: it is told by the first bytes, or by who speaks first.
    pub undeclared: bool,
    /// The kernel turned it here from there.
    pub intercepted: bool,
    /// The other end's address, where connections to the app go on under that (TPROXY).
    pub original_source: Option<OriginalSource>,
    /// The TLS server name that was asked for; empty if none.
    pub sni: Box<str>,
    /// What was offered or seen, as chains are matched by it.
    pub protocols: Box<[String]>,
    /// `tls` or `raw_buffer`.
    pub transport: &'static str,
    /// Tells that it should end.
    pub drain: DrainWatch,
}

impl Arrived {
    /// The chain of `listener` that is for it.
    pub fn chain<'l>(&self, listener: &'l Listener) -> Option<&'l Arc<Chain>> {
        let protocols: Vec<&str> = self.protocols.iter().map(String::as_str).collect();
        listener.chain(&Arrival {
            destination: self.destination,
            source: self.source,
            transport: self.transport,
            server_name: &self.sni,
            protocols: &protocols,
        })
    }
}

/// One downstream connection, after its chain was chosen and its handshake is over: what arrived, and what came of it.
pub struct Conn {
    arrived: Arrived,
    /// TLS ends here.
    pub tls: bool,
    /// Who is at the other end, under mTLS.
    pub names: Option<Arc<PeerNames>>,
    /// The same, as authorization sees it.
    pub peer: Option<Box<Peer>>,
    /// The same, as apps are told.
    pub element: Element,
    /// For people who read logs.
    pub id: u64,
    /// What it carries stands in this CONNECT tunnel, which may hold no other.
    pub tunnel: Option<Rc<Asked>>,
    /// It came when the proxy itself used too much memory: as long as that is so it is not kept.
    pub at_the_ceiling: bool,
    /// It is known that requests on it are answered in HTTP.
    answered: Cell<bool>,
    /// The snapshot is held weakly: a connection that is silent for a day keeps no table of yesterday's alive.
    current: RefCell<(Weak<Snapshot>, Local<Chain>)>,
}

impl Deref for Conn {
    type Target = Arrived;

    fn deref(&self) -> &Arrived {
        &self.arrived
    }
}

/// How a connection stands under the configuration of this moment.
#[derive(Debug)]
pub enum Standing {
    /// This chain takes it.
    Taken(Rc<Current>, Local<Chain>),
    /// Its listener is gone: what has begun may end by itself, until [`Conn::drain_deadline`].
    Draining,
    /// No chain takes it any more, or one that carries connections otherwise: it has to end.
    Untaken,
}

impl Conn {
    /// A connection that `chain` of `snapshot` took; `names` is the verified peer, `tls` says that TLS ends here.
    pub fn new(
        arrived: Arrived,
        snapshot: &Arc<Snapshot>,
        chain: Arc<Chain>,
        tls: bool,
        names: Option<Arc<PeerNames>>,
    ) -> Self {
        let peer = names.as_ref().map(|names| {
            Box::new(Peer {
                identity: names.spiffe.clone(),
                uri_sans: names.uris.clone(),
                dns_sans: names.dns.clone(),
            })
        });
        let id = arrived.worker.next_connection();
        Self {
            arrived,
            tls,
            names,
            peer,
            element: Element::default(),
            id,
            tunnel: None,
            at_the_ceiling: false,
            answered: Cell::new(false),
            current: RefCell::new((Arc::downgrade(snapshot), Rc::new(chain))),
        }
    }

    /// The same connection, as what stands in a CONNECT tunnel of it sees it.
    #[must_use]
    pub fn within(&self, asked: Rc<Asked>) -> Self {
        Self {
            arrived: self.arrived.clone(),
            tls: self.tls,
            names: self.names.clone(),
            peer: self.peer.clone(),
            element: Element::default(),
            id: self.id,
            tunnel: Some(asked),
            at_the_ceiling: self.at_the_ceiling,
            answered: Cell::new(true),
            current: self.current.clone(),
        }
    }

    /// It did not become one: what it was before its chain was chosen.
    pub fn into_arrived(self) -> Arrived {
        self.arrived
    }

    /// The configuration of this moment and the chain that takes this connection under it. `None`: no chain does any
    /// more, or one that carries connections otherwise; then the connection has to end.
    ///
    /// So a changed policy is in force for the next request of an open connection, and only a changed transport costs it.
    pub fn current(&self) -> Option<(Rc<Current>, Local<Chain>)> {
        match self.standing() {
            Standing::Taken(snapshot, chain) => Some((snapshot, chain)),
            Standing::Draining | Standing::Untaken => None,
        }
    }

    /// The chain that takes the connection, or the last that did: who writes down how it ended asks for that.
    pub fn last_chain(&self) -> Local<Chain> {
        match self.standing() {
            Standing::Taken(_, chain) => chain,
            Standing::Draining | Standing::Untaken => self.current.borrow().1.clone(),
        }
    }

    /// The same as [`Conn::current`], and why there is no chain.
    pub fn standing(&self) -> Standing {
        let snapshot = self.worker.snapshot();
        let mut current = self.current.borrow_mut();
        if std::ptr::eq(Arc::as_ptr(&snapshot), current.0.as_ptr()) {
            return Standing::Taken(snapshot, current.1.clone());
        }
        let Some(view) = snapshot.listener(&self.listener) else { return Standing::Draining };
        let chain = match self.arrived.chain(&view.listener) {
            Some(chain) if chain.settings.transport == current.1.settings.transport => Rc::new(chain.clone()),
            _ => return Standing::Untaken,
        };
        *current = (Arc::downgrade(&snapshot), chain.clone());
        Standing::Taken(snapshot, chain)
    }

    /// Where it was going before it was intercepted, for clusters that go on to there.
    ///
    /// # Errors
    /// It came to the listener's own address: going on to there would be a circle.
    pub fn original(&self) -> Result<SocketAddr, String> {
        let snapshot = self.worker.snapshot();
        let own = snapshot.listener(&self.listener).is_some_and(|view| {
            let settings = &view.listener.settings;
            let addresses = std::iter::once(&settings.address).chain(&settings.additional_addresses);
            settings.bind_to_port
                && addresses.into_iter().any(|at| {
                    at.port() == self.destination.port()
                        && (at.ip().is_unspecified() || at.ip() == self.destination.ip())
                })
        });
        if own {
            return Err(format!(
                "the connection came to listener {} itself at {}, so passing it on to its original destination would \
                 lead in a circle",
                self.listener, self.destination
            ));
        }
        Ok(self.destination)
    }

    /// Its port takes bytes and HTTP alike, from whoever says which: nobody declared what is spoken there.
    pub fn takes_http_too(&self) -> bool {
        let protocols = ["istio-http/1.1".to_owned(), "istio".to_owned()].into();
        let as_http = Arrived { protocols, ..self.arrived.clone() };
        let snapshot = self.worker.snapshot();
        let view = snapshot.listener(&self.listener);
        let chain = view.and_then(|view| as_http.chain(&view.listener));
        chain.is_some_and(|chain| matches!(chain.terminal, Terminal::Http(_)))
    }

    /// The place where it was going has answered in HTTP: whoever is silent there later is only slow.
    pub fn note_answer(&self) {
        let tells = self.undeclared || self.direction == Direction::Inbound;
        if !self.answered.replace(true) && tells {
            self.worker.shared.habits.note(self.destination, Habit::Http, Instant::now());
        }
    }

    /// Waits until its listener has drained for so long that what is still open is cut; says so.
    pub async fn drain_deadline(&self) -> String {
        self.drain.draining().await;
        tokio::time::sleep(DRAIN).await;
        format!("its listener went away {DRAIN:?} ago")
    }

    /// The connection as authorization sees it.
    pub fn facts(&self) -> PolicyConnection<'_> {
        PolicyConnection {
            peer: self.peer.as_deref(),
            source: self.source,
            remote: self.source.ip(),
            destination: self.destination,
            sni: (!self.sni.is_empty()).then_some(&*self.sni),
        }
    }
}
