//! Answers of the servers, kept for as long as they say, and a while longer for when no server answers.
//!
//! Two generations: what is asked for moves to the young one, and when that is full the old one is forgotten whole. So
//! whoever asks for a million names costs a bounded amount of memory and no search for the oldest.

use std::collections::HashMap;
use std::mem;
use std::rc::Rc;
use std::time::{Duration, Instant};

use super::query::Key;
use super::wire::Shape;

/// Answers of one generation, by number and by size.
const ENTRIES: usize = 4096;
const BYTES: usize = 2 << 20;

/// Nothing counts as true for longer, whatever its time to live.
const LONGEST: Duration = Duration::from_secs(24 * 3600);

/// For so long after its time an answer still serves while no server answers (RFC 8767).
const STALE: Duration = Duration::from_secs(3600);

/// So long after a server was asked in vain none is asked again for what is stale.
const AGAIN: Duration = Duration::from_secs(5);

/// An answer that is kept.
#[derive(Debug)]
pub(super) struct Kept {
    /// As it came.
    pub(super) bytes: Rc<[u8]>,
    /// Where its times to live stand.
    pub(super) ttls: Rc<[u16]>,
    since: Instant,
    lifetime: Duration,
    ask_again: Instant,
}

/// How old an answer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Age {
    /// As good as new; so many seconds of its time are over.
    Fresh(u32),
    /// Its time is over: better than nothing. `ask`: a server should be asked.
    Stale {
        /// No server was asked in vain just now.
        ask: bool,
    },
    /// It is nothing any more.
    Over,
}

/// The answers that are kept.
#[derive(Debug, Default)]
pub(super) struct Cache {
    young: HashMap<Key, Kept>,
    old: HashMap<Key, Kept>,
    young_bytes: usize,
}

impl Cache {
    /// The answer kept under `key`.
    pub(super) fn find(&mut self, key: &[u8]) -> Option<&Kept> {
        if let Some((key, kept)) = self.old.remove_entry(key) {
            self.put(key, kept);
        }
        self.young.get(key)
    }

    /// Keeps an answer, if its shape says that it may be kept.
    pub(super) fn keep(&mut self, key: Key, bytes: Rc<[u8]>, shape: &Shape, now: Instant) {
        let Some(seconds) = shape.lifetime else { return };
        let lifetime = Duration::from_secs(u64::from(seconds)).min(LONGEST);
        self.old.remove(&key);
        let ttls = shape.ttls.as_slice().into();
        self.put(key, Kept { bytes, ttls, since: now, lifetime, ask_again: now });
    }

    /// No server answered: what is stale serves on, and for a moment nobody is asked again.
    pub(super) fn failed(&mut self, key: &[u8], now: Instant) {
        if let Some(kept) = self.young.get_mut(key) {
            kept.ask_again = now + AGAIN;
        }
    }

    fn put(&mut self, key: Key, kept: Kept) {
        let size = |key: &Key, kept: &Kept| key.len() + kept.bytes.len() + 2 * kept.ttls.len();
        let more = size(&key, &kept);
        if self.young.len() >= ENTRIES || self.young_bytes + more > BYTES {
            self.old = mem::take(&mut self.young);
            self.young_bytes = 0;
        }
        self.young_bytes += more;
        if let Some((key, before)) = self.young.remove_entry(&key) {
            self.young_bytes -= size(&key, &before);
        }
        self.young.insert(key, kept);
    }
}

impl Kept {
    /// How old it is at `now`.
    pub(super) fn age(&self, now: Instant) -> Age {
        let age = now.saturating_duration_since(self.since);
        if age < self.lifetime {
            Age::Fresh(u32::try_from(age.as_secs()).unwrap_or(u32::MAX))
        } else if age < self.lifetime + STALE {
            Age::Stale { ask: now >= self.ask_again }
        } else {
            Age::Over
        }
    }
}

#[cfg(test)]
mod tests;
