//! Who is connected and how far each is, as JSON for `weft status`.

use std::time::Instant;

use serde::Serialize;
use weft_xds::server::{ProxyStatus, TypeStatus};

/// The state of a control plane.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// The number of the newest world; it counts edits since the start.
    pub revision: u64,
    /// The number of the newest world from which every stream's configuration was made.
    pub pushed: u64,
    /// Every stream, the oldest first.
    pub proxies: Vec<ProxyReport>,
}

/// One proxy's stream.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ProxyReport {
    /// `sidecar~ip~pod.namespace~domain`.
    pub node: String,
    /// `pod.namespace`.
    pub name: String,
    /// Who it is proven to be.
    pub identity: Option<String>,
    /// Seconds since its stream is open.
    pub connected_seconds: f64,
    /// The world that its newest configuration was made of.
    pub target: Option<String>,
    /// All that it asked for is in force.
    pub in_sync: bool,
    /// Each type of resource that it asked for, in push order.
    pub types: Vec<TypeReport>,
}

/// One type of resource on one stream.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TypeReport {
    /// `Cluster`, `Listener`...
    pub kind: String,
    /// How many resources the proxy has.
    pub held: usize,
    /// The revision sent last.
    pub sent: Option<String>,
    /// The revision that came into force last.
    pub acked: Option<String>,
    /// Seconds since that.
    pub in_force_seconds: Option<f64>,
    /// Why the last was refused, while that still stands.
    pub refused: Option<String>,
    /// The newest is in force.
    pub in_sync: bool,
}

pub(super) fn report(revision: u64, pushed: u64, streams: impl Iterator<Item = ProxyStatus>) -> Report {
    let now = Instant::now();
    Report { revision, pushed, proxies: streams.map(|stream| proxy(&stream, now)).collect() }
}

fn proxy(stream: &ProxyStatus, now: Instant) -> ProxyReport {
    let node = stream.client.node.id.clone();
    let types: Vec<TypeReport> = stream.types.iter().map(|of| of_type(of, now)).collect();
    ProxyReport {
        name: node.split('~').nth(2).unwrap_or_default().to_owned(),
        node,
        identity: stream.client.caller.as_ref().map(ToString::to_string),
        connected_seconds: now.saturating_duration_since(stream.since).as_secs_f64(),
        target: stream.target.as_deref().map(str::to_owned),
        in_sync: !types.is_empty() && types.iter().all(|of| of.in_sync),
        types,
    }
}

fn of_type(status: &TypeStatus, now: Instant) -> TypeReport {
    let since = |mark: &weft_xds::server::Mark| now.saturating_duration_since(mark.at).as_secs_f64();
    let revision = |mark: &weft_xds::server::Mark| mark.revision.to_string();
    TypeReport {
        kind: status.type_url.rsplit('.').next().unwrap_or_default().to_owned(),
        held: status.held,
        sent: status.sent.as_ref().map(revision),
        acked: status.acked.as_ref().map(revision),
        in_force_seconds: status.acked.as_ref().map(since),
        refused: status.nacked.as_ref().map(|refusal| refusal.message.clone()),
        in_sync: status.in_sync,
    }
}
