//! What is known of a place from connections before: whether its server speaks first. All workers share it; it is asked
//! when a connection arrives whose protocol nobody declared, not for each request.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{PoisonError, RwLock};
use std::time::{Duration, Instant};

/// Places beyond this many are forgotten, all at once: what they speak shows again.
const MOST: usize = 4096;

/// Who speaks first at a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Habit {
    /// The server, as MySQL's and SMTP's do.
    ServerFirst,
    /// The client, and it was answered in HTTP. What a client alone says proves nothing: one that speaks HTTP to a
    /// database must not keep others from it.
    Http,
}

/// An answer in HTTP tells of a place for so long: addresses of pods are used again, and what answers at one may change.
const LASTS: Duration = Duration::from_secs(180);

/// So old, what is known is noted anew: not for each connection, whose workers would wait for each other.
const RENEWED: Duration = Duration::from_secs(30);

/// Places by address.
#[derive(Debug, Default)]
pub struct Habits(RwLock<HashMap<SocketAddr, Known>>);

/// What the last connection told, and when.
#[derive(Debug, Clone, Copy)]
struct Known {
    habit: Habit,
    since: Instant,
}

impl Known {
    /// What may still be gone by. Where a server is taken for one that speaks first, it is asked at once, and what its client
    /// says is served as well: that needs no end.
    fn at(self, now: Instant) -> Option<Habit> {
        let is_over = self.habit == Habit::Http && self.age(now) >= LASTS;
        (!is_over).then_some(self.habit)
    }

    /// Whether it is not worth noting again.
    fn tells(self, habit: Habit, now: Instant) -> bool {
        self.habit == habit && (habit == Habit::ServerFirst || self.age(now) < RENEWED)
    }

    fn age(self, now: Instant) -> Duration {
        now.saturating_duration_since(self.since)
    }
}

impl Habits {
    /// What is known of `place`.
    pub fn of(&self, place: SocketAddr, now: Instant) -> Option<Habit> {
        self.known(place)?.at(now)
    }

    /// The last connection decides.
    pub fn note(&self, place: SocketAddr, habit: Habit, now: Instant) {
        if self.known(place).is_some_and(|known| known.tells(habit, now)) {
            return;
        }
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MOST && !known.contains_key(&place) {
            known.clear();
        }
        known.insert(place, Known { habit, since: now });
    }

    fn known(&self, place: SocketAddr) -> Option<Known> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(&place).copied()
    }
}

#[cfg(test)]
mod tests;
