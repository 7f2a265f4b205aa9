//! A connection that is only passed on: authorize it, pick an endpoint, copy; judged again whenever its policy changes.

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use rand::RngExt as _;
use weft_model::table::ClusterId;
use weft_model::table::chain::Terminal;
use weft_policy::authorize::{self, Verdict};
use weft_policy::hash_key;

use crate::connection::Conn;
use crate::snapshot::ClusterView;
use crate::stream::Io;
use crate::tunnel;
use crate::upstream::connect::{Connected, Speaks, connect};
use crate::upstream::pick::pick;

/// An idle tunnel is kept for so long where the configuration says nothing: Envoy's hour.
const IDLE: Duration = Duration::from_secs(3600);

/// So many endpoints are tried before a connection is given up; nothing was sent to any of them.
const TRIES: usize = 3;

/// Serves a connection of a TCP chain to its end.
pub async fn serve(conn: Rc<Conn>, io: Io) {
    let Some((snapshot, chain)) = conn.current() else { return };
    if let Some(why) = judge(&conn) {
        return tracing::info!(listener = %conn.listener, source = %conn.source, reason = %why, "connection denied");
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
        return tracing::info!(cluster = %target.name, listener = %conn.listener, "connection closed: its cluster does not exist");
    };
    let hash = hash_key::of_connection(&proxy.settings.hash, conn.source.ip());
    let idle = proxy.settings.idle_timeout;
    let id = target.id;
    drop((snapshot, chain));
    forward(&conn, io, id, &cluster, hash, Some(conn.destination), idle).await;
}

/// Why a connection may not go on, if it may not.
fn judge(conn: &Conn) -> Option<String> {
    let Some((_, chain)) = conn.current() else {
        return Some("its listener changed and does not take it any more".to_owned());
    };
    let facts = conn.facts();
    match authorize::connection(&chain.gates, &facts).verdict {
        Verdict::Allowed { .. } => None,
        Verdict::Denied(denial) => {
            let who = conn.names.as_ref().and_then(|n| n.uris.first()).map_or("nobody proven", String::as_str);
            Some(format!("RBAC: access denied: {denial}; the peer is {who}"))
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
                if let Some(why) = judge(conn) {
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
    let name = &cluster.cluster.settings.name;
    let _guard = conn.drain.guard();
    let mut tried = Vec::new();
    let (mut up, endpoint, in_flight) = loop {
        let (place, endpoint) = match pick(&conn.worker, id, cluster, hash, &tried, original) {
            Ok(picked) => picked,
            Err(why) => return tracing::info!(cluster = %name, reason = %why, "connection closed: no endpoint"),
        };
        tried.push(place);
        let in_flight = endpoint.state.begin();
        let limit = cluster.connect_timeout;
        match connect(endpoint.address, &endpoint.carrier, Speaks::Tcp, cluster.socket, limit, None).await {
            Ok(Connected { io, .. }) => break (io, endpoint, in_flight),
            Err(error) => {
                endpoint.state.connect_failures.fetch_add(1, Ordering::Relaxed);
                endpoint.state.failures.fetch_add(1, Ordering::Relaxed);
                tracing::info!(cluster = %name, reason = %error, "no connection to an endpoint");
                if tried.len() >= TRIES.min(cluster.endpoints.len()) {
                    return;
                }
            }
        }
    };
    let idle = idle.map_or(Some(IDLE), |limit| (!limit.is_zero()).then_some(limit));
    let ended = tunnel::run(&mut io, &mut up, idle, watched(conn)).await;
    drop(in_flight);
    tracing::debug!(cluster = %name, upstream = %endpoint.address, sent = ended.sent, received = ended.received, why = ?ended.why, "connection over");
}
