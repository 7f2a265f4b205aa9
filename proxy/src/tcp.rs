//! A connection that is only passed on: authorize it, pick an endpoint, copy; judged again whenever its policy changes.

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant, SystemTime};

use rand::RngExt as _;
use weft_model::table::ClusterId;
use weft_model::table::chain::Terminal;
use weft_policy::authorize::{self, Denial, Verdict};
use weft_policy::hash_key;
use weft_telemetry::{ResponseFlag, ResponseFlags};

use crate::connection::Conn;
use crate::observe::{Over, words};
use crate::snapshot::{ClusterView, EndpointView};
use crate::stream::Io;
use crate::tunnel::{self, Cut};
use crate::upstream::connect::{Connected, Speaks, connect};
use crate::upstream::endpoint::InFlight;
use crate::upstream::pick::pick;

/// An idle tunnel is kept for so long where the configuration says nothing: Envoy's hour.
const IDLE: Duration = Duration::from_secs(3600);

/// So many endpoints are tried before a connection is given up; nothing was sent to any of them.
const TRIES: usize = 3;

/// Serves a connection of a TCP chain to its end.
pub async fn serve(conn: Rc<Conn>, io: Io) {
    let started = (Instant::now(), SystemTime::now());
    let refuse = |flag: Option<ResponseFlag>, details: &str, reason: String| {
        tracing::debug!(listener = %conn.listener, source = %conn.source, %reason, "connection closed");
        let over = Over {
            started,
            flags: flag.map_or(ResponseFlags::NONE, |flag| ResponseFlags::NONE.with(flag)),
            details: Some(details),
            reason,
            policy: None,
            cluster: None,
            upstream: None,
            endpoint: None,
            ended: None,
        };
        conn.worker.observer.closed(&conn, &over, None);
    };
    let Some((snapshot, chain)) = conn.current() else { return };
    if let Some((policy, why)) = judge(&conn) {
        let details = format!("rbac_access_denied_matched_policy[{policy}]");
        return refuse(Some(ResponseFlag::UnauthorizedExternalService), &details, why);
    }
    let Terminal::Tcp(proxy) = &chain.terminal else { return };
    let target = {
        let mut draw = conn.worker.rng.borrow_mut().random_range(0..proxy.total);
        proxy.targets.iter().find(|(_, weight)| {
            let here = draw < u64::from(*weight);
            draw = draw.saturating_sub(u64::from(*weight));
            here
        })
    };
    let Some((target, _)) = target else { return };
    let Some(cluster) = snapshot.cluster(target.id).cloned() else {
        let why = format!("cluster {} does not exist: is the subset or port defined?", target.name);
        return refuse(Some(ResponseFlag::NoClusterFound), "cluster_not_found", why);
    };
    let hash = hash_key::of_connection(&proxy.settings.hash, conn.source.ip());
    let idle = proxy.settings.idle_timeout;
    let id = target.id;
    drop((snapshot, chain));
    forward(&conn, io, id, &cluster, hash, Some(conn.destination), idle).await;
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
pub async fn forward(
    conn: &Conn,
    mut io: Io,
    id: ClusterId,
    cluster: &Arc<ClusterView>,
    hash: Option<u64>,
    original: Option<SocketAddr>,
    idle: Option<Duration>,
) {
    let _guard = conn.drain.guard();
    let mut over = Over {
        started: (Instant::now(), SystemTime::now()),
        flags: ResponseFlags::NONE,
        details: None,
        reason: String::new(),
        policy: None,
        cluster: Some(cluster),
        upstream: None,
        endpoint: None,
        ended: None,
    };
    let (mut up, endpoint, in_flight) = match reach(conn, id, cluster, hash, original).await {
        Ok(reached) => reached,
        Err((flag, why)) => {
            over.flags.insert(flag);
            over.reason = why;
            return conn.worker.observer.closed(conn, &over, None);
        }
    };
    let opened = conn.worker.observer.opened(conn, cluster, &endpoint.peer);
    let idle = idle.map_or(Some(IDLE), |limit| (!limit.is_zero()).then_some(limit));
    let ended = tunnel::run(&mut io, &mut up, idle, watched(conn)).await;
    drop(in_flight);
    if let Some(cut) = &ended.why {
        over.reason = words(cut);
        over.flags.insert(match cut {
            Cut::Downstream(_) => ResponseFlag::DownstreamConnectionTermination,
            Cut::Upstream(_) => ResponseFlag::UpstreamConnectionTermination,
            Cut::Idle(_) => ResponseFlag::StreamIdleTimeout,
            Cut::Judged(_) => ResponseFlag::UnauthorizedExternalService,
        });
    }
    over.upstream = Some(endpoint.address);
    over.endpoint = Some(&endpoint.peer);
    over.ended = Some(&ended);
    conn.worker.observer.closed(conn, &over, Some(opened));
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
