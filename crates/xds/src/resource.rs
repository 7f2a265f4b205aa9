//! What travels: a resource, and the set of them that one node is to have.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use envoy_types::pb::google::protobuf::Any;
use xxhash_rust::xxh64::xxh64;

/// One resource: opaque bytes under a name and a version. Cloning it copies no bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resource {
    /// What the bytes are; one of [`type_url`](crate::type_url)'s, or a stranger's.
    pub type_url: Arc<str>,
    /// Unique within its type; empty for a name table.
    pub name: Arc<str>,
    /// Changes whenever the bytes do. Istiod leaves it empty, so clients compare [`Resource::digest`].
    pub version: Arc<str>,
    /// The serialized message.
    pub value: Bytes,
}

impl Resource {
    /// A resource with a version that the caller vouches for.
    pub fn new(
        type_url: impl Into<Arc<str>>,
        name: impl Into<Arc<str>>,
        version: impl Into<Arc<str>>,
        value: impl Into<Bytes>,
    ) -> Self {
        Self { type_url: type_url.into(), name: name.into(), version: version.into(), value: value.into() }
    }

    /// A resource whose version is a hash of its bytes.
    pub fn versioned_by_content(
        type_url: impl Into<Arc<str>>,
        name: impl Into<Arc<str>>,
        value: impl Into<Bytes>,
    ) -> Self {
        let value = value.into();
        let version = format!("{:016x}", xxh64(&value, 0));
        Self::new(type_url, name, version, value)
    }

    /// A hash of the bytes, to tell a repetition from a change.
    #[must_use]
    pub fn digest(&self) -> u64 {
        xxh64(&self.value, 0)
    }

    /// The resource as protobuf's `Any`; copies the bytes.
    #[must_use]
    pub fn to_any(&self) -> Any {
        Any { type_url: self.type_url.to_string(), value: self.value.to_vec() }
    }
}

/// The resources of one type, by name.
pub type Resources = BTreeMap<Arc<str>, Arc<Resource>>;

/// Everything that one node is to have at one moment.
///
/// Types that did not change since the last set should be the same `Arc`: a session then knows without looking.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ResourceSet {
    revision: Arc<str>,
    types: BTreeMap<Arc<str>, Arc<Resources>>,
}

impl ResourceSet {
    /// An empty set. `revision` names the state that it was made from, for people and for `version_info`.
    pub fn new(revision: impl Into<Arc<str>>) -> Self {
        Self { revision: revision.into(), types: BTreeMap::new() }
    }

    /// Adds one resource, or replaces the one of its type and name.
    pub fn insert(&mut self, resource: Arc<Resource>) {
        let of_type = self.types.entry(Arc::clone(&resource.type_url)).or_default();
        Arc::make_mut(of_type).insert(Arc::clone(&resource.name), resource);
    }

    /// Sets all resources of one type at once; they may be shared with other nodes' sets.
    pub fn set(&mut self, type_url: impl Into<Arc<str>>, resources: Arc<Resources>) {
        self.types.insert(type_url.into(), resources);
    }

    /// The state that this set was made from.
    #[must_use]
    pub fn revision(&self) -> &Arc<str> {
        &self.revision
    }

    /// The resources of one type; `None` if there are none.
    #[must_use]
    pub fn of(&self, type_url: &str) -> Option<&Arc<Resources>> {
        self.types.get(type_url)
    }

    /// The types that have been set, in no particular order.
    pub fn types(&self) -> impl Iterator<Item = (&Arc<str>, &Arc<Resources>)> {
        self.types.iter()
    }
}
