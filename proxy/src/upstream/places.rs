//! How many connections one cluster may have, over all workers, and the line of those who wait for one.
//!
//! Where nobody waits, a connection costs two atomics and no lock. A place that becomes free goes to whoever has waited for
//! the longest, on whichever worker that is.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;
use weft_model::padded::Padded;
use weft_policy::breaker::Count;

/// The connections of one cluster.
#[derive(Debug)]
pub struct Places {
    open: Padded<Count>,
    /// Of these, those beyond the limit that nobody had to wait for.
    beyond: AtomicU32,
    limit: AtomicU32,
    /// Of those in line. Whoever counts here looks for a place once more afterwards, and whoever gives one back looks here
    /// afterwards: one of the two sees the other.
    waiting: AtomicU32,
    line: Mutex<Line>,
}

#[derive(Debug, Default)]
struct Line {
    next: u64,
    waiting: VecDeque<(u64, oneshot::Sender<Place>)>,
}

impl Default for Places {
    fn default() -> Self {
        Self {
            open: Padded::default(),
            beyond: AtomicU32::new(0),
            limit: AtomicU32::new(u32::MAX),
            waiting: AtomicU32::new(0),
            line: Mutex::default(),
        }
    }
}

/// The right to one connection, for as long as it is held.
#[derive(Debug)]
pub struct Place {
    of: Arc<Places>,
    is_beyond: bool,
}

impl Drop for Place {
    fn drop(&mut self) {
        if self.is_beyond {
            self.of.beyond.fetch_sub(1, Ordering::SeqCst);
        }
        self.of.open.leave();
        if self.is_wanted() {
            self.of.serve();
        }
    }
}

impl Place {
    /// Does anybody wait for a place of the same cluster?
    pub fn is_wanted(&self) -> bool {
        self.waiting() > 0
    }

    /// So many do.
    pub fn waiting(&self) -> u32 {
        self.of.waiting.load(Ordering::SeqCst)
    }

    /// Is it a place of this cluster?
    pub fn is_of(&self, places: &Arc<Places>) -> bool {
        Arc::ptr_eq(&self.of, places)
    }

    /// Are there more of the same cluster than may be, since the limit was lowered?
    pub fn is_surplus(&self) -> bool {
        self.of.has_surplus()
    }
}

/// Somebody who stands in line, until this is dropped.
#[derive(Debug)]
pub struct InLine {
    places: Arc<Places>,
    number: u64,
    /// Yields the place.
    pub served: oneshot::Receiver<Place>,
}

impl Drop for InLine {
    fn drop(&mut self) {
        self.served.close();
        let left = {
            let mut line = self.places.lock();
            let place = line.waiting.iter().position(|(number, _)| *number == self.number);
            place.and_then(|place| line.waiting.remove(place))
        };
        if left.is_some() {
            self.places.waiting.fetch_sub(1, Ordering::SeqCst);
        }
        // A place that nobody took goes on to the next.
        drop(self.served.try_recv());
    }
}

impl Places {
    /// A change of the configuration.
    pub fn set_limit(self: &Arc<Self>, limit: u32) {
        let before = self.limit.swap(limit, Ordering::SeqCst);
        if before < limit {
            self.serve();
        }
    }

    /// So many connections there may be.
    pub fn limit(&self) -> u32 {
        self.limit.load(Ordering::SeqCst)
    }

    /// So many connections there are, those that are being made among them.
    pub fn open(&self) -> u32 {
        self.open.inside()
    }

    /// Are there more than may be, since the limit was lowered? Those beyond it that nobody had to wait for are none of these.
    pub fn has_surplus(&self) -> bool {
        let (open, limit) = (self.open(), self.limit());
        open > limit && open.saturating_sub(self.beyond.load(Ordering::SeqCst)) > limit
    }

    /// So often somebody found no place.
    pub fn refused(&self) -> u64 {
        self.open.refused()
    }

    /// So many wait.
    pub fn waiting(&self) -> u32 {
        self.waiting.load(Ordering::Relaxed)
    }

    /// A place, if one is free and nobody waits for one.
    pub fn take(self: &Arc<Self>) -> Option<Place> {
        if self.waiting() > 0 { None } else { self.enter() }
    }

    /// A place, however many are taken.
    pub fn take_beyond(self: &Arc<Self>) -> Place {
        self.beyond.fetch_add(1, Ordering::SeqCst);
        self.open.enter_beyond();
        Place { of: self.clone(), is_beyond: true }
    }

    /// Somebody found no place.
    pub fn note_refusal(&self) {
        self.open.note_refusal();
    }

    /// Stands in line.
    pub fn stand_in_line(self: &Arc<Self>) -> InLine {
        let (sender, served) = oneshot::channel();
        let number = {
            let mut line = self.lock();
            let number = line.next;
            line.next += 1;
            line.waiting.push_back((number, sender));
            self.waiting.fetch_add(1, Ordering::SeqCst);
            number
        };
        let in_line = InLine { places: self.clone(), number, served };
        // One may have become free meanwhile.
        self.serve();
        in_line
    }

    fn enter(self: &Arc<Self>) -> Option<Place> {
        self.open.try_enter(self.limit()).is_ok().then(|| Place { of: self.clone(), is_beyond: false })
    }

    /// Gives free places to those who wait.
    fn serve(self: &Arc<Self>) {
        loop {
            // The lock is not held while a place is handed over: one that nobody takes any more comes back here.
            let (first, place) = {
                let mut line = self.lock();
                if line.waiting.is_empty() {
                    return;
                }
                let Some(place) = self.enter() else { return };
                self.waiting.fetch_sub(1, Ordering::SeqCst);
                (line.waiting.pop_front(), place)
            };
            if let Some((_, first)) = first {
                drop(first.send(place));
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Line> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
