//! What is known of a place from connections before: whether its server speaks first. A worker's own, so never locked.

use std::collections::HashMap;
use std::net::SocketAddr;

/// Places beyond this many are forgotten, all at once: what they speak shows again.
const MOST: usize = 4096;

/// Who speaks first at a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Habit {
    /// The server, as MySQL's and SMTP's do.
    ServerFirst,
    /// The client, and it speaks HTTP.
    Http,
}

/// Places by address.
#[derive(Debug, Default)]
pub struct Habits(HashMap<SocketAddr, Habit>);

impl Habits {
    /// What is known of `place`.
    pub fn of(&self, place: SocketAddr) -> Option<Habit> {
        self.0.get(&place).copied()
    }

    /// The last connection decides.
    pub fn note(&mut self, place: SocketAddr, habit: Habit) {
        if self.0.len() >= MOST && !self.0.contains_key(&place) {
            self.0.clear();
        }
        self.0.insert(place, habit);
    }
}

#[cfg(test)]
mod tests;
