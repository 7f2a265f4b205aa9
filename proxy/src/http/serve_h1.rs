//! A client on HTTP/1.x: request after request, the waits between them, and how its connection ends.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::task::coop;
use tokio::time::{Instant, Sleep};
use weft_http1::{Framing, Refusal, request_framing};
use weft_runtime::drain::DrainWatch;
use weft_telemetry::Protocol;

use super::call::Call;
use super::downstream::DownH1;
use super::exchange::{After, Tunnel, refuse};
use super::h1::H1;
use super::message::Broken;
use super::reply::Reply;
use super::serve::Bounds;
use super::turn::{Turn, call, give_call, serve as serve_one};
use super::{connect, upgrade};
use crate::connection::Conn;
use crate::sniff;

/// When a drain begins, a client between two requests has so long to send another, which is answered with
/// `Connection: close`; closing at once would lose what is on its way.
pub(super) const GRACE: Duration = Duration::from_secs(1);

/// A connection that has waited for so long gives its buffers back.
const REST: Duration = Duration::from_secs(5);

/// After a refusal the client may still be sending; so much is read off before the connection is closed, so that the
/// answer is not lost to a reset.
const LINGER: usize = 64 * 1024;

/// Between two requests this holds the connection and its timer, and little else: there are thousands of such waits. What
/// a request needs it has for the time of its turn.
pub(super) async fn serve(conn: Rc<Conn>, mut h1: Box<H1>) {
    let _guard = conn.drain.guard();
    // Not handed in: what a future is called with stays in it beside what is made of that.
    let mut waits = Waits::new(&Bounds::of(&conn));
    let mut draining = std::pin::pin!(conn.drain.draining());
    loop {
        let mut begun = None;
        let next =
            poll_fn(|cx| poll_next(&mut h1, &mut begun, &mut waits, &conn.drain, draining.as_mut(), cx));
        let (framing, call) = match next.await {
            Next::Request(framing, call) => (framing, call),
            Next::End => break,
            Next::Refused(reply, call) => return Box::pin(refused(conn.clone(), h1, call, *reply)).await,
        };
        h1.start_body(framing);
        if call.request.method() == "CONNECT" {
            // Boxed, like the other ends: what each idle connection costs is the largest of its futures.
            return Box::pin(connect::serve(conn.clone(), *h1, *call)).await;
        }
        let last = conn.drain.is_draining() || waits.life_is_over();
        let done = serve_one(Turn { conn: conn.clone(), h1, call, framing, last }).await;
        if let After::Tunnel(tunnel) = done.after {
            return Box::pin(upgraded(conn.clone(), done.h1, *tunnel, done.call)).await;
        }
        give_call(done.call);
        h1 = done.h1;
        if done.broken {
            // What was sent is not whole and must not look so, even where only the end of the connection ends it.
            h1.io.break_off();
            break;
        }
        if done.close {
            Box::pin(linger(&mut h1)).await;
            break;
        }
        waits.next_request();
    }
}

enum Next {
    Request(Framing, Box<Call>),
    /// Boxed, being the rare case.
    Refused(Box<Reply>, Box<Call>),
    End,
}

impl Next {
    fn bad_request(refusal: Refusal, call: Box<Call>) -> Self {
        Self::Refused(Box::new(Reply::bad_request(refusal)), call)
    }
}

/// What the log says of a client that speaks TLS where none is.
const TLS: &str = "the client speaks TLS, and plain HTTP is spoken here: was https:// written for http:// (sidecars \
                   encrypt what is between them), or does a DestinationRule ask for TLS (trafficPolicy.tls.mode)?";

/// Answers what was no request that could be served.
async fn refused(conn: Rc<Conn>, mut h1: Box<H1>, mut call: Box<Call>, mut reply: Reply) {
    if reply.status == 400 && sniff::protocol(h1.unread(), true) == Some(sniff::Protocol::Tls) {
        reply = reply.because(TLS);
    }
    call.request.refuse(h1.unread());
    let mut down = DownH1::new(&mut h1, &call.request, true);
    refuse(&conn, &mut call, &mut down, reply).await;
    linger(&mut h1).await;
}

/// Carries what the connection speaks now.
async fn upgraded(conn: Rc<Conn>, h1: Box<H1>, tunnel: Tunnel, mut call: Box<Call>) {
    upgrade::run(&conn, upgrade::whole(*h1), tunnel, &mut call, Protocol::Http11).await;
}

/// Waits for the next request's head, which is read into what `begun` holds.
fn poll_next(
    h1: &mut H1,
    begun: &mut Option<Box<Call>>,
    waits: &mut Waits,
    drain: &DrainWatch,
    mut draining: Pin<&mut impl Future<Output = ()>>,
    cx: &mut Context<'_>,
) -> Poll<Next> {
    loop {
        let waited = if let Poll::Ready(head) = poll_head(h1, begun, cx) {
            Ok(head)
        } else {
            let has_begun = h1.has_input();
            if !has_begun && waits.is_told(drain, draining.as_mut(), cx) {
                waits.drain();
            }
            Err(ready!(waits.poll(cx, has_begun)))
        };
        return Poll::Ready(match (waited, begun.take()) {
            (Err(Waited::Rest), _) => {
                h1.rest();
                continue;
            }
            (Ok(Ok(Some(()))), Some(call)) => match request_framing(&call.request) {
                Ok(framing) => Next::Request(framing, call),
                Err(refusal) => Next::bad_request(refusal, call),
            },
            (Ok(Err(Broken::Head(refusal))), Some(call)) => Next::bad_request(refusal, call),
            (Err(Waited::Head(limit)), Some(call)) => {
                let why = format!("the request's head had not arrived within {limit:?}");
                Next::Refused(Box::new(Reply::new(408, "", "request_header_timeout").because(why)), call)
            }
            _ => Next::End,
        });
    }
}

/// Reads a head. What it is read into is taken only when its first byte is there.
fn poll_head(
    h1: &mut H1,
    begun: &mut Option<Box<Call>>,
    cx: &mut Context<'_>,
) -> Poll<Result<Option<()>, Broken>> {
    if !h1.has_input() && !ready!(h1.poll_fill(cx))? {
        return Poll::Ready(Ok(None));
    }
    h1.poll_request(cx, &mut begun.get_or_insert_with(call).request)
}

/// What a wait was long enough for.
enum Waited {
    /// To give buffers back.
    Rest,
    /// To close.
    Idle,
    /// To refuse half a head.
    Head(Duration),
}

/// One timer for all the waits of a connection. It is not set anew for each request: when it fires it looks what is due.
struct Waits {
    head: Duration,
    idle: Option<Duration>,
    life_by: Option<Instant>,
    /// Since when it waits for what it waits for.
    since: Instant,
    /// A head has begun.
    begun: bool,
    drained_by: Option<Instant>,
    draining: bool,
    /// The task has asked whether it should drain, and is woken by it: from then on it is enough to look.
    asked: bool,
    rested: bool,
    sleep: Option<Pin<Box<Sleep>>>,
    /// The same of the timer, as it is set now.
    set: bool,
}

impl Waits {
    fn new(bounds: &Bounds) -> Self {
        let now = Instant::now();
        Self {
            head: bounds.head,
            idle: bounds.idle,
            life_by: bounds.life.and_then(|life| now.checked_add(life)),
            since: now,
            begun: false,
            drained_by: None,
            draining: false,
            asked: false,
            rested: false,
            sleep: None,
            set: false,
        }
    }

    fn next_request(&mut self) {
        self.since = Instant::now();
        self.begun = false;
        self.rested = false;
    }

    /// Is it time to end, for the first time?
    fn is_told(
        &mut self,
        drain: &DrainWatch,
        draining: Pin<&mut impl Future<Output = ()>>,
        cx: &mut Context<'_>,
    ) -> bool {
        if self.asked || self.draining {
            return !self.draining && drain.is_draining();
        }
        // Whose turn has lasted long enough is not heard, only told to come again.
        self.asked = coop::has_budget_remaining();
        draining.poll(cx).is_ready()
    }

    fn drain(&mut self) {
        self.draining = true;
        self.drained_by = Some(Instant::now() + GRACE);
    }

    fn life_is_over(&self) -> bool {
        self.life_by.is_some_and(|by| by <= Instant::now())
    }

    fn poll(&mut self, cx: &mut Context<'_>, begun: bool) -> Poll<Waited> {
        loop {
            let by = if begun {
                if !std::mem::replace(&mut self.begun, true) {
                    self.since = Instant::now();
                }
                self.since + self.head
            } else {
                let rest = (!self.rested).then(|| self.since + REST);
                let idle = self.idle.and_then(|idle| self.since.checked_add(idle));
                let due = [rest, idle, self.life_by, self.drained_by];
                let Some(by) = due.into_iter().flatten().min() else { return Poll::Pending };
                by
            };
            let sleep = self.sleep.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(by)));
            if sleep.deadline() > by {
                sleep.as_mut().reset(by);
            } else if self.set && !sleep.is_elapsed() {
                return Poll::Pending;
            }
            let heard = coop::has_budget_remaining();
            if sleep.as_mut().poll(cx).is_pending() {
                self.set = heard;
                return Poll::Pending;
            }
            self.set = false;
            if by > Instant::now() {
                sleep.as_mut().reset(by);
                continue;
            }
            return Poll::Ready(if begun {
                Waited::Head(self.head)
            } else if !self.rested && by == self.since + REST {
                self.rested = true;
                Waited::Rest
            } else {
                Waited::Idle
            });
        }
    }
}

/// Closes our side first and reads off what still comes, so that the client sees the answer and not a reset.
async fn linger(h1: &mut H1) {
    use tokio::io::AsyncWriteExt as _;
    let reading = async {
        let _ = h1.io.shutdown().await;
        let mut read = 0;
        while read < LINGER {
            h1.forget_input();
            match poll_fn(|cx| h1.poll_fill(cx)).await {
                Ok(true) => read += h1.unread().len().max(1),
                _ => break,
            }
        }
    };
    let _ = tokio::time::timeout(Duration::from_secs(1), reading).await;
}

#[cfg(test)]
mod tests;
