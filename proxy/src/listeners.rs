//! Listening sockets follow the configuration: a listener that is new binds, one that is gone drains, one that only
//! changed what it does keeps its socket, and its connections see the change with their next request.

mod early;
pub mod whole;

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use early::{Early, Held};
use tokio::sync::{Notify, oneshot};
use weft_runtime::Acceptor;
use weft_runtime::drain::{Drain, DrainWatch};
use weft_runtime::listen::{ListenError, ListenSettings, listen};
use weft_runtime::workers::{WorkerIndex, WorkersHandle};

use crate::connection::arrivals::{Arrivals, FEW, MOST};
use crate::connection::arrive::arrive;
use crate::snapshot::Snapshot;
use crate::worker::{Shared, Worker};

/// A port that is taken is tried again this often, and so is one that breaks.
const AGAIN: Duration = Duration::from_millis(500);

/// The sockets that are open, and why others are not.
#[derive(Debug, Default)]
pub struct Listeners {
    open: BTreeMap<(String, SocketAddr), Open>,
    /// Which could not be bound, and why.
    pub failed: BTreeMap<String, String>,
    /// Sockets that listen before any configuration asks for them.
    early: BTreeMap<SocketAddr, Early>,
    /// Which worker the next one accepts on.
    turn: usize,
    /// Told when nobody accepts on an open one any more.
    broken: Arc<Notify>,
}

#[derive(Debug)]
struct Open {
    /// It accepts until this is dropped; closed where it has ended by itself.
    accepts: oneshot::Sender<()>,
    drain: Drain,
}

/// Keeps sockets as the configuration in force wants them, for as long as it is polled. Tells `bound` after each look. What
/// comes to early sockets is held until `start` is over.
pub async fn follow(
    shared: Arc<Shared>,
    workers: WorkersHandle<Worker>,
    listeners: Arc<Mutex<Listeners>>,
    start: impl Future<Output = ()>,
    bound: impl Fn(&Listeners, &Snapshot),
) {
    let mut changes = shared.live.changes();
    let broken = listeners.lock().unwrap_or_else(PoisonError::into_inner).broken.clone();
    let mut start = pin!(start);
    let mut has_started = false;
    loop {
        let snapshot = shared.live.load();
        let failed = {
            let mut listeners = listeners.lock().unwrap_or_else(PoisonError::into_inner);
            listeners.reconcile(&snapshot, &workers, &shared, has_started);
            bound(&listeners, &snapshot);
            !listeners.failed.is_empty()
        };
        tokio::select! {
            () = &mut start, if !has_started => has_started = true,
            () = tokio::time::sleep(AGAIN), if failed => {}
            () = broken.notified() => {}
            more = changes.changed() => {
                if !more {
                    return;
                }
            }
        }
    }
}

impl Listeners {
    /// Listens where interception will hand connections over, and holds each of them for so long if the configuration is
    /// not there. What cannot be had is told when the configuration asks for it. On a runtime.
    ///
    /// # Errors
    /// A right is missing without which no connection will ever be taken.
    pub fn early(addresses: &[SocketAddr], transparent: bool, hold: Duration) -> Result<Self, ListenError> {
        let mut early = BTreeMap::new();
        for address in addresses {
            match listen(*address, settings(*address, transparent, addresses)) {
                Ok(socket) => early.extend(Early::new(socket, hold).ok().map(|held| (*address, held))),
                Err(missing @ ListenError::NotTransparent(_)) => return Err(missing),
                Err(_) => {}
            }
        }
        Ok(Self { early, ..Self::default() })
    }

    fn reconcile(
        &mut self,
        snapshot: &Snapshot,
        workers: &WorkersHandle<Worker>,
        shared: &Arc<Shared>,
        has_started: bool,
    ) {
        let mut wanted = BTreeSet::new();
        for view in snapshot.listeners() {
            let settings = &view.listener.settings;
            if settings.bind_to_port {
                let addresses = std::iter::once(&settings.address).chain(&settings.additional_addresses);
                wanted.extend(addresses.map(|at| (settings.name.clone(), *at, settings.transparent)));
            }
        }
        let is_wanted =
            |key: &(String, SocketAddr)| wanted.iter().any(|(name, at, _)| (name, at) == (&key.0, &key.1));
        let gone: Vec<_> = self.open.keys().filter(|key| !is_wanted(key)).cloned().collect();
        for key in gone {
            if let Some(open) = self.open.remove(&key) {
                tracing::info!(listener = %key.0, address = %key.1, "listener closed; its connections drain");
                open.close();
            }
        }
        // One that broke is had anew.
        self.open.retain(|_, open| !open.accepts.is_closed());
        self.failed.clear();
        let any = !wanted.is_empty();
        let all: Vec<SocketAddr> = wanted.iter().map(|(_, address, _)| *address).collect();
        for (name, address, transparent) in wanted {
            let is_held = !has_started && self.early.contains_key(&address);
            if is_held || self.open.contains_key(&(name.clone(), address)) {
                continue;
            }
            let socket = match self.early.remove(&address) {
                Some(early) => early.hand_over().map_err(|e| e.to_string()),
                None => listen(address, settings(address, transparent, &all))
                    .map(|socket| (socket, Vec::new()))
                    .map_err(|e| e.to_string()),
            };
            match socket.and_then(|(socket, held)| self.open(&name, socket, held, workers, shared)) {
                Ok(open) => {
                    tracing::info!(listener = %name, %address, "listening");
                    self.open.insert((name, address), open);
                }
                Err(why) => {
                    tracing::warn!(listener = %name, reason = %why, "a listener cannot listen");
                    self.failed.insert(name, why);
                }
            }
        }
        if any && has_started {
            // The configuration listens elsewhere.
            self.early.clear();
        }
    }

    /// Accepts on one of the workers, beside its connections: where there is only one, nothing goes from thread to thread, and
    /// nobody else has to be woken.
    fn open(
        &mut self,
        name: &str,
        socket: TcpListener,
        held: Vec<Held>,
        workers: &WorkersHandle<Worker>,
        shared: &Arc<Shared>,
    ) -> Result<Open, String> {
        let drain = Drain::new();
        let door = Door {
            name: name.into(),
            on: WorkerIndex(self.turn % workers.count()),
            workers: workers.clone(),
            shared: shared.clone(),
            drain: drain.watch(),
            arrivals: Arrivals::default(),
        };
        self.turn += 1;
        let (accepts, closed) = oneshot::channel();
        let (on, broken) = (door.on, self.broken.clone());
        let accepting = move |_| async move {
            tokio::select! {
                _ = closed => {}
                Err(error) = door.accept(socket, held) => {
                    tracing::error!(listener = %door.name, %error, "accepting failed for good; the listener is opened anew");
                    // One that breaks each time does not keep everybody busy.
                    tokio::time::sleep(AGAIN).await;
                    broken.notify_one();
                }
            }
        };
        workers.run_on(on, accepting).map_err(|e| e.to_string())?;
        Ok(Open { accepts, drain })
    }

    /// Tells every connection to end and stops listening.
    pub fn close(&mut self) {
        for (_, open) in std::mem::take(&mut self.open) {
            open.close();
        }
    }

    /// The ports that are listened on.
    pub fn ports(&self) -> BTreeSet<u16> {
        self.open
            .keys()
            .map(|(_, address)| address.port())
            .chain(self.early.keys().map(SocketAddr::port))
            .collect()
    }

    /// Connections and requests that are still open.
    pub fn active(&self) -> usize {
        self.open.values().map(|open| open.drain.active()).sum()
    }

    /// Starts to drain everything, but goes on listening.
    pub fn drain(&self) {
        self.open.values().for_each(|open| open.drain.begin());
    }
}

impl Open {
    fn close(self) {
        self.drain.begin();
    }
}

/// How `address` is listened on: every address of IPv6 leaves those of IPv4 to a socket that is wanted for these.
fn settings(address: SocketAddr, transparent: bool, wanted: &[SocketAddr]) -> ListenSettings {
    let other = SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), address.port());
    let only_v6 = (address.ip() == Ipv6Addr::UNSPECIFIED && wanted.contains(&other)).then_some(true);
    ListenSettings { transparent, only_v6, ..ListenSettings::default() }
}

/// What connections of one socket come through.
struct Door {
    name: Arc<str>,
    /// Where it is.
    on: WorkerIndex,
    workers: WorkersHandle<Worker>,
    shared: Arc<Shared>,
    drain: DrainWatch,
    arrivals: Arrivals,
}

impl Door {
    /// Lets in what was held, and then what comes, until the workers stop.
    async fn accept(&self, socket: TcpListener, held: Vec<Held>) -> std::io::Result<()> {
        let mut acceptor = Acceptor::new(socket)?;
        let mut held = held.into_iter();
        loop {
            let connection = match held.next() {
                Some(connection) => connection,
                None => acceptor.accept().await?,
            };
            if !self.let_in(connection) {
                return Ok(());
            }
        }
    }

    /// `false`: there is nobody any more who would serve it.
    fn let_in(&self, (socket, source): Held) -> bool {
        let name = &self.name;
        let most = if self.shared.overload.is_full() { FEW } else { MOST };
        let Some(arriving) = self.arrivals.enter(most) else {
            tracing::debug!(listener = %name, %source, "refused: {most} connections are in their handshakes");
            return true;
        };
        let (name, watch) = (name.clone(), self.drain.clone());
        self.workers
            .assign(self.on, move |worker| arrive(worker, socket, source, name, watch, arriving))
            .is_ok()
    }
}
