//! What is remembered of an endpoint across configurations, shared by all workers: keyed by cluster and address, so a
//! swap of the table loses nothing.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use weft_model::lanes::PerLane;
use weft_policy::outlier::Streaks;

use super::health::Known;

/// What workers of one lane write with each request.
#[derive(Debug, Default)]
struct Taken {
    active: AtomicU32,
    requests: AtomicU64,
}

/// One endpoint of one cluster.
#[derive(Debug)]
pub struct EndpointState {
    /// Where it is.
    pub address: SocketAddr,
    taken: PerLane<Taken>,
    /// Of its requests, how many have ended, be it by an answer's head; counted where rates of success are compared.
    pub judged: AtomicU64,
    /// Of these, what failed: no connection, reset, 5xx.
    pub failures: AtomicU64,
    /// Of these, what got no answer: no connection, reset, no answer in time.
    pub unanswered: AtomicU64,
    /// Connections that could not be made.
    pub connect_failures: AtomicU64,
    /// Failures in a row.
    pub streaks: Streaks,
    /// What active health checks say.
    pub health: Known,
    /// Since when it gets requests: it was seen, or came back, so long after `origin`, in milliseconds.
    since: AtomicU64,
    origin: Instant,
    /// Of its cluster: how many have begun to warm up.
    newcomers: Arc<AtomicU64>,
    /// It is left alone for a while.
    pub(super) out: AtomicBool,
}

impl EndpointState {
    /// One that nothing is known of. Whoever shows it to workers counts it among the newcomers.
    pub fn new(address: SocketAddr, newcomers: Arc<AtomicU64>) -> Self {
        Self {
            newcomers,
            address,
            taken: Default::default(),
            judged: AtomicU64::new(0),
            failures: AtomicU64::new(0),
            unanswered: AtomicU64::new(0),
            connect_failures: AtomicU64::new(0),
            streaks: Streaks::default(),
            health: Known::default(),
            since: AtomicU64::new(0),
            origin: Instant::now(),
            out: AtomicBool::new(false),
        }
    }

    /// Requests (or TCP connections) in flight, of all workers.
    pub fn active(&self) -> u32 {
        self.taken.iter().map(|lane| lane.active.load(Ordering::Relaxed)).fold(0, u32::saturating_add)
    }

    /// Requests (or TCP connections) sent to it.
    pub fn requests(&self) -> u64 {
        self.taken.iter().map(|lane| lane.requests.load(Ordering::Relaxed)).sum()
    }

    /// Is it left alone, because too much failed there?
    pub fn is_out(&self) -> bool {
        self.out.load(Ordering::Relaxed)
    }

    /// For how long has it got requests? From then on it warms up.
    pub fn age(&self, now: Instant) -> Duration {
        let since = Duration::from_millis(self.since.load(Ordering::Relaxed));
        now.saturating_duration_since(self.origin).saturating_sub(since)
    }

    /// It gets requests again, and begins anew to warm up.
    pub fn comes_back(&self, now: Instant) {
        let since = now.saturating_duration_since(self.origin).as_millis();
        self.since.store(u64::try_from(since).unwrap_or(u64::MAX), Ordering::Relaxed);
        self.newcomers.fetch_add(1, Ordering::Release);
    }

    /// It was asked once more by a worker, or could not be.
    pub fn asked(&self, worker: usize) {
        self.taken.of(worker).requests.fetch_add(1, Ordering::Relaxed);
    }

    /// One more of a worker's in flight, which leaves again.
    pub(super) fn enter(&self, worker: usize) {
        self.taken.of(worker).active.fetch_add(1, Ordering::Relaxed);
    }

    /// One of a worker's in flight is over.
    pub(super) fn leave(&self, worker: usize) {
        self.taken.of(worker).active.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests;
