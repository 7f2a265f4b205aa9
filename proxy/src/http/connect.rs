//! CONNECT, as an HTTP proxy's client asks for it: a tunnel whose content is what it is, HTTP or bytes.

use std::future::poll_fn;
use std::rc::Rc;
use std::time::Duration;

use weft_http1::write_response;
use weft_model::table::chain::Terminal;

use super::call::Call;
use super::h1::H1;
use super::message::Outlet as _;
use super::plan::plan;
use super::reply::Reply;
use crate::connection::Conn;
use crate::sniff::{self, Protocol};
use crate::stream::Io;
use crate::upstream::pick::pick;

/// A client that says nothing for so long waits for the server to speak first.
const SILENCE: Duration = Duration::from_millis(200);

/// Serves a CONNECT whose head is in `call`.
pub async fn serve(conn: Rc<Conn>, mut h1: H1, mut call: Call) {
    let authority = call.request.target().to_owned();
    let decided = decide(&conn, &mut call);
    let (id, cluster) = match decided {
        Ok(found) => found,
        Err(reply) => {
            tracing::info!(%authority, reason = %reply.reason, status = reply.status, "CONNECT refused");
            let _ = reply.write(&mut call.response, &call.request);
            let _ = call.response.headers.set("content-length", "0");
            let _ = call.response.headers.set("connection", "close");
            call.ledger.details = reply.details;
            call.ledger.reason = reply.reason;
            call.ledger.flags = reply.flags;
            h1.start_output(false, |out| write_response(&call.response, out));
            let _ = poll_fn(|cx| h1.poll_flush(cx)).await;
            conn.worker.observer.finished(&conn, &call, weft_telemetry::Protocol::Http11);
            return;
        }
    };
    call.response.clear();
    call.response.set_status(200);
    h1.start_output(false, |out| write_response(&call.response, out));
    if poll_fn(|cx| h1.poll_flush(cx)).await.is_err() {
        return;
    }
    match content(&mut h1).await {
        Some(Protocol::H2c | Protocol::Http11 | Protocol::Http10) => {
            let (mut io, rest) = h1.into_parts();
            io.unread(&rest);
            // Boxed, because HTTP within CONNECT within HTTP is a circle of types.
            Box::pin(super::serve::serve(conn, io, None)).await;
        }
        None => {}
        Some(Protocol::Tls | Protocol::Other) => {
            let (mut io, rest) = h1.into_parts();
            io.unread(&rest);
            forward(&conn, io, &authority, id, cluster).await;
        }
    }
}

type Found = (weft_model::table::ClusterId, std::sync::Arc<crate::snapshot::ClusterView>);

fn decide(conn: &Conn, call: &mut Call) -> Result<Found, Reply> {
    let gone = || Reply::new(503, "", "listener_changed").because("the listener changed: connect again");
    let (snapshot, chain) = conn.current().ok_or_else(gone)?;
    let Terminal::Http(manager) = &chain.terminal else { return Err(gone()) };
    let allowed =
        manager.settings.upgrades.iter().any(|u| u.enabled && u.token.eq_ignore_ascii_case("connect"));
    if !allowed {
        return Err(Reply::new(403, "", "upgrade_failed")
            .because("this listener is no HTTP proxy: CONNECT is not served here"));
    }
    let table = match &manager.routes {
        weft_model::table::chain::RouteSource::Inline(table) => table.clone(),
        weft_model::table::chain::RouteSource::Named(id, name) => {
            snapshot.table.routes(*id).cloned().ok_or_else(|| {
                Reply::new(503, "", "route_configuration_missing")
                    .because(format!("route configuration {name} has not arrived"))
            })?
        }
    };
    let plan = plan(conn, &snapshot, &table, call, "http")?;
    Ok((plan.id, plan.cluster))
}

/// What the client speaks within its tunnel; `None`: it has gone.
async fn content(h1: &mut H1) -> Option<Protocol> {
    loop {
        if let Some(protocol) = sniff::protocol(h1.unread(), false) {
            return Some(protocol);
        }
        match tokio::time::timeout(SILENCE, poll_fn(|cx| h1.poll_fill(cx))).await {
            Ok(Ok(true)) => {}
            Ok(Ok(false)) => return sniff::protocol(h1.unread(), true).filter(|_| h1.has_input()),
            Ok(Err(_)) => return None,
            // Server-first, or half a line: bytes it is.
            Err(_) => return Some(Protocol::Other),
        }
    }
}

async fn forward(
    conn: &Rc<Conn>,
    io: Io,
    authority: &str,
    id: weft_model::table::ClusterId,
    cluster: std::sync::Arc<crate::snapshot::ClusterView>,
) {
    use weft_model::cluster::Discovery;
    let original = if cluster.cluster.settings.discovery == Discovery::OriginalDst {
        match crate::upstream::outside::resolve(authority, 443, conn).await {
            Ok(address) => Some(address),
            Err(reason) => return tracing::info!(%authority, %reason, "tunnel refused"),
        }
    } else {
        None
    };
    if let Err(why) = pick(&conn.worker, id, &cluster, None, &[], original) {
        return tracing::info!(%authority, reason = %why, "tunnel refused");
    }
    crate::tcp::forward(conn, io, id, &cluster, None, original, None).await;
}
