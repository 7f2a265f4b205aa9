//! Exchanges that outlive the decision that let them in: what still runs is asked about again whenever the configuration
//! changes, and is ended where the new one would deny it.
//!
//! While nothing changes, an exchange costs a comparison of two numbers each time it is polled: one task of the worker
//! hears of changes, counts them, and wakes who waits. Nothing of an old configuration is held for the question: the
//! head is the request's own, as it was admitted.

use std::cell::{Cell, RefCell};
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};

use tokio::time::Sleep;
use weft_http1::RequestHead;
use weft_model::table::chain::Terminal;

use super::admit;
use super::call::{Call, Ledger};
use super::exchange::changed;
use super::reply::Reply;
use crate::connection::{Conn, DRAIN, Standing};

/// The exchanges of one worker that wait for something.
#[derive(Debug, Default)]
pub struct Running {
    changes: Cell<u64>,
    wakers: RefCell<Wakers>,
}

/// Memory for so many is kept.
const CROWD: usize = 64;

#[derive(Debug, Default)]
struct Wakers {
    places: Vec<Option<Waker>>,
    free: Vec<usize>,
}

impl Running {
    /// Another configuration is in force: everybody is to look.
    pub fn changed(&self) {
        self.changes.set(self.changes.get().wrapping_add(1));
        self.wakers.borrow().places.iter().flatten().for_each(Waker::wake_by_ref);
    }
}

impl Wakers {
    fn wait(&mut self, place: Option<usize>, waker: &Waker) -> usize {
        let place = place.or_else(|| self.free.pop()).unwrap_or_else(|| {
            self.places.push(None);
            self.places.len() - 1
        });
        match &mut self.places[place] {
            Some(known) if known.will_wake(waker) => {}
            other => *other = Some(waker.clone()),
        }
        place
    }

    fn leave(&mut self, place: usize) {
        self.places[place] = None;
        self.free.push(place);
        if self.free.len() == self.places.len() && self.places.len() > CROWD {
            // Nobody is left: a crowd's memory is given back.
            *self = Self::default();
        }
    }
}

/// Watches over one exchange, from before its admission.
pub struct Watch<'a> {
    conn: &'a Conn,
    seen: Cell<u64>,
    place: Cell<Option<usize>>,
    cut: RefCell<Option<Pin<Box<Sleep>>>>,
}

impl<'a> Watch<'a> {
    /// To be called before the configuration is looked at: what changes from then on is heard of.
    pub fn new(conn: &'a Conn) -> Self {
        let seen = Cell::new(conn.worker.running.changes.get());
        Self { conn, seen, place: Cell::new(None), cut: RefCell::new(None) }
    }

    /// Waits until the exchange has to end; says what its client is to be told, if it can still be told.
    pub fn poll(&self, cx: &mut Context<'_>, request: &RequestHead, ledger: &Ledger) -> Poll<Box<Reply>> {
        let running = &self.conn.worker.running;
        if self.seen.replace(running.changes.get()) != running.changes.get() {
            match again(self.conn, request, ledger) {
                Again::Stands => *self.cut.borrow_mut() = None,
                Again::Drains => {
                    let mut cut = self.cut.borrow_mut();
                    cut.get_or_insert_with(|| Box::pin(tokio::time::sleep(DRAIN)));
                }
                Again::Ends(reply) => return Poll::Ready(reply),
            }
        }
        let place = running.wakers.borrow_mut().wait(self.place.get(), cx.waker());
        self.place.set(Some(place));
        match &mut *self.cut.borrow_mut() {
            Some(cut) => {
                ready!(cut.as_mut().poll(cx));
                Poll::Ready(Box::new(changed(
                    "its listener went away, and what was open has had time to end",
                )))
            }
            None => Poll::Pending,
        }
    }
}

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        if let Some(place) = self.place.get() {
            self.conn.worker.running.wakers.borrow_mut().leave(place);
        }
    }
}

/// What the configuration of this moment makes of a request that an earlier one admitted.
enum Again {
    /// It would be admitted now, too.
    Stands,
    /// Its listener is gone, and gives what is open time to end.
    Drains,
    /// It would get this answer.
    Ends(Box<Reply>),
}

fn again(conn: &Conn, request: &RequestHead, ledger: &Ledger) -> Again {
    let chain = match conn.standing() {
        Standing::Taken(_, chain) => chain,
        Standing::Draining => return Again::Drains,
        Standing::Untaken => {
            return Again::Ends(Box::new(changed("its listener changed and does not take it any more")));
        }
    };
    let Terminal::Http(manager) = &chain.terminal else {
        return Again::Ends(Box::new(changed("its port no longer speaks HTTP")));
    };
    match admit::again(conn, manager, ledger.admitted.as_deref().unwrap_or(request), ledger) {
        Ok(()) => Again::Stands,
        Err(reply) => Again::Ends(Box::new(reply)),
    }
}

/// Waits until a changed configuration denies what `call` asked for, or its listener's drain is over; says so. For
/// upgraded connections, which belong to no exchange any more.
pub async fn upgraded(conn: &Conn, call: &Call) -> String {
    let mut changes = conn.worker.shared.live.changes();
    let mut ended = std::pin::pin!(conn.drain_deadline());
    loop {
        // Before the first wait, too: the configuration may have changed since the request was let in.
        if let Again::Ends(reply) = again(conn, &call.request, &call.ledger) {
            return reply.reason.into_owned();
        }
        tokio::select! {
            why = &mut ended => return why,
            alive = changes.changed() => if !alive {
                return "the process is ending".to_owned();
            },
        }
    }
}

#[cfg(test)]
mod tests;
