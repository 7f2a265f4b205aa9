//! How long to wait before the next try: exponential, with full jitter.
//!
//! Pure: the caller brings the clock and the chance. Full jitter (a wait anywhere between zero and the
//! ceiling) is what spreads a thousand proxies that lost the same control plane in the same second.

use std::time::{Duration, Instant};

/// The shape of one backoff.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BackoffSettings {
    /// Ceiling of the first wait; each failure in a row doubles it.
    pub base: Duration,
    /// No ceiling is higher than this.
    pub max: Duration,
    /// What has worked for this long is forgiven: the next failure counts as the first again.
    pub stable: Duration,
}

impl Default for BackoffSettings {
    fn default() -> Self {
        Self {
            base: Duration::from_millis(100),
            max: Duration::from_secs(15),
            stable: Duration::from_secs(30),
        }
    }
}

/// The state of one thing that is tried again and again: a connection, a child process, a request for a
/// certificate.
#[derive(Debug, Clone)]
pub struct Backoff {
    settings: BackoffSettings,
    failures: u32,
    working_since: Option<Instant>,
}

impl Backoff {
    /// A backoff that has not failed yet.
    pub const fn new(settings: BackoffSettings) -> Self {
        Self { settings, failures: 0, working_since: None }
    }

    /// The thing works since `now`. Failures are forgiven only once it has lasted: what connects and breaks
    /// at once must not be tried in a tight loop.
    pub fn succeeded(&mut self, now: Instant) {
        self.working_since.get_or_insert(now);
    }

    /// The thing failed at `now`: the wait before the next try. `chance` lies in `0.0..1.0`.
    pub fn failed(&mut self, now: Instant, chance: f64) -> Duration {
        if let Some(since) = self.working_since.take()
            && now.saturating_duration_since(since) >= self.settings.stable
        {
            self.failures = 0;
        }
        let ceiling = self.ceiling();
        self.failures = self.failures.saturating_add(1);
        // NaN, and the rounding of enormous durations, have no Duration: then the ceiling itself.
        Duration::try_from_secs_f64(ceiling.as_secs_f64() * chance.clamp(0.0, 1.0))
            .unwrap_or(ceiling)
            .min(ceiling)
    }

    /// The longest wait that the next failure can bring.
    pub fn ceiling(&self) -> Duration {
        let factor = 1_u32.checked_shl(self.failures).unwrap_or(u32::MAX);
        self.settings.base.saturating_mul(factor).min(self.settings.max)
    }

    /// Failures in a row, for a log line.
    pub const fn failures(&self) -> u32 {
        self.failures
    }
}

#[cfg(test)]
mod tests;
