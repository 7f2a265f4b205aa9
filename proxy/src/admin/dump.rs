//! `/config_dump`, `/clusters`, `/listeners` in Envoy's shapes.

use std::fmt::Write as _;
use std::sync::PoisonError;
use std::sync::atomic::Ordering;

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use weft_xds::type_url;

use super::Admin;
use crate::config::apply::Held;

pub(super) async fn config_dump(State(admin): State<Admin>) -> Response {
    let applier = admin.0.configuration.applier.lock().unwrap_or_else(PoisonError::into_inner);
    let of = |of_type: &str| applier.held().get(of_type).into_iter().flatten().collect::<Vec<_>>();
    let resource = |of_type: &str, (name, held): &(&String, &Held), inner: &str| {
        json!({
            "name": name,
            "version_info": held.version,
            "last_updated": timestamp(held),
            inner: typed(of_type, &held.bytes),
        })
    };
    let clusters: Vec<Value> =
        of(type_url::CLUSTER).iter().map(|r| resource(type_url::CLUSTER, r, "cluster")).collect();
    let listeners: Vec<Value> = of(type_url::LISTENER)
        .iter()
        .map(|r| json!({ "name": r.0, "active_state": resource(type_url::LISTENER, r, "listener") }))
        .collect();
    let routes: Vec<Value> =
        of(type_url::ROUTES).iter().map(|r| resource(type_url::ROUTES, r, "route_config")).collect();
    let endpoints: Vec<Value> =
        of(type_url::ENDPOINTS).iter().map(|r| resource(type_url::ENDPOINTS, r, "endpoint_config")).collect();
    let not_honoured: Vec<Value> = applier
        .held()
        .iter()
        .flat_map(|(of_type, held)| held.iter().map(move |(name, held)| (of_type, name, held)))
        .flat_map(|(of_type, name, held)| {
            held.not_honoured
                .iter()
                .map(move |n| json!({ "type": of_type, "resource": name, "path": n.path, "what": n.what }))
        })
        .collect();
    let admin_type = |name: &str| format!("type.googleapis.com/envoy.admin.v3.{name}");
    let dump = json!({ "configs": [
        { "@type": admin_type("BootstrapConfigDump"), "bootstrap": { "node": { "id": admin.0.shared.bootstrap.node.id() } } },
        { "@type": admin_type("ClustersConfigDump"), "dynamic_active_clusters": clusters },
        { "@type": admin_type("ListenersConfigDump"), "dynamic_listeners": listeners },
        { "@type": admin_type("RoutesConfigDump"), "dynamic_route_configs": routes },
        { "@type": admin_type("EndpointsConfigDump"), "dynamic_endpoint_configs": endpoints },
    ], "weft_not_honoured": not_honoured });
    let text = serde_json::to_string_pretty(&dump).unwrap_or_default();
    ([(header::CONTENT_TYPE, "application/json")], text).into_response()
}

/// The settings as they were understood. The bytes themselves are the control plane's to show.
fn typed(of_type: &str, bytes: &[u8]) -> Value {
    let settings = match of_type {
        type_url::CLUSTER => weft_wire::decode::cluster(bytes).map(|(m, _)| format!("{m:#?}")),
        type_url::LISTENER => weft_wire::decode::listener(bytes).map(|(m, _)| format!("{m:#?}")),
        type_url::ROUTES => weft_wire::decode::route_configuration(bytes).map(|(m, _)| format!("{m:#?}")),
        _ => weft_wire::decode::load_assignment(bytes).map(|(m, _)| format!("{m:#?}")),
    };
    json!({ "@type": of_type, "settings": settings.unwrap_or_else(|e| e.to_string()) })
}

fn timestamp(held: &Held) -> String {
    let at = time::OffsetDateTime::from(held.since);
    at.format(&time::format_description::well_known::Rfc3339).unwrap_or_default()
}

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
            let _ = writeln!(out, "{name}::{address}::rq_total::{}", state.requests.load(Ordering::Relaxed));
            let _ = writeln!(out, "{name}::{address}::rq_error::{}", state.failures.load(Ordering::Relaxed));
            if let Some(settings) = settings {
                let _ = writeln!(out, "{name}::{address}::weight::{}", settings.settings.weight);
                let _ = writeln!(out, "{name}::{address}::priority::{}", settings.priority);
                let _ = writeln!(out, "{name}::{address}::region::{}", settings.locality.region);
                let _ = writeln!(out, "{name}::{address}::zone::{}", settings.locality.zone);
                let _ = writeln!(out, "{name}::{address}::health_flags::healthy");
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
