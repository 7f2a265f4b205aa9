//! How long to wait before the next attempt to reach a control plane.
//!
//! Full jitter: each wait is drawn from zero to a ceiling that doubles, so that a mesh whose control plane restarts
//! does not come back as one herd. Pure: chance and time are arguments.

use std::time::Duration;

/// Exponential backoff with full jitter.
#[derive(Debug, Clone)]
pub struct Backoff {
    first: Duration,
    longest: Duration,
    stable_after: Duration,
    failures: u32,
}

impl Backoff {
    /// The ceiling of the first wait, of any wait, and how long a connection must hold to be forgiven its past.
    #[must_use]
    pub fn new(first: Duration, longest: Duration, stable_after: Duration) -> Self {
        Self { first, longest, stable_after, failures: 0 }
    }

    /// The wait after a connection that held for `lived` (zero if there was none); `chance` is within 0..1.
    pub fn after(&mut self, lived: Duration, chance: f64) -> Duration {
        if lived >= self.stable_after {
            self.failures = 0;
        }
        let ceiling = self.first.saturating_mul(1_u32.checked_shl(self.failures).unwrap_or(u32::MAX));
        self.failures = self.failures.saturating_add(1).min(31);
        ceiling.min(self.longest).mul_f64(chance.clamp(0.0, 1.0))
    }
}

impl Default for Backoff {
    /// From half a second to half a minute; a minute of connection resets it.
    fn default() -> Self {
        Self::new(Duration::from_millis(500), Duration::from_secs(30), Duration::from_secs(60))
    }
}

#[cfg(test)]
mod tests;
