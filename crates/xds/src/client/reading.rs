//! Reading a response: both variants become one list of named resources, or a reason to refuse the whole.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use envoy_types::pb::envoy::service::discovery::v3::{
    DeltaDiscoveryResponse, DiscoveryResponse, Resource as Wire,
};
use envoy_types::pb::google::protobuf::Any;
use prost::Message;

use crate::{Resource, Response, peek, type_url};

/// Why a response was refused before the application saw it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs)]
pub enum Malformed {
    #[error("resource {name:?} is a {found:?} in a response of {expected}")]
    WrongType { name: String, found: String, expected: String },
    #[error("resource {name:?} of {type_url} has no body")]
    NoBody { name: String, type_url: String },
    #[error("a resource of {type_url} cannot be read as far as its name: {why}")]
    Unreadable { type_url: String, why: String },
    #[error("resource {name:?} of {type_url} comes twice, with different contents")]
    Twice { name: String, type_url: String },
    #[error("more than {limit} resources of {type_url}, with those that are held")]
    TooMany { limit: usize, type_url: String },
}

/// A response without its variant's particulars.
#[derive(Debug)]
pub(super) struct Reading {
    pub(super) resources: BTreeMap<Arc<str>, Resource>,
    pub(super) removed: Vec<String>,
    pub(super) version: String,
}

impl Reading {
    pub(super) fn of(response: Response) -> Result<Self, Malformed> {
        match response {
            Response::Delta(response) => Self::of_delta(response),
            Response::Sotw(response) => Self::of_sotw(response),
        }
    }

    fn of_delta(response: DeltaDiscoveryResponse) -> Result<Self, Malformed> {
        const NOT_FOUND: i32 = 5;
        let type_url: Arc<str> = response.type_url.into();
        let mut reading = Self::empty(response.system_version_info);
        for wire in response.resources {
            if let Some(resource) = unwrap(&type_url, wire)? {
                reading.add(resource)?;
            }
        }
        reading.removed = response.removed_resources;
        reading.removed.extend(response.removed_resource_names.into_iter().map(|r| r.name));
        let missing = response
            .resource_errors
            .into_iter()
            .filter(|error| error.error_detail.as_ref().is_some_and(|status| status.code == NOT_FOUND));
        reading.removed.extend(missing.filter_map(|error| error.resource_name).map(|r| r.name));
        Ok(reading)
    }

    fn of_sotw(response: DiscoveryResponse) -> Result<Self, Malformed> {
        let type_url: Arc<str> = response.type_url.into();
        let mut reading = Self::empty(response.version_info);
        for any in response.resources {
            let unreadable = |why: prost::DecodeError| Malformed::Unreadable {
                type_url: type_url.to_string(),
                why: why.to_string(),
            };
            if any.type_url == type_url::WRAPPED {
                let wire = Wire::decode(&*any.value).map_err(unreadable)?;
                if let Some(resource) = unwrap(&type_url, wire)? {
                    reading.add(resource)?;
                }
            } else {
                let name = peek::name(&any.type_url, &any.value).map_err(unreadable)?;
                let version = Arc::from("");
                reading.add(typed(&type_url, name, version, any)?)?;
            }
        }
        Ok(reading)
    }

    fn empty(version: String) -> Self {
        Self { resources: BTreeMap::new(), removed: Vec::new(), version }
    }

    fn add(&mut self, resource: Resource) -> Result<(), Malformed> {
        match self.resources.get(&resource.name) {
            Some(first) if first.value != resource.value => Err(Malformed::Twice {
                name: resource.name.to_string(),
                type_url: resource.type_url.to_string(),
            }),
            Some(_) => Ok(()),
            None => {
                self.resources.insert(Arc::clone(&resource.name), resource);
                Ok(())
            }
        }
    }
}

/// `None` is a heartbeat: it renews a time to live, which we do not act on, and brings nothing.
fn unwrap(type_url: &Arc<str>, wire: Wire) -> Result<Option<Resource>, Malformed> {
    let name =
        if wire.name.is_empty() { wire.resource_name.map_or(wire.name, |n| n.name) } else { wire.name };
    match wire.resource {
        Some(any) => typed(type_url, name, wire.version.into(), any).map(Some),
        None if wire.ttl.is_some() => Ok(None),
        None => Err(Malformed::NoBody { name, type_url: type_url.to_string() }),
    }
}

fn typed(type_url: &Arc<str>, name: String, version: Arc<str>, any: Any) -> Result<Resource, Malformed> {
    if *any.type_url != **type_url {
        return Err(Malformed::WrongType { name, found: any.type_url, expected: type_url.to_string() });
    }
    Ok(Resource { type_url: Arc::clone(type_url), name: name.into(), version, value: Bytes::from(any.value) })
}
