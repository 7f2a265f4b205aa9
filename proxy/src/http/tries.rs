//! Try, and try again where that is safe: each try sends the head, feeds the body and waits for an answer's head.

use std::future::{Future as _, poll_fn};
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::atomic::Ordering;
use std::task::Poll;
use std::time::{Duration, Instant};

use weft_http1::{Name, ResponseHead, Upgrade, strip_hop_by_hop};
use weft_model::cluster::{Discovery, UpstreamProtocol};
use weft_model::listener::Direction;
use weft_policy::outlier;
use weft_policy::retry::{self, Lost, Wanted};
use weft_telemetry::ResponseFlag;

use super::again::{elsewhere, is_idempotent, may_go_again, wanted};
use super::attempt::{Ask, Been, Failure, Sent, give_back, send};
use super::call::{Call, Ledger};
use super::clock::{Clock, Over};
use super::deliver::deliver;
use super::downstream::Downstream;
use super::exchange::{After, End, Exchange};
use super::message::{Broken, Length, PumpError};
use super::mirror;
use super::plan::Plan;
use super::relay::Upload;
use super::remaining;
use super::reply::Reply;
use super::watch::Watch;
use crate::connection::Conn;
use crate::upstream::outlier::note;
use crate::upstream::stream::Answer;

/// More informational answers than this before the real one are no conversation but an attack.
pub(super) const MOST_INFORMATIONAL: u32 = 64;

pub(super) const ATTEMPTS: Name = Name::new("x-envoy-attempt-count");

/// Sends a request to its cluster and its answer to the client.
pub(super) async fn forward<D: Downstream>(
    of: &Exchange<'_>,
    call: &mut Call,
    down: &mut D,
) -> Result<After, End> {
    let original = original_destination(of.conn, of.plan, call).await?;
    let now = Instant::now();
    call.ledger.tried = now;
    let mut clock = Clock::start(of.plan.allowed, std::mem::take(&mut call.timer), now.into());
    let end = answer(of, call, down, original, &mut clock).await;
    call.timer = clock.into_timer();
    end
}

async fn answer<D: Downstream>(
    of: &Exchange<'_>,
    call: &mut Call,
    down: &mut D,
    original: Option<SocketAddr>,
    clock: &mut Clock,
) -> Result<After, End> {
    let plan = of.plan;
    let mut ask = Ask {
        worker: &of.conn.worker,
        plan,
        length: of.length,
        scheme: of.scheme,
        downstream: down.protocol(),
        upgrade: may_upgrade(plan, call),
        original,
        source: of.conn.original_source,
        fresh: false,
        began: call.ledger.tried,
    };
    if down.needs_upgrade() && !ask.upgrade {
        let why = "the route or its cluster's protocol leaves no way to change protocols";
        return Err(Reply::new(403, "", "upgrade_failed").because(why).into());
    }
    let has_body = of.length != Length::None;
    let copies = if plan.mirrors.is_empty() || ask.upgrade { Vec::new() } else { copies(of, call, down) };
    // Where the route asks for no other try, the keep-alive race may still need one.
    let keep = plan.retry.as_ref().is_some_and(|r| r.times > 0) || is_idempotent(call.request.method());
    let mut upload = Upload::new(has_body, keep, copies);
    let mut been = Been::default();
    let mut retrying = None;
    loop {
        call.ledger.attempts += 1;
        if plan.count_attempts {
            let _ = call.request.headers.set_number(ATTEMPTS, call.ledger.attempts.into());
        }
        remaining::tell(clock, call);
        let outcome = attempt(&ask, &of.watch, call, down, &mut upload, &mut been, clock).await;
        call.ledger.received = upload.bytes;
        match outcome? {
            Tried::Answered { sent, answer } => {
                of.conn.note_answer();
                let wanted = match answer {
                    Answer::Tunnel => Wanted::No,
                    _ => wanted(plan, call, &upload),
                };
                if !may_go_again(plan, wanted, &mut retrying, &mut call.ledger) {
                    // A retry is under way until its answer begins.
                    drop(retrying);
                    clock.answered();
                    return deliver(of, call, down, upload, sent, answer, clock).await;
                }
                // Whoever answers has seen it.
                plan.cluster.state.repeated.fetch_add(1, Ordering::Relaxed);
                leave(of, sent, &upload);
            }
            Tried::Failed(failure) => {
                if let Failure::Connect(error) = &*failure
                    && error.is_tls()
                {
                    call.ledger.transport_failure = Some(error.to_string());
                }
                let wanted = elsewhere(plan, &failure, call, &upload, &been.places);
                if !may_go_again(plan, wanted, &mut retrying, &mut call.ledger) {
                    let mut reply = failure.reply_of(of.conn, &plan.cluster, call.ledger.attempts > 1);
                    if upload.held().is_some() {
                        let bytes = upload.bytes;
                        reply = reply.besides(&format!(
                            "it reads no more of the request, whose body has come to {bytes} bytes so far"
                        ));
                    }
                    return Err(reply.besides(&call.ledger.reason).into());
                }
                if failure.may_have_been_seen() {
                    plan.cluster.state.repeated.fetch_add(1, Ordering::Relaxed);
                }
                tracing::debug!(attempt = call.ledger.attempts, %failure, "tried again");
                ask.fresh |= failure.is_race();
                if failure.lost() == Some(Lost::Busy) {
                    been.has_died();
                }
            }
        }
        upload.restart(has_body);
        clock.try_again();
        if let Some(policy) = &plan.retry {
            let pause = retry::back_off(policy, call.ledger.attempts, &mut *of.conn.worker.rng.borrow_mut());
            rest(pause, call, down, upload.bytes, clock).await?;
        }
        ask.began = Instant::now();
        call.ledger.tried = ask.began;
    }
}

/// An answer is not wanted. Where all of it is here its connection is of use for others: a storm of retries is not to be one
/// of handshakes, too.
fn leave(of: &Exchange<'_>, sent: Sent, upload: &Upload) {
    let Sent { mut upstream, in_flight } = sent;
    let endpoint = in_flight.endpoint().clone();
    drop(in_flight);
    if upload.is_done() && upstream.is_read() {
        give_back(&of.conn.worker, of.plan, &endpoint, upstream, Instant::now());
    } else {
        upstream.cancel();
    }
}

/// Pauses before another try, but for no longer than anybody waits for the answer.
async fn rest<D: Downstream>(
    pause: Duration,
    call: &mut Call,
    down: &mut D,
    moved: u64,
    clock: &mut Clock,
) -> Result<(), End> {
    let mut pause = pin!(tokio::time::sleep(pause));
    let rested = poll_fn(|cx| {
        if down.poll_gone(cx).is_ready() {
            return Poll::Ready(Err(Halt::Gone));
        }
        // A try's own time does not begin before it does: for the clock nothing is sent.
        if let Poll::Ready(over) = clock.poll(cx, false, moved) {
            return Poll::Ready(Err(Halt::Over(over)));
        }
        pause.as_mut().poll(cx).map(Ok)
    });
    match rested.await {
        Ok(()) => Ok(()),
        Err(Halt::Over(over)) => Err(Failure::Timeout(over).reply(true).into()),
        Err(halt) => halted(halt, None, &mut call.ledger).map(drop),
    }
}

fn copies<D: Downstream>(of: &Exchange<'_>, call: &Call, down: &D) -> Vec<mirror::Tap> {
    mirror::begin(&mirror::Original {
        worker: &of.conn.worker,
        plan: of.plan,
        head: &call.request,
        length: of.length,
        scheme: of.scheme,
        downstream: down.protocol(),
    })
}

/// Does the request ask for an upgrade that its upstream can be asked for? One that speaks HTTP/2 alone cannot be: then
/// the request goes on without, as RFC 9110 7.8 allows.
fn may_upgrade(plan: &Plan, call: &mut Call) -> bool {
    let asked = call.request.headers.contains("upgrade");
    if asked && plan.cluster.cluster.settings.http.protocol == UpstreamProtocol::Http2 {
        strip_hop_by_hop(&mut call.request.headers, Upgrade::Drop);
        return false;
    }
    asked
}

/// The status that an endpoint is judged by; for gRPC the one that its own stands for, if the head says it.
pub(super) fn judged(answer: &ResponseHead, grpc: bool) -> u16 {
    let grpc = if grpc { answer.headers.text("grpc-status") } else { None };
    match grpc.map(str::parse) {
        None => answer.status,
        Some(status) => status.map_or(500, http_status),
    }
}

/// HTTP's counterpart of a gRPC status, by the mapping that Google's APIs document.
const fn http_status(grpc: u32) -> u16 {
    match grpc {
        0 => 200,
        1 => 499,
        3 | 9 | 11 => 400,
        4 => 504,
        5 => 404,
        6 | 10 => 409,
        7 => 403,
        8 => 429,
        12 => 501,
        14 => 503,
        16 => 401,
        _ => 500,
    }
}

enum Tried {
    Answered { sent: Sent, answer: Answer },
    Failed(Box<Failure>),
}

enum Halt {
    Client(Broken),
    Upstream(Broken),
    Gone,
    Over(Over),
    /// It would not be admitted any more.
    Denied(Box<Reply>),
}

async fn attempt<D: Downstream>(
    ask: &Ask<'_>,
    watch: &Watch<'_>,
    call: &mut Call,
    down: &mut D,
    upload: &mut Upload,
    been: &mut Been,
    clock: &mut Clock,
) -> Result<Tried, End> {
    let sending = {
        let mut sending = pin!(send(ask, &mut call.request, been));
        poll_fn(|cx| {
            if let Poll::Ready(result) = sending.as_mut().poll(cx) {
                return Poll::Ready(Ok(result));
            }
            if let Err(broken) = upload.gather(cx, down) {
                return Poll::Ready(Err(Halt::Client(broken)));
            }
            if down.poll_gone(cx).is_ready() {
                return Poll::Ready(Err(Halt::Gone));
            }
            clock.poll(cx, upload.has_ended(), upload.bytes).map(|over| Err(Halt::Over(over)))
        })
        .await
    };
    let mut sent = match sending {
        Ok(Ok(sent)) => sent,
        Ok(Err(failure)) => return Ok(Tried::Failed(failure)),
        Err(halt) => {
            if matches!(halt, Halt::Over(Over::Answer(_) | Over::PerTry(_))) {
                been.ran_out(ask);
            }
            return halted(halt, None, &mut call.ledger);
        }
    };
    call.ledger.upstream = Some(sent.in_flight.endpoint().address);
    let result = wait(watch, call, down, upload, &mut sent, clock).await;
    call.ledger.upstream_time = Some(call.ledger.tried.elapsed());
    let cluster = &ask.plan.cluster;
    match result {
        Ok(answer) => {
            note(
                cluster,
                sent.in_flight.endpoint(),
                outlier::Outcome::Answered(judged(&call.response, call.ledger.grpc)),
            );
            Ok(Tried::Answered { sent, answer })
        }
        Err(halt) => {
            // A client that is slow with its request says nothing of the connection to the server.
            if matches!(&halt, Halt::Over(over) if !matches!(over, Over::Request(_))) {
                sent.upstream.ran_out();
            }
            sent.upstream.cancel();
            // What took too long because of the client, or is simply long, says nothing of the endpoint.
            if matches!(halt, Halt::Upstream(_) | Halt::Over(Over::Answer(_) | Over::PerTry(_))) {
                note(cluster, sent.in_flight.endpoint(), outlier::Outcome::LocalOrigin);
            }
            halted(halt, Some(&sent), &mut call.ledger)
        }
    }
}

/// Feeds the body and waits for the answer's head, whichever comes first.
async fn wait<D: Downstream>(
    watch: &Watch<'_>,
    call: &mut Call,
    down: &mut D,
    upload: &mut Upload,
    sent: &mut Sent,
    clock: &mut Clock,
) -> Result<Answer, Halt> {
    let Call { request, response, ledger, .. } = call;
    let mut informed = 0;
    poll_fn(|cx| {
        loop {
            if let Poll::Ready(reply) = watch.poll(cx, request, ledger) {
                return Poll::Ready(Err(Halt::Denied(reply)));
            }
            let mut deaf = None;
            if !upload.is_done() {
                match upload.poll(cx, down, &mut sent.upstream) {
                    Poll::Ready(Err(PumpError::From(broken))) => {
                        return Poll::Ready(Err(Halt::Client(broken)));
                    }
                    // It may have answered before it stopped listening.
                    Poll::Ready(Err(PumpError::To(broken))) => deaf = Some(broken),
                    Poll::Ready(Ok(())) | Poll::Pending => {}
                }
                clock.hold(upload.held());
            }
            match sent.upstream.poll_head(cx, request.method(), response) {
                Poll::Ready(Ok(Answer::Informational)) => {
                    informed += 1;
                    if informed > MOST_INFORMATIONAL {
                        let storm = Broken::Informational(MOST_INFORMATIONAL);
                        return Poll::Ready(Err(Halt::Upstream(storm)));
                    }
                    strip_hop_by_hop(&mut response.headers, Upgrade::Drop);
                    response.headers.remove("content-length");
                    if down.inform(response).is_err() {
                        return Poll::Ready(Err(Halt::Gone));
                    }
                    // What cannot leave now leaves with the answer.
                    let _ = down.poll_flush(cx);
                    response.clear();
                    continue;
                }
                Poll::Ready(Ok(answer)) => return Poll::Ready(Ok(answer)),
                Poll::Ready(Err(broken)) => return Poll::Ready(Err(Halt::Upstream(broken))),
                Poll::Pending => {}
            }
            if let Some(broken) = deaf {
                return Poll::Ready(Err(Halt::Upstream(broken)));
            }
            if down.poll_gone(cx).is_ready() {
                return Poll::Ready(Err(Halt::Gone));
            }
            return clock.poll(cx, upload.has_ended(), upload.bytes).map(|over| Err(Halt::Over(over)));
        }
    })
    .await
}

fn halted(halt: Halt, sent: Option<&Sent>, ledger: &mut Ledger) -> Result<Tried, End> {
    let endpoint = sent.map(|sent| sent.in_flight.endpoint().address);
    let why = match (halt, sent) {
        (Halt::Upstream(broken), Some(sent)) => {
            let lost = (sent.upstream.is_unanswered() && broken.is_end())
                .then(|| if sent.upstream.is_reused() { Lost::Idle } else { Lost::Busy });
            let (endpoint, seen) = (sent.in_flight.endpoint().address, sent.upstream.may_have_left());
            return Ok(Tried::Failed(Failure::Reset { endpoint, broken, sent: seen, lost }.into()));
        }
        (Halt::Over(Over::PerTry(limit)), _) => {
            return Ok(Tried::Failed(Failure::PerTryTimeout { endpoint, limit }.into()));
        }
        (Halt::Denied(reply), _) => return Err(End::Reply(reply)),
        (Halt::Over(over), _) => return Ok(Tried::Failed(Failure::Timeout(over).into())),
        (Halt::Client(broken) | Halt::Upstream(broken), _) => {
            format!("the client broke off within its request: {broken}").into()
        }
        (Halt::Gone, _) => "the client went away before it was answered".into(),
    };
    ledger.flags.insert(ResponseFlag::DownstreamConnectionTermination);
    ledger.details = "downstream_remote_disconnect".into();
    ledger.reason = why;
    Err(End::Gone)
}

/// Where a request goes whose cluster has no endpoints of its own: the connection's original destination, or, for an
/// HTTP proxy's request, the host that it names.
async fn original_destination(conn: &Conn, plan: &Plan, call: &Call) -> Result<Option<SocketAddr>, Reply> {
    if plan.cluster.cluster.settings.discovery != Discovery::OriginalDst {
        return Ok(None);
    }
    if conn.direction == Direction::Inbound || conn.intercepted {
        return match conn.original() {
            Ok(address) => Ok(Some(address)),
            Err(why) => Err(Reply::new(503, "", "original_destination_is_own")
                .flag(ResponseFlag::NoHealthyUpstream)
                .because(why)),
        };
    }
    let refused = |why: String| {
        Reply::new(502, "", "dns_resolution_failed").flag(ResponseFlag::DnsResolutionFailed).because(why)
    };
    let named = call.request.authority();
    let named = conn.tunnel.as_ref().map_or(named.into(), |asked| asked.routed(named));
    crate::upstream::outside::resolve(&named, 80, conn, &plan.cluster).await.map(Some).map_err(refused)
}
