//! The control plane's own account, as JSON at `/weft/status`: what it last read, and what each proxy has of it.

use super::files::LastReading;
use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use parking_lot::Mutex;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Instant;
use tokio::net::TcpListener;
use weft_xds::server::{Connected, ProxyStatus, TypeStatus};

/// What the account is given from.
#[derive(Clone)]
pub(super) struct Account {
    pub(super) started: Instant,
    pub(super) files: Arc<Mutex<LastReading>>,
    pub(super) connected: Connected,
}

/// Answers until the process ends; a port that cannot be served costs only the account.
pub(super) async fn serve(listener: TcpListener, account: Account) {
    let routes = Router::new().route("/weft/status", get(status)).with_state(account);
    if let Err(error) = axum::serve(listener, routes).await {
        tracing::error!(%error, "the status port ended");
    }
}

async fn status(State(account): State<Account>) -> Json<Value> {
    let now = Instant::now();
    let files = account.files.lock().clone();
    let proxies: Vec<Value> = account.connected.list().iter().map(|proxy| self::proxy(proxy, now)).collect();
    Json(json!({
        "version": env!("CARGO_PKG_VERSION"),
        "uptime_seconds": account.started.elapsed().as_secs(),
        "files": files,
        "proxies": proxies,
    }))
}

fn proxy(proxy: &ProxyStatus, now: Instant) -> Value {
    let types: Vec<Value> = proxy.types.iter().map(|of_type| self::of_type(of_type, now)).collect();
    json!({
        "node": proxy.client.node.id,
        "identity": proxy.client.caller.as_ref().map(ToString::to_string),
        "connected_seconds": now.saturating_duration_since(proxy.since).as_secs(),
        "revision": proxy.target.as_deref(),
        "in_sync": proxy.types.iter().all(|of_type| of_type.in_sync),
        "types": types,
    })
}

fn of_type(of_type: &TypeStatus, now: Instant) -> Value {
    let ago = |at: Instant| now.saturating_duration_since(at).as_secs();
    json!({
        "type": of_type.type_url.as_ref(),
        "resources": of_type.held,
        "sent": of_type.sent.as_ref().map(|mark| mark.revision.as_ref()),
        "acked": of_type.acked.as_ref().map(|mark| mark.revision.as_ref()),
        "acked_seconds_ago": of_type.acked.as_ref().map(|mark| ago(mark.at)),
        "refused": of_type.nacked.as_ref().map(|refusal| &refusal.message),
        "in_sync": of_type.in_sync,
    })
}
