//! Which endpoint of a cluster takes a request.
//!
//! Pure: load and health are seen through [`Load`], turns are kept in the caller's [`Turn`], chance comes in as an argument.
//! Nothing is allocated on a pick, save when a cluster's endpoints changed since the last one.

mod choose;
mod level;

use rand::Rng;
use weft_model::cluster::LbPolicy;
use weft_model::table::Cluster;
use weft_model::table::endpoints::Hashing;

pub use self::choose::Turn;

/// What the proxy knows of a cluster's endpoints at this moment; an endpoint is meant by its place in the set.
pub trait Load {
    /// Requests (or connections) in flight.
    fn active(&self, endpoint: usize) -> u32;
    /// It may be used: not ejected, not known to be down.
    fn usable(&self, endpoint: usize) -> bool;
    /// All may be used, which spares asking one by one.
    fn all_usable(&self) -> bool {
        false
    }
}

/// Why there is no endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoEndpoint {
    /// The cluster has none.
    #[error("the cluster has no endpoints; see `weft status`")]
    Empty,
    /// None of them may be used.
    #[error("all {total} endpoints are ejected, unhealthy or draining")]
    NoneUsable {
        /// How many there are.
        total: usize,
    },
}

/// Picks an endpoint: its place in the cluster's set. `hash` is the request's key, for the hashing policies, which go by
/// chance without one. `exclude` are endpoints better not taken (those a retry already tried); if only such are left,
/// one of them is taken.
///
/// # Errors
/// If there is none. A cluster whose endpoint is the connection's original destination is not for this function.
pub fn pick(
    cluster: &Cluster,
    load: &impl Load,
    turn: &mut Turn,
    hash: Option<u64>,
    exclude: &[usize],
    rng: &mut impl Rng,
) -> Result<usize, NoEndpoint> {
    let set = &*cluster.endpoints;
    if set.endpoints.is_empty() {
        return Err(NoEndpoint::Empty);
    }
    let none = NoEndpoint::NoneUsable { total: set.endpoints.len() };
    let balancing = &cluster.settings.balancing;
    let level = level::choose(set, balancing, load, hash, rng).ok_or(none)?;
    let priority = &set.priorities[level.priority];
    let usable = |endpoint: usize| level.panic || load.usable(endpoint);
    let fresh = |endpoint: usize| usable(endpoint) && !exclude.contains(&endpoint);
    let hashing = if level.panic { None } else { priority.hashing.as_ref().zip(hash) };
    if let Some((table, key)) = hashing {
        let found = match table {
            Hashing::Ring(ring) => choose::by_key(ring.owners(key), ring.len(), fresh, usable),
            Hashing::Maglev(maglev) => choose::by_key(maglev.owners(key), maglev.len(), fresh, usable),
        };
        if found.is_some() {
            return found.ok_or(none);
        }
    }
    let group = level.group(priority);
    let once = |turn: &mut Turn, wanted: &dyn Fn(usize) -> bool, rng: &mut _| match balancing.policy {
        LbPolicy::RoundRobin => choose::in_turn(group, &cluster.endpoints, turn, wanted, rng),
        LbPolicy::LeastRequest { choices } => choose::least(group, choices, load, wanted, rng),
        _ => choose::by_chance(group, wanted, rng),
    };
    let first = if exclude.is_empty() { None } else { once(turn, &fresh, rng) };
    first.or_else(|| once(turn, &usable, rng)).ok_or(none)
}

#[cfg(test)]
mod tests;
