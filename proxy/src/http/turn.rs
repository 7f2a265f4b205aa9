//! One request of a client on HTTP/1.x, from its head to the end of its answer, in a room of its own, with heads that the
//! worker's requests use one after another.

use std::cell::RefCell;
use std::rc::Rc;

use weft_http1::Framing;

use super::call::Call;
use super::downstream::DownH1;
use super::exchange::{After, exchange};
use super::h1::H1;
use super::message::Length;
use super::room::{Room, Used, room, used};
use super::shelf::Shelf;
use crate::connection::Conn;

/// So many rooms and heads that nobody uses are kept at most, a few KiB each; what is not asked for goes sooner.
const MOST: usize = 256;

/// Heads that grew beyond this are not kept.
const LARGE_HEAD: usize = 16 * 1024;

thread_local! {
    static ROOMS: RefCell<Shelf<Room<Turn, Done>>> = const { RefCell::new(Shelf::new(MOST)) };
    static CALLS: RefCell<Shelf<Box<Call>>> = const { RefCell::new(Shelf::new(MOST)) };
}

/// A request whose head has been read.
pub(super) struct Turn {
    /// Where it came.
    pub(super) conn: Rc<Conn>,
    /// The rest of it is read here.
    pub(super) h1: Box<H1>,
    /// Its head.
    pub(super) call: Box<Call>,
    /// How its body is framed.
    pub(super) framing: Framing,
    /// The connection is to carry no other.
    pub(super) last: bool,
}

/// What is left when it is over.
pub(super) struct Done {
    /// The connection.
    pub(super) h1: Box<H1>,
    /// What was written down.
    pub(super) call: Box<Call>,
    /// What becomes of the connection, if it has not to end.
    pub(super) after: After,
    /// It has to end.
    pub(super) close: bool,
    /// It has to end by failing: what was sent is not whole.
    pub(super) broken: bool,
}

/// Serves it.
pub(super) fn serve(turn: Turn) -> Used<Turn, Done> {
    let there = ROOMS.with_borrow_mut(Shelf::take);
    used(there.unwrap_or_else(|| room(served)), turn, |room| {
        // A thread that ends keeps no rooms.
        let _ = ROOMS.try_with(|rooms| drop(rooms.borrow_mut().give(room)));
    })
}

/// A call for the next request.
pub(super) fn call() -> Box<Call> {
    CALLS.with_borrow_mut(Shelf::take).unwrap_or_default()
}

/// Gives a call back that has been served. Nothing of the request stays in it, and nothing of the configuration.
pub(super) fn give_call(mut call: Box<Call>) {
    if call.is_larger_than(LARGE_HEAD) {
        return;
    }
    call.clear();
    drop(CALLS.with_borrow_mut(|calls| calls.give(call)));
}

/// Frees what was not asked for since the last time.
pub(super) fn tidy() {
    drop(ROOMS.with_borrow_mut(Shelf::tidy));
    drop(CALLS.with_borrow_mut(Shelf::tidy));
}

async fn served(turn: Turn) -> Done {
    let Turn { conn, mut h1, mut call, framing, last } = turn;
    let mut down = DownH1::new(&mut h1, &call.request, last);
    let after = exchange(&conn, &mut call, &mut down, Length::from(framing)).await;
    let (close, broken) = (down.close || !down.is_read(), down.broken);
    Done { h1, call, after, close, broken }
}
