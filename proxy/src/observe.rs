//! What is written down of requests and connections: Istio's metrics, the access log, totals for `weft status`.

pub mod clusters;
mod logs;

use std::cell::RefCell;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use weft_http1::Line;
use weft_model::listener::Direction;
use weft_model::table::chain::{Listener, Terminal};
use weft_telemetry::access_log::LogFiles;
use weft_telemetry::peer::{PEER_METADATA, PEER_METADATA_ID};
use weft_telemetry::summary::{Summary, SummaryLane};
use weft_telemetry::{
    ConnectionSecurity, Metrics, MetricsSettings, Peer, PeerCache, PeerMetadata, Protocol, Record, Reporter,
    RequestMetrics, ResponseFlag, ResponseFlags, TcpConnection, TcpMetrics,
};

use crate::bootstrap::Bootstrap;
use crate::connection::{Arrived, Conn};
use crate::http::call::{Call, LogFields};
use crate::snapshot::ClusterView;
use crate::tunnel::{Cut, Ended};

use self::logs::Logs;

/// What all workers share.
#[derive(Debug)]
pub struct Shared {
    /// Who we are, for the other end and for labels.
    pub own: Own,
    /// Istio's metrics.
    pub metrics: Metrics,
    /// When it began: rate limits count from then.
    pub began: Instant,
    /// Totals for `weft status`.
    pub summary: Summary,
    /// Access logs by path.
    pub files: LogFiles,
}

/// Who we are.
#[derive(Debug)]
pub struct Own {
    /// The same, shared.
    pub peer: Arc<Peer>,
    /// The headers that tell it: `x-envoy-peer-metadata` and `x-envoy-peer-metadata-id`.
    pub headers: Vec<Line>,
}

impl Shared {
    /// Nothing has happened yet.
    pub fn new(bootstrap: &Bootstrap) -> Self {
        let node = &bootstrap.node.metadata;
        let label = |name: &str| node.labels.get(name).cloned().unwrap_or_default();
        let or = |a: String, b: String| if a.is_empty() { b } else { a };
        let app = or(label("app"), node.workload_name.clone());
        let metadata = PeerMetadata {
            name: node.name.clone(),
            namespace: node.namespace.clone(),
            workload: node.workload_name.clone(),
            cluster: node.cluster_id.clone(),
            owner: node.owner.clone(),
            canonical_service: or(label("service.istio.io/canonical-name"), app),
            canonical_revision: or(
                label("service.istio.io/canonical-revision"),
                or(label("version"), "latest".into()),
            ),
            app: label("app"),
            version: label("version"),
        };
        let principal =
            format!("spiffe://{}/ns/{}/sa/{}", bootstrap.trust_domain, node.namespace, node.service_account);
        let own = Own {
            headers: [(PEER_METADATA, metadata.encode()), (PEER_METADATA_ID, bootstrap.node.id())]
                .into_iter()
                // A node's name that no header can carry is not told.
                .filter_map(|(name, value)| Line::new(name, value).ok())
                .collect(),
            peer: Arc::new(Peer::new(metadata, Some(&principal))),
        };
        let now = Instant::now();
        Self {
            own,
            metrics: Metrics::new(MetricsSettings::default(), "proxy", env!("CARGO_PKG_VERSION"), now),
            began: now,
            summary: Summary::default(),
            files: LogFiles::new(),
        }
    }
}

/// One worker's part.
pub struct Observer {
    peers: RefCell<PeerCache>,
    requests: RefCell<RequestMetrics>,
    tcp: TcpMetrics,
    lane: SummaryLane,
    logs: RefCell<Logs>,
}

impl Observer {
    /// A part of `shared`.
    pub fn new(shared: &Shared) -> Self {
        Self {
            peers: RefCell::new(PeerCache::new()),
            requests: RefCell::new(shared.metrics.requests()),
            tcp: shared.metrics.tcp(),
            lane: shared.summary.lane(),
            logs: RefCell::new(Logs::new(shared.files.clone())),
        }
    }

    /// The peer that a header describes, with the identity that its certificate proves.
    pub fn peer(&self, header: Option<&[u8]>, principal: Option<&str>) -> Arc<Peer> {
        self.peers.borrow_mut().peer(header, principal)
    }

    /// The workload behind an endpoint, with the identity that its certificate proves.
    pub fn proven(&self, endpoint: &Arc<Peer>, principal: Option<&str>) -> Arc<Peer> {
        if principal.is_none() {
            return endpoint.clone();
        }
        self.peer(Some(endpoint.metadata().encode().as_bytes()), principal)
    }

    /// A request is over.
    pub fn finished(&self, conn: &Conn, call: &Call, protocol: Protocol) {
        let ledger = &call.ledger;
        let (request, response) = (LogFields(&call.request.headers), LogFields(&call.response.headers));
        let own = &conn.worker.shared.observer.own.peer;
        let inbound = conn.direction == Direction::Inbound;
        let record = Record {
            reporter: if inbound { Reporter::Destination } else { Reporter::Source },
            start: ledger.started,
            duration: ledger.ended.unwrap_or_else(Instant::now).saturating_duration_since(ledger.start),
            upstream_service_time: ledger.upstream_time,
            protocol,
            grpc: ledger.grpc,
            method: Some(call.request.method().as_bytes()),
            path: Some(call.request.target().as_bytes()),
            original_path: ledger.original_path.as_deref().map(str::as_bytes),
            authority: Some(call.request.authority().as_bytes()),
            request: &request,
            response: &response,
            response_code: (call.response.status > 0).then_some(call.response.status),
            flags: ledger.flags,
            response_code_details: some(&ledger.details),
            reason: some(&ledger.reason),
            policy: ledger.policy.as_deref(),
            upstream_transport_failure_reason: ledger.transport_failure.as_deref(),
            grpc_status: ledger.grpc_status,
            attempts: Some(ledger.attempts),
            bytes_received: ledger.received,
            bytes_sent: ledger.sent,
            upstream_host: ledger.upstream,
            upstream_cluster: ledger.cluster.as_ref().map(|c| c.cluster.settings.name.as_str()),
            route_name: ledger.route_name(),
            source: if inbound { ledger.source.as_ref() } else { Some(own) },
            destination: if inbound { Some(own) } else { ledger.destination.as_ref() },
            service: ledger.cluster.as_ref().map(|c| &c.service),
            ..connection_record(conn)
        };
        self.requests.borrow_mut().record(&record);
        self.lane.record(&record);
        let chain = conn.last_chain();
        if let Terminal::Http(manager) = &chain.terminal {
            self.logs.borrow_mut().log(&chain, &manager.settings.access_log, &record);
        }
    }

    /// A TCP connection begins.
    pub fn opened(&self, conn: &Conn, cluster: &ClusterView, endpoint: &Arc<Peer>) -> TcpConnection {
        let source = self.peer(None, conn.names.as_ref().and_then(|n| n.uris.first()).map(String::as_str));
        self.tcp.open(&tcp_record(conn, Some(cluster), &source, endpoint))
    }

    /// A TCP connection is over.
    pub fn closed(&self, conn: &Conn, over: &Over<'_>, opened: Option<TcpConnection>) {
        let source = self.peer(None, conn.names.as_ref().and_then(|n| n.uris.first()).map(String::as_str));
        let unknown = Arc::new(Peer::unknown(None));
        let record = Record {
            start: over.started.1,
            duration: over.started.0.elapsed(),
            flags: over.flags,
            response_code_details: over.details,
            reason: some(&over.reason),
            policy: over.policy,
            connection_termination_details: over.details,
            bytes_received: over.ended.as_ref().map_or(0, |e| e.sent),
            bytes_sent: over.ended.as_ref().map_or(0, |e| e.received),
            upstream_host: over.upstream,
            ..tcp_record(conn, over.cluster, &source, over.endpoint.unwrap_or(&unknown))
        };
        if let Some(opened) = opened {
            opened.carried(record.bytes_sent, record.bytes_received);
            opened.close(&record);
        }
        self.lane.record(&record);
        let chain = conn.last_chain();
        let log = match &chain.terminal {
            Terminal::Tcp(proxy) => &proxy.settings.access_log,
            Terminal::Http(manager) => &manager.settings.access_log,
            Terminal::Refuse(_) => return,
        };
        self.logs.borrow_mut().log(&chain, log, &record);
    }

    /// A connection arrived that no chain of `listener` takes, and why.
    pub fn unmatched(&self, arrived: &Arrived, listener: &Arc<Listener>, reason: &str) {
        let unknown = Arc::new(Peer::unknown(None));
        let own = &arrived.worker.shared.observer.own.peer;
        let inbound = arrived.direction == Direction::Inbound;
        let details = Some("filter_chain_not_found");
        let record = Record {
            reporter: if inbound { Reporter::Destination } else { Reporter::Source },
            start: SystemTime::now(),
            protocol: Protocol::Tcp,
            flags: ResponseFlags::NONE.with(ResponseFlag::NoRouteFound),
            response_code_details: details,
            connection_termination_details: details,
            reason: some(reason),
            source: Some(if inbound { &unknown } else { own }),
            destination: Some(if inbound { own } else { &unknown }),
            downstream_local: Some(arrived.destination),
            downstream_remote: Some(arrived.source),
            requested_server_name: some(&arrived.sni),
            ..Record::default()
        };
        self.logs.borrow_mut().log_unmatched(listener, &record);
    }
}

/// How a TCP connection ended.
pub struct Over<'a> {
    /// When it began.
    pub started: (Instant, SystemTime),
    /// Envoy's letters.
    pub flags: ResponseFlags,
    /// Envoy's words.
    pub details: Option<&'a str>,
    /// In plain words.
    pub reason: String,
    /// The policy that decided.
    pub policy: Option<&'a str>,
    /// The cluster it went to.
    pub cluster: Option<&'a ClusterView>,
    /// The endpoint's address.
    pub upstream: Option<std::net::SocketAddr>,
    /// The endpoint's workload.
    pub endpoint: Option<&'a Arc<Peer>>,
    /// What was copied.
    pub ended: Option<&'a Ended>,
}

/// In plain words, why a tunnel was cut.
pub fn words(cut: &Cut) -> String {
    match cut {
        Cut::Downstream(error) => format!("the client's connection failed: {error}"),
        Cut::Upstream(error) => format!("the upstream's connection failed: {error}"),
        Cut::Idle(limit) => format!("nothing moved for {limit:?} (idle timeout)"),
        Cut::Spent(limit) => {
            format!(
                "it has lasted for {limit:?}, which is as long as it may (maxConnectionDuration, or max_stream_duration of its route)"
            )
        }
        Cut::Judged(why) => why.clone(),
    }
}

fn some(text: &str) -> Option<&str> {
    (!text.is_empty()).then_some(text)
}

/// What every record of a connection has.
fn connection_record(conn: &Conn) -> Record<'_> {
    let inbound = conn.direction == Direction::Inbound;
    Record {
        downstream_local: Some(conn.destination),
        downstream_remote: Some(conn.source),
        requested_server_name: some(&conn.sni),
        connection_id: Some(conn.id),
        security: match (inbound, conn.names.is_some()) {
            (true, true) => ConnectionSecurity::MutualTls,
            (true, false) => ConnectionSecurity::None,
            (false, _) => ConnectionSecurity::Unknown,
        },
        ..Record::default()
    }
}

fn tcp_record<'a>(
    conn: &'a Conn,
    cluster: Option<&'a ClusterView>,
    source: &'a Arc<Peer>,
    endpoint: &'a Arc<Peer>,
) -> Record<'a> {
    let inbound = conn.direction == Direction::Inbound;
    let own = &conn.worker.shared.observer.own.peer;
    Record {
        reporter: if inbound { Reporter::Destination } else { Reporter::Source },
        protocol: Protocol::Tcp,
        upstream_cluster: cluster.map(|c| c.cluster.settings.name.as_str()),
        source: Some(if inbound { source } else { own }),
        destination: Some(if inbound { own } else { endpoint }),
        service: cluster.map(|c| &c.service),
        ..connection_record(conn)
    }
}

/// How often the shared part is looked after: each time wakes an idle process, and nothing in it is urgent.
const UPKEEP: Duration = Duration::from_secs(30);

/// Looks after the shared part for as long as the process lives: series that nobody adds to are forgotten.
pub async fn upkeep(shared: Arc<crate::worker::Shared>) {
    let dropped = shared.observer.metrics.gauge(
        "weft_access_log_lines_dropped",
        "Access log lines lost because nobody took them in time",
        &[],
    );
    let mut tick = tokio::time::interval(UPKEEP);
    loop {
        tick.tick().await;
        #[expect(clippy::cast_precision_loss, reason = "a gauge of lines is no exact science")]
        dropped.set(shared.observer.files.dropped() as f64);
        shared.observer.metrics.upkeep(Instant::now());
    }
}
