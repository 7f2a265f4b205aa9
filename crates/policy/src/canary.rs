//! Which of several weighted clusters takes a request.
//!
//! Not by chance: each pick is the next point of a sequence that is spread as evenly over the weights as any can be
//! (multiples of the golden ratio). So a share is right not only in the long run, but in any thousand requests in a row,
//! whichever worker they come to: all of them count on one number. A session that has a key stays where its key leads.

use std::sync::atomic::{AtomicU64, Ordering};

use weft_model::table::route::Destination;

/// 2^64 over the golden ratio.
const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

/// The next in turn; `total` is the sum of the weights, above zero.
pub fn in_turn<'a>(of: &'a [Destination], total: u64, turn: &AtomicU64) -> &'a Destination {
    let point = turn.fetch_add(1, Ordering::Relaxed).wrapping_mul(STEP);
    let draw = (u128::from(point) * u128::from(total)) >> 64;
    at(of, u64::try_from(draw).unwrap_or(0))
}

/// The one of a key, as Envoy's `use_hash_policy` has it: the same in every proxy that is told the same weights.
pub fn by_key(of: &[Destination], total: u64, key: u64) -> &Destination {
    at(of, key % total)
}

fn at(of: &[Destination], mut draw: u64) -> &Destination {
    let chosen = of.iter().find(|one| {
        let weight = u64::from(one.weight);
        let here = draw < weight;
        draw = draw.saturating_sub(weight);
        here
    });
    chosen.expect("a draw is below the sum of the weights")
}

#[cfg(test)]
mod tests;
