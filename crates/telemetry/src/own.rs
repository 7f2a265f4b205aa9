//! What is counted by one thread and read by others.

use std::sync::atomic::{AtomicU64, Ordering};

/// A number that one thread adds to while others read it: that costs what a number costs, and not what it costs to have a
/// cache line to oneself.
#[derive(Debug, Default)]
pub(crate) struct Own(AtomicU64);

impl Own {
    pub(crate) fn add(&self, more: u64) {
        self.0.store(self.now().wrapping_add(more), Ordering::Relaxed);
    }

    pub(crate) fn now(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
