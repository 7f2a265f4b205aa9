//! Draining: tell everybody that works to finish, wait until they have, but not forever.
//!
//! One [`Drain`] stays with whoever decides; any number of [`DrainWatch`]es go to listeners, connections and
//! workers, on any thread and any runtime. Work that must be waited for holds a [`DrainGuard`].

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::{Notify, watch};

struct Shared {
    /// The same as `draining`, for who asks often: to borrow from the channel locks it.
    begun: AtomicBool,
    draining: watch::Sender<bool>,
    active: AtomicUsize,
    idle: Notify,
}

/// The end that starts a drain and waits for it. Dropping it starts the drain too: nobody else could any
/// more.
#[derive(Debug)]
pub struct Drain {
    shared: Arc<Shared>,
}

/// The end that hears of the drain; cheap to clone.
#[derive(Debug, Clone)]
pub struct DrainWatch {
    shared: Arc<Shared>,
}

/// One piece of work that a drain waits for; dropping it says that the work is done.
#[derive(Debug)]
pub struct DrainGuard {
    shared: Arc<Shared>,
}

/// How a drain ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Drained {
    /// Everything finished by itself.
    Clean,
    /// The deadline came first; this many pieces of work were still open.
    Left(usize),
}

impl Drain {
    /// A drain that has not started.
    pub fn new() -> Self {
        let shared = Shared {
            begun: AtomicBool::new(false),
            draining: watch::Sender::new(false),
            active: AtomicUsize::new(0),
            idle: Notify::new(),
        };
        Self { shared: Arc::new(shared) }
    }

    /// Another watch on this drain.
    pub fn watch(&self) -> DrainWatch {
        DrainWatch { shared: Arc::clone(&self.shared) }
    }

    /// Tells every watch to finish; returns at once. Telling twice is telling once.
    pub fn begin(&self) {
        // Before those who wait are woken: they look here.
        self.shared.begun.store(true, Ordering::Release);
        self.shared.draining.send_replace(true);
    }

    /// How many guards are alive now.
    pub fn active(&self) -> usize {
        self.shared.active.load(Ordering::Acquire)
    }

    /// Starts the drain and waits until every guard is gone, at most for `patience`.
    pub async fn finish(&self, patience: Duration) -> Drained {
        self.begin();
        match tokio::time::timeout(patience, self.idle()).await {
            Ok(()) => Drained::Clean,
            // The last guard may have gone between the two looks.
            Err(_) => match self.active() {
                0 => Drained::Clean,
                left => Drained::Left(left),
            },
        }
    }

    async fn idle(&self) {
        loop {
            let notified = self.shared.idle.notified();
            tokio::pin!(notified);
            // Registered before the look, so that a guard dropped in between is not missed.
            notified.as_mut().enable();
            if self.active() == 0 {
                return;
            }
            notified.await;
        }
    }
}

impl Default for Drain {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Drain {
    fn drop(&mut self) {
        self.begin();
    }
}

impl DrainWatch {
    /// Whether the drain has started; cheap enough to ask for each request.
    pub fn is_draining(&self) -> bool {
        self.shared.begun.load(Ordering::Acquire)
    }

    /// Waits until the drain starts; returns at once if it has.
    pub async fn draining(&self) {
        let mut draining = self.shared.draining.subscribe();
        // The sender lives in `shared`, which this watch holds, so the channel cannot close.
        let _ = draining.wait_for(|draining| *draining).await;
    }

    /// Takes part in the drain until the guard is dropped.
    pub fn guard(&self) -> DrainGuard {
        self.shared.active.fetch_add(1, Ordering::AcqRel);
        DrainGuard { shared: Arc::clone(&self.shared) }
    }
}

impl Drop for DrainGuard {
    fn drop(&mut self) {
        if self.shared.active.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.shared.idle.notify_waiters();
        }
    }
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared")
            .field("begun", &self.begun.load(Ordering::Relaxed))
            .field("active", &self.active.load(Ordering::Relaxed))
            .finish()
    }
}

#[cfg(test)]
mod tests;
