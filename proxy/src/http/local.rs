//! Answers of our own, on their way to the client.

use std::future::poll_fn;
use std::time::{Duration, SystemTime};

use weft_model::listener::Direction;
use weft_model::table::chain::Terminal;
use weft_telemetry::{Protocol, ResponseFlag};

use super::call::{Call, Ledger};
use super::downstream::Downstream;
use super::message::{Broken, Length};
use super::reply::Reply;
use super::{hop, operations, peers};
use crate::connection::Conn;

/// A client that does not read is told no more after this.
const LAST: Duration = Duration::from_secs(2);

/// Sends `reply` and notes it down in the call's ledger.
pub async fn answer<D: Downstream>(conn: &Conn, call: &mut Call, down: &mut D, mut reply: Reply) {
    // Where Envoy says nothing, the pod's own app is told why; a stranger is not. What was wrong with a request that was
    // not understood stands in its reply already.
    let understood = !reply.flags.contains(ResponseFlag::DownstreamProtocolError);
    if understood
        && conn.direction == Direction::Outbound
        && reply.status >= 400
        && reply.body.is_empty()
        && !reply.is_of_route()
        && !reply.reason.is_empty()
    {
        reply.body = format!("{}\n", reply.reason).into_bytes().into();
    }
    let Ok(body) = reply.write(&mut call.response, &call.request) else { return down.abort() };
    if let Some((_, chain)) = conn.current()
        && let Terminal::Http(manager) = &chain.terminal
    {
        // What cannot be said of us stays unsaid: the answer matters more.
        let _ = hop::on_response(&mut call.response, &manager.settings);
        let _ = peers::on_own_answer(conn, manager, &mut call.response, &call.ledger);
    }
    if !call.response.headers.contains("date") {
        // RFC 9110 6.6.1: whoever has a clock says when it answered.
        let now = httpdate::fmt_http_date(SystemTime::now());
        let _ = call.response.headers.set("date", &now);
    }
    for operations in &call.ledger.on_response {
        let _ = operations::on_response(operations, &mut call.response.headers, conn);
    }
    let _ = call.ledger.said.write(&mut call.response.headers);
    let length = if body.is_empty() { Length::None } else { Length::Exact(body.len() as u64) };
    let body = if call.request.method() == "HEAD" { &[] } else { body };
    let sent = match down.start_response(&mut call.response, length) {
        Ok(()) => send(down, body).await,
        Err(broken) => Err(broken),
    };
    match sent {
        Ok(()) => call.ledger.sent = body.len() as u64,
        Err(_) => {
            call.ledger.flags.insert(ResponseFlag::DownstreamConnectionTermination);
            down.abort();
        }
    }
    note(&mut call.ledger, reply);
}

/// Writes down what became of a request: `reply`, or what it would have been.
pub(super) fn note(ledger: &mut Ledger, reply: Reply) {
    for flag in reply.flags.iter() {
        ledger.flags.insert(flag);
    }
    if ledger.grpc {
        ledger.grpc_status = Some(reply.grpc_status());
    }
    ledger.details = reply.details;
    ledger.reason = reply.reason;
    if reply.policy.is_some() {
        ledger.policy = reply.policy.map(String::from);
    }
}

/// Ends an answer that has begun, in place of what was still to come of it. gRPC's clients are told why by its trailers,
/// if those can be sent (`open`); says whether they were. Otherwise the answer has to be broken off.
pub(super) async fn end_early<D: Downstream>(
    call: &mut Call,
    down: &mut D,
    reply: Reply,
    open: bool,
) -> bool {
    let open = open && call.ledger.grpc && down.protocol() != Protocol::Http10;
    let trailers = reply.trailers();
    note(&mut call.ledger, reply);
    let Ok(trailers) = trailers else { return false };
    if !open || down.finish(&trailers).is_err() {
        return false;
    }
    let flushed = tokio::time::timeout(LAST, poll_fn(|cx| down.poll_flush(cx))).await;
    matches!(flushed, Ok(Ok(())))
}

/// All of `body`, as fast as the client takes it.
async fn send<D: Downstream>(down: &mut D, mut body: &[u8]) -> Result<(), Broken> {
    if !body.is_empty() {
        while !body.is_empty() {
            let room = poll_fn(|cx| down.poll_room(cx, body.len())).await?;
            let (now, later) = body.split_at(body.len().min(room));
            down.push(now)?;
            body = later;
        }
        down.finish(&weft_http1::Headers::new())?;
    }
    poll_fn(|cx| down.poll_flush(cx)).await
}
