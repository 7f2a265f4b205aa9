//! Copies of requests: sent beside the original by a task of their own, their answers read and dropped.
//!
//! The original never waits for a copy and never fails by one. Its body reaches a copy as it streams, through a pipe
//! that holds `MOST_HELD` at most: a mirror that falls further behind loses its copy, not the original its pace.
//! So many copies are on their way in one worker at once as `MOST_COPIES` says; beyond that none are begun.

mod pipe;

use std::cell::Cell;
use std::future::{Future as _, poll_fn};
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use weft_http1::{RequestHead, ResponseHead};
use weft_model::table::ClusterId;
use weft_policy::outlier::Outcome;
use weft_telemetry::Protocol;

pub use self::pipe::Tap;
use self::pipe::{Pipe, pipe};
use super::attempt::{Ask, Been, Failure, Sent, give_back, send};
use super::clock::{Allowed, Clock, Over, Timer};
use super::message::{Broken, Event, Inlet as _, Length, Pump, PumpError};
use super::peers;
use super::plan::Plan;
use super::reply::is_grpc;
use super::tries::{ATTEMPTS, MOST_INFORMATIONAL, judged};
use crate::snapshot::{ClusterView, Local};
use crate::upstream::outlier::note;
use crate::upstream::stream::{Answer, Upstream};
use crate::worker::Worker;

/// So many copies may be on their way in one worker.
const MOST_COPIES: u32 = 1024;

/// A copy on which nothing moves for so long has ended, whatever the original may.
const IDLE: Duration = Duration::from_secs(60);

/// Where a copy goes.
#[derive(Debug, Clone)]
pub struct To {
    /// The cluster's name.
    pub name: Box<str>,
    /// The cluster, if there is one.
    pub cluster: Option<(ClusterId, Local<ClusterView>)>,
    /// Host stays as it is; else `-shadow` is appended.
    pub keep_host: bool,
}

/// How many copies one worker has on their way.
#[derive(Debug, Clone, Default)]
pub struct Copies(Rc<Cell<u32>>);

impl Copies {
    fn begin(&self) -> Option<Guard> {
        let now = self.0.get();
        (now < MOST_COPIES).then(|| {
            self.0.set(now + 1);
            Guard(self.0.clone())
        })
    }
}

struct Guard(Rc<Cell<u32>>);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.set(self.0.get().saturating_sub(1));
    }
}

/// What a copy is made of.
pub(super) struct Original<'a> {
    /// Where it happens.
    pub(super) worker: &'a Rc<Worker>,
    /// What was decided for the original.
    pub(super) plan: &'a Plan,
    /// Its head.
    pub(super) head: &'a RequestHead,
    /// Its body's length.
    pub(super) length: Length,
    /// `http` or `https`.
    pub(super) scheme: &'a str,
    /// What the client speaks.
    pub(super) downstream: Protocol,
}

/// Begins the copies that the plan asks for; the taps take the body.
pub(super) fn begin(of: &Original<'_>) -> Vec<Tap> {
    of.plan.mirrors.iter().filter_map(|to| begin_one(of, to)).collect()
}

fn begin_one(of: &Original<'_>, to: &To) -> Option<Tap> {
    let worker = of.worker.clone();
    let Some((id, cluster)) = to.cluster.clone() else {
        count(&worker, &to.name, "failed");
        tracing::debug!(mirror = %to.name, "no copy is sent: there is no such cluster");
        return None;
    };
    // The original is on its way already: what there is no more room for is the copy. It counts twice among the work that
    // memory is wanted for: what it is behind by, and the buffers of any request.
    let now = Instant::now();
    worker.takes_work(now);
    let guard = if worker.overloaded(now).is_none() { worker.copies.begin() } else { None };
    let Some(guard) = guard else {
        count(&worker, &to.name, "dropped");
        return None;
    };
    let external = cluster.cluster.settings.istio.external;
    let plan = Plan::for_copy(id, cluster, allowed(&of.plan.allowed));
    let head = head(of, to, external);
    let (tap, pipe) = pipe();
    let (length, downstream, scheme) = (of.length, of.downstream, of.scheme.to_owned());
    tokio::task::spawn_local(async move {
        let copy = Copy { worker: &worker, plan: &plan, length, downstream, scheme: &scheme };
        let result = copy.carry(head, pipe).await;
        drop(guard);
        let cluster = &plan.cluster.cluster.settings.name;
        match &result {
            Ok(status) => tracing::debug!(mirror = %cluster, status, "a copy was answered"),
            Err(why) => tracing::debug!(mirror = %cluster, %why, "a copy was lost"),
        }
        count(&worker, cluster, result.map_or_else(|why| why.word(), |_| "answered"));
    });
    Some(tap)
}

/// A copy may take as long as the original; what has no limit ends when nothing moves.
fn allowed(original: &Allowed) -> Allowed {
    let idle = original.idle.map_or(IDLE, |idle| idle.min(IDLE));
    Allowed { per_try: None, request: None, idle: Some(idle), ..*original }
}

fn head(of: &Original<'_>, to: &To, external: bool) -> RequestHead {
    let mut head = of.head.clone();
    if of.plan.count_attempts {
        let _ = head.headers.set_number(ATTEMPTS, 1);
    }
    if external {
        peers::forget(&mut head.headers);
    }
    if !to.keep_host {
        let host = weft_model::table::route::without_port(head.authority());
        let shadow = format!("{host}-shadow{}", &head.authority()[host.len()..]);
        let _ = head.headers.set("host", shadow);
    }
    head
}

fn count(worker: &Worker, cluster: &str, result: &'static str) {
    let help =
        "Copies of requests by mirror cluster: answered, failed, or dropped because the mirror was too slow";
    let labels = [("cluster", cluster), ("result", result)];
    worker.shared.observer.metrics.counter("weft_mirrored_requests_total", help, &labels).increment(1);
}

/// Why there was no answer to a copy.
#[derive(Debug, thiserror::Error)]
enum Lost {
    #[error(transparent)]
    Unsent(#[from] Box<Failure>),
    #[error("the mirror broke off: {0}")]
    Mirror(Broken),
    #[error("the original ended early, or the mirror took its body too slowly")]
    Original,
    #[error("{0:?} is over")]
    Over(Over),
}

impl Lost {
    fn word(&self) -> &'static str {
        match self {
            Self::Original => "dropped",
            Self::Unsent(_) | Self::Mirror(_) | Self::Over(_) => "failed",
        }
    }
}

struct Copy<'a> {
    worker: &'a Worker,
    plan: &'a Plan,
    length: Length,
    downstream: Protocol,
    scheme: &'a str,
}

impl Copy<'_> {
    /// Sends it and reads its answer to the end; says the answer's status.
    async fn carry(&self, mut head: RequestHead, mut pipe: Pipe) -> Result<u16, Lost> {
        let now = Instant::now();
        let ask = Ask {
            worker: self.worker,
            plan: self.plan,
            length: self.length,
            scheme: self.scheme,
            downstream: self.downstream,
            upgrade: false,
            original: None,
            source: None,
            fresh: false,
            began: now,
        };
        let mut clock = Clock::start(self.plan.allowed, Timer::default(), now.into());
        let sent = self.begin(&ask, &mut head, &pipe, &mut clock).await?;
        let (mut upstream, endpoint) = (sent.upstream, sent.in_flight.endpoint().clone());
        let result = exchange(&head, self.length, &mut pipe, &mut upstream, &mut clock).await;
        drop(sent.in_flight);
        if let Some(outcome) = outcome(&result) {
            note(&self.plan.cluster, &endpoint, outcome);
        }
        match &result {
            Ok(_) => give_back(self.worker, self.plan, &endpoint, upstream, Instant::now()),
            Err(lost) => {
                if matches!(lost, Lost::Over(_)) {
                    upstream.ran_out();
                }
                upstream.cancel();
            }
        }
        result
    }

    /// Sends its head, for which it may have to wait: for no longer than it may take, nor than its body is of use.
    async fn begin(
        &self,
        ask: &Ask<'_>,
        head: &mut RequestHead,
        pipe: &Pipe,
        clock: &mut Clock,
    ) -> Result<Sent, Lost> {
        let mut been = Been::default();
        let has_body = self.length != Length::None;
        let begun = {
            let mut sending = pin!(send(ask, head, &mut been));
            poll_fn(|cx| {
                if let Poll::Ready(sent) = sending.as_mut().poll(cx) {
                    return Poll::Ready(sent.map_err(Lost::from));
                }
                if has_body && pipe.poll_lost(cx).is_ready() {
                    return Poll::Ready(Err(Lost::Original));
                }
                clock.poll(cx, !has_body, 0).map(|over| Err(Lost::Over(over)))
            })
            .await
        };
        if let Err(Lost::Over(Over::Answer(_))) = begun {
            been.ran_out(ask);
        }
        begun
    }
}

/// What it says of the endpoint: the same as of a request. Whose original ended early, or that was simply long, says nothing.
fn outcome(of: &Result<u16, Lost>) -> Option<Outcome> {
    match of {
        Ok(status) => Some(Outcome::Answered(*status)),
        Err(Lost::Mirror(_) | Lost::Over(Over::Answer(_) | Over::PerTry(_))) => Some(Outcome::LocalOrigin),
        // Who cannot be reached is judged where it is tried.
        Err(Lost::Unsent(_) | Lost::Original | Lost::Over(_)) => None,
    }
}

/// Sends the body and reads the answer; says the status that the endpoint is judged by.
async fn exchange(
    head: &RequestHead,
    length: Length,
    pipe: &mut Pipe,
    upstream: &mut Upstream,
    clock: &mut Clock,
) -> Result<u16, Lost> {
    let mut upload = if length == Length::None { Pump::finished_unflushed() } else { Pump::default() };
    let mut response = ResponseHead::default();
    let (mut head_came, mut informed) = (false, 0);
    let mut read = 0;
    poll_fn(|cx| {
        if !upload.is_done() {
            match upload.poll(cx, pipe, upstream) {
                Poll::Ready(Err(PumpError::From(_))) => return Poll::Ready(Err(Lost::Original)),
                Poll::Ready(Err(PumpError::To(broken))) => return Poll::Ready(Err(Lost::Mirror(broken))),
                Poll::Ready(Ok(())) | Poll::Pending => {}
            }
        }
        while !head_came {
            match upstream.poll_head(cx, head.method(), &mut response) {
                Poll::Ready(Ok(Answer::Informational)) => {
                    informed += 1;
                    if informed > MOST_INFORMATIONAL {
                        let storm = Broken::Informational(MOST_INFORMATIONAL);
                        return Poll::Ready(Err(Lost::Mirror(storm)));
                    }
                    response.clear();
                }
                Poll::Ready(Ok(Answer::Final(_))) => head_came = true,
                Poll::Ready(Ok(Answer::Tunnel)) => return Poll::Ready(Err(Lost::Mirror(Broken::Closed))),
                Poll::Ready(Err(broken)) => return Poll::Ready(Err(Lost::Mirror(broken))),
                Poll::Pending => break,
            }
        }
        if head_came && let Poll::Ready(end) = poll_drain(cx, upstream, &mut read) {
            // An answer that did not wait for the body's end is an answer all the same.
            return Poll::Ready(end.map(|()| judged(&response, is_grpc(head))).map_err(Lost::Mirror));
        }
        clock.poll(cx, upload.has_ended(), upload.bytes + read).map(|over| Err(Lost::Over(over)))
    })
    .await
}

/// Reads an answer's body to its end and keeps nothing of it.
fn poll_drain(cx: &mut Context<'_>, upstream: &mut Upstream, read: &mut u64) -> Poll<Result<(), Broken>> {
    loop {
        match std::task::ready!(upstream.poll_body(cx))? {
            Event::Data => {
                let n = upstream.chunk().len();
                upstream.consume(n);
                *read += n as u64;
            }
            Event::End => return Poll::Ready(Ok(())),
        }
    }
}
