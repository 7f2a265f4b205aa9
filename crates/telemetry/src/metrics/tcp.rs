//! TCP connections: counted when they open, while they carry, and when they close.

use std::sync::Arc;

use super::Metrics;
use super::labels::Labels;
use super::series::TcpSeries;
use crate::flags::ResponseFlags;
use crate::record::Record;

/// Counts TCP connections; cheap to clone.
#[derive(Debug, Clone)]
pub struct TcpMetrics {
    metrics: Metrics,
}

/// One open connection. Dropped without [`close`](Self::close), it counts as closed without flags.
#[derive(Debug)]
pub struct TcpConnection {
    metrics: Metrics,
    series: Arc<TcpSeries>,
    open: bool,
}

impl TcpMetrics {
    pub(super) fn new(metrics: Metrics) -> Self {
        Self { metrics }
    }

    /// A connection was opened; `record` knows its two ends.
    pub fn open(&self, record: &Record<'_>) -> TcpConnection {
        let series = series(&self.metrics, record, ResponseFlags::NONE);
        series.opened.increment(1);
        TcpConnection { metrics: self.metrics.clone(), series, open: true }
    }
}

impl TcpConnection {
    /// The connection carried these bytes since the last call: to downstream, and from it. To be called now
    /// and then, so that a long connection does not show its day's bytes all at once when it ends.
    pub fn carried(&self, sent: u64, received: u64) {
        self.series.sent.increment(sent);
        self.series.received.increment(received);
    }

    /// The connection ended; `record` has the flags. Bytes are those told by [`carried`](Self::carried).
    pub fn close(mut self, record: &Record<'_>) {
        self.open = false;
        if record.flags.is_empty() {
            self.series.closed.increment(1);
        } else {
            series(&self.metrics, record, record.flags).closed.increment(1);
        }
    }
}

impl Drop for TcpConnection {
    fn drop(&mut self) {
        if self.open {
            self.series.closed.increment(1);
        }
    }
}

fn series(metrics: &Metrics, record: &Record<'_>, flags: ResponseFlags) -> Arc<TcpSeries> {
    metrics.shared.tcp.series(&Labels::of_connection(record, flags), &metrics.shared.series)
}
