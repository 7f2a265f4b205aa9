//! Which of several weighted clusters takes a request, or a connection.
//!
//! Not by chance: each pick is the next point of a sequence that is spread as evenly over the weights as any can be
//! (multiples of the golden ratio). So a share is right not only in the long run, but in any thousand requests in a row. Each
//! lane of workers counts its own, so that what one of them sends is spread as evenly as what all do. A session that has a key
//! stays where its key leads.

use std::sync::atomic::{AtomicU64, Ordering};

use weft_model::lanes::PerLane;
use weft_model::table::ClusterRef;
use weft_model::table::route::Destination;

/// 2^64 over the golden ratio.
const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

/// Somewhere that a share of requests, or of connections, goes to.
pub trait Weighted {
    /// Its weight.
    fn weight(&self) -> u32;
}

impl Weighted for Destination {
    fn weight(&self) -> u32 {
        self.weight
    }
}

impl Weighted for (ClusterRef, u32) {
    fn weight(&self) -> u32 {
        self.1
    }
}

/// The next in a worker's turn; `total` is the sum of the weights, above zero.
pub fn in_turn<'a, T: Weighted>(of: &'a [T], total: u64, turns: &PerLane<AtomicU64>, worker: usize) -> &'a T {
    let point = turns.of(worker).fetch_add(1, Ordering::Relaxed).wrapping_mul(STEP);
    let draw = (u128::from(point) * u128::from(total)) >> 64;
    at(of, u64::try_from(draw).unwrap_or(0))
}

/// The one of a key, as Envoy's `use_hash_policy` has it: the same in every proxy that is told the same weights.
pub fn by_key<T: Weighted>(of: &[T], total: u64, key: u64) -> &T {
    at(of, key % total)
}

fn at<T: Weighted>(of: &[T], mut draw: u64) -> &T {
    let chosen = of.iter().find(|one| {
        let weight = u64::from(one.weight());
        let here = draw < weight;
        draw = draw.saturating_sub(weight);
        here
    });
    chosen.expect("a draw is below the sum of the weights")
}

#[cfg(test)]
mod tests;
