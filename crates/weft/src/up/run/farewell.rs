//! The end of one pod of a mesh that goes on: everybody who calls it is told first, and answered until they know.

use crate::admin;
use crate::supervisor::Released;
use serde_json::Value;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How long callers are waited for: one that hangs, or has no control plane, must not hold up a rollout for ever.
const LONGEST: Duration = Duration::from_secs(5);
const LOOK: Duration = Duration::from_millis(30);
/// Requests that were on their way when the last caller learned of it arrive within this time.
const ARRIVAL: Duration = Duration::from_millis(100);

/// The processes of a pod that leaves.
pub(super) struct Leaving {
    pub(super) app: Released,
    pub(super) sidecar: Released,
}

impl Leaving {
    /// Stops the pod once plan `revision` is in force at all callers, the app before its sidecar: what the app says
    /// on its way out still goes through. `hurry` takes the patience away.
    pub(super) async fn stop(self, control: &str, revision: u64, hurry: CancellationToken) {
        let told = async {
            let _ = tokio::time::timeout(LONGEST, until_told(control, revision)).await;
            tokio::time::sleep(ARRIVAL).await;
        };
        tokio::select! {
            () = told => {}
            () = hurry.cancelled() => {}
        }
        self.app.stop().await;
        self.sidecar.stop().await;
    }
}

/// Until every proxy has acknowledged the endpoints of plan `revision`, or of a later one.
async fn until_told(control: &str, revision: u64) {
    loop {
        if admin::control_plane(control).await.is_ok_and(|status| is_told(&status, revision)) {
            return;
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// By the control plane's own account.
fn is_told(status: &Value, revision: u64) -> bool {
    let serving = &status["serving"];
    let in_use = status["plan_in_use"].as_u64().is_some_and(|plan| plan >= revision);
    let pushed = serving["pushed"].as_u64() >= serving["revision"].as_u64();
    let knows = |proxy: &Value| {
        let types = proxy["types"].as_array().map(Vec::as_slice).unwrap_or_default();
        types
            .iter()
            .filter(|of| of["kind"] == "ClusterLoadAssignment")
            .all(|of| of["in_sync"].as_bool().unwrap_or_default())
    };
    in_use && pushed && serving["proxies"].as_array().is_some_and(|proxies| proxies.iter().all(knows))
}

#[cfg(test)]
mod tests;
