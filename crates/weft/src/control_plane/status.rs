//! The control plane's own account, as JSON at `/weft/status`: what it last read, and what each proxy has of it.

use super::files::LastReading;
use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use parking_lot::Mutex;
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;
use tokio::net::TcpListener;
use weft_control::serve::ControlPlane;

/// What the account is given from.
#[derive(Clone)]
pub(super) struct Account {
    pub(super) started: Instant,
    pub(super) files: Arc<Mutex<LastReading>>,
    /// The revision of the plan that proxies are told of.
    pub(super) plan_in_use: Arc<AtomicU64>,
    /// None, until the files have been without errors once.
    pub(super) control: Arc<Mutex<Option<ControlPlane>>>,
}

/// Answers until the process ends; a port that cannot be served costs only the account.
pub(super) async fn serve(listener: TcpListener, account: Account) {
    let routes = Router::new().route("/weft/status", get(status)).with_state(account);
    if let Err(error) = axum::serve(listener, routes).await {
        tracing::error!(%error, "the status port ended");
    }
}

async fn status(State(account): State<Account>) -> Json<Value> {
    let files = account.files.lock().clone();
    // Before the report: its world is that of this plan, or newer.
    let plan_in_use = account.plan_in_use.load(Ordering::Acquire);
    let report = account.control.lock().as_ref().map(ControlPlane::report);
    Json(json!({
        "version": env!("CARGO_PKG_VERSION"),
        "uptime_seconds": account.started.elapsed().as_secs(),
        "files": files,
        "plan_in_use": plan_in_use,
        "serving": report,
    }))
}
