//! Protobuf to model.
//!
//! Every field of every message is either read or noted: what weft does not honour is listed with its path, never
//! dropped in silence. What would change who may do what, or where traffic goes, and cannot be told in the model
//! becomes an explicit `Unknown` there, which the proxy answers by refusing. What is malformed is a [`DecodeError`]
//! that names the resource and the place in it. Any bytes may come: no decoder panics, and all of them end.

mod access_log;
mod at;
mod balancing;
mod cluster;
mod endpoint;
mod ext_authz;
mod forward;
mod health;
mod http;
mod istio;
mod jwt;
mod limit;
mod listener;
mod matcher;
mod metadata;
mod network;
mod per_route;
mod rbac;
mod retry;
mod route;
mod tls;
mod upstream_http;
mod value;

pub(crate) use balancing::CHOICES;
pub(crate) use cluster::HTTP_OPTIONS;

use std::cell::RefCell;

use prost::{Message, Name};
use weft_model::cluster::Cluster;
use weft_model::endpoint::LoadAssignment;
use weft_model::listener::Listener;
use weft_model::route::RouteConfiguration;

use self::at::{At, Decoded};
use crate::pb;

/// Deeper trees (of policies, of requirements) are refused.
const DEEPEST: u8 = 64;

/// Something that a resource asks for and that weft does not do.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct NotHonoured {
    /// Where it stands: `filter_chains[2].filters[0].typed_config.tracing`.
    pub path: String,
    /// What happens instead.
    pub what: String,
}

/// Why a resource is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{kind} {name:?}, at {path:?}: {why}")]
pub struct DecodeError {
    /// What kind of resource.
    pub kind: &'static str,
    /// Its name; empty if that could not be read.
    pub name: String,
    /// Where in it; empty is the resource itself.
    pub path: String,
    /// What is wrong there.
    pub why: String,
}

/// A resource, and what of it is not honoured.
pub type Result<T> = std::result::Result<(T, Vec<NotHonoured>), DecodeError>;

/// Reads a `Listener` from the value of its `Any`.
///
/// # Errors
/// If the bytes are no listener, or one that is not to be served.
pub fn listener(bytes: &[u8]) -> Result<Listener> {
    resource("listener", bytes, |value: &pb::listener::Listener| &value.name, listener::listener)
}

/// Reads a `RouteConfiguration` from the value of its `Any`.
///
/// # Errors
/// If the bytes are no route configuration, or one that is not to be followed.
pub fn route_configuration(bytes: &[u8]) -> Result<RouteConfiguration> {
    resource(
        "route configuration",
        bytes,
        |value: &pb::route::RouteConfiguration| &value.name,
        route::route_configuration,
    )
}

/// Reads a `Cluster` from the value of its `Any`.
///
/// # Errors
/// If the bytes are no cluster, or one that is not to be used.
pub fn cluster(bytes: &[u8]) -> Result<Cluster> {
    resource("cluster", bytes, |value: &pb::cluster::Cluster| &value.name, cluster::cluster)
}

/// Reads a `ClusterLoadAssignment` from the value of its `Any`.
///
/// # Errors
/// If the bytes are no load assignment, or one with an address or a number that cannot be.
pub fn load_assignment(bytes: &[u8]) -> Result<LoadAssignment> {
    resource(
        "load assignment",
        bytes,
        |value: &pb::endpoint::ClusterLoadAssignment| &value.cluster_name,
        endpoint::load_assignment,
    )
}

fn resource<P, M>(
    kind: &'static str,
    bytes: &[u8],
    name: impl Fn(&P) -> &String,
    decode: impl FnOnce(&At<'_>, P) -> Decoded<M>,
) -> Result<M>
where
    P: Message + Name + Default,
{
    let notes = RefCell::new(Vec::new());
    let top = At::top(&notes);
    let value: P = value::message(&top, bytes).map_err(|fault| fault.of(kind, ""))?;
    let name = name(&value).clone();
    let model = decode(&top, value).map_err(|fault| fault.of(kind, &name))?;
    Ok((model, notes.into_inner()))
}

#[cfg(test)]
mod tests;
