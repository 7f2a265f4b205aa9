//! The life of a request: prepare, authorize, route, try (again), relay, write down. Decide, then do.

use std::future::poll_fn;
use std::rc::Rc;

use weft_model::table::RouteTable;
use weft_model::table::chain::{HttpManager, RouteSource, Terminal};
use weft_model::table::route::{Action, Target};
use weft_telemetry::ResponseFlag;

use super::call::{Call, Ledger};
use super::downstream::Downstream;
use super::message::Length;
use super::plan::{Plan, plan};
use super::reply::{Reply, is_grpc};
use super::tries::forward;
use super::watch::Watch;
use super::{admit, local, peers};
use crate::connection::Conn;
use crate::snapshot::{ClusterView, Current, Local, Snapshot};
use crate::tunnel::Bounds;
use crate::upstream::chosen::InFlight;
use crate::upstream::places::Place;

/// What becomes of the connection after an exchange.
#[derive(Debug)]
pub enum After {
    /// Whatever the codec says.
    Next,
    /// It belongs to another protocol now; the exchange is written down when that has ended.
    Tunnel(Box<Tunnel>),
}

/// The upstream's end of a connection that was upgraded.
#[derive(Debug)]
pub struct Tunnel {
    /// The connection.
    pub up: super::h1::H1,
    /// Counted as in flight for as long as it lasts.
    pub in_flight: InFlight,
    /// Counted among the cluster's connections, too.
    pub place: Place,
    /// What the exchange's own limits of time leave it.
    pub bounds: Bounds,
}

/// What does not change from one try of a request to the next.
pub(super) struct Exchange<'a> {
    pub(super) conn: &'a Conn,
    pub(super) manager: &'a HttpManager,
    pub(super) plan: &'a Plan,
    pub(super) scheme: &'a str,
    pub(super) length: Length,
    pub(super) watch: Watch<'a>,
}

/// Why an exchange did not end with an upstream's answer.
pub(super) enum End {
    /// It gets one of ours. Boxed, being the rare case, for what ends well to be small.
    Reply(Box<Reply>),
    /// There is nobody to answer, or the answer was half sent.
    Gone,
}

impl From<Reply> for End {
    fn from(reply: Reply) -> Self {
        Self::Reply(Box::new(reply))
    }
}

/// Serves one request, whose head is in `call` and nothing else, from its first byte to the last of its answer.
pub async fn exchange<D: Downstream>(conn: &Conn, call: &mut Call, down: &mut D, length: Length) -> After {
    call.ledger.begin();
    call.ledger.grpc = is_grpc(&call.request);
    call.response.clear();
    match run(conn, call, down, length).await {
        Ok(After::Next) => {}
        Ok(tunnel) => return tunnel,
        Err(End::Reply(reply)) => local::answer(conn, call, down, *reply).await,
        Err(End::Gone) => down.abort(),
    }
    conn.worker.observer.finished(conn, call, down.protocol());
    After::Next
}

/// Answers what came in place of a request that could be served, and writes it down.
pub async fn refuse<D: Downstream>(conn: &Conn, call: &mut Call, down: &mut D, reply: Reply) {
    tracing::debug!(source = %conn.source, reason = %reply.reason, status = reply.status, "request refused");
    call.ledger = Ledger::default();
    call.response.clear();
    local::answer(conn, call, down, reply).await;
    conn.worker.observer.finished(conn, call, down.protocol());
}

async fn run<D: Downstream>(
    conn: &Conn,
    call: &mut Call,
    down: &mut D,
    length: Length,
) -> Result<After, End> {
    let watch = Watch::new(conn);
    if let Some(why) = conn.worker.overloaded(call.ledger.start) {
        if conn.at_the_ceiling {
            down.leave();
        }
        return Err(overloaded(why).into());
    }
    let Some((snapshot, chain)) = conn.current() else {
        down.leave();
        return Err(changed("the listener no longer takes this connection: connect again").into());
    };
    let Terminal::Http(manager) = &chain.terminal else {
        down.leave();
        return Err(changed("the port no longer speaks HTTP: connect again").into());
    };
    {
        let mut rng = conn.worker.rng.borrow_mut();
        admit::prepare(conn, manager, call, &mut rng)?;
    }
    let scheme = admit::scheme(&call.request);
    peers::on_request(conn, manager, call);
    if let Err(reply) = admit::authorize(conn, manager, call, scheme) {
        call.ledger.cluster = only_cluster(manager, &snapshot);
        return Err(reply.into());
    }
    let snapshot = routes(conn, manager, snapshot).await?;
    let plan = plan(conn, manager, &snapshot, table(manager, &snapshot)?, call, scheme);
    drop(snapshot);
    held_up(call, down).await?;
    let plan = plan.map_err(|reply| reply.besides(&call.ledger.reason))?;
    peers::to_upstream(conn, manager, call, &plan.cluster);
    forward(&Exchange { conn, manager, plan: &plan, scheme, length, watch }, call, down).await
}

/// The proxy itself has no room for it.
fn overloaded(why: String) -> Reply {
    let mut reply = Reply::new(503, "envoy overloaded", "overload");
    reply.headers.push(("x-envoy-overloaded", "true".to_owned()));
    reply.flag(ResponseFlag::OverloadManager).because(why)
}

/// Where all requests of an inbound port go: those that are denied are its service's, too.
fn only_cluster(manager: &HttpManager, snapshot: &Current) -> Option<Local<ClusterView>> {
    let RouteSource::Inline(table) = &manager.routes else { return None };
    let [host] = &table.hosts[..] else { return None };
    let [route] = &host.routes[..] else { return None };
    let Action::Forward(forward) = &route.action else { return None };
    let Target::Cluster(only) = &forward.target else { return None };
    snapshot.keep_cluster(only.cluster.id)
}

/// Waits as long as a fault asks for, whatever comes then; a client that goes away meanwhile is waited for no longer.
async fn held_up<D: Downstream>(call: &mut Call, down: &mut D) -> Result<(), End> {
    let Some(delay) = call.ledger.delay else { return Ok(()) };
    call.ledger.flags.insert(ResponseFlag::DelayInjected);
    tokio::select! {
        () = tokio::time::sleep(delay) => {
            call.ledger.reason = format!(
                "{} held this up for {delay:?} on purpose (VirtualService fault.delay)",
                called(call.ledger.route_name().unwrap_or_default())
            )
            .into();
            Ok(())
        }
        () = poll_fn(|cx| down.poll_gone(cx)) => {
            call.ledger.flags.insert(ResponseFlag::DownstreamConnectionTermination);
            call.ledger.details = "downstream_remote_disconnect".into();
            call.ledger.reason = "the client went away while a fault held its request up".into();
            Err(End::Gone)
        }
    }
}

/// A route in a sentence, by its name if it has one.
pub(super) fn called(route: &str) -> String {
    if route.is_empty() { "a route without a name".to_owned() } else { format!("route {route:?}") }
}

pub(super) fn changed(why: &'static str) -> Reply {
    Reply::new(503, "", "listener_changed").because(why)
}

/// The route configuration, if it has arrived.
fn known<'a>(manager: &'a HttpManager, snapshot: &'a Snapshot) -> Option<&'a RouteTable> {
    match &manager.routes {
        RouteSource::Inline(table) => Some(table),
        RouteSource::Named(named) => snapshot.table.routes(named.id).map(|table| &**table),
    }
}

/// The route configuration, in a snapshot that has it.
pub(super) fn table<'a>(manager: &'a HttpManager, snapshot: &'a Snapshot) -> Result<&'a RouteTable, Reply> {
    known(manager, snapshot).ok_or_else(|| changed("the route configuration has just gone: try again"))
}

/// A snapshot that has the route configuration; one that has not arrived yet is waited for, and then refused.
pub(super) async fn routes(
    conn: &Conn,
    manager: &HttpManager,
    mut snapshot: Rc<Current>,
) -> Result<Rc<Current>, Reply> {
    if known(manager, &snapshot).is_some() {
        return Ok(snapshot);
    }
    let hold = conn.worker.shared.bootstrap.hold;
    let deadline = tokio::time::Instant::now() + hold;
    let mut changes = conn.worker.shared.live.changes();
    loop {
        snapshot = conn.worker.snapshot();
        if known(manager, &snapshot).is_some() {
            return Ok(snapshot);
        }
        let waited = tokio::time::timeout_at(deadline, changes.changed()).await;
        if !matches!(waited, Ok(true)) {
            let name = if let RouteSource::Named(named) = &manager.routes { &*named.name } else { "" };
            return Err(Reply::new(503, "", "route_configuration_missing")
                .flag(ResponseFlag::NoRouteFound)
                .because(format!(
                    "route configuration {name} has not arrived within {hold:?}; is the control plane up?"
                )));
        }
    }
}
