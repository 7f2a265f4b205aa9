//! What people and probes may look at: Envoy's admin pages on the pod's own localhost, readiness and metrics for others.

mod dump;
mod logs;
mod pages;
mod status;

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::{RawQuery, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use tokio::net::TcpListener;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::limit::RequestBodyLimitLayer;
use tower_http::timeout::TimeoutLayer;
use weft_runtime::readiness::{Readiness, ReadinessState};
use weft_runtime::workers::WorkersHandle;
use weft_telemetry::log::LogControl;

use crate::config::subscribe::Configuration;
use crate::listeners::Listeners;
use crate::worker::{Shared, Worker};

/// A page must be made by then.
const PATIENCE: Duration = Duration::from_secs(10);

/// What the pages tell of.
#[derive(Clone)]
pub struct Admin(Arc<Inner>);

struct Inner {
    shared: Arc<Shared>,
    workers: WorkersHandle<Worker>,
    configuration: Configuration,
    readiness: Readiness,
    listeners: Arc<Mutex<Listeners>>,
    log: Option<LogControl>,
    started: Instant,
}

impl Admin {
    /// Pages about a process that starts now.
    pub fn new(
        shared: Arc<Shared>,
        workers: WorkersHandle<Worker>,
        configuration: Configuration,
        readiness: Readiness,
        listeners: Arc<Mutex<Listeners>>,
        log: Option<LogControl>,
    ) -> Self {
        let started = Instant::now();
        Self(Arc::new(Inner { shared, workers, configuration, readiness, listeners, log, started }))
    }
}

/// Serves the admin pages, readiness and metrics, each on its own sockets, until the process ends.
pub fn serve(admin: Admin, pages: TcpListener, status: Vec<TcpListener>, prometheus: TcpListener) {
    let all = Router::new()
        .route("/", get(|| async { "weft: /config_dump /clusters /listeners /stats /stats/prometheus /ready /logging /server_info /weft/status /weft/flush_logs\n" }))
        .route("/config_dump", get(dump::config_dump))
        .route("/clusters", get(pages::clusters))
        .route("/listeners", get(pages::listeners))
        .route("/stats", get(metrics))
        .route("/stats/prometheus", get(metrics))
        .route("/ready", get(ready))
        .route("/server_info", get(status::server_info))
        .route("/weft/status", get(status::status))
        .route("/weft/flush_logs", post(logs::flush))
        .route("/logging", post(logging).get(levels))
        .with_state(admin.clone());
    let health = Router::new()
        .route("/healthz/ready", get(ready))
        .route("/healthz/live", get(|| async { "ok\n" }))
        .with_state(admin.clone());
    let scrape = Router::new().route("/stats/prometheus", get(metrics)).with_state(admin);
    // A page that hangs or panics costs its asker an error, nobody else anything.
    let bounded = tower::ServiceBuilder::new()
        .layer(CatchPanicLayer::new())
        .layer(TimeoutLayer::with_status_code(StatusCode::GATEWAY_TIMEOUT, PATIENCE))
        .layer(RequestBodyLimitLayer::new(64 * 1024));
    let status = status.into_iter().map(|socket| (socket, health.clone()));
    for (socket, router) in [(pages, all), (prometheus, scrape)].into_iter().chain(status) {
        let router = router.layer(bounded.clone());
        tokio::spawn(async move {
            if let Err(error) = axum::serve(socket, router).await {
                tracing::error!(%error, "an admin port is closed");
            }
        });
    }
}

async fn ready(State(admin): State<Admin>) -> Response {
    match admin.0.readiness.state() {
        ReadinessState::Ready => "LIVE\n".into_response(),
        state => (StatusCode::SERVICE_UNAVAILABLE, format!("{state}\n")).into_response(),
    }
}

async fn metrics(State(admin): State<Admin>) -> Response {
    let mut text = admin.0.shared.observer.metrics.render(Instant::now());
    text.push_str(&crate::observe::clusters::render(&admin.0.shared.live.load()));
    ([(header::CONTENT_TYPE, weft_telemetry::metrics::CONTENT_TYPE)], text).into_response()
}

async fn levels(State(admin): State<Admin>) -> String {
    admin.0.log.as_ref().map_or_else(
        || "logging is not under this page's control\n".into(),
        |log| format!("{}\n", log.levels()),
    )
}

async fn logging(State(admin): State<Admin>, RawQuery(query): RawQuery) -> Response {
    let Some(log) = &admin.0.log else {
        return (StatusCode::NOT_FOUND, "logging is not under this page's control\n").into_response();
    };
    match log.apply_query(query.as_deref().unwrap_or_default()) {
        Ok(levels) => format!("{levels}\n").into_response(),
        Err(error) => (StatusCode::BAD_REQUEST, format!("{error}\n")).into_response(),
    }
}
