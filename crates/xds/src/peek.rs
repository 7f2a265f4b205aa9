//! The names that a session must read out of otherwise opaque bytes.
//!
//! SotW does not carry names beside resources, and a re-sent cluster needs its endpoints re-sent, so two fields of
//! the wire are known here. Each is read with a message that declares that one field; the rest is skipped.

use prost::Message;

/// Clusters, load assignments, listeners, route configurations, secrets and extensions all keep their name in field 1.
#[derive(Clone, PartialEq, Eq, Message)]
struct Named {
    #[prost(string, tag = "1")]
    name: String,
}

#[derive(Clone, PartialEq, Eq, Message)]
struct ClusterHead {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(message, optional, tag = "3")]
    eds: Option<EdsHead>,
}

#[derive(Clone, PartialEq, Eq, Message)]
struct EdsHead {
    #[prost(string, tag = "2")]
    service_name: String,
}

/// The name of a resource that came without one; `Err` says why it cannot be read.
pub(crate) fn name(type_url: &str, value: &[u8]) -> Result<String, prost::DecodeError> {
    use crate::type_url::{CLUSTER, ENDPOINTS, EXTENSION, LISTENER, ROUTES, SECRET};
    match type_url {
        CLUSTER | ENDPOINTS | LISTENER | ROUTES | SECRET | EXTENSION => Ok(Named::decode(value)?.name),
        // Types with one resource for the node, such as the name table, have no name.
        _ => Ok(String::new()),
    }
}

/// The name under which a cluster's endpoints are asked for by EDS; `None` if it does not use EDS or is unreadable.
pub(crate) fn endpoints_of_cluster(value: &[u8]) -> Option<String> {
    let head = ClusterHead::decode(value).ok()?;
    let eds = head.eds?;
    Some(if eds.service_name.is_empty() { head.name } else { eds.service_name })
}

#[cfg(test)]
mod tests;
