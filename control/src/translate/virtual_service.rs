//! VirtualServices: from what people write to the routes of one port, and to the chains of TCP and TLS ports.
//!
//! Pure: resources and a few plain facts in, settings out, in istiod's shapes. Conditions that are about the proxy (its
//! labels, namespace, gateways, port) are decided here; those about requests travel on. The first match wins, so that
//! nothing is written behind a route that takes everything.

mod action;
mod adapter;
mod check;
mod choose;
mod connection;
mod filters;
mod headers;
mod matching;
mod retry;

use std::collections::BTreeMap;

use weft_model::matcher::{Pattern, StringMatcher};
use weft_model::route::{
    Forward, HashPolicy, HeaderOperations, PathMatch, Route, RouteAction, RouteMatch, Target,
};

pub use self::adapter::routes_without_service;
pub(crate) use self::adapter::{connection_routes, routes};
pub use self::check::check;
pub(crate) use self::check::is_for_sidecars;
pub use self::choose::{destinations, of_host, without_service};
pub use self::connection::{ConnectionRoute, tcp_routes, tls_routes};
pub(crate) use self::matching::gateway;
pub use self::retry::policy as retry_policy;
use crate::annotations;
use crate::resources::Object;
use crate::resources::mesh_config::MeshConfig;
use crate::resources::virtual_service::{HttpMatch, HttpRoute, StringMatch, VirtualService};

/// The gateway that sidecars are.
pub const MESH: &str = "mesh";

/// What consistent hashing goes by, for a host's full name, a subset, and a port where the route names one.
pub type HashOf<'a> = &'a dyn Fn(&str, &str, Option<u16>) -> Vec<HashPolicy>;

/// For whom and where routes are made.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    /// The proxy's namespace.
    pub namespace: &'a str,
    /// The proxy's labels.
    pub labels: &'a BTreeMap<String, String>,
    /// Which gateways it is: [`MESH`], or `namespace/name` of Gateways.
    pub gateways: &'a [&'a str],
    /// The port that requests arrive at.
    pub port: u16,
    /// They arrive in TLS, which ends here.
    pub tls: bool,
    /// The ports of the service of that full name; `None` if the proxy hears of none.
    pub ports_of: &'a dyn Fn(&str) -> Option<Vec<u16>>,
    /// What consistent hashing goes by.
    pub hash: HashOf<'a>,
    /// The mesh's settings.
    pub mesh: &'a MeshConfig,
}

/// The HTTP routes of one VirtualService; none if none of them is for this proxy and port.
pub fn http_routes(service: &Object<VirtualService>, context: &Context<'_>) -> Vec<Route> {
    let mut routes = Vec::new();
    for written in &service.spec.http {
        let conditions: Vec<Option<&HttpMatch>> = match &written.matches[..] {
            [] => vec![None],
            several => several.iter().map(Some).collect(),
        };
        for condition in conditions {
            if let Some(route) = route(service, written, condition, context) {
                let takes_everything = takes_everything(&route.matches);
                routes.push(route);
                if takes_everything {
                    return routes;
                }
            }
        }
    }
    routes
}

/// The route of a service that no VirtualService speaks of.
pub fn default_route(host: &str, port: u16, hash: Vec<HashPolicy>, mesh: &MeshConfig) -> Route {
    let mut forward = Forward::to(cluster(port, "", host));
    action::time(&mut forward, None);
    forward.retry = retry::policy(mesh.default_http_retry_policy.as_ref(), false);
    forward.hash = hash;
    Route {
        name: "default".to_owned(),
        matches: RouteMatch::path(PathMatch::Prefix("/".to_owned())),
        action: RouteAction::Forward(Box::new(forward)),
        headers: HeaderOperations::default(),
        config: String::new(),
        operation: format!("{host}:{port}/*"),
        fault: None,
        cors: None,
        limit: None,
    }
}

fn route(
    service: &Object<VirtualService>,
    written: &HttpRoute,
    condition: Option<&HttpMatch>,
    context: &Context<'_>,
) -> Option<Route> {
    if let Some(condition) = condition
        && !matching::is_here(condition, &service.meta.namespace, context)
    {
        return None;
    }
    let matches = matching::of_request(condition);
    let name = match condition {
        Some(condition) if !condition.name.is_empty() => format!("{}.{}", written.name, condition.name),
        _ => written.name.clone(),
    };
    let (mut headers, authority) = headers::operations(written.headers.as_ref());
    let action = action::of(service, written, authority, &mut headers, context);
    Some(Route {
        name,
        operation: operation(&matches, &action, &service.meta.name, context.port),
        matches,
        action,
        headers,
        config: config(service),
        fault: written.fault.as_ref().and_then(filters::fault),
        cors: written.cors_policy.as_ref().map(filters::cors),
        limit: annotations::limit(&service.meta.annotations, &service.meta.name),
    })
}

/// Nothing comes behind it.
fn takes_everything(matches: &RouteMatch) -> bool {
    let any_path = match &matches.path {
        PathMatch::Prefix(prefix) => prefix == "/",
        PathMatch::Regex(regex) => regex == ".*",
        _ => false,
    };
    any_path && matches.headers.is_empty() && matches.query.is_empty() && matches.metadata.is_empty()
}

/// What traces call it: the only destination, else the VirtualService, and the path.
fn operation(matches: &RouteMatch, action: &RouteAction, service: &str, port: u16) -> String {
    let path = match &matches.path {
        PathMatch::Prefix(prefix) => format!("{prefix}*"),
        PathMatch::Exact(path) | PathMatch::Regex(path) => path.clone(),
        _ => "/*".to_owned(),
    };
    if let RouteAction::Forward(forward) = action
        && let Target::Cluster(name) = &forward.target
        && let [_, port, _, host] = name.split('|').collect::<Vec<_>>()[..]
    {
        return format!("{host}:{port}{path}");
    }
    format!("{service}:{port}{path}")
}

/// How proxies name the VirtualService that a route was made from.
fn config(service: &Object<VirtualService>) -> String {
    let meta = &service.meta;
    format!("/apis/networking.istio.io/v1/namespaces/{}/virtual-service/{}", meta.namespace, meta.name)
}

fn cluster(port: u16, subset: &str, host: &str) -> String {
    format!("outbound|{port}|{subset}|{host}")
}

/// A condition on a string; `None` asks for presence alone.
fn string(condition: &StringMatch) -> Option<StringMatcher> {
    let pattern = match condition {
        StringMatch::Present => return None,
        StringMatch::Exact(text) => Pattern::Exact(text.clone()),
        StringMatch::Prefix(text) => Pattern::Prefix(text.clone()),
        StringMatch::Regex(text) => Pattern::Regex(text.clone()),
    };
    Some(pattern.into())
}

#[cfg(test)]
mod tests;
