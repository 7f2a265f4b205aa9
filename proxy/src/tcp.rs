//! A connection that is only passed on: authorize it, pick an endpoint, copy; judged again whenever its policy changes.

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant, SystemTime};

use rand::RngExt as _;
use weft_model::cluster::Discovery;
use weft_model::table::ClusterId;
use weft_model::table::chain::Terminal;
use weft_policy::authorize::{self, Denial, Verdict};
use weft_policy::hash_key;
use weft_telemetry::{ResponseFlag, ResponseFlags, TcpConnection};

use crate::connection::Conn;
use crate::observe::{Over, words};
use crate::snapshot::{ClusterView, EndpointView};
use crate::stream::Io;
use crate::tunnel::{self, Cut, Ended};
use crate::upstream::connect::{Connected, Speaks, connect};
use crate::upstream::endpoint::InFlight;
use crate::upstream::pick::pick;

/// An idle tunnel is kept for so long where the configuration says nothing: Envoy's hour.
const IDLE: Duration = Duration::from_secs(3600);

/// So many endpoints are tried before a connection is given up; nothing was sent to any of them.
const TRIES: usize = 3;

/// Serves a connection of a TCP chain to its end.
pub async fn serve(conn: Rc<Conn>, io: Io) {
    let Some((snapshot, chain)) = conn.current() else {
        let why = "its listener changed and does not take it any more".to_owned();
        return refused(&conn, Some(ResponseFlag::NoRouteFound), "listener_changed", None, why);
    };
    if let Some((policy, why)) = judge(&conn) {
        let details = format!("rbac_access_denied_matched_policy[{policy}]");
        let flag = Some(ResponseFlag::UnauthorizedExternalService);
        return refused(&conn, flag, &details, Some(&policy), why);
    }
    let Terminal::Tcp(proxy) = &chain.terminal else { return };
    let target = {
        let mut draw = conn.worker.rng.borrow_mut().random_range(0..proxy.total.max(1));
        proxy.targets.iter().find(|(_, weight)| {
            let here = draw < u64::from(*weight);
            draw = draw.saturating_sub(u64::from(*weight));
            here
        })
    };
    let Some((target, _)) = target else { return };
    let Some(cluster) = snapshot.cluster(target.id).cloned() else {
        let why = format!("cluster {} does not exist: is the subset or port defined?", target.name);
        return refused(&conn, Some(ResponseFlag::NoClusterFound), "cluster_not_found", None, why);
    };
    let original = if cluster.cluster.settings.discovery == Discovery::OriginalDst {
        match conn.original() {
            Ok(address) => Some(address),
            Err(why) => {
                let flag = Some(ResponseFlag::NoHealthyUpstream);
                return refused(&conn, flag, "original_destination_is_own", None, why);
            }
        }
    } else {
        None
    };
    let hash = hash_key::of_connection(&proxy.settings.hash, conn.source.ip());
    let idle = proxy.settings.idle_timeout;
    let id = target.id;
    drop((snapshot, chain));
    forward(&conn, io, id, &cluster, hash, original, idle).await;
}

/// Which policy denies a connection and why, if one does.
fn judge(conn: &Conn) -> Option<(String, String)> {
    let Some((_, chain)) = conn.current() else {
        return Some(("none".to_owned(), "its listener changed and does not take it any more".to_owned()));
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
        tokio::select! {
            why = &mut ended => return why,
            alive = changes.changed() => {
                if !alive {
                    return "the process is ending".to_owned();
                }
                if let Some((_, why)) = judge(conn) {
                    return why;
                }
            }
        }
    }
}

/// Connects to an endpoint of `cluster` and copies until the end.
async fn forward(
    conn: &Conn,
    io: Io,
    id: ClusterId,
    cluster: &Arc<ClusterView>,
    hash: Option<u64>,
    original: Option<SocketAddr>,
    idle: Option<Duration>,
) {
    if let Some(opened) = open(conn, id, cluster, hash, original).await {
        opened.run(conn, io, idle).await;
    }
}

/// Connects to an endpoint of `cluster`. A failure is written down here; there is nothing more to do then.
pub async fn open(
    conn: &Conn,
    id: ClusterId,
    cluster: &Arc<ClusterView>,
    hash: Option<u64>,
    original: Option<SocketAddr>,
) -> Option<Opened> {
    let started = (Instant::now(), SystemTime::now());
    match reach(conn, id, cluster, hash, original).await {
        Ok((up, endpoint, in_flight)) => {
            let counted = conn.worker.observer.opened(conn, cluster, &endpoint.peer);
            let cluster = cluster.clone();
            Some(Opened { up, endpoint, in_flight, counted, cluster, started })
        }
        Err((flag, why)) => {
            let over = Over { reason: why, flags: ResponseFlags::NONE.with(flag), ..nothing(started) };
            conn.worker.observer.closed(conn, &Over { cluster: Some(cluster), ..over }, None);
            None
        }
    }
}

/// A connection to an endpoint that nothing was sent on yet.
pub struct Opened {
    up: Io,
    endpoint: EndpointView,
    in_flight: InFlight,
    counted: TcpConnection,
    cluster: Arc<ClusterView>,
    started: (Instant, SystemTime),
}

impl Opened {
    /// The upstream's stream.
    pub fn up(&mut self) -> &mut Io {
        &mut self.up
    }

    /// Copies until the end.
    pub async fn run(mut self, conn: &Conn, mut io: Io, idle: Option<Duration>) {
        let _guard = conn.drain.guard();
        let idle = idle.map_or(Some(IDLE), |limit| (!limit.is_zero()).then_some(limit));
        let ended = tunnel::run(&mut io, &mut self.up, idle, watched(conn)).await;
        self.close(conn, Some(&ended));
    }

    /// It turns out not to be needed.
    pub fn abandon(self, conn: &Conn) {
        self.close(conn, None);
    }

    fn close(self, conn: &Conn, ended: Option<&Ended>) {
        drop(self.in_flight);
        let mut over = Over {
            cluster: Some(&self.cluster),
            upstream: Some(self.endpoint.address),
            endpoint: Some(&self.endpoint.peer),
            ended,
            ..nothing(self.started)
        };
        if let Some(cut) = ended.and_then(|ended| ended.why.as_ref()) {
            over.reason = words(cut);
            over.flags.insert(flag(cut));
        }
        conn.worker.observer.closed(conn, &over, Some(self.counted));
    }
}

/// Envoy's letters for a cut.
pub fn flag(cut: &Cut) -> ResponseFlag {
    match cut {
        Cut::Downstream(_) => ResponseFlag::DownstreamConnectionTermination,
        Cut::Upstream(_) => ResponseFlag::UpstreamConnectionTermination,
        Cut::Idle(_) => ResponseFlag::StreamIdleTimeout,
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
async fn reach(
    conn: &Conn,
    id: ClusterId,
    cluster: &Arc<ClusterView>,
    hash: Option<u64>,
    original: Option<SocketAddr>,
) -> Result<(Io, EndpointView, InFlight), (ResponseFlag, String)> {
    let name = &cluster.cluster.settings.name;
    let mut tried = Vec::new();
    loop {
        let picked = pick(&conn.worker, id, cluster, hash, &tried, original);
        let (place, endpoint) =
            picked.map_err(|why| (ResponseFlag::NoHealthyUpstream, format!("cluster {name}: {why}")))?;
        tried.push(place);
        let in_flight = endpoint.state.begin();
        let limit = cluster.connect_timeout;
        match connect(endpoint.address, &endpoint.carrier, Speaks::Tcp, cluster.socket, limit, None).await {
            Ok(Connected { io, .. }) => return Ok((io, endpoint, in_flight)),
            Err(error) => {
                endpoint.state.connect_failures.fetch_add(1, Ordering::Relaxed);
                endpoint.state.failures.fetch_add(1, Ordering::Relaxed);
                tracing::debug!(cluster = %name, reason = %error, "no connection to an endpoint");
                if tried.len() >= TRIES.min(cluster.endpoints.len()) {
                    return Err((
                        ResponseFlag::UpstreamConnectionFailure,
                        format!("cluster {name}: {error}"),
                    ));
                }
            }
        }
    }
}
