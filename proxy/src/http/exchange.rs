//! The life of a request: prepare, authorize, route, try (again), relay, write down. Decide, then do.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Poll;
use std::time::{Duration, Instant};

use tokio::time::Sleep;
use weft_http1::{Upgrade, strip_hop_by_hop};
use weft_model::listener::Direction;
use weft_model::table::RouteTable;
use weft_model::table::chain::{HttpManager, RouteSource, Terminal};
use weft_policy::retry::{self, Outcome};
use weft_telemetry::ResponseFlag;

use super::attempt::{Ask, Failure, Sent, give_back, send};
use super::call::{Answered, Call};
use super::downstream::Downstream;
use super::message::{Broken, Length, Pump, PumpError};
use super::plan::{Plan, plan};
use super::relay::Upload;
use super::reply::{Reply, is_grpc};
use super::{admit, hop, operations, peers};
use crate::connection::Conn;
use crate::snapshot::Snapshot;
use crate::upstream::stream::Answer;

/// What becomes of the connection after an exchange.
#[derive(Debug)]
pub enum After {
    /// Whatever the codec says.
    Next,
    /// It belongs to another protocol now; this is the other end.
    Tunnel(Box<super::h1::H1>),
}

/// Serves one request, whose head is in `call`, from its first byte to the last of its answer.
pub async fn exchange<D: Downstream>(conn: &Conn, call: &mut Call, down: &mut D, length: Length) -> After {
    call.ledger = super::call::Ledger::default();
    call.ledger.grpc = is_grpc(&call.request);
    let after = match run(conn, call, down, length).await {
        Ok(after) => after,
        Err(End::Reply(reply)) => {
            answer(conn, call, down, reply).await;
            After::Next
        }
        Err(End::Gone) => {
            down.abort();
            After::Next
        }
    };
    conn.worker.observer.finished(conn, call, down.protocol());
    after
}

/// Why an exchange did not end with an upstream's answer.
enum End {
    /// It gets one of ours.
    Reply(Reply),
    /// There is nobody to answer, or the answer was half sent.
    Gone,
}

impl From<Reply> for End {
    fn from(reply: Reply) -> Self {
        Self::Reply(reply)
    }
}

async fn run<D: Downstream>(
    conn: &Conn,
    call: &mut Call,
    down: &mut D,
    length: Length,
) -> Result<After, End> {
    let (snapshot, chain) = conn.current().ok_or_else(|| {
        down.abort();
        Reply::new(503, "", "listener_changed")
            .because("the listener no longer takes this connection: connect again")
    })?;
    let Terminal::Http(manager) = &chain.terminal else {
        down.abort();
        return Err(Reply::new(503, "", "listener_changed").because("the port no longer speaks HTTP").into());
    };
    {
        let mut rng = conn.worker.rng.borrow_mut();
        admit::prepare(conn, manager, call, &mut rng)?;
    }
    let scheme =
        if call.request.headers.text("x-forwarded-proto") == Some("https") { "https" } else { "http" };
    peers::on_request(conn, manager, call);
    admit::authorize(conn, manager, call, scheme)?;
    let (snapshot, table) = routes(conn, manager, snapshot).await?;
    let plan = plan(conn, &snapshot, &table, call, scheme)?;
    drop((snapshot, table));
    peers::to_upstream(conn, manager, call, &plan.cluster);
    forward(conn, manager, call, down, length, &plan, scheme).await
}

/// The route configuration; one that has not arrived yet is waited for, and then refused.
async fn routes(
    conn: &Conn,
    manager: &HttpManager,
    mut snapshot: Arc<Snapshot>,
) -> Result<(Arc<Snapshot>, Arc<RouteTable>), Reply> {
    let (id, name) = match &manager.routes {
        RouteSource::Inline(table) => return Ok((snapshot, table.clone())),
        RouteSource::Named(id, name) => (*id, name),
    };
    let hold = conn.worker.shared.bootstrap.hold;
    let deadline = tokio::time::Instant::now() + hold;
    let mut changes = conn.worker.shared.live.changes();
    loop {
        if let Some(table) = snapshot.table.routes(id) {
            let table = table.clone();
            return Ok((snapshot, table));
        }
        let waited = tokio::time::timeout_at(deadline, changes.changed()).await;
        if !matches!(waited, Ok(true)) {
            return Err(Reply::new(503, "", "route_configuration_missing")
                .flag(ResponseFlag::NoRouteFound)
                .because(format!(
                    "route configuration {name} has not arrived within {hold:?}; is the control plane up?"
                )));
        }
        snapshot = conn.worker.snapshot();
    }
}

async fn forward<D: Downstream>(
    conn: &Conn,
    manager: &HttpManager,
    call: &mut Call,
    down: &mut D,
    length: Length,
    plan: &Plan,
    scheme: &str,
) -> Result<After, End> {
    let upgrade = call.request.headers.contains("upgrade");
    let original = original_destination(conn, plan, call).await?;
    let ask =
        Ask { worker: &conn.worker, plan, length, scheme, downstream: down.protocol(), upgrade, original };
    let has_body = length != Length::None;
    let mut upload = Upload::new(has_body, plan.retry.as_ref().is_some_and(|r| r.times > 0));
    let mut tried = Vec::new();
    let mut deadline = Deadline::new(plan.timeout);
    loop {
        call.ledger.attempts += 1;
        if plan.count_attempts {
            let mut digits = itoa::Buffer::new();
            let count = digits.format(call.ledger.attempts);
            let _ = call.request.headers.set("x-envoy-attempt-count", count);
        }
        let outcome = attempt(&ask, call, down, &mut upload, &mut tried, &mut deadline).await;
        let (retry_as, end) = match outcome {
            Ok(Tried::Answered { sent, answer }) => {
                let status = status_outcome(call);
                let again = retry_again(plan, status, call, &upload);
                if !again || matches!(answer, Answer::Tunnel) {
                    return deliver(conn, manager, call, down, plan, upload, sent, answer).await;
                }
                (status, None)
            }
            Ok(Tried::Failed(failure)) => {
                if let Failure::Connect(error) = &failure
                    && error.is_tls()
                {
                    call.ledger.transport_failure = Some(error.to_string());
                }
                match failure.outcome() {
                    Some(outcome) if elsewhere(plan, outcome, &failure, call, &upload, &tried) => {
                        (outcome, Some(failure))
                    }
                    _ => {
                        call.ledger.received = upload.bytes;
                        return Err(failure.reply().into());
                    }
                }
            }
            Err(end) => {
                call.ledger.received = upload.bytes;
                return Err(end);
            }
        };
        tracing::debug!(attempt = call.ledger.attempts, ?retry_as, failure = ?end, "tried again");
        upload.restart(has_body);
        if let Some(policy) = &plan.retry {
            let pause = retry::back_off(policy, call.ledger.attempts, &mut *conn.worker.rng.borrow_mut());
            tokio::time::sleep(pause).await;
        }
    }
}

/// Is it worth another try? A failure to connect is safe to try elsewhere even where the route asks for no retry:
/// nothing was sent; but only on endpoints that were not tried yet.
fn elsewhere(
    plan: &Plan,
    outcome: Outcome,
    failure: &Failure,
    call: &Call,
    upload: &Upload,
    tried: &[usize],
) -> bool {
    if retry_again(plan, outcome, call, upload) {
        return true;
    }
    let unsent = match failure {
        Failure::Connect(_) => true,
        // The keep-alive race: the connection was closed as the request was on its way, and what is idempotent may go again.
        Failure::Reset { sent, race, .. } => {
            !sent
                || (!race.is_empty() && matches!(call.request.method(), "GET" | "HEAD" | "OPTIONS" | "TRACE"))
        }
        _ => false,
    };
    let untried =
        tried.len() < plan.cluster.endpoints.len().min(3) || matches!(failure, Failure::Reset { .. });
    unsent && untried && tried.len() < 4 && upload.can_replay()
}

fn retry_again(plan: &Plan, outcome: Outcome, call: &Call, upload: &Upload) -> bool {
    plan.retry.as_ref().is_some_and(|policy| {
        upload.can_replay()
            && retry::should_retry(policy, outcome, call.ledger.attempts, Some(&Answered(&call.response)))
    })
}

fn status_outcome(call: &Call) -> Outcome {
    let grpc = call.response.headers.text("grpc-status").and_then(|v| v.parse().ok());
    let rate_limited = call.response.headers.contains("x-envoy-ratelimited");
    Outcome::Response { status: call.response.status, grpc_status: grpc, rate_limited }
}

enum Tried {
    Answered { sent: Sent, answer: Answer },
    Failed(Failure),
}

/// A limit that begins to count when the client has sent everything, as Envoy's route timeout does.
struct Deadline {
    limit: Option<Duration>,
    sleep: Option<Pin<Box<Sleep>>>,
}

impl Deadline {
    fn new(limit: Option<Duration>) -> Self {
        Self { limit, sleep: None }
    }

    fn poll(&mut self, cx: &mut std::task::Context<'_>, started: bool) -> Poll<Duration> {
        let Some(limit) = self.limit else { return Poll::Pending };
        if !started && self.sleep.is_none() {
            return Poll::Pending;
        }
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(tokio::time::sleep(limit)));
        sleep.as_mut().poll(cx).map(|()| limit)
    }
}

async fn attempt<D: Downstream>(
    ask: &Ask<'_>,
    call: &mut Call,
    down: &mut D,
    upload: &mut Upload,
    tried: &mut Vec<usize>,
    deadline: &mut Deadline,
) -> Result<Tried, End> {
    let Call { request, response, ledger } = call;
    let began = Instant::now();
    let mut sent = match send(ask, request, tried).await {
        Ok(sent) => sent,
        Err(failure) => return Ok(Tried::Failed(failure)),
    };
    ledger.upstream = Some(sent.endpoint.address);
    let per_try = ask.plan.retry.as_ref().and_then(|r| r.per_try_timeout).filter(|t| !t.is_zero());
    let mut per_try = Deadline::new(per_try);
    let endpoint = sent.endpoint.address;
    let waiting = poll_fn(|cx| {
        loop {
            if !upload.is_done() {
                match upload.poll(cx, down, &mut sent.upstream) {
                    Poll::Ready(Err(PumpError::From(broken))) => {
                        return Poll::Ready(Err(Halt::Client(broken)));
                    }
                    Poll::Ready(Err(PumpError::To(broken))) => {
                        // It may have answered before it stopped listening.
                        if let Poll::Ready(Ok(answer)) =
                            sent.upstream.poll_head(cx, request.method(), response)
                        {
                            return Poll::Ready(Ok(answer));
                        }
                        return Poll::Ready(Err(Halt::Upstream(broken)));
                    }
                    Poll::Ready(Ok(())) | Poll::Pending => {}
                }
            }
            match sent.upstream.poll_head(cx, request.method(), response) {
                Poll::Ready(Ok(Answer::Informational)) => {
                    if down.inform(response).is_err() {
                        return Poll::Ready(Err(Halt::Gone));
                    }
                    let _ = down.poll_flush(cx);
                    response.clear();
                    continue;
                }
                Poll::Ready(result) => return Poll::Ready(result.map_err(Halt::Upstream)),
                Poll::Pending => {}
            }
            if upload.has_ended() && down.poll_gone(cx).is_ready() {
                return Poll::Ready(Err(Halt::Gone));
            }
            if let Poll::Ready(limit) = deadline.poll(cx, upload.has_ended()) {
                return Poll::Ready(Err(Halt::Timeout(limit)));
            }
            if let Poll::Ready(limit) = per_try.poll(cx, upload.has_ended()) {
                return Poll::Ready(Err(Halt::PerTry(limit)));
            }
            return Poll::Pending;
        }
    });
    let result = waiting.await;
    ledger.upstream_time = Some(began.elapsed());
    match result {
        Ok(answer) => Ok(Tried::Answered { sent, answer }),
        Err(halt) => {
            let race = if sent.upstream.is_reused() && sent.upstream.is_unanswered() {
                "; it had been idle before, so this is likely the keep-alive race"
            } else {
                ""
            };
            sent.upstream.cancel();
            sent.endpoint.state.failures.fetch_add(1, Ordering::Relaxed);
            match halt {
                Halt::Upstream(broken) => {
                    Ok(Tried::Failed(Failure::Reset { endpoint, broken, sent: true, race }))
                }
                Halt::PerTry(limit) => Ok(Tried::Failed(Failure::PerTryTimeout { endpoint, limit })),
                Halt::Timeout(limit) => Ok(Tried::Failed(Failure::Timeout { limit })),
                Halt::Client(broken) => {
                    ledger.flags.insert(ResponseFlag::DownstreamConnectionTermination);
                    ledger.details = "downstream_remote_disconnect".into();
                    ledger.reason = format!("the client broke off within its request: {broken}").into();
                    Err(End::Gone)
                }
                Halt::Gone => {
                    ledger.flags.insert(ResponseFlag::DownstreamConnectionTermination);
                    ledger.details = "downstream_remote_disconnect".into();
                    ledger.reason = "the client went away before it was answered".into();
                    Err(End::Gone)
                }
            }
        }
    }
}

enum Halt {
    Client(Broken),
    Upstream(Broken),
    Gone,
    Timeout(Duration),
    PerTry(Duration),
}

#[expect(clippy::too_many_arguments, reason = "the end of one exchange needs all of what the exchange is")]
async fn deliver<D: Downstream>(
    conn: &Conn,
    manager: &HttpManager,
    call: &mut Call,
    down: &mut D,
    plan: &Plan,
    mut upload: Upload,
    sent: Sent,
    head: Answer,
) -> Result<After, End> {
    let Sent { mut upstream, endpoint, in_flight } = sent;
    let tunnel = head == Answer::Tunnel;
    let length = match head {
        Answer::Final(length) => length,
        _ => Length::None,
    };
    let dressed = dress(conn, manager, call, plan, tunnel, &endpoint.peer);
    if dressed.is_err() || (tunnel && !call.request.headers.contains("upgrade")) {
        let why = "the upstream's answer cannot be passed on: an unasked-for upgrade or an invalid header";
        return Err(Reply::new(502, "", "upstream_protocol_error")
            .flag(ResponseFlag::UpstreamProtocolError)
            .because(why)
            .into());
    }
    if call.response.status >= 500 {
        endpoint.state.failures.fetch_add(1, Ordering::Relaxed);
    }
    call.ledger.details = "via_upstream".into();
    if down.start_response(&mut call.response, length).is_err() {
        return Err(End::Gone);
    }
    if tunnel {
        let flushed = poll_fn(|cx| down.poll_flush(cx)).await;
        let end = upstream.into_tunnel().filter(|_| flushed.is_ok());
        return end.map(|end| After::Tunnel(Box::new(end))).ok_or(End::Gone);
    }
    let mut download = if length == Length::None { Pump::finished_unflushed() } else { Pump::default() };
    let result = poll_fn(|cx| {
        if !upload.is_done()
            && let Poll::Ready(Err(PumpError::From(_))) = upload.poll(cx, down, &mut upstream)
        {
            return Poll::Ready(Err(PumpError::To(Broken::Closed)));
        }
        download.poll(cx, &mut upstream, down, |_| {})
    })
    .await;
    drop(in_flight);
    call.ledger.received = upload.bytes;
    call.ledger.sent = download.bytes;
    if call.ledger.grpc && call.ledger.grpc_status.is_none() {
        use super::message::Inlet as _;
        call.ledger.grpc_status = upstream.trailers().text("grpc-status").and_then(|v| v.parse().ok());
    }
    match result {
        Ok(()) => {
            if upload.is_done() {
                give_back(&conn.worker, plan, &endpoint, upstream);
            } else {
                upstream.cancel();
            }
            Ok(After::Next)
        }
        Err(PumpError::From(broken)) => {
            endpoint.state.failures.fetch_add(1, Ordering::Relaxed);
            call.ledger.flags.insert(ResponseFlag::UpstreamConnectionTermination);
            call.ledger.details = "upstream_reset_after_response_started{connection_termination}".into();
            call.ledger.reason = format!("{} broke off within its answer: {broken}", endpoint.address).into();
            Err(End::Gone)
        }
        Err(PumpError::To(broken)) => {
            upstream.cancel();
            call.ledger.flags.insert(ResponseFlag::DownstreamConnectionTermination);
            call.ledger.details = "downstream_remote_disconnect".into();
            call.ledger.reason = format!("the client went away within its answer: {broken}").into();
            Err(End::Gone)
        }
    }
}

/// Makes an upstream's head what the client is to see.
fn dress(
    conn: &Conn,
    manager: &HttpManager,
    call: &mut Call,
    plan: &Plan,
    tunnel: bool,
    peer: &Arc<weft_telemetry::Peer>,
) -> Result<(), weft_http1::InvalidHeader> {
    let head = &mut call.response;
    strip_hop_by_hop(&mut head.headers, if tunnel { Upgrade::Keep } else { Upgrade::Drop });
    call.ledger.grpc_status = head.headers.text("grpc-status").and_then(|v| v.parse().ok());
    peers::on_response(conn, manager, head, &mut call.ledger, peer)?;
    if conn.direction != Direction::Inbound
        && let Some(time) = call.ledger.upstream_time
    {
        let mut digits = itoa::Buffer::new();
        head.headers.set("x-envoy-upstream-service-time", digits.format(time.as_millis()))?;
    }
    for layer in &plan.on_response {
        operations::on_response(layer, &mut head.headers, conn)?;
    }
    if let Some(cookie) = &plan.cookie {
        head.headers.append("set-cookie", cookie)?;
    }
    hop::on_response(head, &manager.settings)
}

/// Sends an answer of our own.
async fn answer<D: Downstream>(conn: &Conn, call: &mut Call, down: &mut D, reply: Reply) {
    let ledger = &mut call.ledger;
    for flag in reply.flags.iter() {
        ledger.flags.insert(flag);
    }
    let written = reply.write(&mut call.response, &call.request).map(<[u8]>::len);
    let Ok(size) = written else { return down.abort() };
    if let Some((_, chain)) = conn.current()
        && let Terminal::Http(manager) = &chain.terminal
    {
        let _ = hop::on_response(&mut call.response, &manager.settings);
        let _ = peers::on_own_answer(conn, manager, &mut call.response, &call.ledger);
    }
    let ledger = &mut call.ledger;
    let length = if size == 0 { Length::None } else { Length::Exact(size as u64) };
    let body: &[u8] = if size == 0 { &[] } else { &reply.body };
    let mut sent = down.start_response(&mut call.response, length).is_ok();
    if sent && size > 0 && call.request.method() != "HEAD" {
        let room = poll_fn(|cx| down.poll_room(cx)).await;
        sent = room.is_ok_and(|room| down.push(&body[..size.min(room)]).is_ok())
            && down.finish(&weft_http1::Headers::new()).is_ok();
        ledger.sent = size as u64;
    }
    if !sent || poll_fn(|cx| down.poll_flush(cx)).await.is_err() {
        ledger.flags.insert(ResponseFlag::DownstreamConnectionTermination);
    }
    if ledger.grpc {
        ledger.grpc_status = Some(reply.grpc_status());
    }
    ledger.details = reply.details;
    ledger.reason = reply.reason;
    if reply.policy.is_some() {
        ledger.policy = reply.policy;
    }
}

/// Where a request goes whose cluster has no endpoints of its own: the connection's original destination, or, for an
/// HTTP proxy's request, the host that it names.
async fn original_destination(
    conn: &Conn,
    plan: &Plan,
    call: &Call,
) -> Result<Option<std::net::SocketAddr>, Reply> {
    use weft_model::cluster::Discovery;
    if plan.cluster.cluster.settings.discovery != Discovery::OriginalDst {
        return Ok(None);
    }
    if conn.direction == Direction::Inbound {
        return Ok(Some(conn.destination));
    }
    let refused = |why: String| {
        Reply::new(502, "", "dns_resolution_failed").flag(ResponseFlag::DnsResolutionFailed).because(why)
    };
    crate::upstream::outside::resolve(call.request.authority(), 80, conn).await.map(Some).map_err(refused)
}
