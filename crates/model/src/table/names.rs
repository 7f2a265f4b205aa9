//! Names made numbers, so that a route can mean a cluster that comes, changes or goes without being rebuilt.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use super::kept::{Keeper, Left, Turns};
use crate::lanes::PerLane;
use crate::padded::Padded;

/// A cluster's place in every [`super::Table`] of one proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ClusterId(pub u32);

/// A route configuration's place in every [`super::Table`] of one proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RouteId(pub u32);

/// The names that are in use, kept by whoever applies resources. A name keeps its number for as long as anything holds the
/// name: a part that is in force, one of before that a worker or a request still reads, another part that points to it. After
/// that the name is forgotten and its number may be another's, so that days of changes cost no more than what is in use.
#[derive(Debug, Default)]
pub struct Names {
    clusters: Interner,
    routes: Interner,
    left: Keeper<Padded<AtomicU64>>,
    turns: Keeper<PerLane<AtomicU64>>,
    chance: RandomState,
}

impl Names {
    /// The cluster called `name`, with a new number if need be.
    pub fn cluster(&mut self, name: &str) -> ClusterRef {
        let (id, name) = self.clusters.intern(name);
        ClusterRef { id: ClusterId(id), name }
    }

    /// The route configuration called `name`, with a new number if need be.
    pub fn route(&mut self, name: &str) -> RouteRef {
        let (id, name) = self.routes.intern(name);
        RouteRef { id: RouteId(id), name }
    }

    /// The number of a cluster that is known.
    pub fn known_cluster(&self, name: &str) -> Option<ClusterId> {
        self.clusters.numbers.get(name).copied().map(ClusterId)
    }

    /// The number of a route configuration that is known.
    pub fn known_route(&self, name: &str) -> Option<RouteId> {
        self.routes.numbers.get(name).copied().map(RouteId)
    }

    /// What is left in the bucket of `what`, whatever configuration holds it.
    pub(crate) fn left(&mut self, what: String) -> Left {
        self.left.find(what, |_| Padded::default())
    }

    /// Whose turn it is in `what`. A new one begins anywhere, so that neither a thousand proxies nor a proxy's lanes begin alike.
    pub(crate) fn turns(&mut self, what: String) -> Turns {
        let chance = &self.chance;
        self.turns.find(what, |what| PerLane::from_fn(|lane| chance.hash_one((what, lane)).into()))
    }
}

/// A cluster that something points to; whether it exists is known only when it is looked up in a [`super::Table`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterRef {
    /// Its number, as long as the name is held.
    pub id: ClusterId,
    /// Its name.
    pub name: Arc<str>,
}

/// A route configuration that something points to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouteRef {
    /// Its number, as long as the name is held.
    pub id: RouteId,
    /// Its name.
    pub name: Arc<str>,
}

/// So many names are kept before it is asked which of them nobody holds.
const FEW: usize = 1024;

#[derive(Debug, Default)]
struct Interner {
    numbers: HashMap<Arc<str>, u32>,
    /// Numbers below `next` that are nobody's.
    free: Vec<u32>,
    next: u32,
    prune_at: usize,
}

impl Interner {
    fn intern(&mut self, name: &str) -> (u32, Arc<str>) {
        if let Some((name, number)) = self.numbers.get_key_value(name) {
            return (*number, name.clone());
        }
        if self.free.is_empty() && self.numbers.len() >= self.prune_at.max(FEW) {
            self.prune();
        }
        let number = self.free.pop().unwrap_or_else(|| {
            self.next += 1;
            self.next - 1
        });
        let name: Arc<str> = name.into();
        self.numbers.insert(name.clone(), number);
        (number, name)
    }

    fn prune(&mut self) {
        let free = &mut self.free;
        self.numbers.retain(|name, number| {
            let held = Arc::strong_count(name) > 1;
            if !held {
                free.push(*number);
            }
            held
        });
        self.prune_at = 2 * self.numbers.len();
    }
}

#[cfg(test)]
mod tests;
