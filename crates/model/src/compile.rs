//! From settings to the parts of a [`crate::table::Table`].
//!
//! An error refuses the resource (its last good value stays in force, the control plane is told). What is only broken in
//! part compiles to a part that fails and explains itself, and a warning.

mod listener;
mod rbac;
mod route;

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use crate::cluster::{self as cluster_settings, Discovery};
use crate::endpoint::LoadAssignment;
use crate::table::Cluster;
use crate::table::endpoints::EndpointSet;
use crate::tls::Transport;

pub use self::listener::listener;
pub use self::rbac::rbac_filter;
pub use self::route::route_table;

/// A compiled part, and what its author should know.
#[derive(Debug, Clone)]
pub struct Compiled<T> {
    /// The part.
    pub part: T,
    /// In the settings' order.
    pub warnings: Vec<Warning>,
}

/// Something that is in force otherwise than it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// `listener 0.0.0.0_80`.
    pub resource: String,
    /// `virtual_hosts[3].routes[0].match`.
    pub field: String,
    /// What is wrong, and what happens now.
    pub message: String,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: {}", self.resource, self.field, self.message)
    }
}

/// Why a resource is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{resource}: {field}: {why}")]
pub struct CompileError {
    /// `route configuration 80`.
    pub resource: String,
    /// The field's path.
    pub field: String,
    /// What is wrong.
    pub why: String,
}

/// Collects warnings of one resource.
struct Notes {
    resource: String,
    warnings: Vec<Warning>,
    kept: HashMap<String, u32>,
}

impl Notes {
    fn new(resource: String) -> Self {
        Self { resource, warnings: Vec::new(), kept: HashMap::new() }
    }

    fn warn(&mut self, field: impl Into<String>, message: impl Into<String>) {
        let (field, message) = (field.into(), message.into());
        self.warnings.push(Warning { resource: self.resource.clone(), field, message });
    }

    fn error(&self, field: impl Into<String>, why: impl Into<String>) -> CompileError {
        CompileError { resource: self.resource.clone(), field: field.into(), why: why.into() }
    }

    /// What a number is kept under: the same for the same thing of this resource in every configuration, its n-th for the
    /// n-th.
    fn kept(&mut self, what: String) -> String {
        let count = self.kept.entry(what.clone()).or_default();
        *count += 1;
        format!("{} {what} {count}", self.resource)
    }

    fn done<T>(self, part: T) -> Compiled<T> {
        Compiled { part, warnings: self.warnings }
    }
}

/// Compiles a cluster. Its endpoints are those that stand in it, or, if given, those that came over EDS or DNS.
///
/// # Errors
/// If the settings cannot be served.
pub fn cluster(
    settings: Arc<cluster_settings::Cluster>,
    assignment: Option<&LoadAssignment>,
) -> Result<Compiled<Cluster>, CompileError> {
    let mut notes = Notes::new(format!("cluster {}", settings.name));
    if settings.name.is_empty() {
        return Err(notes.error("name", "a cluster without a name cannot be meant by anything"));
    }
    if let cluster_settings::LbPolicy::RingHash { minimum_ring_size } = settings.balancing.policy
        && minimum_ring_size > 8 * 1024 * 1024
    {
        notes.warn(
            "ring_hash_lb_config.minimum_ring_size",
            "a ring has at most 8388608 points; it gets these",
        );
    }
    if let Transport::Unknown(why) = &settings.transport {
        notes.warn("transport_socket", format!("{why}; no connection is made"));
    }
    for of in &settings.transport_matches {
        if let Transport::Unknown(why) = &of.transport {
            let field = format!("transport_socket_matches[{}]", of.name);
            notes.warn(field, format!("{why}; endpoints that it is for are not connected to"));
        }
    }
    let none = LoadAssignment::default();
    let unknown = match &settings.discovery {
        Discovery::Unknown(kind) => {
            notes.warn("cluster_type", format!("{kind} is not known: the cluster has no endpoints"));
            true
        }
        _ => false,
    };
    let assignment = assignment.or(settings.load_assignment.as_ref()).filter(|_| !unknown).unwrap_or(&none);
    let endpoints = Arc::new(EndpointSet::new(assignment, &settings.balancing));
    Ok(notes.done(Cluster { settings, endpoints }))
}

#[cfg(test)]
mod tests;
