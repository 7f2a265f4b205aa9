//! Resources for tests: bytes that carry a name where the types of the mesh carry it, and any content.

use std::sync::Arc;

use prost::Message;

use crate::{Resource, ResourceSet};

#[derive(Clone, PartialEq, Eq, Message)]
struct Body {
    #[prost(string, tag = "1")]
    name: String,
    /// In a cluster: its endpoints come by EDS, under its own name.
    #[prost(message, optional, tag = "3")]
    eds: Option<()>,
    #[prost(string, tag = "999")]
    content: String,
}

/// A resource whose version follows from its content.
pub(crate) fn resource(type_url: &str, name: &str, content: &str) -> Resource {
    let eds = (type_url == crate::type_url::CLUSTER).then_some(());
    let body = Body { name: name.into(), eds, content: content.into() };
    Resource::versioned_by_content(type_url, name, body.encode_to_vec())
}

/// A set of `(type, name, content)`.
pub(crate) fn set(revision: &str, resources: &[(&str, &str, &str)]) -> Arc<ResourceSet> {
    let mut set = ResourceSet::new(revision);
    for (type_url, name, content) in resources {
        set.insert(Arc::new(resource(type_url, name, content)));
    }
    Arc::new(set)
}
