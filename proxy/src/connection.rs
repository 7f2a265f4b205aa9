//! A connection: what it is, which chain takes it, and whether that is still so after the configuration changed.

pub mod arrive;

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;

use weft_model::listener::Direction;
use weft_model::request::{Connection as PolicyConnection, Peer};
use weft_model::table::chain::{Arrival, Chain};
use weft_runtime::drain::DrainWatch;

use crate::snapshot::Snapshot;
use crate::tls::names::PeerNames;
use crate::worker::Worker;

/// What is still open so long after its listener began to drain is cut; Istio's default for proxies that end.
const DRAIN: std::time::Duration = std::time::Duration::from_secs(45);

/// One downstream connection, after its chain was chosen and its handshake is over.
pub struct Conn {
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
    /// The TLS server name that was asked for; empty if none.
    pub sni: String,
    /// What was offered or seen, as chains are matched by it.
    pub protocols: Vec<String>,
    /// `tls` or `raw_buffer`.
    pub transport: &'static str,
    /// TLS ends here.
    pub tls: bool,
    /// Who is at the other end, under mTLS.
    pub names: Option<Arc<PeerNames>>,
    /// The same, as authorization sees it.
    pub peer: Option<Peer>,
    /// Tells that it should end.
    pub drain: DrainWatch,
    /// For people who read logs.
    pub id: u64,
    /// What it carries stands in a CONNECT tunnel, which may hold no other.
    pub tunnelled: Cell<bool>,
    current: RefCell<(Arc<Snapshot>, Arc<Chain>)>,
}

/// What a connection is made of.
pub struct Parts {
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
    /// The TLS server name.
    pub sni: String,
    /// What was offered or seen.
    pub protocols: Vec<String>,
    /// `tls` or `raw_buffer`.
    pub transport: &'static str,
    /// Tells that it should end.
    pub drain: DrainWatch,
}

impl Conn {
    /// A connection that `chain` of `snapshot` took; `names` is the verified peer, `tls` says that TLS ends here.
    pub fn new(
        parts: Parts,
        snapshot: Arc<Snapshot>,
        chain: Arc<Chain>,
        tls: bool,
        names: Option<Arc<PeerNames>>,
    ) -> Self {
        let peer = names.as_ref().map(|names| Peer {
            identity: names.spiffe.clone(),
            uri_sans: names.uris.clone(),
            dns_sans: names.dns.clone(),
        });
        let id = parts.worker.next_connection();
        Self {
            worker: parts.worker,
            listener: parts.listener,
            direction: parts.direction,
            source: parts.source,
            destination: parts.destination,
            sni: parts.sni,
            protocols: parts.protocols,
            transport: parts.transport,
            tls,
            names,
            peer,
            drain: parts.drain,
            id,
            tunnelled: Cell::new(false),
            current: RefCell::new((snapshot, chain)),
        }
    }

    /// The configuration of this moment and the chain that takes this connection under it. `None`: no chain does any
    /// more, or one that carries connections otherwise; then the connection has to end.
    ///
    /// So a changed policy is in force for the next request of an open connection, and only a changed transport costs it.
    pub fn current(&self) -> Option<(Arc<Snapshot>, Arc<Chain>)> {
        let snapshot = self.worker.snapshot();
        let mut current = self.current.borrow_mut();
        if Arc::ptr_eq(&snapshot, &current.0) {
            return Some(current.clone());
        }
        let view = snapshot.listener(&self.listener)?;
        let protocols: Vec<&str> = self.protocols.iter().map(String::as_str).collect();
        let arrival = Arrival {
            destination: self.destination,
            source: self.source,
            transport: self.transport,
            server_name: &self.sni,
            protocols: &protocols,
        };
        let chain = view.listener.chain(&arrival)?;
        if chain.settings.transport != current.1.settings.transport {
            return None;
        }
        *current = (snapshot.clone(), chain.clone());
        Some(current.clone())
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

    /// Waits until its listener has drained for so long that what is still open is cut; says so.
    pub async fn drain_deadline(&self) -> String {
        self.drain.draining().await;
        tokio::time::sleep(DRAIN).await;
        format!("its listener went away {DRAIN:?} ago")
    }

    /// The connection as authorization sees it.
    pub fn facts(&self) -> PolicyConnection<'_> {
        PolicyConnection {
            peer: self.peer.as_ref(),
            source: self.source,
            remote: self.source.ip(),
            destination: self.destination,
            sni: (!self.sni.is_empty()).then_some(self.sni.as_str()),
        }
    }
}
