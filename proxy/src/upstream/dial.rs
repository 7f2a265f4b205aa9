//! Connections that are being made and will be shared: whoever comes meanwhile waits for one rather than making another.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;

use tokio::sync::Notify;

use super::connect::ConnectError;
use super::h2_client::MOST_STREAMS;
use super::pool::{MadeFor, PoolKey, Wanted};

/// What became of it, for those who waited.
#[derive(Debug, Clone)]
pub enum Over {
    /// It stands, and is in the pool.
    Shared,
    /// It stands, but carries one request at a time: each makes his own.
    Alone,
    /// It failed, for them as for whoever made it.
    Failed(ConnectError),
    /// It stands, but HTTP/2 is not spoken on it.
    Refused(Rc<str>),
    /// Whoever was making it went away.
    GivenUp,
}

#[derive(Debug)]
struct Dial {
    made_for: MadeFor,
    over: RefCell<Option<Over>>,
    told: Notify,
    waiting: Cell<u32>,
}

/// The connections that one worker is making.
#[derive(Debug, Default)]
pub struct Dials(RefCell<HashMap<PoolKey, Vec<Rc<Dial>>>>);

impl Dials {
    /// Somebody makes a connection that others may wait for, until what this yields is dropped.
    pub fn begin(&self, key: PoolKey, made_for: MadeFor) -> Dialling<'_> {
        let dial =
            Rc::new(Dial { made_for, over: RefCell::new(None), told: Notify::new(), waiting: Cell::new(0) });
        self.0.borrow_mut().entry(key).or_default().push(dial.clone());
        Dialling { of: self, key, dial }
    }

    /// Is somebody making one there?
    pub fn is_dialling(&self, key: PoolKey) -> bool {
        self.0.borrow().contains_key(&key)
    }

    /// One to wait for, that will have room for so many streams; `None` if there is none.
    pub fn find(&self, key: PoolKey, wanted: &Wanted<'_>, streams: Option<u32>) -> Option<Wait> {
        let streams = streams.unwrap_or(u32::MAX).clamp(1, MOST_STREAMS);
        let all = self.0.borrow();
        // Whoever makes it takes one.
        let has_room = |dial: &&Rc<Dial>| dial.waiting.get() + 1 < streams && dial.made_for.serves(wanted);
        let dial = all.get(&key)?.iter().find(has_room)?.clone();
        dial.waiting.set(dial.waiting.get() + 1);
        Some(Wait(dial))
    }
}

/// A connection that is being made.
#[derive(Debug)]
pub struct Dialling<'a> {
    of: &'a Dials,
    key: PoolKey,
    dial: Rc<Dial>,
}

impl Dialling<'_> {
    /// Tells those who wait.
    pub fn over(self, how: Over) {
        self.dial.over.replace(Some(how));
    }
}

impl Drop for Dialling<'_> {
    fn drop(&mut self) {
        let mut all = self.of.0.borrow_mut();
        if let Some(dials) = all.get_mut(&self.key) {
            dials.retain(|dial| !Rc::ptr_eq(dial, &self.dial));
            if dials.is_empty() {
                all.remove(&self.key);
            }
        }
        drop(all);
        self.dial.over.borrow_mut().get_or_insert(Over::GivenUp);
        self.dial.told.notify_waiters();
    }
}

/// Somebody who waits for a connection that another makes.
#[derive(Debug)]
pub struct Wait(Rc<Dial>);

impl Wait {
    /// What became of it.
    pub async fn over(self) -> Over {
        loop {
            if let Some(over) = &*self.0.over.borrow() {
                return over.clone();
            }
            // Nothing happens between the look and the wait: there is but one thread.
            self.0.told.notified().await;
        }
    }
}

impl Drop for Wait {
    fn drop(&mut self) {
        self.0.waiting.set(self.0.waiting.get() - 1);
    }
}

#[cfg(test)]
mod tests;
