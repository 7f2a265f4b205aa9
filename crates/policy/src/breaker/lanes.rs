//! A count of what comes and goes with every request.
//!
//! Places are handed out to lanes of workers ([`weft_model::lanes`]) and stay there for whoever comes next. A lane without a
//! place takes one that another does not use, or asks for one more. So there are never more than the limit, and nobody is
//! refused while there is room.

use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

use weft_model::lanes::{LANES, PerLane};
use weft_model::padded::Padded;

use super::{Count, Full, Resource};

/// How many are in, and how often somebody was refused.
#[derive(Debug, Default)]
pub struct Lanes {
    /// Places that were handed out.
    handed: Padded<Count>,
    /// Of these, those that nobody uses.
    free: PerLane<Free>,
}

impl Lanes {
    /// One more in a worker's lane, unless `limit` are in already.
    ///
    /// # Errors
    /// The load at that moment.
    pub fn enter(&self, worker: usize, resource: Resource, limit: u32) -> Result<(), Full> {
        // A limit that was lowered holds for places that were handed out before, too.
        if self.handed.inside() <= limit && self.free.of(worker).take() {
            return Ok(());
        }
        match self.handed.try_enter(limit) {
            Ok(()) => Ok(()),
            Err(_) => self.enter_full(resource, limit),
        }
    }

    /// As many as may be were handed out.
    #[cold]
    fn enter_full(&self, resource: Resource, limit: u32) -> Result<(), Full> {
        loop {
            let seen = self.seen();
            if self.free.iter().any(Free::take) {
                if self.handed.inside() <= limit {
                    return Ok(());
                }
                // It is one too many.
                self.handed.leave();
                continue;
            }
            let Err(load) = self.handed.try_enter(limit) else { return Ok(()) };
            // Nobody came or left in any lane since each was seen to be used up: so there was a moment at which all were.
            if seen.iter().all(|seen| free_of(*seen) == 0) && self.seen() == seen {
                self.handed.note_refusal();
                return Err(Full { resource, limit, load });
            }
        }
    }

    /// One less, in the lane where it came in.
    pub fn leave(&self, worker: usize, limit: u32) {
        if self.handed.inside() <= limit {
            self.free.of(worker).put();
        } else {
            self.handed.leave();
        }
    }

    fn seen(&self) -> [u64; LANES] {
        self.free.each(|free| free.0.load(SeqCst))
    }

    /// So many are in.
    pub fn inside(&self) -> u32 {
        let free = self.seen().into_iter().map(free_of).fold(0, u32::saturating_add);
        self.handed.inside().saturating_sub(free)
    }

    /// So often somebody was refused.
    pub fn refused(&self) -> u64 {
        self.handed.refused()
    }
}

/// Places of a lane that nobody uses, and above them how often that changed.
#[derive(Debug, Default)]
struct Free(AtomicU64);

const CHANGE: u64 = 1 << 32;

#[expect(clippy::cast_possible_truncation, reason = "the other half")]
fn free_of(seen: u64) -> u32 {
    seen as u32
}

impl Free {
    fn take(&self) -> bool {
        #[cfg(test)]
        tests::others_come_in_between();
        let less = |seen: u64| (free_of(seen) > 0).then(|| seen.wrapping_add(CHANGE - 1));
        self.0.fetch_update(SeqCst, SeqCst, less).is_ok()
    }

    fn put(&self) {
        self.0.fetch_add(CHANGE + 1, SeqCst);
    }
}

#[cfg(test)]
mod tests;
