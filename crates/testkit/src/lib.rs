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

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// An address on loopback whose port is free, and which other tests are hardly given meanwhile: sidecars share their ports, so
/// two tests at one would each get some of the other's connections. Tests are processes of their own, and those that run at
/// once have mostly begun one after another, so each has ports of its own.
pub fn free_address() -> SocketAddr {
    /// Behind the mesh's own ports, before those that the system gives out.
    const FIRST: u32 = 16_384;
    const EACH: u32 = 32;
    const PROCESSES: u32 = 512;
    static GIVEN: AtomicU32 = AtomicU32::new(0);
    let first = FIRST + std::process::id() % PROCESSES * EACH;
    let own = std::iter::from_fn(|| Some(GIVEN.fetch_add(1, Ordering::Relaxed))).take_while(|n| *n < EACH);
    let ports = own.map(|n| first + n).chain([0]);
    ports.filter_map(|port| bound(u16::try_from(port).ok()?)).next().unwrap()
}

fn bound(port: u16) -> Option<SocketAddr> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).and_then(|listener| listener.local_addr()).ok()
}

/// Waits until `condition` holds, at most ten seconds.
pub async fn eventually(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !condition().await {
        assert!(Instant::now() < deadline, "not within ten seconds: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
