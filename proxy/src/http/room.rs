//! Rooms for what serves one request after another.
//!
//! What serving a request holds is large, and a connection that waits for its next one needs none of it. So it is not part
//! of the connection's task: it has a room that the worker's requests use one after another. In a room lives one future that
//! serves all of them, and waits in between: what a request needs is neither made anew for each nor moved about.

use std::cell::Cell;
use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

/// A room for what makes an `Out` of an `In`, one after another.
pub(super) struct Room<In, Out> {
    door: Rc<Door<In, Out>>,
    resident: Pin<Box<dyn Future<Output = ()>>>,
}

/// Through which what is to be done is handed in, and what came of it out.
struct Door<In, Out> {
    todo: Cell<Option<In>>,
    done: Cell<Option<Out>>,
}

/// A new room, in which `make` says what is done. It is asked by its type, so that its futures are made where they stay.
pub(super) fn room<In: 'static, Out: 'static, F: Future<Output = Out> + 'static>(
    make: impl Fn(In) -> F + 'static,
) -> Room<In, Out> {
    let door = Rc::new(Door { todo: Cell::new(None), done: Cell::new(None) });
    let resident = Box::pin(live(door.clone(), make));
    Room { door, resident }
}

async fn live<In, Out, F: Future<Output = Out>>(door: Rc<Door<In, Out>>, make: impl Fn(In) -> F) {
    loop {
        let todo = poll_fn(|_| door.todo.take().map_or(Poll::Pending, Poll::Ready)).await;
        door.done.set(Some(make(todo).await));
    }
}

/// Lets `room` be used once, and hands it to `give_back` when that is over.
pub(super) fn used<In, Out>(room: Room<In, Out>, todo: In, give_back: fn(Room<In, Out>)) -> Used<In, Out> {
    room.door.todo.set(Some(todo));
    Used { room: Some(room), give_back }
}

/// What goes on in a room. It holds nothing but that: whoever waits for it stays small. Who leaves in the middle, or by a
/// panic, takes the room along, with all that is in it.
pub(super) struct Used<In, Out> {
    room: Option<Room<In, Out>>,
    give_back: fn(Room<In, Out>),
}

impl<In, Out> Future for Used<In, Out> {
    type Output = Out;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Out> {
        let Some(room) = &mut self.room else { return Poll::Pending };
        let _ = room.resident.as_mut().poll(cx);
        let Some(done) = room.door.done.take() else { return Poll::Pending };
        if let Some(room) = self.room.take() {
            (self.give_back)(room);
        }
        Poll::Ready(done)
    }
}

#[cfg(test)]
mod tests;
