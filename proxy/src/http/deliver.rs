//! The upstream's answer on its way to the client: its head dressed for this hop, its body relayed beside what is left of
//! the request's, and what a broken end of either side means for the other.

use std::future::poll_fn;
use std::task::Poll;
use std::time::Instant;

use weft_http1::{InvalidHeader, Name, Upgrade, strip_hop_by_hop};
use weft_model::listener::Direction;
use weft_policy::outlier::Outcome;
use weft_telemetry::{Peer, ResponseFlag};

use super::attempt::{Failure, Sent, give_back};
use super::call::{Call, Ledger};
use super::clock::{Clock, Over};
use super::downstream::Downstream;
use super::exchange::{After, End, Exchange, Tunnel};
use super::message::{Broken, Inlet as _, Length, Pump, PumpError};
use super::relay::Upload;
use super::reply::Reply;
use super::{hop, local, operations, peers, upgrade};
use crate::tunnel::Bounds;
use crate::upstream::outlier::note;
use crate::upstream::stream::{Answer, Upstream};

const SERVICE_TIME: Name = Name::new("x-envoy-upstream-service-time");

/// Sends an answer whose head has come.
pub(super) async fn deliver<D: Downstream>(
    of: &Exchange<'_>,
    call: &mut Call,
    down: &mut D,
    mut upload: Upload,
    sent: Sent,
    head: Answer,
    clock: &mut Clock,
) -> Result<After, End> {
    let Sent { mut upstream, in_flight } = sent;
    let endpoint = in_flight.endpoint().clone();
    let tunnel = head == Answer::Tunnel;
    if tunnel && !(upload.has_ended() && is_agreed(call, down.needs_upgrade())) {
        return Err(unusable("it changes to a protocol that was not asked for"));
    }
    if down.needs_upgrade() && !tunnel && (200..300).contains(&call.response.status) {
        return Err(unusable("it does not change to the protocol that was asked for"));
    }
    if dress(of, call, tunnel, (&endpoint.peer, upstream.principal())).is_err() {
        return Err(unusable("one of its headers cannot be written"));
    }
    call.ledger.details = "via_upstream".into();
    let length = if let Answer::Final(length) = head { length } else { Length::None };
    if down.start_response(&mut call.response, length).is_err() {
        upstream.cancel();
        stopped(Stop::Gone, &mut call.ledger);
        return Err(End::Gone);
    }
    if tunnel {
        let flushed = poll_fn(|cx| down.poll_flush(cx)).await;
        let (up, place) = upstream.into_tunnel().filter(|_| flushed.is_ok()).ok_or(End::Gone)?;
        // As in Envoy: what is idle ends, and so does what lasts too long. The time for an answer is over with its head.
        let allowed = &of.plan.allowed;
        let life = allowed.whole.map(|whole| (whole, call.ledger.start));
        let bounds = Bounds { idle: allowed.idle, life };
        return Ok(After::Tunnel(Box::new(Tunnel { up, in_flight, place, bounds })));
    }
    let mut download = if length == Length::None { Pump::finished_unflushed() } else { Pump::default() };
    let result = relay((of, call), down, &mut upstream, &mut upload, &mut download, clock).await;
    drop(in_flight);
    call.ledger.received = upload.bytes;
    call.ledger.sent = download.bytes;
    if call.ledger.grpc && call.ledger.grpc_status.is_none() {
        call.ledger.grpc_status = upstream.trailers().text("grpc-status").and_then(|v| v.parse().ok());
    }
    match result {
        Ok(()) if upload.is_done() => {
            let now = Instant::now();
            give_back(&of.conn.worker, of.plan, &endpoint, upstream, now);
            call.ledger.ended = Some(now);
            Ok(After::Next)
        }
        Ok(()) => {
            upstream.cancel();
            Ok(After::Next)
        }
        Err(Stop::Early(reply)) => {
            upstream.cancel();
            // Trailers end what has no stated length, and is not over.
            let open = length == Length::Unknown && !download.has_ended();
            if local::end_early(call, down, *reply, open).await { Ok(After::Next) } else { Err(End::Gone) }
        }
        Err(stop) => {
            upstream.cancel();
            if matches!(stop, Stop::Upstream(_)) {
                note(&of.plan.cluster, &endpoint, Outcome::LocalOrigin);
            }
            stopped(stop, &mut call.ledger);
            Err(End::Gone)
        }
    }
}

/// Why an answer stayed half sent.
enum Stop {
    Upstream(Broken),
    Client(Broken),
    Gone,
    /// It is denied now, or takes too long: as this answer would have said.
    Early(Box<Reply>),
}

async fn relay<D: Downstream>(
    (of, call): (&Exchange<'_>, &Call),
    down: &mut D,
    upstream: &mut Upstream,
    upload: &mut Upload,
    download: &mut Pump,
    clock: &mut Clock,
) -> Result<(), Stop> {
    let mut deaf = false;
    poll_fn(|cx| {
        if let Poll::Ready(reply) = of.watch.poll(cx, &call.request, &call.ledger) {
            return Poll::Ready(Err(Stop::Early(reply)));
        }
        if !upload.is_done() && !deaf {
            match upload.poll(cx, down, upstream) {
                Poll::Ready(Err(PumpError::From(broken))) => return Poll::Ready(Err(Stop::Client(broken))),
                // It has answered and listens no more; the answer still counts.
                Poll::Ready(Err(PumpError::To(_))) => deaf = true,
                Poll::Ready(Ok(())) | Poll::Pending => {}
            }
        }
        match download.poll(cx, upstream, down) {
            Poll::Ready(Ok(())) => return Poll::Ready(Ok(())),
            Poll::Ready(Err(PumpError::From(broken))) => return Poll::Ready(Err(Stop::Upstream(broken))),
            Poll::Ready(Err(PumpError::To(broken))) => return Poll::Ready(Err(Stop::Client(broken))),
            Poll::Pending => {}
        }
        if down.poll_gone(cx).is_ready() {
            return Poll::Ready(Err(Stop::Gone));
        }
        let over = clock.poll(cx, upload.has_ended(), upload.bytes + download.bytes);
        over.map(|over| Err(Stop::Early(Box::new(too_late(over)))))
    })
    .await
}

/// What the client would have been told, had its answer not begun.
fn too_late(over: Over) -> Reply {
    let reply = Failure::Timeout(over).reply(false);
    match over {
        Over::Answer(limit) | Over::PerTry(limit) => {
            reply.because(format!("the answer had not ended within {limit:?} (the route's timeout)"))
        }
        Over::Request(_) | Over::Whole(_) | Over::Idle(_) => reply,
    }
}

fn stopped(stop: Stop, ledger: &mut Ledger) {
    let (flag, details, reason) = match stop {
        Stop::Early(reply) => return local::note(ledger, *reply),
        Stop::Upstream(broken) => (
            ResponseFlag::UpstreamConnectionTermination,
            "upstream_reset_after_response_started{connection_termination}",
            format!("the upstream broke off within its answer: {broken}"),
        ),
        Stop::Client(broken) => (
            ResponseFlag::DownstreamConnectionTermination,
            "downstream_remote_disconnect",
            format!("the client went away within its answer: {broken}"),
        ),
        Stop::Gone => (
            ResponseFlag::DownstreamConnectionTermination,
            "downstream_remote_disconnect",
            "the client went away within its answer".to_owned(),
        ),
    };
    ledger.flags.insert(flag);
    ledger.details = details.into();
    ledger.reason = reason.into();
}

/// Does the upstream change to what was asked for? `ours`: the key that shows it is of this proxy's making.
fn is_agreed(call: &Call, ours: bool) -> bool {
    let asked = call.request.headers.get("upgrade");
    let given = call.response.headers.get("upgrade");
    asked.is_some_and(|asked| given.is_none_or(|given| given.eq_ignore_ascii_case(asked)))
        && (!ours || upgrade::is_understood(&call.request.headers, &call.response.headers))
}

fn unusable(why: &str) -> End {
    Reply::new(502, "", "upstream_protocol_error")
        .flag(ResponseFlag::UpstreamProtocolError)
        .because(format!("the upstream's answer cannot be passed on: {why}"))
        .into()
}

/// Makes an upstream's head what the client is to see.
fn dress(
    of: &Exchange<'_>,
    call: &mut Call,
    tunnel: bool,
    peer: (&std::sync::Arc<Peer>, Option<&str>),
) -> Result<(), InvalidHeader> {
    let (conn, manager, plan) = (of.conn, of.manager, of.plan);
    let head = &mut call.response;
    strip_hop_by_hop(&mut head.headers, if tunnel { Upgrade::Keep } else { Upgrade::Drop });
    call.ledger.grpc_status = head.headers.text("grpc-status").and_then(|v| v.parse().ok());
    peers::on_response(conn, manager, head, &mut call.ledger, peer)?;
    if conn.direction != Direction::Inbound
        && let Some(time) = call.ledger.upstream_time
    {
        head.headers.set_number(SERVICE_TIME, u64::try_from(time.as_millis()).unwrap_or(u64::MAX))?;
    }
    for layer in &call.ledger.on_response {
        operations::on_response(layer, &mut head.headers, conn)?;
    }
    call.ledger.said.write(&mut head.headers)?;
    if let Some(cookie) = &plan.cookie {
        head.headers.append("set-cookie", cookie)?;
    }
    hop::on_response(head, &manager.settings)
}
