//! Istio's metadata exchange by headers: who is at the other end, for the labels of metrics; never for a decision.

use std::sync::Arc;

use weft_http1::{Headers, InvalidHeader, Name, ResponseHead};
use weft_model::listener::Direction;
use weft_model::table::chain::HttpManager;
use weft_telemetry::Peer;
use weft_telemetry::peer::{PEER_METADATA, PEER_METADATA_ID};

use super::call::{Call, Ledger};
use crate::connection::Conn;
use crate::snapshot::ClusterView;

/// A workload's account of itself.
const ACCOUNT: [Name; 2] = [Name::new(PEER_METADATA), Name::new(PEER_METADATA_ID)];

/// Takes somebody's account of itself out of a head.
pub(super) fn forget(headers: &mut Headers) {
    headers.remove_each(&ACCOUNT);
}

fn principal(conn: &Conn) -> Option<&str> {
    conn.names.as_ref()?.uris.first().map(String::as_str)
}

/// Takes the client's account of itself from a request that comes in.
pub fn on_request(conn: &Conn, manager: &HttpManager, call: &mut Call) {
    if conn.direction != Direction::Inbound {
        return;
    }
    let header = call.request.headers.get(PEER_METADATA).filter(|_| conn.tls);
    let found = conn.worker.observer.peer(header, principal(conn));
    call.ledger.peer_told = header.is_some();
    call.ledger.source = Some(found);
    if manager.peer_metadata.is_some_and(|m| m.downstream_discovery) || !conn.tls {
        forget(&mut call.request.headers);
    }
}

/// Tells the upstream who we are, if it is of the mesh.
pub fn to_upstream(conn: &Conn, manager: &HttpManager, call: &mut Call, cluster: &ClusterView) {
    if conn.direction == Direction::Inbound {
        return;
    }
    forget(&mut call.request.headers);
    let Some(exchange) = manager.peer_metadata.filter(|m| m.upstream_propagation) else { return };
    if exchange.skip_external && cluster.cluster.settings.istio.external {
        return;
    }
    for own in &conn.worker.shared.observer.own.headers {
        // A head that has no room for it, goes without.
        let _ = call.request.headers.append_line(own);
    }
}

/// Takes the server's account of itself from an answer (or what its endpoint says of it) beside the identity that its
/// certificate proves, and gives ours to a client that gave its own.
///
/// # Errors
/// Never for what this proxy writes itself.
pub fn on_response(
    conn: &Conn,
    manager: &HttpManager,
    head: &mut ResponseHead,
    ledger: &mut Ledger,
    (endpoint, principal): (&Arc<Peer>, Option<&str>),
) -> Result<(), InvalidHeader> {
    if conn.direction == Direction::Inbound {
        return on_own_answer(conn, manager, head, ledger);
    }
    let header = head.headers.get(PEER_METADATA);
    ledger.destination = Some(match header {
        Some(header) => conn.worker.observer.peer(Some(header), principal),
        None => conn.worker.observer.proven(endpoint, principal),
    });
    forget(&mut head.headers);
    Ok(())
}

/// Gives our account of ourselves with an answer of our own.
///
/// # Errors
/// Never for what this proxy writes itself.
pub fn on_own_answer(
    conn: &Conn,
    manager: &HttpManager,
    head: &mut ResponseHead,
    ledger: &Ledger,
) -> Result<(), InvalidHeader> {
    if conn.direction == Direction::Inbound {
        forget(&mut head.headers);
        if ledger.peer_told && manager.peer_metadata.is_some_and(|m| m.downstream_propagation) {
            for own in &conn.worker.shared.observer.own.headers {
                head.headers.append_line(own)?;
            }
        }
    }
    Ok(())
}
