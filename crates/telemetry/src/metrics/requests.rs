//! One worker's view of the request metrics: from a compact key to handles that were looked up before.

mod asked;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::Metrics;
use super::labels::Labels;
use super::series::{Lane, RequestSeries};
use crate::flags::ResponseFlags;
use crate::identifier::{Identifier, NumberHash};
use crate::record::{ConnectionSecurity, Record, Reporter};
use asked::Asked;

/// Counts requests. Each worker has its own; not shared, no lock on a hit.
#[derive(Debug)]
pub struct RequestMetrics {
    metrics: Metrics,
    /// The worker's number.
    worker: usize,
    pub(super) series: HashMap<RequestKey, (Arc<RequestSeries>, Arc<Lane>), NumberHash>,
    generation: u64,
    asked: Asked,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct RequestKey {
    source: Identifier,
    destination: Identifier,
    service: Identifier,
    code: u16,
    flags: ResponseFlags,
    /// `u32::MAX` where there is none.
    grpc_status: u32,
    grpc: bool,
    reporter: Reporter,
    security: ConnectionSecurity,
}

impl RequestMetrics {
    pub(super) fn new(metrics: Metrics) -> Self {
        let worker = metrics.shared.workers.fetch_add(1, Ordering::Relaxed);
        Self { metrics, worker, series: HashMap::default(), generation: 0, asked: Asked::default() }
    }

    /// Counts one request that ended.
    pub fn record(&mut self, record: &Record<'_>) {
        match self.asked.service(record) {
            Some(service) => self.count(&Record { service: Some(&service), ..*record }),
            None => self.count(record),
        }
    }

    fn count(&mut self, record: &Record<'_>) {
        let key = RequestKey::of(record);
        let table = &self.metrics.shared.requests;
        if self.generation == table.generation()
            && let Some((series, lane)) = self.series.get(&key)
            && !series.usage.is_forgotten()
        {
            series.usage.touch(table.age());
            lane.record(record);
            return;
        }
        self.look_up(key, record).record(record);
    }

    fn look_up(&mut self, key: RequestKey, record: &Record<'_>) -> Arc<Lane> {
        let shared = &self.metrics.shared;
        let generation = shared.requests.generation();
        if self.generation != generation {
            self.generation = generation;
            // All of them: what was counted under `other` may have a place of its own now.
            self.series.clear();
        }
        // Several keys may lead to one series (a peer that was read twice), but not without end.
        if self.series.len() >= shared.settings.max_series.saturating_mul(2) {
            self.series.clear();
        }
        let series = shared.requests.series(&Labels::of_request(record), &shared.series);
        let lane = series.lane(self.worker);
        self.series.insert(key, (series, Arc::clone(&lane)));
        lane
    }
}

impl RequestKey {
    fn of(record: &Record<'_>) -> Self {
        Self {
            source: record.source.map_or(Identifier::ABSENT, |peer| peer.id()),
            destination: record.destination.map_or(Identifier::ABSENT, |peer| peer.id()),
            service: record.service.map_or(Identifier::ABSENT, |service| service.id()),
            code: record.response_code.unwrap_or(0),
            flags: record.flags,
            grpc_status: record.grpc_status.unwrap_or(u32::MAX),
            grpc: record.grpc,
            reporter: record.reporter,
            security: record.security,
        }
    }
}
