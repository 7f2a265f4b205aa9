//! A connection that is only passed on: authorize it, pick an endpoint, copy; judged again whenever its policy changes.

mod first;

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use tokio::io::AsyncReadExt as _;
use weft_model::cluster::Discovery;
use weft_model::table::ClusterId;
use weft_model::table::chain::{Chain, Terminal};
use weft_policy::authorize::{self, Denial, Verdict};
use weft_policy::balance::Before;
use weft_policy::breaker::{Full, Resource};
use weft_policy::canary;
use weft_policy::hash_key;
use weft_policy::outlier::Outcome;
use weft_telemetry::{Peer, ResponseFlag, ResponseFlags};

use crate::connection::silence::Silence;
use crate::connection::{Conn, Standing};
use crate::observe::{Over, words};
use crate::snapshot::{ClusterView, Local};
use crate::sniff::is_http2_server;
use crate::stream::Io;
use crate::tunnel::{self, Bounds, Cut, Ended};
use crate::upstream::chosen::InFlight;
use crate::upstream::clash;
use crate::upstream::connect::{Connected, SocketSettings, Speaks, connect};
use crate::upstream::nobody;
use crate::upstream::outlier::note;
use crate::upstream::pick::pick;
use crate::upstream::places::Place;
use crate::upstream::whose;

pub use first::{First, first_to_speak};

/// An idle tunnel is kept for so long where the configuration says nothing: Envoy's hour.
const IDLE: Duration = Duration::from_secs(3600);

/// So many endpoints are tried before a connection is given up, where nobody says how many; nothing was sent to any of them.
const TRIES: usize = 3;

/// Serves a connection of a TCP chain to its end.
pub async fn serve(conn: Rc<Conn>, mut io: Io) {
    if !first::has_spoken(&conn, &mut io).await {
        return;
    }
    let silence = first::silence(&conn, &io);
    if silence.as_ref().is_some_and(Silence::is_left) {
        return;
    }
    match Way::of(&conn) {
        Ok(way) => {
            if let Some(opened) = way.open(&conn).await {
                opened.carry(&conn, io, silence).await;
            }
        }
        Err(no) => refused(&conn, no.flag, &no.details, no.policy.as_deref(), no.reason),
    }
}

/// Where a connection goes that is only passed on.
pub struct Way {
    /// Which cluster.
    pub id: ClusterId,
    /// The cluster.
    pub cluster: Local<ClusterView>,
    /// The key of consistent hashing.
    pub hash: Option<u64>,
    /// Where it goes whose cluster has no endpoints of its own.
    pub original: Option<SocketAddr>,
    /// How long nothing may move; `None`: an hour, zero: for ever.
    pub idle: Option<Duration>,
    /// How long it may last.
    pub life: Option<Duration>,
    /// At how many endpoints it is tried; `None`: at three.
    pub attempts: Option<u32>,
}

/// Why a connection goes nowhere.
struct NoWay {
    flag: Option<ResponseFlag>,
    details: String,
    policy: Option<String>,
    reason: String,
}

impl NoWay {
    fn new(flag: ResponseFlag, details: &str, reason: String) -> Self {
        Self { flag: Some(flag), details: details.to_owned(), policy: None, reason }
    }
}

impl Way {
    fn of(conn: &Conn) -> Result<Self, NoWay> {
        let changed = || {
            let why = "its listener changed and does not take it any more".to_owned();
            NoWay::new(ResponseFlag::NoRouteFound, "listener_changed", why)
        };
        if let Some(why) = conn.worker.overloaded(Instant::now()) {
            return Err(NoWay::new(ResponseFlag::OverloadManager, "overload", why));
        }
        let (snapshot, chain) = conn.current().ok_or_else(changed)?;
        if let Some((policy, why)) = judge(conn) {
            let details = format!("rbac_access_denied_matched_policy[{policy}]");
            let no = NoWay::new(ResponseFlag::UnauthorizedExternalService, &details, why);
            return Err(NoWay { policy: Some(policy), ..no });
        }
        let Terminal::Tcp(proxy) = &chain.terminal else { return Err(changed()) };
        let target = match &proxy.targets[..] {
            [(only, _)] => only,
            several => &canary::in_turn(several, proxy.total, &proxy.turns, conn.worker.index).0,
        };
        let Some(cluster) = snapshot.keep_cluster(target.id) else {
            let why = format!("cluster {} does not exist: is the subset or port defined?", target.name);
            return Err(NoWay::new(ResponseFlag::NoClusterFound, "cluster_not_found", why));
        };
        let original = if cluster.cluster.settings.discovery == Discovery::OriginalDst {
            let circle =
                |why| NoWay::new(ResponseFlag::NoHealthyUpstream, "original_destination_is_own", why);
            Some(conn.original().map_err(circle)?)
        } else {
            None
        };
        let hash = hash_key::of_connection(&proxy.settings.hash, conn.source.ip());
        let settings = &proxy.settings;
        let life = settings.max_connection_duration.filter(|life| !life.is_zero());
        let (idle, attempts) = (settings.idle_timeout, settings.max_connect_attempts);
        Ok(Self { id: target.id, cluster, hash, original, idle, life, attempts })
    }

    /// Connects to an endpoint. A failure is written down here; there is nothing more to do then.
    pub async fn open(self, conn: &Conn) -> Option<Opened> {
        let started = (Instant::now(), SystemTime::now());
        match reach(conn, &self).await {
            Ok(reached) => Some(Opened {
                reached,
                cluster: self.cluster,
                idle: self.idle,
                life: self.life,
                started,
                chain: conn.last_chain(),
            }),
            Err((flag, why)) => {
                let over = Over { reason: why, flags: ResponseFlags::NONE.with(flag), ..nothing(started) };
                conn.worker.observer.closed(conn, &Over { cluster: Some(&self.cluster), ..over }, None);
                None
            }
        }
    }
}

/// Which policy denies a connection and why, if one does.
fn judge(conn: &Conn) -> Option<(String, String)> {
    let chain = match conn.standing() {
        Standing::Taken(_, chain) => chain,
        // What is open has time to end.
        Standing::Draining => return None,
        Standing::Untaken => {
            let why = "its listener changed and does not take it any more";
            return Some(("none".to_owned(), why.to_owned()));
        }
    };
    let facts = conn.facts();
    match authorize::connection(&chain.gates, &facts).verdict {
        Verdict::Allowed { .. } => None,
        Verdict::Denied(denial) => {
            let who =
                conn.names.as_ref().and_then(|n| n.uris.first()).map_or("nobody proven", String::as_str);
            let policy = match &denial {
                Denial::Policy { policy } | Denial::Undecided { policy, .. } => (*policy).to_owned(),
                Denial::NoneMatched { .. } | Denial::Custom { .. } => "none".to_owned(),
            };
            Some((policy, format!("RBAC: access denied: {denial}; the peer is {who}")))
        }
    }
}

/// Waits until a changed configuration denies the connection, or its listener's drain is over.
async fn watched(conn: &Conn) -> String {
    let mut changes = conn.worker.shared.live.changes();
    let mut ended = std::pin::pin!(conn.drain_deadline());
    loop {
        // Before the first wait, too: the configuration may have changed since the connection was let in.
        if let Some((_, why)) = judge(conn) {
            return why;
        }
        tokio::select! {
            why = &mut ended => return why,
            alive = changes.changed() => if !alive {
                return "the process is ending".to_owned();
            },
        }
    }
}

/// A connection to an endpoint.
struct Reached {
    io: Io,
    /// Counted as in flight to its endpoint.
    in_flight: InFlight,
    /// The workload there, as far as it proved to be it.
    peer: Arc<Peer>,
    /// Counted among the cluster's connections.
    place: Place,
}

/// A connection to an endpoint that nothing was sent on yet.
pub struct Opened {
    reached: Reached,
    cluster: Local<ClusterView>,
    idle: Option<Duration>,
    life: Option<Duration>,
    started: (Instant, SystemTime),
    /// The chain that it was made for.
    chain: Local<Chain>,
}

impl Opened {
    /// Waits until the server says something, or ends; what it says stays to be read. One of HTTP/2 that says no more than
    /// that has not spoken first: whatever it waits for, it is a request.
    pub async fn hear(&mut self) {
        let up = &mut self.reached.io;
        let mut first = [0; 64];
        // A failure shows again when it is copied from.
        let n = up.read(&mut first).await.unwrap_or(0);
        up.unread(&first[..n]);
        if is_http2_server(&first[..n]) {
            std::future::pending::<()>().await;
        }
    }

    /// Copies until the end, and writes it down.
    pub async fn run(self, conn: &Conn, io: Io) {
        self.carry(conn, io, None).await;
    }

    /// The same, where the caller says nothing as yet, and may leave for that.
    async fn carry(self, conn: &Conn, mut io: Io, silence: Option<Silence>) {
        let Self { reached, cluster, idle, life, started, .. } = self;
        let Reached { io: mut up, in_flight, peer, place } = reached;
        let endpoint = in_flight.endpoint().clone();
        let _guard = conn.drain.guard();
        let counted = conn.worker.observer.opened(conn, &cluster, &peer);
        let idle = idle.map_or(Some(IDLE), |limit| (!limit.is_zero()).then_some(limit));
        let bounds = Bounds { idle, life: life.map(|life| (life, started.0)) };
        let left = match &silence {
            Some(_) => first::is_left_in_silence(conn, &mut io, &mut up, &bounds).await,
            None => false,
        };
        let ended = if left {
            first::leave(conn, &endpoint, up, place);
            drop(silence);
            Ended { sent: 0, received: 0, why: None }
        } else {
            drop(silence);
            let ended = tunnel::run(&mut io, &mut up, bounds, watched(conn)).await;
            drop((up, place));
            ended
        };
        drop(in_flight);
        let mut over = Over {
            cluster: Some(&cluster),
            upstream: Some(endpoint.address),
            endpoint: Some(&peer),
            ended: Some(&ended),
            ..nothing(started)
        };
        if let Some(cut) = &ended.why {
            over.reason = words(cut);
            over.flags.insert(flag(cut));
        }
        // Whoever was asked something and said nothing at all.
        if ended.sent > 0
            && ended.received == 0
            && matches!(ended.why, None | Some(Cut::Upstream(_)))
            && let Some(clash) = clash::of_silence(&cluster, endpoint.address)
        {
            let before =
                if over.reason.is_empty() { "the server ended it without a word" } else { &over.reason };
            over.reason = format!("{before}; {clash}");
        }
        conn.worker.observer.closed(conn, &over, Some(counted));
    }
}

/// Envoy's letters for a cut.
pub fn flag(cut: &Cut) -> ResponseFlag {
    match cut {
        Cut::Downstream(_) => ResponseFlag::DownstreamConnectionTermination,
        Cut::Upstream(_) => ResponseFlag::UpstreamConnectionTermination,
        Cut::Idle(_) => ResponseFlag::StreamIdleTimeout,
        Cut::Spent(_) => ResponseFlag::DurationTimeout,
        Cut::Judged(_) => ResponseFlag::UnauthorizedExternalService,
    }
}

fn nothing<'a>(started: (Instant, SystemTime)) -> Over<'a> {
    Over {
        started,
        flags: ResponseFlags::NONE,
        details: None,
        reason: String::new(),
        policy: None,
        cluster: None,
        upstream: None,
        endpoint: None,
        ended: None,
    }
}

/// Writes down a connection that was closed before anything was served on it.
pub fn refused(conn: &Conn, flag: Option<ResponseFlag>, details: &str, policy: Option<&str>, reason: String) {
    tracing::debug!(listener = %conn.listener, source = %conn.source, %reason, "connection closed");
    let started = (Instant::now(), SystemTime::now());
    let flags = flag.map_or(ResponseFlags::NONE, |flag| ResponseFlags::NONE.with(flag));
    let over = Over { flags, details: Some(details), policy, reason, ..nothing(started) };
    conn.worker.observer.closed(conn, &over, None);
}

/// A connection to one of the cluster's endpoints; nothing was sent to those that could not be reached.
async fn reach(conn: &Conn, way: &Way) -> Result<Reached, (ResponseFlag, String)> {
    let Way { id, cluster, hash, original, attempts, .. } = way;
    let most = match attempts {
        Some(said) => usize::try_from(*said).unwrap_or(usize::MAX),
        None => TRIES.min(cluster.endpoints.len()),
    };
    let name = &cluster.cluster.settings.name;
    let places = &cluster.state.places;
    let mut tried = Vec::new();
    loop {
        let picked = pick(&conn.worker, *id, cluster, *hash, Before::endpoints(&tried), *original);
        let nobody = |why| nobody::words(&conn.worker.snapshot(), cluster, why);
        let endpoint = picked.map_err(|why| (ResponseFlag::NoHealthyUpstream, nobody(why)))?;
        tried.push(endpoint.place());
        let mut in_flight = InFlight::to(endpoint.clone(), conn.worker.index, None);
        let Some(counted) = places.take() else {
            places.note_refusal();
            let full = Full { resource: Resource::Connections, limit: places.limit(), load: places.open() };
            return Err((ResponseFlag::UpstreamOverflow, format!("cluster {name}: {full}")));
        };
        in_flight.asked();
        let limit = cluster.connect_timeout;
        let socket = SocketSettings { original_source: conn.original_source, ..cluster.socket };
        match connect(endpoint.address, &endpoint.carrier, Speaks::Tcp, socket, limit, None).await {
            Ok(Connected { io, peer, .. }) => {
                note(cluster, &endpoint, Outcome::CONNECTED);
                let principal = peer.as_ref().and_then(|names| names.uris.first());
                let peer = conn.worker.observer.proven(&endpoint.peer, principal.map(String::as_str));
                return Ok(Reached { io, in_flight, peer, place: counted });
            }
            Err(error) => {
                cluster.state.cannot_connect(&endpoint.state);
                note(cluster, &endpoint, Outcome::LocalOrigin);
                tracing::debug!(cluster = %name, reason = %error, "no connection to an endpoint");
                if tried.len() >= most {
                    let more =
                        clash::of_failure(cluster, &error).or_else(|| whose::of(conn, cluster, &error, true));
                    let more = more.map(|more| format!("; {more}")).unwrap_or_default();
                    let why = format!("cluster {name}: {error}{more}");
                    return Err((ResponseFlag::UpstreamConnectionFailure, why));
                }
            }
        }
    }
}
