//! A process's traffic in a few numbers, for `weft status`: requests, success rate, p50 and p99 since the start.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use serde::Serialize;

use crate::latency::{Latency, LatencySnapshot};
use crate::record::{Protocol, Record};

/// The totals of one process; cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Summary {
    lanes: Arc<Mutex<Vec<Arc<Counts>>>>,
}

/// One worker's part, which it shares with nobody while it counts.
#[derive(Debug, Clone)]
pub struct SummaryLane {
    counts: Arc<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    failed: AtomicU64,
    denied: AtomicU64,
    health_checks: AtomicU64,
    connections: AtomicU64,
    latency: Latency,
}

/// What was counted since the start.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Totals {
    /// Requests that failed by the server's or the mesh's fault ([`Record::failed`]).
    pub failed: u64,
    /// Requests that were denied ([`Record::denied`]).
    pub denied: u64,
    /// Active health checks that were let through, which are none of the requests.
    pub health_checks: u64,
    /// TCP connections that ended.
    pub connections: u64,
    /// How long the requests took.
    pub latency: LatencySnapshot,
}

/// Totals as they are shown and sent.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct TrafficStatus {
    /// Requests that ended.
    pub requests: u64,
    /// Share of them that did not fail; `None` without requests.
    pub success_rate: Option<f64>,
    /// Those that were denied: they did not fail, and whoever asked got nothing of what it asked for.
    pub denied: u64,
    /// Half of them took no longer, in milliseconds.
    pub p50_ms: Option<f64>,
    /// 99 of 100 took no longer, in milliseconds.
    pub p99_ms: Option<f64>,
    /// Active health checks of other sidecars that were let through: no app asked for them, and none of the above speaks of
    /// them.
    pub health_checks: u64,
    /// TCP connections that ended.
    pub connections: u64,
}

impl Summary {
    /// A worker's part.
    pub fn lane(&self) -> SummaryLane {
        let counts = Arc::<Counts>::default();
        self.lanes.lock().push(Arc::clone(&counts));
        SummaryLane { counts }
    }

    /// Everything since the start.
    pub fn total(&self) -> Totals {
        let mut total = Totals::default();
        for counts in self.lanes.lock().iter() {
            total.failed += counts.failed.load(Ordering::Relaxed);
            total.denied += counts.denied.load(Ordering::Relaxed);
            total.health_checks += counts.health_checks.load(Ordering::Relaxed);
            total.connections += counts.connections.load(Ordering::Relaxed);
            total.latency.add(&counts.latency.snapshot());
        }
        total
    }
}

impl SummaryLane {
    /// Counts one record.
    pub fn record(&self, record: &Record<'_>) {
        if record.protocol == Protocol::Tcp {
            self.counts.connections.fetch_add(1, Ordering::Relaxed);
            return;
        }
        if record.is_health_check() {
            self.counts.health_checks.fetch_add(1, Ordering::Relaxed);
            return;
        }
        self.counts.latency.record(record.duration);
        if record.failed() {
            self.counts.failed.fetch_add(1, Ordering::Relaxed);
        }
        if record.denied() {
            self.counts.denied.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Totals {
    /// Requests that ended.
    pub fn requests(&self) -> u64 {
        self.latency.count()
    }

    /// In the form that is shown.
    pub fn status(&self) -> TrafficStatus {
        let requests = self.requests();
        let millis = |quantile| self.latency.quantile(quantile).map(|took| took.as_secs_f64() * 1000.0);
        let succeeded = requests.saturating_sub(self.failed);
        TrafficStatus {
            requests,
            success_rate: (requests > 0).then(|| succeeded as f64 / requests as f64),
            denied: self.denied,
            p50_ms: millis(0.5),
            p99_ms: millis(0.99),
            health_checks: self.health_checks,
            connections: self.connections,
        }
    }
}

#[cfg(test)]
mod tests;
