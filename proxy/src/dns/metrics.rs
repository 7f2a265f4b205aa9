//! What is counted, under the names of Istio's agent; and, as ours, where answers come from.

use metrics::{Counter, Histogram};
use weft_telemetry::Metrics;

/// The counters of this room.
#[derive(Clone)]
pub(super) struct Counters {
    /// Queries, whatever became of them.
    pub(super) requests: Counter,
    /// Questions put to a server.
    pub(super) upstream_requests: Counter,
    /// Of those, the ones that brought no answer.
    pub(super) upstream_failures: Counter,
    /// How long a server took.
    pub(super) upstream_duration: Histogram,
    /// Answers from the name table,
    pub(super) mesh: Counter,
    /// from answers that were kept,
    pub(super) cache: Counter,
    /// from those that were kept for longer than they say,
    pub(super) stale: Counter,
    /// from a server,
    pub(super) upstream: Counter,
    /// and refusals of our own.
    pub(super) refused: Counter,
}

impl Counters {
    pub(super) fn new(metrics: &Metrics) -> Self {
        let from = |source: &str| {
            const HELP: &str = "Answers to DNS queries, by where they come from";
            metrics.counter("weft_dns_answers_total", HELP, &[("source", source)])
        };
        Self {
            requests: metrics.counter("dns_requests_total", "DNS queries", &[]),
            upstream_requests: metrics.counter(
                "dns_upstream_requests_total",
                "DNS queries forwarded to a server of resolv.conf, each try",
                &[],
            ),
            upstream_failures: metrics.counter(
                "dns_upstream_failures_total",
                "DNS queries forwarded that brought no answer, each try",
                &[],
            ),
            upstream_duration: metrics.histogram(
                "dns_upstream_request_duration_seconds",
                "Time until a server of resolv.conf answered",
                &[],
            ),
            mesh: from("mesh"),
            cache: from("cache"),
            stale: from("stale"),
            upstream: from("upstream"),
            refused: from("refused"),
        }
    }
}
