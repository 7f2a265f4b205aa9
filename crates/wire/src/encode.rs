//! Model to protobuf, in the shapes that istiod serves, so that Envoy takes what weft's control plane says.
//!
//! Equal models give equal bytes: a proxy that was told something twice can see that it is the same.

pub(crate) mod access_log;
pub(crate) mod canonical;
pub(crate) mod cluster;
pub(crate) mod endpoint;
pub(crate) mod ext_authz;
pub(crate) mod forward;
pub(crate) mod health;
pub(crate) mod http;
pub(crate) mod istio;
pub(crate) mod jwt;
pub(crate) mod limit;
pub(crate) mod listener;
pub(crate) mod matcher;
pub(crate) mod metadata;
pub(crate) mod network;
pub(crate) mod per_route;
pub(crate) mod rbac;
pub(crate) mod route;
pub(crate) mod tls;
pub(crate) mod upstream_http;
pub(crate) mod value;

use weft_model::cluster::Cluster;
use weft_model::endpoint::LoadAssignment;
use weft_model::listener::Listener;
use weft_model::route::RouteConfiguration;

/// A packed message; it is not `prost_types`' own.
pub use envoy_types::pb::google::protobuf::Any;

/// A `Listener`.
pub fn listener(model: &Listener) -> Any {
    value::pack(&listener::listener(model))
}

/// A `RouteConfiguration`.
pub fn route_configuration(model: &RouteConfiguration) -> Any {
    value::pack(&route::route_configuration(model))
}

/// A `Cluster`.
pub fn cluster(model: &Cluster) -> Any {
    value::pack(&cluster::cluster(model))
}

/// A `ClusterLoadAssignment`.
pub fn load_assignment(model: &LoadAssignment) -> Any {
    value::pack(&endpoint::load_assignment(model))
}

#[cfg(test)]
mod tests;
