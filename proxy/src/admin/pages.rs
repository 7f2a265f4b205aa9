//! `/clusters` and `/listeners` in Envoy's shapes.

use std::fmt::Write as _;
use std::sync::atomic::Ordering;

use axum::extract::State;
use weft_policy::health::Verdict;

use super::Admin;
use crate::snapshot::ClusterView;
use crate::upstream::endpoint::EndpointState;

pub(super) async fn clusters(State(admin): State<Admin>) -> String {
    let snapshot = admin.0.shared.live.load();
    let mut out = String::new();
    for view in snapshot.clusters() {
        let name = &view.cluster.settings.name;
        for (place, endpoint) in view.endpoints.iter().enumerate() {
            let (address, state) = (endpoint.address, &endpoint.state);
            let settings = view.cluster.endpoints.endpoints.get(place);
            let _ = writeln!(
                out,
                "{name}::{address}::cx_connect_fail::{}",
                state.connect_failures.load(Ordering::Relaxed)
            );
            let _ = writeln!(out, "{name}::{address}::rq_active::{}", state.active());
            let _ = writeln!(out, "{name}::{address}::rq_total::{}", state.requests());
            let _ = writeln!(out, "{name}::{address}::rq_error::{}", state.failures.load(Ordering::Relaxed));
            if let Some(settings) = settings {
                let _ = writeln!(out, "{name}::{address}::weight::{}", settings.settings.weight);
                let _ = writeln!(out, "{name}::{address}::priority::{}", settings.priority);
                let _ = writeln!(out, "{name}::{address}::region::{}", settings.locality.region);
                let _ = writeln!(out, "{name}::{address}::zone::{}", settings.locality.zone);
                let flags = flags(view, state);
                let _ = writeln!(out, "{name}::{address}::health_flags::{flags}");
            }
        }
    }
    out
}

pub(super) async fn listeners(State(admin): State<Admin>) -> String {
    let snapshot = admin.0.shared.live.load();
    let mut out = String::new();
    for view in snapshot.listeners() {
        let settings = &view.listener.settings;
        let _ = writeln!(out, "{}::{}", settings.name, settings.address);
    }
    out
}

/// Why an endpoint gets nothing, or less; in Envoy's words.
fn flags(view: &ClusterView, state: &EndpointState) -> String {
    let checks = view.cluster.settings.health_check.is_some();
    let mut flags = String::new();
    if checks && state.health.verdict() == Verdict::Ill {
        flags.push_str("/failed_active_hc");
    }
    if state.is_out() {
        flags.push_str("/failed_outlier_check");
    }
    if checks && state.health.verdict() == Verdict::Degraded {
        flags.push_str("/degraded_active_hc");
    }
    if flags.is_empty() { "healthy".to_owned() } else { flags }
}
