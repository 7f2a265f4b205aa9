//! What is known of a place from connections before: whether its server speaks first. All workers share it; it is asked
//! when a connection arrives whose protocol nobody declared, not for each request.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{PoisonError, RwLock};

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

/// Places by address.
#[derive(Debug, Default)]
pub struct Habits(RwLock<HashMap<SocketAddr, Habit>>);

impl Habits {
    /// What is known of `place`.
    pub fn of(&self, place: SocketAddr) -> Option<Habit> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(&place).copied()
    }

    /// The last connection decides.
    pub fn note(&self, place: SocketAddr, habit: Habit) {
        if self.of(place) == Some(habit) {
            return;
        }
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MOST && !known.contains_key(&place) {
            known.clear();
        }
        known.insert(place, habit);
    }
}

#[cfg(test)]
mod tests;
