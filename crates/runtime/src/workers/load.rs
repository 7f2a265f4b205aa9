//! How many connections each worker has, and which one has the fewest.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The counters of all workers.
#[derive(Debug)]
pub(super) struct Load {
    active: Vec<Arc<AtomicUsize>>,
    turn: AtomicUsize,
}

/// One active connection of one worker; dropping it says that it ended.
#[derive(Debug)]
pub(super) struct Active {
    counter: Arc<AtomicUsize>,
}

impl Load {
    pub(super) fn new(count: NonZeroUsize) -> Self {
        Self { active: (0..count.get()).map(|_| Arc::default()).collect(), turn: AtomicUsize::new(0) }
    }

    /// Takes a place at the worker with the fewest. Ties go round: many short connections would otherwise all
    /// meet on the first.
    pub(super) fn least(&self) -> (usize, Active) {
        let count = self.active.len();
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let index = (0..count)
            .map(|step| turn.wrapping_add(step) % count)
            .min_by_key(|&index| self.active[index].load(Ordering::Relaxed))
            .expect("there is at least one worker");
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
