//! Those of one worker who wait for a connection to one cluster: a connection that comes back to the worker is theirs first,
//! since it need not be made anew. Nothing here is shared, so nothing is locked.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;

use tokio::sync::{Notify, watch};

/// Every so manieth connection that comes back while somebody waits on another worker, too, is closed in favour of whoever has
/// waited longest on any, so that those of another worker are not overtaken for ever.
const OTHERS_TURN: u32 = 8;

/// Asks all workers to give up idle connections for which somebody waits elsewhere.
#[derive(Debug, Clone)]
pub struct Reclaim(Arc<watch::Sender<()>>);

impl Default for Reclaim {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(())))
    }
}

impl Reclaim {
    /// Asks.
    pub fn ask(&self) {
        self.0.send_replace(());
    }

    /// Hears of it when somebody asks.
    pub fn heard(&self) -> watch::Receiver<()> {
        self.0.subscribe()
    }
}

/// Who waits, in the order of arrival.
#[derive(Debug)]
pub struct Line {
    waiting: RefCell<VecDeque<Rc<Notify>>>,
    turns: Cell<u32>,
    reclaim: Reclaim,
}

impl Line {
    /// Nobody waits yet.
    pub fn new(reclaim: Reclaim) -> Self {
        Self { waiting: RefCell::default(), turns: Cell::new(0), reclaim }
    }

    /// Nobody waits on this worker.
    pub fn is_empty(&self) -> bool {
        self.waiting.borrow().is_empty()
    }

    /// Goes to its end. Who is its first asks other workers for what they do not need; behind him there is nothing to ask for:
    /// since then each connection that nobody needs comes to who waits, and he may just have been called to one.
    pub fn join(self: &Rc<Self>) -> Ticket {
        let called = Rc::new(Notify::new());
        let is_first = self.is_empty();
        self.waiting.borrow_mut().push_back(called.clone());
        if is_first {
            self.reclaim.ask();
        }
        Ticket { line: self.clone(), called, is_first }
    }

    /// A connection has come back, or has room again, while so many wait on all workers.
    pub fn came_back(&self, waiting: u32) {
        let elsewhere = waiting as usize > self.waiting.borrow().len();
        self.turns.set(self.turns.get().wrapping_add(u32::from(elsewhere)));
        if (elsewhere && self.turns.get().is_multiple_of(OTHERS_TURN)) || !self.call() {
            self.reclaim.ask();
        }
    }

    fn call(&self) -> bool {
        let waiting = self.waiting.borrow();
        if let Some(first) = waiting.front() {
            first.notify_one();
        }
        !waiting.is_empty()
    }
}

/// One who waits, until this is dropped.
#[derive(Debug)]
pub struct Ticket {
    line: Rc<Line>,
    called: Rc<Notify>,
    /// Nobody waited before.
    pub is_first: bool,
}

impl Ticket {
    /// Waits to be called: something may be there now.
    pub async fn called(&self) {
        self.called.notified().await;
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let mut waiting = self.line.waiting.borrow_mut();
        waiting.retain(|other| !Rc::ptr_eq(other, &self.called));
        drop(waiting);
        // What he was called for may be there for the next.
        self.line.call();
    }
}

#[cfg(test)]
mod tests;
