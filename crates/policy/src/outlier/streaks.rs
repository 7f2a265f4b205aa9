//! Failures in a row at one endpoint, counted by all workers at once without a lock.

use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use super::{Cause, Outcome, Settings};

/// The streaks of one endpoint. A success costs three loads where nothing had failed before.
#[derive(Debug, Default)]
pub struct Streaks {
    any_5xx: AtomicU32,
    gateway: AtomicU32,
    local_origin: AtomicU32,
}

impl Streaks {
    /// Counts an outcome; says what the endpoint deserves ejection for, if it does now. A streak that was answered with a
    /// cause begins anew, so that the next one needs as many failures again.
    pub fn note(&self, settings: &Settings, outcome: Outcome) -> Option<Cause> {
        let status = match outcome {
            Outcome::LocalOrigin if settings.split_local_origin => {
                let n = reached(&self.local_origin, settings.consecutive_local_origin_failure)?;
                return Some(Cause::ConsecutiveLocalOrigin(n));
            }
            Outcome::LocalOrigin => 503,
            Outcome::Answered(status) => {
                end(&self.local_origin);
                status
            }
        };
        if status < 500 {
            end(&self.any_5xx);
            end(&self.gateway);
            return None;
        }
        let gateway = if matches!(status, 502..=504) {
            reached(&self.gateway, settings.consecutive_gateway_failure).map(Cause::ConsecutiveGateway)
        } else {
            end(&self.gateway);
            None
        };
        let any = reached(&self.any_5xx, settings.consecutive_5xx).map(Cause::Consecutive5xx);
        // Of two causes the one that is acted on counts.
        match (gateway, any) {
            (Some(gateway), Some(_)) if settings.enforcing.consecutive_5xx == 0 => Some(gateway),
            (gateway, any) => any.or(gateway),
        }
    }

    /// Forgets all failures: an endpoint that comes back begins anew.
    pub fn clear(&self) {
        [&self.any_5xx, &self.gateway, &self.local_origin].into_iter().for_each(end);
    }
}

fn end(streak: &AtomicU32) {
    if streak.load(Relaxed) != 0 {
        streak.store(0, Relaxed);
    }
}

fn reached(streak: &AtomicU32, limit: Option<NonZeroU32>) -> Option<u32> {
    let limit = limit?.get();
    let n = streak.fetch_add(1, Relaxed).saturating_add(1);
    // A streak of before a change of the limit may be longer than it.
    if n < limit {
        return None;
    }
    streak.store(0, Relaxed);
    Some(n)
}
