//! Names made numbers, so that a route can mean a cluster that comes, changes or goes without being rebuilt.

use std::collections::HashMap;
use std::sync::Arc;

use super::kept::{Keeper, Kept};

/// A cluster's place in every [`super::Table`] of one proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ClusterId(pub u32);

/// A route configuration's place in every [`super::Table`] of one proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RouteId(pub u32);

/// All names that were ever seen, kept by whoever applies resources. A name is never removed and its number never reused.
#[derive(Debug, Clone, Default)]
pub struct Names {
    clusters: Interner,
    routes: Interner,
    kept: Keeper,
}

impl Names {
    /// The number of the cluster called `name`, new if need be.
    pub fn cluster(&mut self, name: &str) -> ClusterId {
        ClusterId(self.clusters.intern(name).0)
    }

    /// The number of the route configuration called `name`, new if need be.
    pub fn route(&mut self, name: &str) -> RouteId {
        RouteId(self.routes.intern(name).0)
    }

    /// A cluster by name, with the name shared for messages.
    pub(crate) fn cluster_ref(&mut self, name: &str) -> ClusterRef {
        let (id, name) = self.clusters.intern(name);
        ClusterRef { id: ClusterId(id), name }
    }

    /// A number of `what` that outlives configurations, 0 at first.
    pub(crate) fn kept(&mut self, what: String) -> Kept {
        self.kept.number(what)
    }

    /// Whose turn it is in `what`, which outlives configurations.
    pub(crate) fn turn(&mut self, what: String) -> Kept {
        self.kept.turn(what)
    }

    /// The name behind a number that these names gave out.
    pub fn cluster_name(&self, id: ClusterId) -> Option<&str> {
        self.clusters.names.get(id.0 as usize).map(|name| &**name)
    }

    /// The name behind a number that these names gave out.
    pub fn route_name(&self, id: RouteId) -> Option<&str> {
        self.routes.names.get(id.0 as usize).map(|name| &**name)
    }
}

/// A cluster that something points to; whether it exists is known only when it is looked up in a [`super::Table`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterRef {
    /// Its number.
    pub id: ClusterId,
    /// Its name.
    pub name: Arc<str>,
}

#[derive(Debug, Clone, Default)]
struct Interner {
    numbers: HashMap<Arc<str>, u32>,
    names: Vec<Arc<str>>,
}

impl Interner {
    fn intern(&mut self, name: &str) -> (u32, Arc<str>) {
        if let Some((name, number)) = self.numbers.get_key_value(name) {
            return (*number, name.clone());
        }
        let number = u32::try_from(self.names.len()).expect("memory ends before 2^32 names");
        let name: Arc<str> = name.into();
        self.names.push(name.clone());
        self.numbers.insert(name.clone(), number);
        (number, name)
    }
}
