//! Settings as resources: bytes with a version that is a hash of them, shared by all proxies that have the same.

use std::collections::HashMap;
use std::sync::{Arc, Weak};

use parking_lot::Mutex;
use weft_wire::encode::{self, Any};
use weft_xds::{Resource, ResourceSet, Resources, type_url};

use crate::translate::Configuration;

/// Resources that some proxy has, by a hash of them.
#[derive(Default)]
pub(super) struct Shelf(Mutex<HashMap<u64, Weak<Resource>>>);

impl Shelf {
    /// The resource, or the same one that another proxy has.
    fn shared(&self, resource: Resource) -> Arc<Resource> {
        let digest = resource.digest();
        let mut shelf = self.0.lock();
        if let Some(known) = shelf.get(&digest).and_then(Weak::upgrade)
            && *known == resource
        {
            return known;
        }
        let resource = Arc::new(resource);
        shelf.insert(digest, Arc::downgrade(&resource));
        resource
    }

    /// Forgets what no proxy has any more.
    pub(super) fn tidy(&self) {
        self.0.lock().retain(|_, resource| resource.strong_count() > 0);
    }
}

/// The set of a configuration; `None` if it is the same as `known`. Types that did not change stay the same `Arc`.
pub(super) fn set(
    shelf: &Shelf,
    configuration: &Configuration,
    number: u64,
    known: Option<&ResourceSet>,
) -> Option<ResourceSet> {
    let clusters = configuration.clusters.iter().map(|of| (of.name.as_str(), encode::cluster(of)));
    let endpoints =
        configuration.endpoints.iter().map(|of| (of.cluster.as_str(), encode::load_assignment(of)));
    let listeners = configuration.listeners.iter().map(|of| (of.name.as_str(), encode::listener(of)));
    let routes = configuration.routes.iter().map(|of| (of.name.as_str(), encode::route_configuration(of)));
    let types = [
        (type_url::CLUSTER, all(shelf, clusters)),
        (type_url::ENDPOINTS, all(shelf, endpoints)),
        (type_url::LISTENER, all(shelf, listeners)),
        (type_url::ROUTES, all(shelf, routes)),
        // The one resource of its type has no name.
        (
            type_url::NAME_TABLE,
            all(shelf, configuration.names.iter().map(|names| ("", weft_wire::nds::encode(names)))),
        ),
    ];
    let mut made = ResourceSet::new(number.to_string());
    let mut changed = known.is_none();
    for (type_url, resources) in types {
        match known.and_then(|known| known.of(type_url)) {
            Some(same) if **same == resources => made.set(type_url, Arc::clone(same)),
            _ => {
                changed = true;
                made.set(type_url, Arc::new(resources));
            }
        }
    }
    changed.then_some(made)
}

fn all<'a>(shelf: &Shelf, resources: impl Iterator<Item = (&'a str, Any)>) -> Resources {
    let mut made = Resources::new();
    for (name, any) in resources {
        let resource = shelf.shared(Resource::versioned_by_content(any.type_url, name, any.value));
        // Of two with one name the first stands.
        made.entry(Arc::clone(&resource.name)).or_insert(resource);
    }
    made
}
