//! A published value: one writer replaces it whole, readers see the old one or the new one and never wait.

use std::sync::Arc;

use arc_swap::cache::Cache;
use arc_swap::{ArcSwap, Guard};
use tokio::sync::watch;

/// The current snapshot of something; cheap to clone, all clones see the same.
#[derive(Debug)]
pub struct Live<T> {
    current: Arc<ArcSwap<T>>,
    changes: Arc<watch::Sender<u64>>,
}

/// A reader's own copy of the handle: the fastest look (a relaxed comparison) for a thread that looks often.
#[derive(Debug, Clone)]
pub struct LiveCache<T> {
    cache: Cache<Arc<ArcSwap<T>>, Arc<T>>,
}

/// Notice of publications. Several at once may be heard as one: look at the value, not at the count.
#[derive(Debug, Clone)]
pub struct Changes {
    changes: watch::Receiver<u64>,
}

impl<T> Live<T> {
    /// Publishes the first value.
    pub fn new(first: T) -> Self {
        Self { current: Arc::new(ArcSwap::from_pointee(first)), changes: Arc::new(watch::Sender::new(0)) }
    }

    /// The value of this moment, to keep as long as needed.
    pub fn load(&self) -> Arc<T> {
        self.current.load_full()
    }

    /// A short look at the value of this moment, without touching its count. Not to be held across an
    /// `await`.
    pub fn peek(&self) -> Guard<Arc<T>> {
        self.current.load()
    }

    /// Replaces the value: whoever looks from now on sees the new one.
    pub fn publish(&self, next: impl Into<Arc<T>>) {
        self.current.store(next.into());
        // After the store, so that whoever is woken finds the new value.
        self.changes.send_modify(|version| *version = version.wrapping_add(1));
    }

    /// How many times a value was published after the first.
    pub fn version(&self) -> u64 {
        *self.changes.borrow()
    }

    /// Notice of every publication from now on.
    pub fn changes(&self) -> Changes {
        Changes { changes: self.changes.subscribe() }
    }

    /// A reader for one thread's hot path. It keeps the value it saw last alive until it looks again.
    pub fn cached(&self) -> LiveCache<T> {
        LiveCache { cache: Cache::new(Arc::clone(&self.current)) }
    }
}

impl<T> Clone for Live<T> {
    fn clone(&self) -> Self {
        Self { current: Arc::clone(&self.current), changes: Arc::clone(&self.changes) }
    }
}

impl<T> LiveCache<T> {
    /// The value of this moment.
    pub fn load(&mut self) -> &Arc<T> {
        self.cache.load()
    }
}

impl Changes {
    /// Waits for a publication that this subscriber has not heard of; `false` means that the publisher is
    /// gone for good.
    pub async fn changed(&mut self) -> bool {
        self.changes.changed().await.is_ok()
    }
}

#[cfg(test)]
mod tests;
