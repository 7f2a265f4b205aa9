//! What the mesh tells about itself: records of requests, access logs, Istio's metrics, peer metadata,
//! process logs.
//!
//! The proxy fills one [`Record`] for a request that ended and hands it to the access log and the metrics.
//! Nothing here makes a request wait: writing is another thread's work, metrics are atomics.

pub mod access_log;
pub mod flags;
mod identifier;
pub mod latency;
pub mod log;
pub mod metrics;
mod own;
pub mod peer;
pub mod record;
mod service;
pub mod summary;
pub mod trace;

pub use access_log::{AccessLog, Format, LogFile, LogFiles};
pub use flags::{ResponseFlag, ResponseFlags};
pub use latency::{Latency, LatencySnapshot};
pub use metrics::{Metrics, MetricsSettings, RequestMetrics, TcpConnection, TcpMetrics};
pub use peer::{Peer, PeerCache, PeerMetadata};
pub use record::{ConnectionSecurity, Fields, NoFields, Protocol, Record, Reporter};
pub use service::Service;
pub use summary::{Summary, SummaryLane, TrafficStatus};
