//! A count of what comes and goes with every request.
//!
//! Were it one number, the line of the cache that it lies on would go from processor to processor with each of them, twice. So
//! places are handed out to lanes and stay there for whoever comes next: a worker has a lane, or shares it with a few
//! others. A lane without a place asks for one more; where no more may be handed out, what other lanes have and nobody uses is
//! taken back first. So nobody is refused while there is room, and there are never more than the limit.

use std::array;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed, Ordering::SeqCst};

use super::{Count, Full, Resource};

/// So many lanes there are; workers beyond share them.
pub const LANES: usize = 4;

/// What a worker writes with each request, so on a line of its own.
#[derive(Debug, Default)]
#[repr(align(64))]
pub struct Lane<T>(pub T);

/// One of each lane; `worker` counts from 0.
pub fn of_worker<T>(lanes: &[Lane<T>; LANES], worker: usize) -> &T {
    &lanes[worker % LANES].0
}

/// How many are in, and how often somebody was refused.
#[derive(Debug)]
pub struct Lanes {
    /// Places that were handed out.
    handed: Count,
    /// Of these, those that nobody uses.
    free: [Lane<AtomicU32>; LANES],
}

impl Default for Lanes {
    fn default() -> Self {
        Self { handed: Count::default(), free: array::from_fn(|_| Lane::default()) }
    }
}

impl Lanes {
    /// One more in a worker's lane, unless `limit` are in already.
    ///
    /// # Errors
    /// The load at that moment.
    pub fn enter(&self, worker: usize, resource: Resource, limit: u32) -> Result<(), Full> {
        // A limit that was lowered holds for places that were handed out before, too.
        if self.handed.inside() <= limit && take_one(of_worker(&self.free, worker)) {
            return Ok(());
        }
        if self.handed.try_enter(limit).is_ok() {
            return Ok(());
        }
        self.take_back();
        self.handed.enter(resource, limit)
    }

    /// One less, in the lane where it came in.
    pub fn leave(&self, worker: usize, limit: u32) {
        if self.handed.inside() <= limit {
            of_worker(&self.free, worker).fetch_add(1, SeqCst);
        } else {
            self.handed.leave();
        }
    }

    #[cold]
    fn take_back(&self) {
        for Lane(free) in &self.free {
            if free.load(SeqCst) > 0 {
                self.handed.leave_all(free.swap(0, SeqCst));
            }
        }
    }

    /// So many are in.
    pub fn inside(&self) -> u32 {
        let free = self.free.iter().map(|lane| lane.0.load(Relaxed));
        self.handed.inside().saturating_sub(free.fold(0, u32::saturating_add))
    }

    /// So often somebody was refused.
    pub fn refused(&self) -> u64 {
        self.handed.refused()
    }
}

fn take_one(free: &AtomicU32) -> bool {
    free.fetch_update(SeqCst, SeqCst, |free| free.checked_sub(1)).is_ok()
}

#[cfg(test)]
mod tests;
