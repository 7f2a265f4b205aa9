//! The end of a sidecar's start: what the first connections need is there.
//!
//! Listeners come before the endpoints of their clusters do. A connection that were let in then would meet a service without
//! anybody behind it, or mTLS without a certificate, only because it came early.

use std::time::Duration;

use weft_runtime::readiness::Readiness;

/// Once there are listeners, what else is missing has so long; Envoy, too, warms clusters and listeners no longer.
pub const WARMING: Duration = Duration::from_secs(15);

/// Waits for the first listeners, and for all that they lead to: clusters with their endpoints, routes, and a certificate.
/// What has not come `within` that time after them is not waited for: it concerns only whoever needs it.
pub async fn whole(readiness: Readiness, within: Duration) {
    readiness.met(&["listeners"]).await;
    let rest = readiness.met(&["clusters", "configuration", "certificate"]);
    if tokio::time::timeout(within, rest).await.is_err() {
        tracing::warn!(state = %readiness.state(), "connections are let in without what has not come within {within:?}");
    }
}

#[cfg(test)]
mod tests;
