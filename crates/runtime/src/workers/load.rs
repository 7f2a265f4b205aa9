//! How many connections each worker has, and which one has the fewest.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The counters of all workers.
#[derive(Debug)]
pub(super) struct Load {
    active: Vec<Arc<AtomicUsize>>,
}

/// One active connection of one worker; dropping it says that it ended.
#[derive(Debug)]
pub(super) struct Active {
    counter: Arc<AtomicUsize>,
}

impl Load {
    pub(super) fn new(count: NonZeroUsize) -> Self {
        Self { active: (0..count.get()).map(|_| Arc::default()).collect() }
    }

    /// Takes a place at the worker with the fewest; at `near`, if it is one of those that have as few.
    pub(super) fn least(&self, near: usize) -> (usize, Active) {
        let busy = |index: &usize| (self.active[*index].load(Ordering::Relaxed), *index != near);
        let index = (0..self.active.len()).min_by_key(busy).expect("there is at least one worker");
        let counter = Arc::clone(&self.active[index]);
        counter.fetch_add(1, Ordering::Relaxed);
        (index, Active { counter })
    }

    pub(super) fn active(&self) -> Vec<usize> {
        self.active.iter().map(|active| active.load(Ordering::Relaxed)).collect()
    }
}

impl Drop for Active {
    fn drop(&mut self) {
        self.counter.fetch_sub(1, Ordering::Relaxed);
    }
}
