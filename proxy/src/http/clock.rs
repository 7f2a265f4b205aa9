//! The time limits of one exchange, behind one timer: none is set up for a request that has no limit.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::task::coop;
use tokio::time::{Instant, Sleep};

use super::relay::Held;

/// How long an exchange may take; `None` is no limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Allowed {
    /// From the request's end to the answer's (the route's `timeout`).
    pub answer: Option<Duration>,
    /// From the request's end to the answer's head, for one try (`perTryTimeout`).
    pub per_try: Option<Duration>,
    /// From the request's head to its end (`request_timeout`).
    pub request: Option<Duration>,
    /// From the request's head to the answer's end (`max_stream_duration`, or gRPC's own deadline).
    pub whole: Option<Duration>,
    /// Without a byte moving, either way (`stream_idle_timeout`).
    pub idle: Option<Duration>,
}

/// Which limit is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Over {
    /// The route's.
    Answer(Duration),
    /// One try's.
    PerTry(Duration),
    /// The request's own.
    Request(Duration),
    /// The exchange's.
    Whole(Duration),
    /// Nothing moved.
    Idle(Duration),
}

/// Watches over one exchange.
#[derive(Debug)]
pub struct Clock {
    allowed: Allowed,
    answer_by: Option<Instant>,
    try_by: Option<Instant>,
    request_by: Option<Instant>,
    whole_by: Option<Instant>,
    idle_by: Option<Instant>,
    moved: u64,
    /// Which of these is over first; nobody has looked since one of them changed.
    next: Next,
    /// The request has ended, and its answer is expected.
    sent: bool,
    /// Where the upload stands that its upstream takes no more of.
    held: Option<Held>,
    /// When it began, until somebody looks for the first time, which is in the same moment.
    began: Now,
    timer: Timer,
}

/// The timer behind the limits: whoever serves one request after another keeps it, since to set it up and to give it up
/// costs more than to look, once in a while, whether anything is due.
#[derive(Debug, Default)]
pub struct Timer {
    sleep: Option<Pin<Box<Sleep>>>,
    /// The task that it wakes, by its waker's address; 0 is nobody. As long as it waits it holds the waker, so that the address
    /// cannot become another's.
    waits: usize,
}

/// Which limit is over first.
#[derive(Debug)]
enum Next {
    Unknown,
    Known(Option<(Instant, Over)>),
}

impl Clock {
    /// Begins to count; `now` it is.
    pub fn start(allowed: Allowed, timer: Timer, now: Instant) -> Self {
        let by = |limit: Option<Duration>| limit.and_then(|limit| now.checked_add(limit));
        Self {
            answer_by: None,
            try_by: None,
            request_by: by(allowed.request),
            whole_by: by(allowed.whole),
            idle_by: by(allowed.idle),
            moved: 0,
            next: Next::Unknown,
            sent: false,
            held: None,
            began: Now(Some(now)),
            timer,
            allowed,
        }
    }

    /// The exchange is over.
    pub fn into_timer(self) -> Timer {
        self.timer
    }

    /// How long a try that begins now may take for its answer. As long as the request has not ended, so long as an answer may
    /// take from then on: only the limit of the whole counts already.
    pub fn left(&self, now: Instant) -> Option<Duration> {
        let left = |by: Option<Instant>| by.map(|by| by.saturating_duration_since(now));
        let answer = left(self.answer_by).or(self.allowed.answer);
        [answer, self.allowed.per_try, left(self.whole_by)].into_iter().flatten().min()
    }

    /// Another try begins.
    pub fn try_again(&mut self) {
        self.try_by = None;
        self.held = None;
        self.began = Now::default();
        (self.sent, self.next) = (false, Next::Unknown);
    }

    /// The upstream takes no more of a request that has not ended, or does so again. Until it does, the limits of its answer
    /// count as if all of the request had been sent: it may read nothing for no longer than it may take to answer.
    pub fn hold(&mut self, at: Option<Held>) {
        if at == self.held {
            return;
        }
        if self.held.is_some() {
            (self.answer_by, self.try_by) = (None, None);
        }
        (self.sent, self.next) = (false, Next::Unknown);
        self.held = at;
        if at.is_some() {
            self.expect_answer(&mut Now::default());
        }
    }

    /// The answer's head is here: a try's own limit counts no more.
    pub fn answered(&mut self) {
        self.allowed.per_try = None;
        if self.try_by.take().is_some() {
            self.next = Next::Unknown;
        }
        // Who has begun to answer may read on as it likes.
        self.hold(None);
    }

    /// Waits for a limit to be over. `sent`: the request has ended; `moved`: bytes so far, both ways.
    pub fn poll(&mut self, cx: &mut Context<'_>, sent: bool, moved: u64) -> Poll<Over> {
        self.note(sent, moved);
        let Some((by, over)) = self.first() else { return Poll::Pending };
        loop {
            ready!(self.timer.poll(by, cx));
            if by <= Instant::now() {
                return Poll::Ready(over);
            }
        }
    }

    fn note(&mut self, sent: bool, moved: u64) {
        let mut now = std::mem::take(&mut self.began);
        if sent && !self.sent {
            (self.sent, self.next) = (true, Next::Unknown);
            self.request_by = None;
            self.expect_answer(&mut now);
        }
        if moved != self.moved {
            (self.moved, self.next) = (moved, Next::Unknown);
            self.idle_by = self.allowed.idle.and_then(|limit| now.and(limit));
        }
    }

    /// From now on an answer is to come.
    fn expect_answer(&mut self, now: &mut Now) {
        for (by, limit) in
            [(&mut self.answer_by, self.allowed.answer), (&mut self.try_by, self.allowed.per_try)]
        {
            if let (None, Some(limit)) = (&by, limit) {
                *by = now.and(limit);
            }
        }
    }

    fn first(&mut self) -> Option<(Instant, Over)> {
        if let Next::Known(first) = self.next {
            return first;
        }
        let limits = [
            self.answer_by.zip(self.allowed.answer.map(Over::Answer)),
            self.try_by.zip(self.allowed.per_try.map(Over::PerTry)),
            self.request_by.zip(self.allowed.request.map(Over::Request)),
            self.whole_by.zip(self.allowed.whole.map(Over::Whole)),
            self.idle_by.zip(self.allowed.idle.map(Over::Idle)),
        ];
        let first = limits.into_iter().flatten().min_by_key(|(by, _)| *by);
        self.next = Next::Known(first);
        first
    }
}

impl Timer {
    /// Waits, at least until it has to be looked at what is due at `by`.
    fn poll(&mut self, by: Instant, cx: &mut Context<'_>) -> Poll<()> {
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(by)));
        // A limit that moved away costs nothing now: the timer looks again when it fires.
        if sleep.deadline() > by || sleep.is_elapsed() {
            sleep.as_mut().reset(by);
            self.waits = 0;
        }
        let who = cx.waker().data().addr();
        if who != 0 && who == self.waits {
            return Poll::Pending;
        }
        // Whose turn has lasted long enough is only told to come again, and the timer does not hear of it.
        let heard = coop::has_budget_remaining();
        let waited = sleep.as_mut().poll(cx);
        self.waits = if waited.is_pending() && heard { who } else { 0 };
        waited
    }
}

/// The time, asked for once by whoever needs it: to ask costs as much as the rest of what is done here.
#[derive(Debug, Default)]
struct Now(Option<Instant>);

impl Now {
    /// So much later; `None` is never.
    fn and(&mut self, later: Duration) -> Option<Instant> {
        self.0.get_or_insert_with(Instant::now).checked_add(later)
    }
}

/// gRPC's own deadline, as the header `grpc-timeout` writes it: at most eight digits and a unit.
pub fn grpc_timeout(value: &str) -> Option<Duration> {
    let (digits, unit) = value.split_at_checked(value.len().checked_sub(1)?)?;
    if digits.is_empty() || digits.len() > 8 || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let n: u64 = digits.parse().ok()?;
    Some(match unit {
        "H" => Duration::from_secs(n * 3600),
        "M" => Duration::from_secs(n * 60),
        "S" => Duration::from_secs(n),
        "m" => Duration::from_millis(n),
        "u" => Duration::from_micros(n),
        "n" => Duration::from_nanos(n),
        _ => return None,
    })
}

#[cfg(test)]
mod tests;
