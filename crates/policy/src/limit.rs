//! Token buckets: how many requests may pass.
//!
//! Tokens come one by one, not in heaps: a bucket of 10 that gets 10 a second has a new one after a tenth of a second,
//! as in Envoy. All workers take from one number, without a lock.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use weft_model::limit::TokenBucket;

/// What became of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Taken {
    /// There was a token for it.
    pub passes: bool,
    /// Whole tokens that are left.
    pub remaining: u32,
    /// In so many seconds, rounded up, there is a whole token for whoever comes next, as Envoy has it: 0 if there is one.
    pub reset: u64,
}

/// Takes a token, if there is one. `left` is the bucket's own number, 0 at first; `now` is since any moment that stays
/// the same.
pub fn take(bucket: &TokenBucket, left: &AtomicU64, now: Duration) -> Taken {
    let now = now.as_secs_f64();
    let max = f64::from(bucket.max_tokens);
    let rate = f64::from(bucket.tokens_per_fill) / bucket.fill_interval.as_secs_f64();
    let mut before = left.load(Ordering::Relaxed);
    loop {
        // The number is the moment at which the bucket was, or would have been, empty.
        let tokens = empty_at(before).map_or(max, |empty| ((now - empty) * rate).clamp(0.0, max));
        let passes = tokens >= 1.0;
        let after = if passes { tokens - 1.0 } else { tokens };
        let swapped = if passes {
            left.compare_exchange_weak(
                before,
                number(now - after / rate),
                Ordering::Relaxed,
                Ordering::Relaxed,
            )
        } else {
            Ok(before)
        };
        match swapped {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "between 0 and u32's largest"
            )]
            Ok(_) => {
                let reset = if after < 1.0 { ((1.0 - after) / rate).ceil() } else { 0.0 };
                return Taken { passes, remaining: after as u32, reset: reset as u64 };
            }
            Err(other) => before = other,
        }
    }
}

/// One more than the moment's bits, so that 0 is free to say that nobody came yet.
fn number(empty: f64) -> u64 {
    empty.to_bits().wrapping_add(1)
}

fn empty_at(number: u64) -> Option<f64> {
    number.checked_sub(1).map(f64::from_bits)
}

#[cfg(test)]
mod tests;
