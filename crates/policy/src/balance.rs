//! Which endpoint of a cluster takes a request.
//!
//! Pure: load and health are seen through [`Load`], turns are kept in the caller's [`Turn`], chance comes in as an argument.
//! Nothing is allocated on a pick, save when a cluster's endpoints changed since the last one.

mod choose;
mod level;
mod warm;

use rand::Rng;
use weft_model::cluster::LbPolicy;
use weft_model::table::Cluster;
use weft_model::table::endpoints::{EndpointSet, Hashing};

pub use self::choose::Turn;
use self::warm::Warm;

/// What the proxy knows of a cluster's endpoints at this moment; an endpoint is meant by its place in the set.
pub trait Load {
    /// Requests (or connections) in flight.
    fn active(&self, endpoint: usize) -> u32;
    /// It may be used: not ejected, not known to be down.
    fn usable(&self, endpoint: usize) -> bool;
    /// The part of its share that it gets while it warms up, above 0 and at most 1: `warmup`'s say.
    fn warmth(&self, _endpoint: usize) -> f64 {
        1.0
    }
    /// Changes whenever somebody begins to warm up, and with every other set of endpoints; `None` where nobody ever does. Once all
    /// are warm, nobody's warmth is asked for until it has changed.
    fn newcomers(&self) -> Option<Newcomers> {
        None
    }
    /// It is to be used after those that are well.
    fn degraded(&self, _endpoint: usize) -> bool {
        false
    }
    /// All may be used and are well, which spares asking one by one.
    fn all_usable(&self) -> bool {
        false
    }
}

/// Who may still be warming up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Newcomers {
    /// One of these endpoints, under these settings: no other set of the cluster has this number.
    pub of: u64,
    /// So many had begun by then.
    pub count: u64,
}

/// Who takes a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Picked {
    /// Its place in the cluster's set.
    pub endpoint: usize,
    /// Its priority.
    pub priority: usize,
    /// Too few of that priority are well: all are used, well or not.
    pub panic: bool,
}

/// What was tried before, for a retry.
#[derive(Debug, Clone, Copy, Default)]
pub struct Before<'a> {
    /// Places of endpoints, in the order of the tries.
    pub tried: &'a [usize],
    /// Places of those that are better not taken again.
    pub avoided: &'a [usize],
    /// Their priorities are better not taken again, either (Envoy's `previous_priorities`), which is looked at anew whenever
    /// so many were tried. If no other priority has anybody to use, all of them may be taken again.
    pub priorities_after: Option<u32>,
}

impl<'a> Before<'a> {
    /// These endpoints are better not taken again.
    pub const fn endpoints(avoided: &'a [usize]) -> Self {
        Self { tried: avoided, avoided, priorities_after: None }
    }

    /// The priorities to be passed over, one bit each; the sixty-fifth and those after it never are.
    fn priorities(&self, set: &EndpointSet) -> u64 {
        let Some(every) = self.priorities_after else { return 0 };
        let looked_at = self.tried.len() - self.tried.len() % (every.max(1) as usize);
        let of = self.tried[..looked_at].iter().filter_map(|place| set.endpoints.get(*place));
        of.fold(0, |skipped, endpoint| skipped | 1_u64.checked_shl(endpoint.priority).unwrap_or(0))
    }
}

/// Why there is no endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoEndpoint {
    /// The cluster has none.
    #[error("it has no endpoints")]
    Empty,
    /// None of them may be used.
    #[error("all {total} endpoints are ejected, unhealthy or draining")]
    NoneUsable {
        /// How many there are.
        total: usize,
    },
}

/// Picks an endpoint. `hash` is the request's key, for the hashing policies, which go by
/// chance without one. Endpoints to be avoided by what was `before` are taken only if no others are left.
///
/// # Errors
/// If there is none. A cluster whose endpoint is the connection's original destination is not for this function.
pub fn pick(
    cluster: &Cluster,
    load: &impl Load,
    turn: &mut Turn,
    hash: Option<u64>,
    before: Before<'_>,
    rng: &mut impl Rng,
) -> Result<Picked, NoEndpoint> {
    let set = &*cluster.endpoints;
    if set.endpoints.is_empty() {
        return Err(NoEndpoint::Empty);
    }
    let none = NoEndpoint::NoneUsable { total: set.endpoints.len() };
    let balancing = &cluster.settings.balancing;
    let level = level::choose(set, balancing, load, hash, before.priorities(set), rng).ok_or(none)?;
    let priority = &set.priorities[level.priority];
    let picked = |endpoint| Picked { endpoint, priority: level.priority, panic: level.panic };
    let usable = |endpoint: usize| level.panic || (load.usable(endpoint) && level.takes(set, load, endpoint));
    let fresh = |endpoint: usize| usable(endpoint) && !before.avoided.contains(&endpoint);
    let hashing = priority.hashing.as_ref().zip(hash);
    if let Some((table, key)) = hashing {
        let found = match table {
            Hashing::Ring(ring) => choose::by_key(ring.owners(key), ring.len(), fresh, usable),
            Hashing::Maglev(maglev) => choose::by_key(maglev.owners(key), maglev.len(), fresh, usable),
        };
        if let Some(endpoint) = found {
            return Ok(picked(endpoint));
        }
    }
    let group = level.group(priority);
    let once = |turn: &mut Turn, wanted: &dyn Fn(usize) -> bool, rng: &mut _| match balancing.policy {
        LbPolicy::RoundRobin => choose::in_turn(group, &cluster.endpoints, turn, wanted, rng),
        LbPolicy::LeastRequest { choices } => choose::least(group, choices, load, wanted, rng),
        _ => choose::by_chance(group, wanted, rng),
    };
    // Envoy warms up by these two policies alone; and who is alone has nobody to take its share meanwhile.
    let warms = matches!(balancing.policy, LbPolicy::RoundRobin | LbPolicy::LeastRequest { .. })
        && group.members.len() > 1;
    let warm = match load.newcomers() {
        Some(newcomers) if warms && !turn.all_are_warm(set, newcomers, load) => {
            Warm::of(group, load, &usable)
        }
        _ => None,
    };
    let mut choose = |wanted: &dyn Fn(usize) -> bool| match &warm {
        Some(warm) => warm.choose(|rng| once(turn, wanted, rng), load, rng),
        None => once(turn, wanted, rng),
    };
    let first = if before.avoided.is_empty() { None } else { choose(&fresh) };
    first.or_else(|| choose(&usable)).map(picked).ok_or(none)
}

#[cfg(test)]
mod tests;
