//! What is written down of requests and connections: Istio's metrics, the access log, totals for `weft status`.

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use weft_model::listener::Direction;
use weft_telemetry::{Peer, PeerCache, PeerMetadata, Protocol, Reporter};

use crate::bootstrap::Bootstrap;
use crate::connection::Conn;
use crate::http::call::Call;

/// What all workers share.
#[derive(Debug)]
pub struct Shared {
    /// Who we are, for the other end and for labels.
    pub own: Own,
    /// Requests finished.
    pub requests: AtomicU64,
    /// Of these, failed by the server's or the mesh's fault.
    pub failures: AtomicU64,
}

/// Who we are.
#[derive(Debug)]
pub struct Own {
    /// The same, shared.
    pub peer: Arc<Peer>,
    /// The value of `x-envoy-peer-metadata`.
    pub header: String,
    /// The value of `x-envoy-peer-metadata-id`.
    pub node_id: String,
}

impl Shared {
    /// Nothing has happened yet.
    pub fn new(bootstrap: &Bootstrap) -> Self {
        let node = &bootstrap.node.metadata;
        let label = |name: &str| node.labels.get(name).cloned().unwrap_or_default();
        let or = |a: String, b: String| if a.is_empty() { b } else { a };
        let metadata = PeerMetadata {
            name: node.name.clone(),
            namespace: node.namespace.clone(),
            workload: node.workload_name.clone(),
            cluster: node.cluster_id.clone(),
            owner: node.owner.clone(),
            canonical_service: or(label("service.istio.io/canonical-name"), or(label("app"), node.workload_name.clone())),
            canonical_revision: or(label("service.istio.io/canonical-revision"), or(label("version"), "latest".into())),
            app: label("app"),
            version: label("version"),
        };
        let own = Own {
            header: metadata.encode(),
            node_id: bootstrap.node.id(),
            peer: Arc::new(Peer::new(metadata, None)),
        };
        Self { own, requests: AtomicU64::new(0), failures: AtomicU64::new(0) }
    }
}

/// One worker's part.
pub struct Observer {
    peers: RefCell<PeerCache>,
}

impl Observer {
    /// A part of `shared`.
    pub fn new(_shared: &Shared) -> Self {
        Self { peers: RefCell::new(PeerCache::new()) }
    }

    /// The peer that a header describes, with the identity that its certificate proves.
    pub fn peer(&self, header: Option<&[u8]>, principal: Option<&str>) -> Arc<Peer> {
        self.peers.borrow_mut().peer(header, principal)
    }

    /// A request is over.
    pub fn finished(&self, conn: &Conn, call: &Call, protocol: Protocol) {
        let reporter =
            if conn.direction == Direction::Inbound { Reporter::Destination } else { Reporter::Source };
        let shared = &conn.worker.shared.observer;
        shared.requests.fetch_add(1, Ordering::Relaxed);
        if call.response.status >= 500 {
            shared.failures.fetch_add(1, Ordering::Relaxed);
        }
        tracing::debug!(
            ?reporter, ?protocol, method = call.request.method(), path = call.request.target(), status = call.response.status,
            details = %call.ledger.details, reason = %call.ledger.reason, policy = ?call.ledger.policy,
            upstream = ?call.ledger.upstream, "request"
        );
    }

    /// Now and then.
    pub fn upkeep(&self) {}
}
