//! What tests share: echo apps, sidecars without a control plane, identities of a mesh that lives as long as the test.
//!
//! Everything listens on loopback, on ports that were free a moment ago, and ends with the test's process.

#![allow(clippy::missing_panics_doc, clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

mod agent;
pub mod app;
pub mod envoy;
pub mod mesh;
pub mod plane;
pub mod settings;
pub mod wire;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// An address on loopback whose port is free at this moment.
pub fn free_address() -> SocketAddr {
    std::net::TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).unwrap()
}

/// Waits until `condition` holds, at most ten seconds.
pub async fn eventually(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !condition().await {
        assert!(Instant::now() < deadline, "not within ten seconds: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
