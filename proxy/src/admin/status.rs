//! `/weft/status`: what `weft status` and `weft certs` show of one proxy.

use std::collections::BTreeMap;
use std::sync::PoisonError;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use weft_policy::health::Verdict;
use weft_runtime::readiness::ReadinessState;
use weft_telemetry::summary::TrafficStatus;

use super::Admin;
use crate::snapshot::{ClusterView, EndpointView};

/// One proxy at this moment.
#[derive(Debug, Serialize)]
pub(super) struct Status {
    node: String,
    version: &'static str,
    uptime_seconds: u64,
    ready: bool,
    waiting_for: Option<String>,
    control_plane: ControlPlane,
    /// By type: what is in force.
    configuration: BTreeMap<String, InForce>,
    certificate: Option<Certificate>,
    traffic: TrafficStatus,
    listeners_failed: BTreeMap<String, String>,
    endpoints: Vec<Endpoint>,
    /// Clusters of which too few endpoints are well, so that all are used.
    panics: Vec<String>,
    retries: Retries,
}

#[derive(Debug, Default, Serialize)]
struct Retries {
    /// Requests that were tried again.
    total: u64,
    /// Of these, what an app may have seen before.
    after_the_app: u64,
}

#[derive(Debug, Serialize)]
struct ControlPlane {
    connected: bool,
    last_error: Option<String>,
}

#[derive(Debug, Serialize)]
struct InForce {
    resources: usize,
    /// Since the youngest of them is in force, seconds since 1970.
    since: u64,
    /// One number for all versions together: equal numbers, equal configuration.
    digest: String,
    refused: Option<String>,
    not_honoured: usize,
    warnings: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Certificate {
    uri: String,
    serial: String,
    not_before: u64,
    not_after: u64,
    remaining_seconds: u64,
}

#[derive(Debug, Serialize)]
struct Endpoint {
    cluster: String,
    address: String,
    active: u32,
    requests: u64,
    failures: u64,
    connect_failures: u64,
    /// It gets no requests for so long (outlier detection).
    ejected_seconds: Option<f64>,
    /// What its health checks make of it, where that is not well: `failed`, `degraded`.
    health: Option<&'static str>,
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

pub(super) async fn status(State(admin): State<Admin>) -> Json<Status> {
    let inner = &admin.0;
    let state = inner.readiness.state();
    let connection = inner.configuration.handle.connection().borrow().clone();
    let svid = inner.shared.secrets.svid();
    let certificate = svid.map(|svid| Certificate {
        uri: svid.names.uris.first().cloned().unwrap_or_default(),
        serial: svid.serial.clone(),
        not_before: seconds(svid.not_before),
        not_after: seconds(svid.not_after),
        remaining_seconds: svid.not_after.duration_since(SystemTime::now()).unwrap_or_default().as_secs(),
    });
    let listeners_failed = inner.listeners.lock().unwrap_or_else(PoisonError::into_inner).failed.clone();
    Json(Status {
        node: inner.shared.bootstrap.node.id(),
        version: env!("CARGO_PKG_VERSION"),
        uptime_seconds: inner.started.elapsed().as_secs(),
        ready: matches!(state, ReadinessState::Ready),
        waiting_for: (!matches!(state, ReadinessState::Ready)).then(|| state.to_string()),
        control_plane: ControlPlane {
            connected: connection.since.is_some(),
            last_error: connection.last_error.map(|failure| failure.what),
        },
        configuration: in_force(&admin),
        certificate,
        traffic: inner.shared.observer.summary.total().status(),
        listeners_failed,
        endpoints: endpoints(&admin),
        panics: panics(&admin),
        retries: retries(&admin),
    })
}

fn in_force(admin: &Admin) -> BTreeMap<String, InForce> {
    use std::hash::{DefaultHasher, Hash as _, Hasher as _};
    let configuration = &admin.0.configuration;
    let applier = configuration.applier.lock().unwrap_or_else(PoisonError::into_inner);
    let refusals = configuration.refusals.lock().unwrap_or_else(PoisonError::into_inner);
    let mut types: BTreeMap<String, InForce> = BTreeMap::new();
    for (of_type, held) in applier.held() {
        let mut hasher = DefaultHasher::new();
        held.iter().for_each(|(name, held)| (name, &held.version, &held.bytes).hash(&mut hasher));
        let short = of_type.rsplit('.').next().unwrap_or(of_type);
        types.insert(
            short.to_owned(),
            InForce {
                resources: held.len(),
                since: held.values().map(|held| seconds(held.since)).max().unwrap_or_default(),
                digest: format!("{:016x}", hasher.finish()),
                refused: refusals.get(*of_type).cloned(),
                not_honoured: held.values().map(|held| held.not_honoured.len()).sum(),
                warnings: held.values().flat_map(|held| held.warnings.clone()).collect(),
            },
        );
    }
    types
}

fn endpoints(admin: &Admin) -> Vec<Endpoint> {
    let (snapshot, now) = (admin.0.shared.live.load(), Instant::now());
    let views = snapshot.clusters().flat_map(|view| view.endpoints.iter().map(move |e| (view, e)));
    // Who was never well was never asked.
    let told = views.filter(|(view, e)| e.state.requests() > 0 || health(view, e).is_some());
    told.map(|(view, e)| Endpoint {
        cluster: view.cluster.settings.name.clone(),
        address: e.address.to_string(),
        active: e.state.active(),
        requests: e.state.requests(),
        failures: e.state.failures.load(Ordering::Relaxed),
        connect_failures: e.state.connect_failures.load(Ordering::Relaxed),
        ejected_seconds: ejected(view, e, now).map(|left| left.as_secs_f64()),
        health: health(view, e),
    })
    .collect()
}

fn panics(admin: &Admin) -> Vec<String> {
    let snapshot = admin.0.shared.live.load();
    // What was so when an endpoint was picked last, and is over where all are well.
    let is_well = |view: &ClusterView, e: &EndpointView| !e.state.is_out() && health(view, e).is_none();
    let in_panic = snapshot.clusters().filter(|view| {
        view.state.panics.any() && !view.endpoints.iter().all(|endpoint| is_well(view, endpoint))
    });
    in_panic.map(|view| view.cluster.settings.name.clone()).collect()
}

fn retries(admin: &Admin) -> Retries {
    admin.0.shared.live.load().clusters().fold(Retries::default(), |sum, view| Retries {
        total: sum.total + view.state.retried.load(Ordering::Relaxed),
        after_the_app: sum.after_the_app + view.state.repeated.load(Ordering::Relaxed),
    })
}

fn health(view: &ClusterView, endpoint: &EndpointView) -> Option<&'static str> {
    view.cluster.settings.health_check.as_ref()?;
    match endpoint.state.health.verdict() {
        Verdict::Ill => Some("failed"),
        Verdict::Degraded => Some("degraded"),
        Verdict::Well | Verdict::Unknown => None,
    }
}

fn ejected(view: &ClusterView, endpoint: &EndpointView, now: Instant) -> Option<Duration> {
    endpoint.state.is_out().then(|| view.state.ward.remaining(endpoint.address, now)).flatten()
}

pub(super) async fn server_info(State(admin): State<Admin>) -> Json<serde_json::Value> {
    Json(serde_json::json!({
        "version": format!("weft/{}", env!("CARGO_PKG_VERSION")),
        "state": if admin.0.readiness.is_ready() { "LIVE" } else { "PRE_INITIALIZING" },
        "uptime_current_epoch": format!("{}s", admin.0.started.elapsed().as_secs()),
        "node": { "id": admin.0.shared.bootstrap.node.id() },
    }))
}
