//! A cluster's endpoints, laid out for picking: sorted by their names (so that two proxies see the same set whatever
//! the order of arrival), grouped by priority and locality, weights summed, rings built.

mod maglev;
mod ring;

use std::collections::HashSet;
use std::sync::Arc;

pub use self::maglev::Maglev;
pub use self::ring::Ring;
use crate::cluster::{Balancing, LbPolicy};
use crate::endpoint::{self as settings, Health, LoadAssignment, Locality};

/// The endpoints of one cluster. An endpoint is meant by its place in `endpoints`.
#[derive(Debug, Clone, Default)]
pub struct EndpointSet {
    /// All of them, by priority, locality and address.
    pub endpoints: Vec<Endpoint>,
    /// 0 first; never a gap.
    pub priorities: Vec<Priority>,
    /// Percent.
    pub overprovisioning: u32,
}

/// One endpoint.
#[derive(Debug, Clone)]
pub struct Endpoint {
    /// As it arrived; its address is the stable name under which health and load are kept.
    pub settings: settings::Endpoint,
    /// Where it stands.
    pub locality: Arc<Locality>,
    /// 0 is used first.
    pub priority: u32,
}

/// The endpoints of one priority.
#[derive(Debug, Clone, Default)]
pub struct Priority {
    /// How many there are, well or not.
    pub total: usize,
    /// All that may get work at all, for when too few are well.
    pub all: Group,
    /// Those that the configuration calls well.
    pub healthy: Group,
    /// Those used when no healthy one is left.
    pub degraded: Group,
    /// The healthy by locality, where localities are weighted.
    pub localities: Vec<LocalityGroup>,
    /// For consistent hashing.
    pub hashing: Option<Hashing>,
}

/// The healthy endpoints of one locality.
#[derive(Debug, Clone)]
pub struct LocalityGroup {
    /// Its share.
    pub weight: u32,
    /// How many it has, well or not.
    pub total: usize,
    /// Those that are well.
    pub healthy: Group,
}

/// Some endpoints, to be picked from by weight.
#[derive(Debug, Clone, Default)]
pub struct Group {
    /// Their places in the set.
    pub members: Vec<u32>,
    /// The running sum of their weights.
    pub sums: Vec<u64>,
    /// All weigh the same.
    pub equal: bool,
}

/// A table for consistent hashing.
#[derive(Debug, Clone)]
pub enum Hashing {
    /// A ring.
    Ring(Ring),
    /// Maglev's table.
    Maglev(Maglev),
}

impl EndpointSet {
    /// Lays out endpoints. A repeated address counts once; one of weight 0 gets nothing.
    pub fn new(assignment: &LoadAssignment, balancing: &Balancing) -> Self {
        let mut seen = HashSet::new();
        let mut endpoints = Vec::new();
        let mut lowest_first: Vec<_> = assignment.localities.iter().collect();
        lowest_first.sort_by_key(|of| of.priority);
        let mut weights = Vec::new();
        let mut names: Vec<u32> = lowest_first.iter().map(|of| of.priority).collect();
        names.dedup();
        for of in lowest_first {
            let locality = Arc::new(of.locality.clone());
            let priority = u32::try_from(names.binary_search(&of.priority).unwrap_or(0)).unwrap_or(0);
            weights.push((priority, locality.clone(), of.weight.unwrap_or(0)));
            for endpoint in &of.endpoints {
                if seen.insert(&endpoint.address) {
                    endpoints.push(Endpoint {
                        settings: endpoint.clone(),
                        locality: locality.clone(),
                        priority,
                    });
                }
            }
        }
        endpoints.sort_by_cached_key(|of| (of.priority, of.locality.clone(), name(&of.settings.address)));
        let mut priorities = Vec::new();
        for priority in 0..u32::try_from(names.len()).unwrap_or(0) {
            let weights: Vec<_> = weights.iter().filter(|(of, _, _)| *of == priority).collect();
            let weight_of = |locality: &Locality| -> u32 {
                weights
                    .iter()
                    .filter(|(_, of, _)| **of == *locality)
                    .map(|(_, _, weight)| *weight)
                    .fold(0, u32::saturating_add)
            };
            priorities.push(Priority::new(&endpoints, priority, balancing, weight_of));
        }
        Self {
            endpoints,
            priorities,
            overprovisioning: assignment.overprovisioning_factor.unwrap_or(140).max(100),
        }
    }
}

/// A name that is the same in every proxy.
fn name(address: &settings::Address) -> String {
    match address {
        settings::Address::Socket(address) => address.to_string(),
        settings::Address::Name(name, port) => format!("{name}:{port}"),
        settings::Address::Pipe(path) => path.clone(),
    }
}

impl Priority {
    fn new(
        endpoints: &[Endpoint],
        priority: u32,
        balancing: &Balancing,
        weight_of: impl Fn(&Locality) -> u32,
    ) -> Self {
        let places: Vec<u32> =
            (0..).zip(endpoints).filter(|(_, of)| of.priority == priority).map(|(i, _)| i).collect();
        let at = |place: u32| &endpoints[place as usize];
        let with = |wanted: &dyn Fn(&Endpoint) -> bool| -> Group {
            Group::new(places.iter().copied().filter(|place| wanted(at(*place))), endpoints)
        };
        let healthy = |of: &Endpoint| matches!(of.settings.health, Health::Unknown | Health::Healthy);
        let mut built = Self {
            total: places.len(),
            all: with(&|_| true),
            healthy: with(&healthy),
            degraded: with(&|of| of.settings.health == Health::Degraded),
            localities: Vec::new(),
            hashing: None,
        };
        if balancing.locality_weighted {
            let mut rest = &places[..];
            while let Some(first) = rest.first() {
                let locality = &at(*first).locality;
                let count = rest.iter().take_while(|place| at(**place).locality == *locality).count();
                let (own, others) = rest.split_at(count);
                rest = others;
                let members = own.iter().copied().filter(|place| healthy(at(*place)));
                let healthy = Group::new(members, endpoints);
                built.localities.push(LocalityGroup {
                    weight: weight_of(locality),
                    total: own.len(),
                    healthy,
                });
            }
        }
        built.hashing = built.hashing(endpoints, balancing);
        built
    }

    /// A table over the healthy and the degraded: whoever is not usable at the moment is passed over, so that the others keep their keys.
    fn hashing(&self, endpoints: &[Endpoint], balancing: &Balancing) -> Option<Hashing> {
        let share = |place: &u32| f64::from(endpoints[*place as usize].settings.weight);
        let plain = |group: &Group| -> Vec<(u32, f64)> {
            group.members.iter().map(|place| (*place, share(place))).collect()
        };
        let mut of = Vec::new();
        if self.localities.is_empty() {
            of = plain(&self.healthy);
        } else {
            for locality in &self.localities {
                let sum: f64 = locality.healthy.members.iter().map(share).sum();
                let scale = f64::from(locality.weight) / sum.max(1.0);
                of.extend(locality.healthy.members.iter().map(|place| (*place, share(place) * scale)));
            }
            of.retain(|(_, weight)| *weight > 0.0);
        }
        if of.is_empty() {
            of = plain(&self.degraded);
        }
        if of.is_empty() {
            return None;
        }
        let named: Vec<(u32, String, f64)> = of
            .into_iter()
            .map(|(place, weight)| (place, name(&endpoints[place as usize].settings.address), weight))
            .collect();
        match balancing.policy {
            LbPolicy::RingHash { minimum_ring_size } => {
                Some(Hashing::Ring(Ring::new(&named, minimum_ring_size)))
            }
            LbPolicy::Maglev { table_size } => Some(Hashing::Maglev(Maglev::new(&named, table_size))),
            _ => None,
        }
    }
}

impl Group {
    fn new(places: impl Iterator<Item = u32>, endpoints: &[Endpoint]) -> Self {
        let members: Vec<u32> =
            places.filter(|place| endpoints[*place as usize].settings.weight > 0).collect();
        let weight = |place: &u32| u64::from(endpoints[*place as usize].settings.weight);
        let mut sum = 0;
        let sums = members.iter().map(|place| {
            sum += weight(place);
            sum
        });
        let sums = sums.collect();
        let equal = members.windows(2).all(|two| weight(&two[0]) == weight(&two[1]));
        Self { members, sums, equal }
    }

    /// The sum of all weights.
    pub fn total(&self) -> u64 {
        self.sums.last().copied().unwrap_or(0)
    }

    /// The weight of the member at `index` of `members`.
    pub fn weight(&self, index: usize) -> u64 {
        self.sums[index] - index.checked_sub(1).map_or(0, |before| self.sums[before])
    }

    /// The index in `members` of whom a draw of 0..total falls on.
    pub fn drawn(&self, draw: u64) -> usize {
        self.sums.partition_point(|sum| *sum <= draw)
    }
}

#[cfg(test)]
mod tests;
