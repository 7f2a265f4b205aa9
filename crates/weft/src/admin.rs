//! What the parts of a running mesh say about themselves: each sidecar's `/weft/status`, and the control plane's; and what
//! sidecars are asked to do.

use crate::client;
use crate::up::plan::{Plan, Pod};
use crate::up::programs::ADMIN_PORT;
use futures_util::future::join_all;
use http::{Method, StatusCode};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// Who does not answer in this time is told as silent.
const PATIENCE: Duration = Duration::from_secs(3);
/// A log is shown as it is after this, whoever did not answer.
const PATIENCE_WITH_LOGS: Duration = Duration::from_secs(1);

/// `/weft/status` of one sidecar. What another version does not tell is left at its default.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Sidecar {
    pub(crate) node: String,
    pub(crate) ready: bool,
    pub(crate) waiting_for: Option<String>,
    pub(crate) control_plane: Connection,
    /// By type: what is in force.
    pub(crate) configuration: BTreeMap<String, InForce>,
    pub(crate) certificate: Option<Certificate>,
    pub(crate) traffic: Traffic,
    /// Listeners that are not there, and why.
    pub(crate) listeners_failed: BTreeMap<String, String>,
    /// Endpoints that requests were sent to.
    pub(crate) endpoints: Vec<Endpoint>,
    /// Clusters of which too few endpoints are well, so that all are used.
    pub(crate) panics: Vec<String>,
    pub(crate) retries: Retries,
}

/// Requests that were tried again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Retries {
    pub(crate) total: u64,
    /// Of these, what an app may have seen before.
    pub(crate) after_the_app: u64,
}

/// One endpoint of one cluster, as a sidecar sees it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Endpoint {
    pub(crate) cluster: String,
    pub(crate) address: String,
    pub(crate) requests: u64,
    pub(crate) failures: u64,
    /// It gets no requests for so long (outlier detection).
    pub(crate) ejected_seconds: Option<f64>,
    /// `failed`, `degraded`: what its health checks make of it.
    pub(crate) health: Option<String>,
}

/// The way to the control plane.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Connection {
    pub(crate) connected: bool,
    pub(crate) last_error: Option<String>,
}

/// One type of resources in one sidecar.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct InForce {
    pub(crate) resources: usize,
    /// Seconds since 1970.
    pub(crate) since: u64,
    /// Equal digests, equal configuration.
    pub(crate) digest: String,
    /// Why the last update was refused.
    pub(crate) refused: Option<String>,
    pub(crate) not_honoured: usize,
    pub(crate) warnings: Vec<String>,
}

/// A sidecar's own certificate.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Certificate {
    pub(crate) uri: String,
    pub(crate) serial: String,
    pub(crate) not_before: u64,
    pub(crate) not_after: u64,
    pub(crate) remaining_seconds: u64,
}

/// Requests that went through one sidecar.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Traffic {
    pub(crate) requests: u64,
    pub(crate) success_rate: Option<f64>,
    pub(crate) denied: u64,
    pub(crate) p50_ms: Option<f64>,
    pub(crate) p99_ms: Option<f64>,
    /// Active health checks by other sidecars, which are no requests.
    pub(crate) health_checks: u64,
    pub(crate) connections: u64,
}

/// The sidecars of `pods`, all asked at once; what went wrong where one did not answer.
pub(crate) async fn sidecars<'a>(pods: &[&'a Pod]) -> Vec<(&'a Pod, Result<Sidecar, String>)> {
    let ask = pods.iter().filter(|pod| pod.sidecar).map(|pod| async {
        let address = pod.within(pod.localhost, ADMIN_PORT);
        (*pod, json(&address, "/weft/status").await)
    });
    join_all(ask).await
}

/// Has the sidecars of `pods` write down what they answered, all at once. One that cannot be asked, or is of a version that
/// does not know how, keeps nobody waiting: what it wrote by itself is there.
pub(crate) async fn flush_logs(pods: &[&Pod]) {
    let ask = pods.iter().filter(|pod| pod.sidecar).map(|pod| async {
        let address = pod.within(pod.localhost, ADMIN_PORT);
        let _ = client::ask(Method::POST, &address, "/weft/flush_logs", PATIENCE_WITH_LOGS).await;
    });
    join_all(ask).await;
}

/// The control plane's own view, as it gives it.
pub(crate) async fn control_plane(address: &str) -> Result<serde_json::Value, String> {
    json(address, "/weft/status").await
}

/// All pods of a plan, for those commands that need no choice.
pub(crate) fn all(plan: &Plan) -> Vec<&Pod> {
    plan.pods.iter().collect()
}

async fn json<T: serde::de::DeserializeOwned>(address: &str, path: &str) -> Result<T, String> {
    let (status, body) = client::fetch(address, path, PATIENCE).await.map_err(|error| error.to_string())?;
    if status != StatusCode::OK {
        return Err(format!("{address} answers {path} with {status}"));
    }
    serde_json::from_slice(&body).map_err(|error| format!("{address}{path}: {error}"))
}
