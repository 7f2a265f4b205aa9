//! One label set's metrics: the handles that a hit touches.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use metrics::{Counter, Key, Recorder};
use parking_lot::Mutex;

use super::METADATA;
use super::histogram::Histogram;
use super::labels::Labels;
use crate::own::Own;
use crate::record::Record;

const REQUESTS: &str = "istio_requests_total";
const REQUEST_MESSAGES: &str = "istio_request_messages_total";
const RESPONSE_MESSAGES: &str = "istio_response_messages_total";
const TCP_OPENED: &str = "istio_tcp_connections_opened_total";
const TCP_CLOSED: &str = "istio_tcp_connections_closed_total";
const TCP_SENT: &str = "istio_tcp_sent_bytes_total";
const TCP_RECEIVED: &str = "istio_tcp_received_bytes_total";

/// Every counter with its help.
pub(super) const COUNTERS: &[(&str, &str)] = &[
    (REQUESTS, "Requests that ended"),
    (REQUEST_MESSAGES, "gRPC messages in requests"),
    (RESPONSE_MESSAGES, "gRPC messages in responses"),
    (TCP_OPENED, "TCP connections opened"),
    (TCP_CLOSED, "TCP connections closed"),
    (TCP_SENT, "Bytes sent downstream on TCP connections"),
    (TCP_RECEIVED, "Bytes received from downstream on TCP connections"),
];

/// When a series was used last, and whether its table has let it go.
#[derive(Debug, Default)]
pub(super) struct Use {
    last: AtomicU64,
    forgotten: AtomicBool,
}

impl Use {
    /// Marks a use at `age` seconds of the metrics' life.
    pub(super) fn touch(&self, age: u64) {
        // Workers share the line that it stands in.
        if self.last() != age {
            self.last.store(age, Ordering::Relaxed);
        }
    }

    pub(super) fn last(&self) -> u64 {
        self.last.load(Ordering::Relaxed)
    }

    pub(super) fn forget(&self) {
        self.forgotten.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_forgotten(&self) -> bool {
        self.forgotten.load(Ordering::Relaxed)
    }
}

/// What a table keeps.
pub(super) trait Series: Send + Sync {
    /// Registers the metrics of a label set.
    fn register(labels: &Labels, recorder: &dyn Recorder) -> Self;

    /// Its use.
    fn usage(&self) -> &Use;

    /// Whether somebody who seldom touches it still needs it, given how many hold it beside the table.
    fn is_held(&self, holders: usize) -> bool;
}

/// Metrics of requests.
#[derive(Debug)]
pub(super) struct RequestSeries {
    pub(super) usage: Use,
    pub(super) labels: Box<str>,
    /// Whose part, by the worker's number, and the part.
    lanes: Mutex<Vec<(usize, Arc<Lane>)>>,
    requests: Told,
    request_messages: Option<Told>,
    response_messages: Option<Told>,
}

/// One worker's part of a series. Nobody else writes there, so what one worker counts takes nothing from another.
#[derive(Debug, Default)]
pub(super) struct Lane {
    pub(super) duration: Histogram,
    pub(super) request_bytes: Histogram,
    pub(super) response_bytes: Histogram,
    request_messages: Own,
    response_messages: Own,
}

/// A counter, and how much of what was counted it has been told.
#[derive(Debug)]
struct Told {
    counter: Counter,
    told: AtomicU64,
}

impl Told {
    fn tell(&self, now: u64) {
        let news = now.saturating_sub(self.told.fetch_max(now, Ordering::Relaxed));
        // To be told of nothing would keep it from being forgotten.
        if news > 0 {
            self.counter.increment(news);
        }
    }
}

impl RequestSeries {
    /// A worker's part.
    pub(super) fn lane(&self, worker: usize) -> Arc<Lane> {
        let mut lanes = self.lanes.lock();
        if let Some((_, lane)) = lanes.iter().find(|(whose, _)| *whose == worker) {
            return Arc::clone(lane);
        }
        let lane = Arc::<Lane>::default();
        lanes.push((worker, Arc::clone(&lane)));
        lane
    }

    /// All parts.
    pub(super) fn lanes(&self) -> Vec<Arc<Lane>> {
        self.lanes.lock().iter().map(|(_, lane)| Arc::clone(lane)).collect()
    }

    /// Tells the exporter's counters what was counted.
    pub(super) fn tell(&self) {
        let lanes = self.lanes();
        let sum = |of: fn(&Lane) -> u64| lanes.iter().map(|lane| of(lane)).sum();
        self.requests.tell(sum(|lane| lane.duration.count()));
        if let Some(messages) = &self.request_messages {
            messages.tell(sum(|lane| lane.request_messages.now()));
        }
        if let Some(messages) = &self.response_messages {
            messages.tell(sum(|lane| lane.response_messages.now()));
        }
    }
}

impl Lane {
    /// Counts one request.
    pub(super) fn record(&self, record: &Record<'_>) {
        self.duration.record_thousandths(u64::try_from(record.duration.as_micros()).unwrap_or(u64::MAX));
        let size = |head: Option<u64>, body: u64| head.unwrap_or(0).saturating_add(body).saturating_mul(1000);
        self.request_bytes.record_thousandths(size(record.request_headers_bytes, record.bytes_received));
        self.response_bytes.record_thousandths(size(record.response_headers_bytes, record.bytes_sent));
        if record.grpc {
            self.request_messages.add(record.request_messages);
            self.response_messages.add(record.response_messages);
        }
    }
}

impl Series for RequestSeries {
    fn register(labels: &Labels, recorder: &dyn Recorder) -> Self {
        let counter =
            |name: &'static str| Told { counter: counter(name, labels, recorder), told: AtomicU64::new(0) };
        let grpc = labels.is_grpc();
        Self {
            usage: Use::default(),
            labels: labels.for_exposition().into(),
            lanes: Mutex::default(),
            requests: counter(REQUESTS),
            request_messages: grpc.then(|| counter(REQUEST_MESSAGES)),
            response_messages: grpc.then(|| counter(RESPONSE_MESSAGES)),
        }
    }

    fn usage(&self) -> &Use {
        &self.usage
    }

    fn is_held(&self, _: usize) -> bool {
        // Workers hold it for speed only and look again when it is forgotten.
        false
    }
}

/// Metrics of TCP connections.
#[derive(Debug)]
pub(super) struct TcpSeries {
    pub(super) usage: Use,
    pub(super) opened: Counter,
    pub(super) closed: Counter,
    pub(super) sent: Counter,
    pub(super) received: Counter,
}

impl Series for TcpSeries {
    fn register(labels: &Labels, recorder: &dyn Recorder) -> Self {
        Self {
            usage: Use::default(),
            opened: counter(TCP_OPENED, labels, recorder),
            closed: counter(TCP_CLOSED, labels, recorder),
            sent: counter(TCP_SENT, labels, recorder),
            received: counter(TCP_RECEIVED, labels, recorder),
        }
    }

    fn usage(&self) -> &Use {
        &self.usage
    }

    fn is_held(&self, holders: usize) -> bool {
        if holders > 0 {
            // A connection may be silent for a day: adding nothing tells the exporter that its counters are
            // in use.
            for counter in [&self.opened, &self.closed, &self.sent, &self.received] {
                counter.increment(0);
            }
        }
        holders > 0
    }
}

fn counter(name: &'static str, labels: &Labels, recorder: &dyn Recorder) -> Counter {
    recorder.register_counter(&Key::from_parts(name, labels.for_registry()), &METADATA)
}
