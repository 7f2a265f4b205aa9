//! When it is said who is waited for: after a while of waiting, and after each further while. Pure.

use std::time::Duration;
use tokio::time::Instant;

/// So long is waited in silence.
const COMPLAINT: Duration = Duration::from_secs(10);

/// The next one, while there is anybody to wait for.
#[derive(Debug, Default)]
pub(super) struct Complaints(Option<Instant>);

impl Complaints {
    /// When it is due, if anybody `is_awaited`; what was waited for before does not count.
    pub(super) fn next(&mut self, is_awaited: bool, now: Instant) -> Option<Instant> {
        self.0 = is_awaited.then(|| self.0.unwrap_or(now + COMPLAINT));
        self.0
    }

    /// It was said.
    pub(super) fn said(&mut self, now: Instant) {
        self.0 = Some(now + COMPLAINT);
    }
}

#[cfg(test)]
mod tests;
