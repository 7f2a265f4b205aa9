//! `/config_dump` as Envoy has it: what is in force, what was refused and why, in the JSON of the protocol.

mod query;
mod section;

use std::sync::PoisonError;

use axum::extract::{RawQuery, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use weft_wire::json::Descriptors;
use weft_xds::type_url;

use self::query::Query;
use self::section::Section;
use super::Admin;
use crate::config::apply::Applier;

pub(super) async fn config_dump(State(admin): State<Admin>, RawQuery(query): RawQuery) -> Response {
    let dump = Query::read(query.as_deref().unwrap_or_default())
        .map_err(|why| (StatusCode::BAD_REQUEST, why))
        .and_then(|query| dump(&admin, &query));
    match dump {
        Ok(dump) => {
            let text = serde_json::to_string_pretty(&dump).unwrap_or_default();
            ([(header::CONTENT_TYPE, "application/json")], text).into_response()
        }
        Err((status, why)) => (status, format!("{why}\n")).into_response(),
    }
}

/// The whole dump, or the part that was asked for. The descriptors are unpacked for this one answer.
fn dump(admin: &Admin, query: &Query) -> Result<Value, (StatusCode, String)> {
    let descriptors =
        Descriptors::open().map_err(|error| (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))?;
    let applier = admin.0.configuration.applier.lock().unwrap_or_else(PoisonError::into_inner);
    let mut sections = sections(&applier, &descriptors, query);
    sections.push(Section::secrets(&admin.0.shared.secrets, query));
    if let Some(asked) = &query.resource {
        let section = sections.into_iter().find(|section| section.field == asked.as_str());
        let section =
            section.ok_or_else(|| (StatusCode::NOT_FOUND, format!("{asked} not found in config dump")))?;
        return Ok(json!({ "configs": query.masked(section.alone()) }));
    }
    let node = json!({ "node": { "id": admin.0.shared.bootstrap.node.id() } });
    let bootstrap = json!({ "@type": section::admin_type("BootstrapConfigDump"), "bootstrap": node });
    let configs: Vec<Value> =
        std::iter::once(bootstrap).chain(sections.into_iter().map(Section::whole)).collect();
    Ok(json!({ "configs": query.masked(configs), "weft_not_honoured": not_honoured(&applier, query) }))
}

fn sections(applier: &Applier, descriptors: &Descriptors, query: &Query) -> Vec<Section> {
    let of = |of_type| section::entries(applier, of_type, descriptors, query);
    let mut sections = vec![Section::new(
        "ClustersConfigDump",
        "dynamic_active_clusters",
        "DynamicCluster",
        of(type_url::CLUSTER),
    )];
    if query.include_eds {
        let endpoints = of(type_url::ENDPOINTS);
        sections.push(Section::new(
            "EndpointsConfigDump",
            "dynamic_endpoint_configs",
            "DynamicEndpointConfig",
            endpoints,
        ));
    }
    let (listeners, routes) = (of(type_url::LISTENER), of(type_url::ROUTES));
    sections.push(Section::new("ListenersConfigDump", "dynamic_listeners", "DynamicListener", listeners));
    sections.push(Section::new("RoutesConfigDump", "dynamic_route_configs", "DynamicRouteConfig", routes));
    sections
}

/// What Envoy has no place for: what a resource asks for and this proxy does not do.
fn not_honoured(applier: &Applier, query: &Query) -> Vec<Value> {
    let resources = applier.held().iter().flat_map(|(of_type, held)| {
        held.iter().filter(|(name, _)| query.wants(name)).map(move |(name, held)| (of_type, name, held))
    });
    let notes = resources.flat_map(|(of_type, name, held)| {
        let note = move |n: &weft_wire::decode::NotHonoured| {
            json!({ "type": of_type, "resource": name, "path": n.path, "what": n.what })
        };
        held.not_honoured.iter().map(note)
    });
    notes.collect()
}

#[cfg(test)]
mod tests;
